"""crypto.py and crypto.js agree on random bodies, chains and orders, most of them malformed.

If only one of them accepted a message, one side would see it and the other would not.
"""

from __future__ import annotations

import base64
import json
import random
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from ezdms import crypto
from ezdms.client.answers import Row
from ezdms.client.receiving import open_row
from ezdms.protocol import envelope
from ezdms.protocol.encoding import b64u_decode, b64u_encode
from tests.conftest import ROOT
from tests.support.node import run_node
from tests.support.people import KINDS, PEOPLE, load_vectors

ALICE, BOB = PEOPLE["alice"], PEOPLE["bob"]
NOW = 1_790_000_000_000
HASH, ID = b64u_encode(bytes(32)), b64u_encode(bytes(16))
FILE = {"id": ID, "key": HASH, "size": 5, "hash": HASH, "name": "a b", "type": "a/b", "thumb": "AAAA", "w": 1, "h": 2}


def ask_twin(questions: list[tuple[str, Any]]) -> list[Any]:
    """What crypto.js answers."""
    oracle = Path(__file__).with_name("twin_oracle.mjs")
    return cast(list[Any], run_node(oracle, ROOT / "ezdms" / "static" / "js" / "crypto.js", given=questions))


def honest(**content: Any) -> bytes:
    """A padded body as seal_message signs it."""
    jws = crypto.seal_message(ALICE, BOB.ik, BOB.spki, n=2, p=HASH, a=(1, HASH), ts=1_790_000_000_000, **content).jws
    return b64u_decode(jws.split(".")[1])


def padded(body: bytes, sizes: Iterable[int] = envelope.BUCKETS) -> bytes:
    return body.ljust(next((size for size in sizes if size >= len(body)), 0))


def read(body: bytes) -> Any:
    """What crypto.py answers, in the twin's form."""
    try:
        found = crypto.read_body(body)
    except crypto.Unsupported:
        return "unsupported"
    except crypto.Refused:
        return "refused"
    names = ["c", "f", "t", "id", "n", "p", "a"]
    names += [] if found.kind is None else ["ts", "x", "kind", "text", "reference", "e"]
    return json.loads(json.dumps({name: getattr(found, name) for name in names}))


def assert_twins_agree(bodies: list[bytes]) -> Counter[str]:
    """Count the answers: "read", "refused", "unsupported", or "placed" (unsupported, but with a place in the chain)."""
    theirs = ask_twin([("body", base64.b64encode(body).decode()) for body in bodies])
    ours = [read(body) for body in bodies]
    assert [(body, one, other) for body, one, other in zip(bodies, ours, theirs, strict=True) if one != other] == []
    return Counter(one if isinstance(one, str) else "read" if "kind" in one else "placed" for one in ours)


NUMBERS = [
    "0", "1", "-1", "-0", "5", "5.0", "5e0", "1e3", "1E400", "0.1", "1.", ".5", "01", "+1", "0x1", "1_0", "NaN",
    "Infinity", "-Infinity", "true", "null", '"1"', "[]", "{}", "9007199254740991", "9007199254740992",
    "9007199254740993", "-9007199254740991", "-9007199254740992", "253402300799999", "253402300800000", "31536000",
    "31536001", "100000000000000000000000000", "1e-7", "١",
]  # fmt: skip
NAMES = ["zz", "__proto__", "constructor", "valueof", "a" * 16, "a" * 17, "1", "0", "-1", "Z", "toJSON", "", "é", " "]
NAMES += ["v", "b", "n", "r", "e", "k", r"z\u007a", "z\n", "z\u0000"]
PIECES = [
    "\\u0069",
    "\\/",
    "\\ud800",
    "\\udc00",
    "\\ud83d\\udc4d",
    "\u2028",
    "\x7f",
    "\x80",
    "\x9f",
    "\xa0",
    "\t",
    "\\t",
]
PIECES += [
    "\\b",
    "\\u0008",
    "\\f",
    "\\v",
    "\\u000b",
    "\\u001f",
    "\\u001F",
    "\\n",
    "\n",
    "\\r",
    "\\\\",
    '\\"',
    "'",
    "\\u",
]
PIECES += [
    "\\x41",
    "\\u00e9",
    "é",
    "e\u0301",
    "\ufeff",
    "\ufffe",
    "\uffff",
    "\U0010ffff",
    "👍",
    "\\u0000",
    "</script>",
    " ",
]
SPACES = [" ", "\n", "\t", "\r", "\x0b", "\xa0", "\ufeff", "\u2028", "//", "/**/", ",", "\x00"]


def odd_text(dice: random.Random, text: str) -> str:
    """The JSON text of a body with one random change."""
    at = dice.randrange(len(text))
    match dice.randrange(9):
        case 0:  # another number
            places = [i for i, letter in enumerate(text) if letter.isdigit() and text[i - 1] in ":["]
            start = dice.choice(places)
            end = next(i for i in range(start, len(text)) if not text[i].isdigit())
            return text[:start] + dice.choice(NUMBERS) + text[end:]
        case 1:  # one more member
            value = dice.choice([*NUMBERS, '"x"', "{}", '{"q":1,"q":2}', '{"Q":1}', '[{"a":"\\ud800"}]'])
            member = f'"{dice.choice(NAMES)}":{value}'
            return "{" + member + "," + text[1:] if dice.random() < 0.5 else text[:-1] + "," + member + "}"
        case 2:  # something else inserted into a string
            start = text.index('"b":"') + 5
            start = dice.randrange(start, text.index('"', start) + 1)
            return text[:start] + dice.choice(PIECES) + text[start:]
        case 3:  # something inserted anywhere
            return text[:at] + dice.choice(SPACES) + text[at:]
        case 4:  # nested
            depth = dice.randrange(1, 12)
            opening = [dice.choice(["[", '{"a":']) for _ in range(depth)]
            closing = ["]" if one == "[" else "}" for one in reversed(opening)]
            inner = dice.choice(["0", "[]", "{}", '""'])
            return text[:-1] + ',"zz":' + "".join(opening) + inner + "".join(closing) + "}"
        case 5:  # members reordered, one missing or with another value
            members = json.loads(text)
            names = list(members)
            dice.shuffle(names)
            del names[dice.randrange(len(names)) :: dice.choice([len(names), 99])]
            values: list[Any] = [
                "",
                None,
                True,
                0,
                HASH,
                HASH[:-1],
                HASH + "\n",
                ID,
                [],
                [ID, HASH],
                [0, ""],
                [1, ""],
                {},
            ]
            other = {dice.choice(names): dice.choice(values)} if dice.random() < 0.5 else {}
            chosen = {name: members[name] for name in names} | other
            return json.dumps(chosen, ensure_ascii=False, separators=(",", ":"))
        case 6:  # another kind or version
            change: dict[str, Any] = {"k": dice.choice([*crypto.KINDS, "poll", "", "TEXT", "__proto__", "constructor"])}
            if dice.random() < 0.3:
                change = {"v": dice.choice([2, 0, True, "1", None, [1]])}
            return json.dumps(json.loads(text) | change, ensure_ascii=False, separators=(",", ":"))
        case 7:  # a piece repeated or removed
            end = dice.randrange(at, len(text))
            return text[:at] + text[end:] if dice.random() < 0.5 else text[:end] + text[at:]
        case _:  # other content
            letters = [
                "",
                *PIECES[-12:],
                "1",
                "#",
                "\ufe0f",
                "\u20e3",
                "\u200d",
                "0",
                "a",
                "/",
                "\U000e0067",
                "\xa9",
                "x" * 500,
            ]
            content = "".join(dice.choices(letters, k=dice.randrange(1, 5))).replace("\\", "")
            return json.dumps(json.loads(text) | {"b": content}, ensure_ascii=False, separators=(",", ":"))


def odd_file(dice: random.Random) -> str:
    """The metadata of a file with one random change."""
    names = ["", "a" * 128, "a" * 129, "../a", "a\\b", "a\x7f", "漢" * 128, "👍" * 128, "a\n", ".", "\u202e"]
    types = ["", "a/b", "A/b", "a/b/c", "a/", "a" * 98 + "/b", "a" * 99 + "/b", "a/b\n", "image/svg+xml", "a/é"]
    thumbs = ["", "AA", "AB", "A", "AAAA=", "A A", b64u_encode(bytes(4096)), b64u_encode(bytes(4097)), None, 5]
    others: dict[str, list[Any]] = {
        "id": [ID + "A", ID[:-1], "", 5, "A" * 21 + "B"],
        "key": [HASH[:-1] + "B", HASH[:-1], "", None, ID],
        "size": [0, 26_214_400, 26_214_401, -1, "5", True, None, 5.0],
        "hash": ["", HASH[:-1], HASH + "\n", 5],
        "name": names,
        "type": types,
        "thumb": thumbs,
        "w": [0, 65_536, 65_537, -1, None, True],
        "h": [0, 65_536, 65_537, "1", []],
        "zz": [0, {"a": [5]}, 5.5],
    }
    name = dice.choice(list(others))
    text = json.dumps(FILE | {name: dice.choice(others[name])}, ensure_ascii=False, separators=(",", ":"))
    return odd_text(dice, text.replace('"name":', '"b":"b","name":')) if dice.random() < 0.3 else text


def odd_bodies(seed: int, count: int) -> list[bytes]:
    dice = random.Random(seed)  # noqa: S311
    texts = [honest(**kind).rstrip(b" ").decode() for kind in KINDS]
    bodies = []
    for _ in range(count):
        text = dice.choice(texts)
        if '"file"' in text and dice.random() < 0.7:
            text = json.dumps(json.loads(text) | {"b": odd_file(dice)}, ensure_ascii=False, separators=(",", ":"))
        else:
            text = odd_text(dice, text)
        body = padded(text.encode("utf-8", "surrogatepass"))
        match dice.randrange(12):
            case 0:  # other bytes
                at = dice.randrange(len(body))
                body = body[:at] + bytes([dice.randrange(256)]) + body[at + 1 :]
            case 1:
                at = dice.randrange(len(body))
                body = padded(body[:at] + dice.choice([b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"]))
            case 2:  # another size
                body = body.rstrip(b" ")
                body = dice.choice([body, b" " + body, padded(b"\xef\xbb\xbf" + body), padded(body, (4096, 8192)), b""])
            case 3:  # other padding
                body = body.rstrip(b" ")
                body += dice.choice([b"\0", b"\n", b"\t", b"}", b"\xc2\xa0"]) + b" " * len(body)
                body = padded(body.rstrip(b" "))
        bodies.append(body)
    return bodies


@pytest.mark.parametrize("seed", range(3))
def test_both_implementations_read_malformed_bodies_alike(seed: int) -> None:
    said = assert_twins_agree(odd_bodies(seed, 6000))
    assert said["read"] > 400
    assert said["refused"] > 1000
    assert said["placed"] > 100
    assert said["unsupported"] > 5


def test_both_implementations_read_valid_bodies_alike() -> None:
    assert assert_twins_agree([honest(**kind) for kind in KINDS]) == {"read": len(KINDS)}
    for kind in KINDS:
        found = crypto.read_body(honest(**kind))
        assert all(getattr(found, name) == value for name, value in kind.items())


REACTION = json.loads(honest(**KINDS[4]))


def with_reaction(emoji: str) -> bytes:
    return padded(json.dumps(REACTION | {"b": emoji}, ensure_ascii=False, separators=(",", ":")).encode())


ALONE = [
    "00A9", "00AE", "203C", "2049", "2122", "2139", "2190-21FF", "2300-23FF", "24C2", "25A0-27BF", "2900-297F",
    "2B00-2BFF", "3030", "303D", "3297", "3299", "1F000-1FAFF",
]  # fmt: skip
WITH_OTHERS = ["0023", "002A", "0030-0039", "200D", "20E3", "FE0F", "E0020-E007F"]


def bounds(ranges: list[str]) -> list[tuple[int, int]]:
    return [(int(one.split("-")[0], 16), int(one.split("-")[-1], 16)) for one in ranges]


def code_points(ranges: list[str]) -> set[int]:
    return {point for low, high in bounds(ranges) for point in range(low, high + 1)}


def test_an_emoji_is_made_of_a_fixed_list_of_code_points() -> None:
    all_points = [*range(0xD800), *range(0xE000, 0x110000)]
    is_emoji = crypto.EMOJI.fullmatch
    assert {point for point in all_points if is_emoji(chr(point))} == code_points(ALONE)
    assert {point for point in all_points if is_emoji("👍" + chr(point))} == code_points(ALONE + WITH_OTHERS)
    edges = {bound + step for pair in bounds(ALONE + WITH_OTHERS) for bound in pair for step in (-1, 0, 1)}
    sequences = [f"{digit}{selector}\u20e3" for digit in "#*0189a\u200d" for selector in ("", "\ufe0f", "\ufe0f\ufe0f")]
    emojis = [f"{base}{chr(point)}" for point in edges for base in ("", "👍")] + sequences
    emojis += [part * count for part in ("👍", "1", "\u200d") for count in (1, 15, 16, 17)]
    said = assert_twins_agree([with_reaction(emoji) for emoji in emojis])
    assert min(said["read"], said["refused"]) > 80


def test_both_implementations_judge_rows_alike() -> None:
    """Chains and orders use few numbers and hashes, so that contradictions are frequent."""
    dice = random.Random(5)  # noqa: S311
    questions: list[tuple[str, Any]] = []
    answers: list[Any] = []
    numbers = [*range(1, 8)] * 5 + [0, -1, 2**52, 2**53 - 1]

    def hash_of(n: int) -> str:
        return f"h{n}" + dice.choice(["", "", "", "", "x"])

    for _ in range(3000):
        rows: list[dict[str, Any]] = []
        for n in dice.choices(numbers, k=dice.randrange(1, 12)):
            link = hash_of(n - 1) if n > 1 else ""
            rows.append({"n": n, "hash": hash_of(n), "p": None if dice.random() < 0.4 else link})
        if dice.random() < 0.5:
            rows.sort(key=lambda row: int(row["n"]))
        known = None if dice.random() < 0.5 else (dice.randrange(1, 8), hash_of(dice.randrange(1, 8)))
        chain = crypto.Chain(known)
        questions.append(("chain", {"known": known, "rows": rows}))
        judged = [[chain.follow(**row), chain.head, chain.last, crypto.is_taken_back(chain)] for row in rows]
        answers.append([judged, [chain.has_gap_before(row["n"]) for row in rows]])

        sides = [dice.choice(["own", "theirs"]) for _ in rows]
        acks = [None if dice.random() < 0.2 else (n := dice.randrange(8), hash_of(n)) for _ in rows]
        both = [{**row, "side": side, "a": a} for row, side, a in zip(rows, sides, acks, strict=True)]
        for row in both:
            del row["p"]
        questions.append(("order", both))
        answers.append(crypto.order_verdicts([crypto.Row(**row) for row in both]))

        shown = [(row["n"], HASH[:-1] + str(row["n"] % 10) if dice.random() < 0.8 else row["hash"]) for row in rows]
        questions.append(("next", {"known": known, "rows": shown}))
        answers.append(crypto.next_link(known, shown))

        text = "".join(dice.choices(["a", "\r", "\n", "\r\n", "\x0b", "\x0c", "\x85", "\u2028", "👍"], k=6))
        questions.append(("clean", text))
        answers.append(crypto.clean_text(text))
    theirs = ask_twin(questions)
    ours = json.loads(json.dumps(answers))
    assert [
        (asked, one, other) for asked, one, other in zip(questions, ours, theirs, strict=True) if one != other
    ] == []
    verdicts = Counter(
        judged[0] for (what, _), said in zip(questions, ours, strict=True) if what == "chain" for judged in said[0]
    )
    assert min(verdicts[one] for one in (None, "ok", "duplicate", "gap", "late", "fork")) > 100
    orders = Counter(one for (what, _), said in zip(questions, ours, strict=True) if what == "order" for one in said)
    assert min(orders[one] for one in (None, "ok", "crossed", "impossible", "fork")) > 100


FAILURES = {"not-verified": "unverified", "needs-newer": "unsupported"}  # keys of the words of the page


def shown_rows() -> Iterable[Row]:
    """Alice's rows as Bob gets them from a server that hides expiry: each kind, with and without a timer."""
    for kind in KINDS:
        about = (
            kind["text"][:22] if kind["kind"] == "delete" else kind["reference"][0] if kind["kind"] == "edit" else None
        )
        file = crypto.read_file(kind["text"])["id"] if kind["kind"] == "file" else None
        for x in (None, 0, 5, 31_536_000):
            given = kind if x is None else kind | {"x": x}
            with suppress(crypto.Refused):  # a timer message with an expiry cannot be sealed
                sealed = crypto.seal_message(ALICE, BOB.ik, BOB.spki, n=1, p="", a=(0, ""), ts=NOW, **given)
                is_first = crypto.in_order(ALICE.fp, BOB.fp)[0] == BOB.fp
                copy = sealed.content_for_a if is_first else sealed.content_for_b
                row = Row(1, sealed.message_id, NOW, "alice", 1, 1, sealed.hash, copy, replaces=about, file=file)
                yield from (row, replace(row, suite=2), replace(row, hash=HASH), replace(row, encrypted=None))


def test_both_implementations_show_the_same_rows() -> None:
    """Both show and refuse the same rows, and a refused row changes nothing."""
    people = load_vectors("people")[0]
    questions: list[tuple[str, Any]] = []
    ours: list[Any] = []
    rows = [*shown_rows()]
    for row in rows:
        opened = open_row(row, BOB, ALICE.ik, "bob")
        kind, text = (opened.body.kind, opened.body.text) if opened.body is not None else (None, "")
        last = [row.n, row.hash] if opened.is_verified else None
        ours.append([kind, text, opened.failure, last])
        told = {"messageId": row.message_id, "hash": row.hash, "n": str(row.n), "suite": str(row.suite)}
        more = {"sealed": row.encrypted, "replaces": row.replaces, "file": row.file}
        told |= {name: value for name, value in more.items() if value is not None}
        questions.append(("show", {"reader": people["bob"], "sender": people["alice"], "row": told}))
    theirs = [[*found, FAILURES.get(failure, failure), last] for *found, failure, last in ask_twin(questions)]
    assert {kind for kind, *_ in ours} == {None, *(kind["kind"] for kind in KINDS)}
    assert [(row, one, other) for row, one, other in zip(rows, ours, theirs, strict=True) if one != other] == []
    assert {failure for *_, failure, _ in ours} == {"", "gone", "unverified", "unsupported"}
