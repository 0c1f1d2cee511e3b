"""Signals (typing, delivered, read) and marks: what is refused beyond the vectors, in Python as in JavaScript."""

from __future__ import annotations

import json
from itertools import product
from typing import Any

import pytest

from ezdms import crypto
from ezdms.crypto import Refused, Signal
from ezdms.protocol import envelope
from ezdms.protocol.encoding import EnvelopeError, b64u_decode, b64u_encode
from tests.support.people import PEOPLE, load_vectors
from tests.unit.test_twins import ask_twin

ALICE, BOB, EVE = (PEOPLE[name] for name in ("alice", "bob", "eve"))
NOW = 1_790_000_000_000
ID, HASH = b64u_encode(bytes(range(16))), b64u_encode(bytes(range(32)))
CONVERSATION = crypto.conversation_id(ALICE.fp, BOB.fp)
FPS = f'"f":"{b64u_encode(ALICE.fp)}","t":"{b64u_encode(BOB.fp)}"'
READ = f'{{"v":1,"c":"{CONVERSATION}",{FPS},"k":"read","m":[3,"{HASH}"],"ts":{NOW}}}'
TYPING = READ.replace('"read"', '"typing"').replace(f'[3,"{HASH}"]', '[0,""]')
MARK = f'{{"v":1,"c":"{CONVERSATION}","f":"{b64u_encode(BOB.fp)}","id":"{ID}","hash":"{HASH}"}}'


def seal(body: str | bytes, size: int = 512, header: bytes = envelope.SIGNAL_HEADER, keys: crypto.Keys = ALICE) -> str:
    """Alice signs exactly these bytes, padded, and seals them for Bob."""
    octets = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
    return crypto._seal(BOB.spki, envelope.SIGNAL_TYP, crypto._sign(keys, header, octets.ljust(size)))


def open_as_bob(sealed: Any, slot: str = "read") -> Signal:
    return crypto.open_signal(BOB, ALICE.ik, sealed, slot)


def told(sealed: Any, slot: str) -> Any:
    """What Python says, in the form of the twin."""
    try:
        signal = open_as_bob(sealed, slot)
    except Refused:
        return "refused"
    return {"kind": signal.kind, "m": [*signal.m], "ts": signal.ts}


def ask_both(sealed: list[tuple[Any, str]]) -> list[Any]:
    """The answer of both implementations to each signal, which must be the same."""
    people = load_vectors("people")[0]
    who = {"reader": people["bob"], "sender": people["alice"]}
    theirs = ask_twin([("signal", who | {"sealed": one, "slot": slot}) for one, slot in sealed])
    ours = [told(one, slot) for one, slot in sealed]
    assert [(asked, one, other) for asked, one, other in zip(sealed, ours, theirs, strict=True) if one != other] == []
    return ours


@pytest.mark.parametrize(("kind", "m"), [("typing", (0, "")), ("delivered", (1, HASH)), ("read", (2**53 - 1, HASH))])
def test_a_signal_opens_for_its_recipient_alone_and_all_look_alike(kind: str, m: tuple[int, str]) -> None:
    sealed = crypto.seal_signal(ALICE, BOB.ik, BOB.spki, kind=kind, m=m, ts=NOW)
    slot = "" if kind == "typing" else kind
    assert open_as_bob(sealed, slot) == Signal(kind, m, NOW)
    assert len(sealed) == len(seal(READ))
    assert envelope.key_id_of_signal(sealed) == envelope.key_id(BOB.spki)
    for reader, sender in ((EVE, ALICE), (ALICE, ALICE), (BOB, EVE), (BOB, BOB)):
        with pytest.raises(Refused):
            crypto.open_signal(reader, sender.ik, sealed, slot)
    for other in {"", "typing", "delivered", "read", "seen"} - {slot}:
        with pytest.raises(Refused):
            open_as_bob(sealed, other)


def test_a_signal_by_another_key_is_forged() -> None:
    with pytest.raises(crypto.Forged):
        open_as_bob(seal(READ, keys=EVE))


ODD_SIGNALS: dict[str, str] = {
    "v true": READ.replace('"v":1', '"v":true'),
    "v 2": READ.replace('"v":1', '"v":2'),
    "no v": READ.replace('"v":1,', ""),
    "k unknown": READ.replace('"read"', '"seen"'),
    "k a list": READ.replace('"read"', '["read"]'),
    "no k": READ.replace('"k":"read",', ""),
    "n 0 and a hash": READ.replace("[3,", "[0,"),
    "read of nothing": READ.replace(f'[3,"{HASH}"]', '[0,""]'),
    "n negative": READ.replace("[3,", "[-1,"),
    "n true": READ.replace("[3,", "[true,"),
    "n as text": READ.replace("[3,", '["3",'),
    "no hash": READ.replace(f'"{HASH}"', '""'),
    "short hash": READ.replace(HASH, HASH[1:]),
    "hash with a line break": READ.replace(HASH, HASH[1:] + "\\n"),
    "hash null": READ.replace(f'"{HASH}"', "null"),
    "m of one": READ.replace(f'[3,"{HASH}"]', "[3]"),
    "m of three": READ.replace(f'[3,"{HASH}"]', f'[3,"{HASH}",0]'),
    "m an object": READ.replace(f'[3,"{HASH}"]', "{}"),
    "m null": READ.replace(f'[3,"{HASH}"]', "null"),
    "ts negative": READ.replace(str(NOW), "-1"),
    "ts after the year 9999": READ.replace(str(NOW), "253402300800000"),
    "ts true": READ.replace(str(NOW), "true"),
    "ts 1e12": READ.replace(str(NOW), "1e12"),
    "ts as a fraction": READ.replace(str(NOW), f"{NOW}.0"),
    "no ts": READ.replace(f',"ts":{NOW}', ""),
    "another sender": READ.replace(b64u_encode(ALICE.fp), b64u_encode(EVE.fp)),
    "another recipient": READ.replace(b64u_encode(BOB.fp), b64u_encode(EVE.fp)),
    "another conversation": READ.replace(CONVERSATION, crypto.conversation_id(EVE.fp, BOB.fp)),
    "k twice": READ.replace('"k":', '"k":"read","k":'),
    "a space": READ.replace('"k":', '"k": '),
    "a needless escape": READ.replace('"read"', '"re\\u0061d"'),
    "a name in capitals": READ.replace('"ts"', '"X":1,"ts"'),
    "nested 9 deep": READ.replace('"ts"', '"zz":' + "[" * 8 + "]" * 8 + ',"ts"'),
    "a lone surrogate": READ.replace('"ts"', '"zz":"\ud800","ts"'),
    "a byte order mark": "\ufeff" + READ,
    "a line break before the padding": READ + "\n",
    "a list": f"[{READ}]",
    "null": "null",
    "nothing": "",
}


def test_no_implementation_opens_a_malformed_signal() -> None:
    said = ask_both([(seal(body), "read") for body in ODD_SIGNALS.values()])
    assert dict(zip(ODD_SIGNALS, said, strict=True)) == dict.fromkeys(ODD_SIGNALS, "refused")


def test_no_implementation_opens_a_signal_in_another_slot_or_typing_about_a_message() -> None:
    delivered = READ.replace('"read"', '"delivered"')
    right = {"": TYPING, "delivered": delivered, "read": READ}
    odd = [(body, slot) for name, body in right.items() for slot in ("", "typing", "delivered", "read") if slot != name]
    odd += [(READ.replace('"read"', '"typing"'), ""), (delivered.replace(f'[3,"{HASH}"]', '[0,""]'), "delivered")]
    assert ask_both([(seal(body), slot) for body, slot in odd]) == ["refused"] * len(odd)
    assert "refused" not in ask_both([(seal(body), slot) for slot, body in right.items()])


def test_both_implementations_open_what_is_only_unusual() -> None:
    read = {"kind": "read", "m": [3, HASH], "ts": NOW}
    members = json.loads(READ)
    turned = json.dumps(dict(reversed(members.items())), separators=(",", ":"))
    more = READ.replace('"ts"', '"zz":{"a":[1]},"__proto__":{"k":"typing"},"ts"')
    fine = [READ, turned, more, READ.replace("[3,", "[9007199254740991,"), READ.replace(str(NOW), "0")]
    assert ask_both([(seal(body), "read") for body in fine])[:3] == [read, read, read]
    assert ask_both([(seal(TYPING), "")]) == [{"kind": "typing", "m": [0, ""], "ts": NOW}]


def test_no_implementation_opens_a_signal_of_another_size_or_in_another_envelope() -> None:
    message = crypto.seal_message(ALICE, BOB.ik, BOB.spki, n=1, p="", a=(0, ""), ts=NOW, text="hi")
    copy = message.content_for_a if crypto.in_order(ALICE.fp, BOB.fp)[0] == BOB.fp else message.content_for_b
    jws = crypto._sign(ALICE, envelope.SIGNAL_HEADER, READ.encode().ljust(512))
    as_message = crypto._seal(BOB.spki, envelope.MESSAGE_TYP, jws)
    odd: list[Any] = [*(seal(READ, size) for size in (0, 511, 513, 1024)), seal("x" * 600), copy, as_message]
    odd += [seal(READ, header=envelope.MESSAGE_HEADER), seal(b"\xff"), seal(READ)[:-1], seal(READ) + "A"]
    odd += ["", "....", None, 5]
    assert ask_both([(one, "read") for one in odd]) == ["refused"] * len(odd)
    for one in odd[:7]:
        with pytest.raises(EnvelopeError):
            envelope.key_id_of_signal(one)


@pytest.mark.parametrize(
    "odd",
    [{"kind": "seen"}, {"kind": "typing"}, {"m": (0, "")}, {"m": (3, "")}, {"m": (-1, HASH)}, {"ts": -1}, {"ts": 1.5}],
    ids=str,
)
def test_an_invalid_signal_is_not_sealed(odd: dict[str, Any]) -> None:
    right: dict[str, Any] = {"kind": "read", "m": (3, HASH), "ts": NOW}
    assert open_as_bob(crypto.seal_signal(ALICE, BOB.ik, BOB.spki, **right)).m == (3, HASH)
    with pytest.raises(Refused):
        crypto.seal_signal(ALICE, BOB.ik, BOB.spki, **right | odd)


def test_a_signal_is_sealed_only_for_a_real_key() -> None:
    with pytest.raises(Refused):
        crypto.seal_signal(ALICE, BOB.ik, b"", kind="typing", m=(0, ""), ts=NOW)


@pytest.mark.parametrize(
    ("ts", "last_ts", "counts"),
    [
        (NOW, 0, True),
        (NOW, NOW - 1, True),
        (NOW, NOW, False),  # a replay
        (NOW - 1, NOW, False),
        (NOW - 600_000, 0, True),
        (NOW - 600_001, 0, False),
        (NOW + 600_000, 0, True),
        (NOW + 600_001, 0, False),
    ],
)
def test_typing_counts_only_once_and_only_if_it_is_recent(ts: int, last_ts: int, counts: bool) -> None:
    assert crypto.is_typing_now(Signal("typing", (0, ""), ts), last_ts, NOW) is counts
    assert not crypto.is_typing_now(Signal("read", (3, HASH), ts), last_ts, NOW)


@pytest.mark.parametrize(
    ("told_before", "own_hash", "counts"),
    [(0, HASH, True), (3, HASH, True), (4, HASH, False), (0, HASH[1:] + "A", False), (0, None, False)],
)
def test_a_receipt_counts_only_for_ones_own_message_and_never_goes_back(
    told_before: int, own_hash: str | None, counts: bool
) -> None:
    for kind in ("delivered", "read"):
        assert crypto.is_receipt(Signal(kind, (3, HASH), 0), told_before, own_hash) is counts
    assert not crypto.is_receipt(Signal("typing", (0, ""), 0), 0, "")


def test_both_implementations_judge_signals_alike() -> None:
    signals = [Signal(kind, m, ts) for kind in crypto.SIGNALS for m in ((0, ""), (3, HASH)) for ts in (0, NOW)]
    asked, ours = list[tuple[str, Any]](), []
    for one, n, own, last, now in product(signals, (0, 3, 4), (HASH, None), (0, NOW), (NOW, NOW + 600_001)):
        known = {"told": n, "own": own, "last": last, "now": now}
        asked.append(("counts", {"kind": one.kind, "m": [*one.m], "ts": one.ts} | known))
        ours.append([crypto.is_typing_now(one, last, now), crypto.is_receipt(one, n, own)])
    assert ask_twin(asked) == ours
    assert {tuple(one) for one in ours} == {(True, False), (False, True), (False, False)}


def mark(body: str, header: bytes = envelope.MARK_HEADER, keys: crypto.Keys = BOB) -> str:
    return crypto._sign(keys, header, body.encode("utf-8", "surrogatepass"))


ODD_MARKS: dict[str, Any] = {
    "v true": mark(MARK.replace('"v":1', '"v":true')),
    "v 1.0": mark(MARK.replace('"v":1', '"v":1.0')),
    "v as text": mark(MARK.replace('"v":1', '"v":"1"')),
    "no v": mark(MARK.replace('"v":1,', "")),
    "no hash": mark(MARK.replace(f',"hash":"{HASH}"', "")),
    "hash null": mark(MARK.replace(f'"{HASH}"', "null")),
    "one more member": mark(MARK.replace('"id"', '"zz":1,"id"')),
    "a member named __proto__": mark(MARK.replace('"id"', '"__proto__":{"id":1},"id"')),
    "id twice": mark(MARK.replace('"id"', f'"id":"{ID}","id"')),
    "a space": mark(MARK.replace('"id":', '"id": ')),
    "an escape": mark(MARK.replace('"hash"', '"h\\u0061sh"')),
    "padded": mark(MARK + " "),
    "a byte order mark": mark("\ufeff" + MARK),
    "a list": mark(f"[{MARK}]"),
    "nothing": mark(""),
    "of the other person": mark(MARK, keys=ALICE),
    "header of a signal": mark(MARK, envelope.SIGNAL_HEADER),
    "too long": mark(MARK).replace(".", ".A" * 200),
    "two parts": mark(MARK).rsplit(".", 1)[0],
    "text": "..",
    "a number": 5,
    "null": None,
}


def test_no_implementation_takes_a_malformed_mark() -> None:
    assert mark(MARK) == crypto.sign_mark(BOB, CONVERSATION, ID, HASH)
    place = {"reader": load_vectors("people")[0]["bob"], "conversation": CONVERSATION, "id": ID, "hash": HASH}
    said = ask_twin([("mark", place | {"mark": one}) for one in (*ODD_MARKS.values(), mark(MARK))])
    assert dict(zip([*ODD_MARKS, "right"], said, strict=True)) == dict.fromkeys(ODD_MARKS, "refused") | {"right": ""}
    crypto.verify_mark(mark(MARK), BOB.ik, CONVERSATION, ID, HASH)
    for odd in ODD_MARKS.values():
        with pytest.raises(Refused):
            crypto.verify_mark(odd, BOB.ik, CONVERSATION, ID, HASH)


def test_a_mark_with_a_flipped_character_is_refused() -> None:
    jws = mark(MARK)
    for at, letter in enumerate(jws):
        flipped = jws[:at] + ("A" if letter != "A" else "B") + jws[at + 1 :]
        with pytest.raises(Refused):
            crypto.verify_mark(flipped, BOB.ik, CONVERSATION, ID, HASH)


@pytest.mark.parametrize("odd", [("", HASH), (ID, ""), (HASH, ID), (ID + "A", HASH), (ID, HASH + "\n"), (None, HASH)])
def test_a_mark_for_no_message_is_not_signed(odd: Any) -> None:
    with pytest.raises(Refused):
        crypto.sign_mark(BOB, CONVERSATION, *odd)
    assert len(b64u_decode(mark(MARK).split(".")[2])) == 64
