"""What a search finds: words in any order, without case, accents and width; phrases, senders and dates."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ezdms.client.message import Message, SharedFile
from ezdms.client.searching import LATEST, Query, folded, read_query
from tests.conftest import ROOT
from tests.support.node import run_node

NOON = 1_772_971_200_000  # 2026-03-08 12:00 UTC
SAME = [
    ("ＡＢＣ１２３", "abc123"),
    ("Crème Brûlée", "creme brulee"),
    ("STRASSE", "straße"),
    ("ẞ", "ss"),
    ("ΟΔΥΣΣΕΎΣ", "οδυσσευς"),
    ("İstanbul ışık", "istanbul isik"),
    ("ﬁne ①", "fine 1"),
    ("ｶﾞ", "ガ"),
    ("한글", "한글"),
    ("שָׁלוֹם", "שלום"),
    ("❤️", "❤"),
    ("a\u00a0\u3000b\n\nc", "a b c"),
    ("co\u00adop\u200beration", "cooperation"),
]


@pytest.fixture(params=["UTC", "Asia/Tokyo", "America/St_Johns"])
def zone(request: pytest.FixtureRequest) -> Iterator[None]:
    """A local time."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = request.param
    time.tzset()
    yield
    os.environ.pop("TZ")
    os.environ.update({} if before is None else {"TZ": before})
    time.tzset()


def message(text: str | None, **more: Any) -> Message:
    given = {"contact": "bob", "is_own": False, "created_at": NOON, "text": text, **more}
    return Message("C", message_id="id", seq=1, **given)


@pytest.mark.parametrize(("one", "other"), SAME)
def test_case_accents_and_width_make_no_difference(one: str, other: str) -> None:
    assert folded(one) == folded(other)
    assert read_query(one).finds(message(f"x {other} y"))
    assert read_query(other).finds(message(one))


@pytest.mark.parametrize(("one", "other"), [("か", "が"), ("कल", "कुल"), ("a b", "ab"), ("é", "f")])
def test_different_letters_are_different(one: str, other: str) -> None:
    assert folded(one) != folded(other)


def test_the_beginning_of_a_word_finds_it() -> None:
    assert read_query("ΟΔΥΣ").finds(message("Οδυσσεύς"))  # a sigma at the end looks different
    assert read_query("ㅎ").finds(message("한"))


@given(st.text())
def test_a_folded_text_is_folded(text: str) -> None:
    assert folded(folded(text)) == folded(text)


@pytest.mark.parametrize(
    ("typed", "finds"),
    [
        ("mat key", True),
        ("KEY mat", True),
        ("ke at", True),
        ("key door", False),
        ('"under the mat"', True),
        ('"under mat"', False),
        ('"key  is under', True),
        ("“under the mat”", True),
        ("„under mat“", False),
        ('mat "the key"', True),
        ("from:me key", False),
        ("from:bo key", True),
        ("from:BÖB", True),
        ("from:carol key", False),
        ('from:"Uncle B"', True),
        ("from:me from:bob", False),
        ("since:2026-03-08", True),
        ("since:2026-03-09", False),
        ("until:2026-03-08 key", True),
        ("until:2026-03-07 key", False),
        ("on:2026-03 key", True),
        ("on:2026-02", False),
        ("on:2026", True),
        ("since:2025-12 until:2026-03", True),
    ],
)
def test_words_phrases_senders_and_dates_are_all_needed(typed: str, finds: bool, zone: None) -> None:
    here = int(datetime(2026, 3, 8, 12).timestamp() * 1000)
    found = message("The key is\nunder the MÁT", created_at=here)
    assert read_query(typed).finds(found, nickname="uncle bob") is finds


@pytest.mark.parametrize("typed", ["since:2026-13", "on:2026-02-30", "until:soon", "since:", "on:0000", "at:noon"])
def test_what_is_no_date_is_a_word(typed: str) -> None:
    assert read_query(typed).words == (typed,)
    assert read_query(typed).finds(message(f"He wrote {typed}!"))


def test_dates_begin_and_end_at_midnight_here(zone: None) -> None:
    day = read_query("on:2026-12-31")
    assert day.since == int(datetime(2026, 12, 31).timestamp() * 1000)
    assert day.until == int(datetime(2027, 1, 1).timestamp() * 1000)
    assert read_query("on:2026-12").until == read_query("on:2026").until == day.until
    assert read_query("until:9999").until <= LATEST + 1


@pytest.mark.parametrize("typed", ["", "  ", '"', '""', 'from:""', "\u200b"])
def test_an_empty_search_is_said_to_be_empty(typed: str) -> None:
    assert read_query(typed).is_empty


@given(st.text(alphabet='ab:" -0129fromsinceutl'))
def test_whatever_is_typed_can_be_searched(typed: str) -> None:
    read_query(typed).finds(message("a"))


@pytest.mark.parametrize(
    "shown",
    [
        {"failure": "unverified", "state": "unverified"},
        {"failure": "unsupported", "state": "unsupported"},
        *({"failure": "gone", "state": state} for state in ("deleted", "hidden", "expired", "withheld", "blocked")),
        {"alarm": "These messages cannot have been written in this order."},
        {"state": "change"},
        {"state": "timer"},
    ],
)
def test_what_is_gone_unverified_or_an_alarm_is_not_found(shown: dict[str, Any]) -> None:
    assert not read_query("key").finds(message("key", **shown))
    assert not read_query("on:2026").finds(message("key", **shown))


def test_a_file_is_found_by_its_name() -> None:
    file = SharedFile("Ré\u202esumé.pdf", 5, "application/pdf", "id", b"", "")
    found = message(None, state="file", file=file)
    assert read_query("sume PDF").finds(found)
    assert not read_query("application").finds(found)


def test_what_a_message_has_can_be_searched() -> None:
    def sent(type: str) -> Message:
        return message(None, state="file", file=SharedFile("a.bin", 5, type, "id", b"", ""))

    assert read_query("has:picture a").finds(sent("image/webp"))
    assert read_query("has:file").finds(sent("image/webp"))
    assert read_query("has:FILE has:file").finds(sent("image/svg+xml"))
    assert not read_query("has:picture").finds(sent("image/svg+xml"))
    assert not read_query("has:link").finds(sent("image/webp"))
    assert read_query("has:link see").finds(message("See HTTPS://example.org"))
    assert read_query("has:link").finds(message("www.example.org"))
    assert not read_query("has:link").finds(message("https: // and www."))
    assert read_query("has:cheese").words == ("has:cheese",)
    assert not read_query("has:link").is_empty


def test_a_side_can_be_given_beside_the_words() -> None:
    assert Query(side="own").finds(message("a", is_own=True))
    assert not Query(side="theirs").finds(message("a", is_own=True))
    assert not Query(side="own").is_empty


LETTERS = [
    *'abzABZéÉßẞçÇıİſςΣσΆЙйががｶﾞＡ①ﬁ한ㅎאָबु❤️👍 "-:0129',
    "\u00a0",
    "\u200b",
    "\u0301",
    "\u00ad",
    "from:",
    "me",
    "on:2026",
]
LETTERS += ["since:2026-03", "until:2026-02-29", "since:2024-02-29", "on:2026-13", "on:0050", "\n", "bob", "x\ty"]


def ask_twin(questions: list[Any]) -> list[Any]:
    """What words.js answers."""
    script = ROOT / "ezdms" / "static" / "js" / "words.js"
    answers: list[Any] = run_node(Path(__file__).with_name("search_oracle.mjs"), script, given=questions)
    return answers


def test_the_page_reads_every_query_the_same_way_and_finds_the_same(zone: None) -> None:
    rng = random.Random(7)  # noqa: S311
    typed = ["".join(rng.choices(LETTERS, k=rng.randrange(9))) for _ in range(3000)]
    texts = [*typed[1:], typed[0]]
    times = [NOON + rng.randrange(-400, 400) * 86_400_000 for _ in typed]
    asked: list[Any] = [["folded", [one]] for one in typed] + [["query", [one]] for one in typed]
    cases = [*zip(typed, texts, times, strict=True)]
    asked += [["finds", [*each, i % 2 == 0, ["Bob", ""]]] for i, each in enumerate(cases)]
    queries = [read_query(one) for one in typed]
    expected: list[Any] = [folded(one) for one in typed]
    for query in queries:
        until = None if query.until > LATEST else query.until
        expected.append([[*query.words], [*query.senders], query.since, until, [*query.has], query.is_empty])
    found = [
        query.finds(message(text, created_at=at, is_own=i % 2 == 0, contact="Bob"))
        for i, (query, text, at) in enumerate(zip(queries, texts, times, strict=True))
    ]
    answers = ask_twin(asked)
    compared = zip(asked, expected + found, answers, strict=True)
    assert [one for one in compared if one[1] != one[2]] == []
    assert 20 < sum(found) < 2980
