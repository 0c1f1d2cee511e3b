"""Rows that nobody signed, or in another order: what a person reads of them, and that nothing in the chain moves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.browser.lies.peers import noise
from tests.browser.lies.rows import SHOWN, Row, Rows, showing
from tests.browser.lies.stage import Stage
from tests.browser.someone import texts_of

SAID = ["one", "two", "three"]
GONE = "This message is gone: it was deleted or has expired."
NOT_VERIFIED, NEWER = "Cannot be verified", "Needs a newer version of EZ-DMS"
FORGED_SIGNATURE, FORKED = "false signature", "tampered with"


@pytest_asyncio.fixture(loop_scope="session")
async def talk(stage: Stage) -> AsyncIterator[Stage]:
    """Somebody new wrote three messages, and Alice has not looked yet."""
    await stage.meets_somebody(*SAID)
    yield stage
    await stage.comes_back()


def invented(row: Row, **changed: str) -> Row:
    """A row that nobody sent: right in form."""
    fresh = {"data-message-id": noise(16), "data-hash": noise(32), "data-seq": str(int(row["data-seq"]) + 50)}
    given = {f"data-{name.replace('_', '-')}": value for name, value in changed.items()}
    return row | fresh | {"data-n": str(int(row["data-n"]) + 1)} | given


def without_copy(row: Row) -> Row:
    """The row, emptied."""
    return {name: value for name, value in row.items() if name != "data-sealed"}


def twin_of(row: Row) -> Row:
    """The same message under another number."""
    return invented(row, n="9", message_id=row["data-message-id"], hash=row["data-hash"])


LARGEST = str(2**53 - 1)
UNSIGNED: dict[str, tuple[Callable[[Rows], Rows], str]] = {
    "emptied and never sent": (lambda rows: [*rows, without_copy(invented(rows[-1]))], GONE),
    "of suite 99": (lambda rows: [*rows, invented(rows[-1], suite="99")], NEWER),
    "of noise": (lambda rows: [*rows, invented(rows[-1])], NOT_VERIFIED),
    "of the largest number": (lambda rows: [*rows, without_copy(invented(rows[-1], n=LARGEST))], GONE),
    "of the largest place": (lambda rows: [*rows, without_copy(invented(rows[-1], seq=LARGEST))], GONE),
    "of a far day": (lambda rows: [*rows, without_copy(invented(rows[-1], at="253402300799999"))], GONE),
    "of suite 99 and the largest number": (lambda rows: [*rows, invented(rows[-1], suite="99", n=LARGEST)], NEWER),
    "a replay": (lambda rows: [*rows, invented(rows[-1], sealed=rows[0]["data-sealed"])], NOT_VERIFIED),
    "a replay with its id": (lambda rows: [*rows, twin_of(rows[0])], NOT_VERIFIED),
}  # fmt: skip


@pytest.mark.parametrize("name", UNSIGNED)
async def test_a_row_that_nobody_signed_moves_nothing(talk: Stage, name: str) -> None:
    """It is not acknowledged, not remembered, and the messages taken back afterwards would be missed."""
    change, shown = UNSIGNED[name]
    last = talk.bob.sent[-1]
    with talk.liar.lying(SHOWN, showing(change)):
        await talk.opens()
        await expect(texts_of(talk.page)).to_have_text([*SAID, *[shown] * (len(change([ANY] * 3)) - 3)])
        await talk.says("does it hold?")
    said = await talk.bob.last()
    assert (said.n, said.p, said.a) == (1, "", (3, last.hash))
    assert await talk.remembers() == ([1, (await talk.bob.rows())[-1]["hash"]], [3, last.hash])


ANY: Row = {"data-seq": "1", "data-n": "1", "data-sealed": "", "data-message-id": "", "data-hash": ""}


@pytest.mark.parametrize("name", ["emptied", "suite 99", "noise"])
async def test_an_emptied_tail_is_no_alarm_and_is_not_acknowledged(talk: Stage, name: str) -> None:
    """The last message is there, and not to be read: what stands is acknowledged, and no more."""

    def change(rows: Rows) -> Rows:
        for row in rows:
            if row["data-n"] == "3":
                row |= {"suite 99": {"data-suite": "99"}, "noise": {"data-sealed": rows[0]["data-sealed"]}}.get(
                    name, {}
                )
        return [without_copy(row) if name == "emptied" and row["data-n"] == "3" else row for row in rows]

    with talk.liar.lying(SHOWN, showing(change)):
        await talk.opens()
        await expect(texts_of(talk.page)).to_have_count(3)
        await expect(talk.page.locator("[role=alert]:not(:empty)")).to_have_count(0)
        await talk.says("and now?")
    assert (await talk.bob.last()).a == (2, talk.bob.sent[1].hash)
    assert (await talk.remembers())[1] == [2, talk.bob.sent[1].hash]
    await talk.opens()  # the honest twin
    await expect(texts_of(talk.page)).to_have_text([*SAID, "and now?"])


@pytest.mark.parametrize("number", ["2", "1000", str(2**52 - 1), str(2**52), LARGEST])
async def test_a_row_of_mine_that_i_never_wrote_costs_a_gap_and_no_more(talk: Stage, number: str) -> None:
    """Its number is taken for the next one below 2^52; the page neither hangs nor stops, whatever it is."""

    def change(rows: Rows) -> Rows:
        return [*rows, without_copy(invented(rows[-1], n=number, own=""))] if rows else rows

    with talk.liar.lying(SHOWN, showing(change)):
        await talk.opens()
        await expect(texts_of(talk.page)).to_have_text([*SAID, GONE])
        await talk.composer.fill("still here")
        await talk.composer.press("Enter")
        await expect(talk.page.get_by_text("still here")).to_be_visible()
    await talk.page.goto(talk.liar.url)
    await talk.opens()
    await expect(talk.composer).to_be_enabled()


async def test_the_honest_rows_are_taken_without_a_word(talk: Stage) -> None:
    with talk.liar.lying(SHOWN, showing(lambda rows: rows)):
        await talk.opens()
        await expect(texts_of(talk.page)).to_have_text(SAID)
        await talk.says("well?")
        assert (await talk.bob.last()).a == (3, talk.bob.sent[-1].hash)
    await expect(talk.page.locator("[role=alert]:not(:empty), .note:not(:empty), .signed:not(:empty)")).to_have_count(0)
