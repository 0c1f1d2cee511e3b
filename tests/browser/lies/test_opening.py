"""A page of fifty messages: the newest are shown first, and the checks see all of them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import expect

from tests.browser.lies.peers import Peer
from tests.browser.lies.rows import SHOWN, Rows, showing
from tests.browser.lies.stage import Stage
from tests.browser.lies.test_order import FORK, is_alarmed, notes
from tests.browser.lies.test_rows import NOT_VERIFIED, invented
from tests.support.someone import Someone, texts_of

MANY = 50
IN_VIEW = 15  # catch-up.js
SAID = [f"message {n}" for n in range(1, MANY + 1)]

# Records the seq of each row as its text appears.
RECORD = """() => {
    window.appeared = [];
    new MutationObserver((changes) => {
        for (const { target, oldValue } of changes) {
            if (target.localName === "message-row" && oldValue !== null) window.appeared.push(target.seq);
        }
    }).observe(document, { subtree: true, attributeFilter: ["data-sealed"], attributeOldValue: true });
}"""


_written: dict[str, tuple[Someone, Peer]] = {}  # who wrote to this Alice


@pytest_asyncio.fixture(loop_scope="session")
async def long_talk(stage: Stage) -> AsyncIterator[Stage]:
    """A contact wrote fifty messages to Alice, once for all tests: none of them changes what is stored."""
    alice, writer = _written.get("fifty", (None, None))
    if writer is None or alice is not stage.alice:
        await stage.meets_a_new_contact(*SAID)
        writer = stage.bob
        _written["fifty"] = (stage.alice, writer)
        await stage.comes_back()
    stage.friend, stage.bob = stage.bob, writer
    yield stage
    stage.bob = stage.friend


async def test_the_newest_messages_appear_first(long_talk: Stage) -> None:
    page = await long_talk.alice.new_tab()
    await page.add_init_script(f"({RECORD})()")
    await page.goto(long_talk.address)
    await expect(texts_of(page)).to_have_text(SAID)
    first, rest = range(MANY - IN_VIEW + 1, MANY + 1), range(1, MANY - IN_VIEW + 1)
    assert await page.evaluate("window.appeared") == [*first, *rest]
    await page.close()


async def test_a_message_missing_among_the_older_ones_is_noted_at_its_place(long_talk: Stage) -> None:
    def change(rows: Rows) -> Rows:
        return [row for row in rows if row["data-n"] not in ("20", "40")]

    with long_talk.liar.lying(SHOWN, showing(change)):
        await long_talk.opens_anew()
        await expect(notes(long_talk)).to_have_count(2)
        for n in (21, 41):
            row = long_talk.page.locator("message-row").filter(has_text=f"message {n}")
            await expect(row.locator(".note")).to_contain_text("Messages are missing before this one.")
    await long_talk.opens_anew()
    await expect(notes(long_talk)).to_have_count(0)


async def test_of_two_rows_with_one_number_the_earlier_one_counts(long_talk: Stage) -> None:
    """Such claims are judged from the first row to the last, so a made-up row hides no message."""
    with long_talk.liar.lying(SHOWN, showing(lambda rows: [*rows, invented(rows[-1], n="3")])):
        await long_talk.opens_anew(is_well=False)
        await is_alarmed(long_talk, FORK)
        await expect(texts_of(long_talk.page)).to_have_text([*SAID, NOT_VERIFIED])


async def test_a_row_that_is_not_what_the_next_message_links_to_is_found_among_the_older_ones(
    long_talk: Stage,
) -> None:
    def change(rows: Rows) -> Rows:
        return [invented(row, n="20", seq=row["data-seq"]) if row["data-n"] == "20" else row for row in rows]

    with long_talk.liar.lying(SHOWN, showing(change)):
        await long_talk.opens_anew(is_well=False)
        await is_alarmed(long_talk, FORK)
        row = long_talk.page.locator("message-row[data-seq='20'] sealed-text")
        await expect(row).to_have_text(NOT_VERIFIED)
        await expect(texts_of(long_talk.page).last).to_have_text(SAID[-1])
