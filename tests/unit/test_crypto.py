"""The protocol beyond the vectors: what round-trips, what never opens, and what raises an alarm."""

from __future__ import annotations

import json
import secrets
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ezdms import crypto
from ezdms.crypto import Refused
from ezdms.protocol import encoding, envelope
from ezdms.protocol.encoding import b64u_decode, b64u_encode
from tests.support.people import KINDS, PEOPLE

ALICE, BOB, EVE = (PEOPLE[name] for name in ("alice", "bob", "eve"))

letters = st.characters(exclude_categories=["Cs"]).filter(
    lambda letter: " " <= letter < "\x7f" or letter > "\x9f" or letter in "\n\t"
)
texts = st.text(letters, min_size=1, max_size=500)


def seal(text: str = "hello", **changed: Any) -> crypto.SealedMessage:
    arguments: dict[str, Any] = {"n": 1, "p": "", "a": (0, ""), "ts": 1_790_000_000_000, "text": text}
    return crypto.seal_message(ALICE, BOB.ik, BOB.spki, **(arguments | changed))


def copies(message: crypto.SealedMessage) -> tuple[str, str]:
    """(Alice's, Bob's)."""
    pair = (message.content_for_a, message.content_for_b)
    return pair if ALICE.fp < BOB.fp else (pair[1], pair[0])


def open_as_bob(message: crypto.SealedMessage, sealed: str | None = None, **claimed: Any) -> crypto.Message:
    claims: dict[str, Any] = {"message_id": message.message_id, "n": message.n, "hash": message.hash} | claimed
    return crypto.open_message(BOB, ALICE.ik, BOB.ik, copies(message)[1] if sealed is None else sealed, **claims)


@settings(max_examples=60, deadline=None)
@given(texts)
def test_any_text_of_1_to_500_code_points_opens_for_both(text: str) -> None:
    message = seal(text)
    assert open_as_bob(message).text == text
    own = crypto.open_message(
        ALICE, ALICE.ik, BOB.ik, copies(message)[0], message_id=message.message_id, n=1, hash=message.hash
    )
    assert own.text == text


@pytest.mark.parametrize("letter", ["a", "é", "漢", "👍", '"', "\\", "\n", "\u202e", "\xa0"])
@pytest.mark.parametrize("count", [1, 499, 500])
def test_the_longest_texts_of_every_width_fit_a_bucket(letter: str, count: int) -> None:
    message = seal(letter * count)
    assert open_as_bob(message).text == letter * count
    lo, hi = sorted((ALICE, BOB), key=lambda keys: keys.fp)
    assert envelope.key_id_of(message.content_for_a) == envelope.key_id(lo.spki)
    assert envelope.key_id_of(message.content_for_b) == envelope.key_id(hi.spki)


@pytest.mark.parametrize("content", KINDS, ids=lambda content: content["kind"])
def test_a_message_of_every_kind_opens_as_it_was_sealed(content: dict[str, Any]) -> None:
    opened = open_as_bob(seal(**content))
    expected = {"reference": None, "e": None, "x": 0} | content
    assert {name: getattr(opened, name) for name in expected} == expected


def test_two_messages_with_the_same_text_have_different_hashes() -> None:
    one = {"message_id": bytes(16)}
    assert seal("yes", **one).hash != seal("yes", **one).hash  # z: a short text cannot be guessed by its hash
    assert seal("yes", **one, z=bytes(16)).hash == seal("yes", **one, z=bytes(16)).hash
    assert open_as_bob(seal("yes", z=b"")).text == "yes"  # z is optional


SEALED = seal("flip me")
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.="


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_flipped_character_never_opens(data: st.DataObject) -> None:
    good = copies(SEALED)[1]
    at = data.draw(st.integers(0, len(good) - 1))
    letter = data.draw(st.sampled_from(ALPHABET.replace(good[at], "")))
    with pytest.raises(Refused):
        open_as_bob(SEALED, good[:at] + letter + good[at + 1 :])


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_truncated_or_lengthened_envelope_never_opens(data: st.DataObject) -> None:
    good = copies(SEALED)[1]
    start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(good))] * 2)))
    for wrong in (good[start:end], good + good[start:end], good[:start] + good[end:]):
        if wrong != good:
            with pytest.raises(Refused):
                open_as_bob(SEALED, wrong)


def test_two_envelopes_of_the_same_text_share_only_the_header() -> None:
    first, second = seal("the same"), seal("the same")
    assert first.message_id != second.message_id
    assert first.hash != second.hash
    for one, other in zip(copies(first), copies(second), strict=True):
        assert one.split(".")[0] == other.split(".")[0]
        assert not set(one.split(".")[1:]) & set(other.split(".")[1:])


def test_the_length_reveals_only_the_bucket() -> None:
    assert len({len(copies(seal("x" * count))[0]) for count in range(1, 100)}) == 1


@pytest.mark.parametrize(
    "claimed",
    [{"message_id": b64u_encode(bytes(16))}, {"n": 2}, {"hash": b64u_encode(bytes(32))}],
    ids=lambda claimed: next(iter(claimed)),
)
def test_a_message_with_wrong_metadata_from_the_server_is_refused(claimed: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        open_as_bob(SEALED, **claimed)


def test_a_message_of_another_suite_needs_a_newer_version() -> None:
    with pytest.raises(crypto.Unsupported):
        open_as_bob(SEALED, suite=2)


def test_only_the_recipient_opens_a_message_and_only_the_sender_can_have_written_it() -> None:
    claims: dict[str, Any] = {"message_id": SEALED.message_id, "n": 1, "hash": SEALED.hash}
    with pytest.raises(Refused):
        crypto.open_message(EVE, ALICE.ik, EVE.ik, copies(SEALED)[1], **claims)
    with pytest.raises(Refused):
        crypto.open_message(BOB, EVE.ik, BOB.ik, copies(SEALED)[1], **claims)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "something"),
        ("x" * 501, "500"),
        ("a\x00b", "control"),
        ("\x1b[31m", "control"),
        ("\r\n", "control"),
        ("\x7f", "control"),
        ("\x9f", "control"),
    ],
)
def test_invalid_content_is_not_sealed(text: str, word: str) -> None:
    with pytest.raises(Refused, match=word):
        seal(text)


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb"])
def test_broken_unicode_is_not_sealed(text: str) -> None:
    with pytest.raises(Refused, match="broken"):
        seal(text)


@pytest.mark.parametrize(
    "changed",
    [
        {"n": 0},
        {"n": True},
        {"n": 2, "p": ""},
        {"p": "no hash"},
        {"a": (3, "")},
        {"a": (-1, "")},
        {"ts": -1},
        {"x": -1},
        {"n": 2, "p": "\ud800"},
        {"message_id": b""},
        {"message_id": b"short"},
        {"kind": "delete", "text": "no id and hash", "e": ""},
        {"kind": "delete", "text": KINDS[3]["text"]},
        {"kind": "edit", "text": "hi", "e": ""},
        {"kind": "edit", "text": "", "reference": KINDS[2]["reference"], "e": ""},
        {"kind": "react", "text": "ab", "reference": KINDS[2]["reference"]},
        {"kind": "timer", "text": "60", "x": 60},
        {"kind": "file", "text": "{}"},
        {"kind": "file", "text": "\ud800"},
        {"kind": "poll"},
        {"reference": ("no id", "no hash")},
        {"reference": ("\ud800", "")},
        {"x": 31_536_001},
        {"ts": 253_402_300_800_000},
        {"z": b"short"},
        {"kind": "video", "text": "\udfff"},
        {"kind": "video", "text": "x" * 32768},
    ],
    ids=str,
)
def test_a_message_that_could_not_be_opened_is_not_sealed(changed: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        seal(**changed)


@pytest.mark.parametrize(
    ("ik", "spki"), [(bytes(32), BOB.spki), (BOB.ik[:31], BOB.spki), (BOB.ik, BOB.spki[:-1]), (BOB.ik, b"")]
)
def test_nothing_is_sealed_for_an_invalid_key(ik: bytes, spki: bytes) -> None:
    with pytest.raises(Refused):
        crypto.seal_message(ALICE, ik, spki, n=1, p="", a=(0, ""), ts=0, text="hello")


def _resign(**changed: Any) -> crypto.SealedMessage:
    """What a dishonest Alice can make: any body, correctly signed and sealed."""
    honest = json.loads(b64u_decode(SEALED.jws.split(".")[1]))
    body = json.dumps(honest | changed, separators=(",", ":"), ensure_ascii=False).encode()
    jws = crypto._sign(ALICE, envelope.MESSAGE_HEADER, body.ljust(512))
    sealed = crypto._seal(BOB.spki, "ezdms-msg+jwe", jws)
    return crypto.SealedMessage(SEALED.message_id, 1, crypto.message_hash(jws), 1, jws, sealed, sealed)


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"v": 2}, crypto.Unsupported),
        ({"v": True}, crypto.Unsupported),
        ({"k": "video"}, crypto.Unsupported),
        ({"k": "delete", "b": "not an id and a hash", "e": ""}, Refused),
        ({"b": "x" * 501}, Refused),
        ({"b": ""}, Refused),
        ({"b": "\x07"}, Refused),
        ({"b": 5}, Refused),
        ({"n": 1.0}, Refused),
        ({"n": True}, Refused),
        ({"n": 0}, Refused),
        ({"p": "x"}, Refused),
        ({"a": [1, ""]}, Refused),
        ({"a": [0, b64u_encode(bytes(32))]}, Refused),
        ({"a": {}}, Refused),
        ({"ts": -1}, Refused),
        ({"ts": 1e3}, Refused),
        ({"x": None}, Refused),
        ({"c": "0" * 24}, Refused),
        ({"f": b64u_encode(EVE.fp)}, Refused),
        ({"t": b64u_encode(EVE.fp)}, Refused),
    ],
    ids=str,
)
def test_a_malformed_signed_body_is_refused(changed: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        open_as_bob(_resign(**changed), _resign(**changed).content_for_a)
    honest = _resign()
    assert open_as_bob(honest, honest.content_for_a).text == "flip me"


def test_a_message_of_a_newer_version_keeps_its_place_only_if_signed_for_this_conversation() -> None:
    message = _resign(v=2, n=7, p=SEALED.hash, a=[3, SEALED.hash], k=5, b=None)
    with pytest.raises(crypto.Unsupported) as later:
        open_as_bob(message, message.content_for_a, n=7)
    assert (later.value.p, later.value.a) == (SEALED.hash, (3, SEALED.hash))
    wrong: list[dict[str, Any]] = [{"p": None}, {"n": "1"}, {"a": []}, {"id": 5}, {"c": None}]
    for placeless in wrong:
        message = _resign(v=2, **placeless)
        with pytest.raises(crypto.Unsupported) as unread:
            open_as_bob(message, message.content_for_a)
        assert (unread.value.p, unread.value.a) == (None, None)
    for elsewhere in ({"c": "0" * 24}, {"f": b64u_encode(EVE.fp)}, {"id": b64u_encode(bytes(16))}, {"n": 1, "k": "x"}):
        message = _resign(v=2, **elsewhere)
        with pytest.raises(Refused):
            open_as_bob(message, message.content_for_a, n=2)
    with pytest.raises(crypto.Unsupported) as sealed:
        open_as_bob(SEALED, suite=2)
    assert sealed.value.p is None


@pytest.mark.parametrize(
    "read",
    [("\r\n", "\n"), ("\r\r\n\n", "\n\n\n"), ("a\x0bb\x0cc\rd", "a\nb\nc\nd"), ("\ta\n", "\ta\n"), ("", "")],
    ids=repr,
)
def test_pasted_line_breaks_become_newlines(read: tuple[str, str]) -> None:
    pasted, cleaned = read
    assert crypto.clean_text(pasted) == cleaned


def test_unknown_body_members_are_ignored_and_a_deletion_is_a_message() -> None:
    message = _resign(z="something new")
    assert open_as_bob(message, message.content_for_a).text == "flip me"
    pointer = f"{SEALED.message_id} {SEALED.hash}"
    deletion = _resign(k="delete", b=pointer, e="")
    opened = open_as_bob(deletion, deletion.content_for_a)
    assert (opened.kind, opened.text) == ("delete", pointer)


def test_wrapped_keys_open_with_their_pin_and_no_other() -> None:
    pin = crypto.new_login_pin()
    wrapped = crypto.wrap_keys(pin, ALICE)
    opened = crypto.unwrap_keys(pin, wrapped, ALICE.ik, ALICE.spki)
    assert (opened.ik, opened.spki) == (ALICE.ik, ALICE.spki)
    with pytest.raises(Refused):
        crypto.unwrap_keys(crypto.new_login_pin(), wrapped, ALICE.ik, ALICE.spki)
    with pytest.raises(Refused):
        crypto.unwrap_keys(pin, wrapped, BOB.ik, BOB.spki)


@pytest.mark.parametrize("rounds", [0, 1, 199_999, 2_000_001, True])
def test_wrapping_keys_refuses_an_unacceptable_iteration_count(rounds: int) -> None:
    with pytest.raises(Refused, match="iterations"):
        crypto.wrap_keys("0" * 16, ALICE, iterations=rounds)


@pytest.mark.parametrize("rounds", [1, 199_999, 2_000_001, 10**12])
def test_unwrapping_keys_refuses_an_unacceptable_iteration_count(rounds: int) -> None:
    wrapped = crypto.WrappedKeys(b64u_encode(bytes(16)), rounds, b64u_encode(bytes(76)), b64u_encode(bytes(76)))
    with pytest.raises(Refused, match="iterations"):
        crypto.unwrap_keys("0" * 16, wrapped, ALICE.ik, ALICE.spki)


def test_private_keys_that_do_not_match_the_public_keys_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(crypto, "_wrap_data", lambda *_: b"")  # an attacker with the PIN who does not bind the keys
    wrapped = crypto.wrap_keys("0" * 16, EVE)
    with pytest.raises(Refused, match="do not match"):
        crypto.unwrap_keys("0" * 16, wrapped, ALICE.ik, EVE.spki)
    with pytest.raises(Refused, match="do not match"):
        crypto.unwrap_keys("0" * 16, wrapped, EVE.ik, ALICE.spki)
    swapped = crypto.WrappedKeys(wrapped.salt, wrapped.iterations, wrapped.wrapped_enc, wrapped.wrapped_sig)
    with pytest.raises(Refused, match="Expected an Ed25519 and an RSA key"):
        crypto.unwrap_keys("0" * 16, swapped, EVE.ik, EVE.spki)


@pytest.mark.parametrize("size", [0, 15, 17])
def test_a_deployment_id_of_another_length_is_refused(size: int) -> None:
    with pytest.raises(Refused, match="16 bytes"):
        crypto.login_keys("0" * 16, bytes(size))


@pytest.mark.parametrize("said", [None, 5, [], {}], ids=str)
def test_an_answer_that_is_not_text_is_refused(said: Any) -> None:
    with pytest.raises(Refused):
        crypto.open_message(BOB, ALICE.ik, BOB.ik, said, message_id=SEALED.message_id, n=1, hash=SEALED.hash)
    with pytest.raises(Refused):
        crypto.verify_statement(said)
    with pytest.raises(Refused):
        crypto.open_vault(ALICE, said)
    for wrapped in (
        crypto.WrappedKeys(said, 200_000, "", ""),
        crypto.WrappedKeys(b64u_encode(bytes(16)), said, "", ""),
    ):
        with pytest.raises(Refused):
            crypto.unwrap_keys("0" * 16, wrapped, ALICE.ik, ALICE.spki)


def test_new_pins_have_80_bits_and_are_read_back_as_typed() -> None:
    pins = {crypto.new_login_pin() for _ in range(200)}
    assert len(pins) == 200
    for pin in pins:
        assert crypto.normalise_login_pin(crypto.show_login_pin(pin).lower().replace("0", "o")) == pin


def test_a_login_pin_and_a_search_pin_in_the_wrong_field_get_their_own_message() -> None:
    login = crypto.show_login_pin(crypto.new_login_pin())
    search = crypto.search_pin(ALICE.ik, crypto.new_search_salt())
    with pytest.raises(crypto.PinError, match="looks like a Search PIN"):
        crypto.normalise_login_pin(search)
    with pytest.raises(crypto.PinError, match="looks like a Login PIN"):
        crypto.normalise_search_pin(login)
    with pytest.raises(crypto.PinError, match=r"^Enter your Login PIN\.$"):
        crypto.normalise_login_pin("")
    with pytest.raises(crypto.PinError, match=r"^Enter their Search PIN\.$"):
        crypto.normalise_search_pin("")


@pytest.mark.parametrize("typed", ["ıııı-ıııı-ıııı-ıııı", "ſ" * 16, "１" * 16, "😀" * 16, "\x00" * 16])
def test_lookalike_letters_are_refused_in_a_pin(typed: str) -> None:
    with pytest.raises(crypto.PinError):
        crypto.normalise_login_pin(typed)


def test_a_single_typo_is_detected_31_times_in_32() -> None:
    pin = crypto.search_pin(ALICE.ik, bytes(16)).replace("-", "")
    noticed = tried = 0
    for at in range(25):
        for letter in encoding.ALPHABET.replace(pin[at], ""):
            tried += 1
            try:
                crypto.normalise_search_pin(pin[:at] + letter + pin[at + 1 :])
            except crypto.PinError:
                noticed += 1
    assert noticed / tried > 0.94


STATEMENT = crypto.sign_statement(ALICE, "alice", 3, 1_790_000_000_000)


def test_a_contacts_statement_only_moves_forward() -> None:
    def later(keys: crypto.Keys = ALICE, seq: int = 3, ts: int = 1_790_000_000_000) -> str:
        return crypto.sign_statement(keys, "alice", seq, ts)

    known = crypto.pin_of(STATEMENT)
    crypto.check_succession(known, known)
    crypto.check_succession(known, crypto.pin_of(later(seq=4)))
    for wrong in (later(keys=EVE, seq=4), later(seq=2), later(ts=5)):
        with pytest.raises(crypto.Alarm):
            crypto.check_succession(known, crypto.pin_of(wrong))


def test_a_contact_never_falls_back_to_a_weaker_suite() -> None:
    better = crypto.pin_of(_statement(json.dumps(MEMBERS | {"suites": [1, 2]}).encode()))
    worse = crypto.sign_statement(ALICE, "alice", 4, 1_790_000_000_000)
    later = crypto.pin_of(_statement(json.dumps(MEMBERS | {"seq": 4, "suites": [1, 2]}).encode()))
    crypto.check_succession(better, later)
    with pytest.raises(crypto.Alarm, match="weaker"):
        crypto.check_succession(better, crypto.pin_of(worse))
    with pytest.raises(Refused):
        crypto.pin_of(worse[:-1])


def _statement(raw: bytes, keys: crypto.Keys = ALICE) -> str:
    return crypto._sign(keys, envelope.STATEMENT_HEADER, raw)


MEMBERS = json.loads(b64u_decode(STATEMENT.split(".")[1]))


@pytest.mark.parametrize(
    "changed",
    [
        {"seq": True},
        {"seq": 1.0},
        {"seq": 2**60},
        {"seq": "1"},
        {"ts": -1},
        {"ts": None},
        {"v": True},
        {"name": "no spaces please"},
        {"name": None},
        {"suites": []},
        {"suites": [1.0]},
        {"suites": [1, "2"]},
        {"suites": 1},
        {"ek": {}},
        {"ek": []},
        {"ek": MEMBERS["ek"] * 2},
        {"ek": [5]},
        {"ek": [{"s": True, "spki": MEMBERS["ek"][0]["spki"]}]},
        {"ik": None},
        {"ik": b64u_encode(bytes(32))},
        {"ik": b64u_encode(BOB.ik)},
    ],
    ids=str,
)
def test_a_malformed_signed_statement_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        crypto.verify_statement(_statement(json.dumps(MEMBERS | changed).encode()))
    assert crypto.verify_statement(_statement(json.dumps(MEMBERS).encode())).name == "alice"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b"\xff",
        json.dumps(MEMBERS).encode()[:-1] + b',"seq":9}',
        json.dumps(MEMBERS | {"z": 0}).encode().replace(b'"z": 0', b'"z": NaN'),
        json.dumps(MEMBERS | {"z": 0}).encode().replace(b'"z": 0', b'"z": "\\ud800"'),
        b"[" * 3000,
        json.dumps(MEMBERS | {"z": "x" * 9000}).encode(),
    ],
    ids=lambda raw: repr(raw[-30:]),
)
def test_a_signed_statement_that_is_not_strict_json_is_refused(raw: bytes) -> None:
    with pytest.raises(Refused):
        crypto.verify_statement(_statement(raw))


def test_a_small_order_key_accepts_any_signature_and_is_refused() -> None:
    ik = bytes([1]) + bytes(31)  # the neutral element: this signature is valid for every text
    with pytest.raises(encoding.EnvelopeError, match="forged"):
        envelope.verify_signature(ik, b"anything", ik + bytes(32))


def test_only_its_owner_can_open_a_vault() -> None:
    vault = {"version": 7, "contacts": {"x": "é" * 5000}}
    sealed = crypto.seal_vault(ALICE, vault)
    assert crypto.open_vault(ALICE, sealed) == vault
    with pytest.raises(Refused):
        crypto.open_vault(BOB, sealed)
    forged = crypto._seal(ALICE.spki, "ezdms-vault+jwe", crypto._sign(EVE, envelope.VAULT_HEADER, b"{}".ljust(4096)))
    with pytest.raises(Refused):
        crypto.open_vault(ALICE, forged)
    with pytest.raises(Refused):
        crypto.open_vault(ALICE, copies(SEALED)[0])
    with pytest.raises(Refused, match="vault is full"):
        crypto.seal_vault(ALICE, {"version": 1, "x": "x" * 1024 * 1024})
    with pytest.raises(Refused):
        crypto.seal_vault(ALICE, {"version": 0})


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), "\ud800", b"bytes", {1}], ids=repr)
def test_a_vault_that_could_not_be_opened_is_not_sealed(odd: object) -> None:
    with pytest.raises(Refused):
        crypto.seal_vault(ALICE, {"version": 1, "x": [odd]})


@pytest.mark.parametrize("size", [0, 15, 17])
def test_an_act_is_valid_for_one_deployment(size: int) -> None:
    with pytest.raises(Refused, match="16 bytes"):
        crypto.sign_act(ALICE, bytes(size), "delete_account", "", 5)


def test_an_act_that_changes_a_pin_covers_every_field() -> None:
    fields = {name: name for name in envelope.CHANGE_PIN_FIELDS} | {"new_iterations": 200_000}
    purposes = {crypto.change_pin_purpose(fields | {name: "other"}) for name in fields}
    assert len(purposes | {crypto.change_pin_purpose(fields)}) == 7


def test_the_repr_of_keys_and_messages_contains_no_secret() -> None:
    opened = open_as_bob(SEALED)
    pin = crypto.new_login_pin()
    login, wrapped = crypto.login_keys(pin, bytes(16)), crypto.wrap_keys(pin, ALICE)
    assert login.auth_key not in repr(login)
    assert wrapped.wrapped_sig not in repr(wrapped)
    assert wrapped.wrapped_enc not in repr(wrapped)
    for shown in (repr(ALICE), repr(SEALED), repr(opened)):
        assert "flip me" not in shown
        assert "PrivateKey" not in shown
        assert SEALED.jws not in shown
    assert secrets.compare_digest(opened.text, "flip me")
