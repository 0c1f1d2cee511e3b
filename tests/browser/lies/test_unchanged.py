"""A server that refuses changes and marks for good: nothing shows as done that is not, and nothing is lost."""

from __future__ import annotations

import itertools
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from playwright.async_api import Page, Route, expect

from ezdms.edge.headers import HEADERS
from tests.browser.lies.answers import BROKEN
from tests.browser.lies.peers import noise
from tests.browser.lies.rows import SHOWN, Rows, showing, without_copy
from tests.browser.lies.stage import Stage, told
from tests.browser.lies.test_rows import SAID, invented, talk
from tests.browser.test_changing import ROUND, acts, row
from tests.browser.test_timers import sets_timer
from tests.support.someone import texts_of, until

__all__ = ["talk"]

NOT_SHOWN = "The server says it has this message, but does not show it."
COUNTER = {"code": "counter", "next_n": 2}
REFUSALS: dict[str, tuple[int, Any, str]] = {  # status, answer, what the page says
    "403": (403, {}, BROKEN),
    "404": (404, {"code": "no_message"}, "There is no such message in this conversation that you can change."),
    "409 counter": (409, COUNTER, "Another message of yours already has this number."),
    "409 counter, far ahead": (409, COUNTER | {"next_n": 2**52}, "Another message of yours already has this number."),
    "422": (422, {"code": "not_an_envelope"}, BROKEN),
    "200 with another id": (200, {"message_id": noise(16), "seq": 2, "created_at": 1}, NOT_SHOWN),
    "200 with a distant seq": (200, {"message_id": noise(16), "seq": 2**53 - 1, "created_at": 1}, NOT_SHOWN),
}
MOST = 3  # requests for each change, until the person tries again


@asynccontextmanager
async def refusing(page: Page, path: str, status: int, answer: Any) -> AsyncIterator[list[str]]:
    """Inside, these requests never reach the real server; yields those that were made."""
    asked: list[str] = []

    async def refuse(route: Route) -> None:
        asked.append(route.request.post_data or "")
        await route.fulfill(status=status, json=answer, headers=HEADERS)

    await page.route(path, refuse)
    try:
        yield asked
    finally:
        await page.unroute(path)


# Queues a change of this message, as the menus do.
QUEUE = """([kind, seq]) => {
    const thread = document.querySelector("message-thread");
    const { id, hash } = thread.loaded.rowOf(seq).fact;
    const message = {
        react: { text: "👍", reference: [id, hash] }, edit: { text: `changed ${seq}`, reference: [id, hash] },
        timer: { text: "3600" }, delete: { text: `${id} ${hash}` },
    }[kind];
    return thread.querySelector("message-composer").outbox.add([{ kind, ...message }]);
}"""
CALLED = {  # what the page calls a change while it waits
    "react": "Your reaction: 👍",
    "timer": "Disappearing messages: 1 hour",
    "delete": "Delete a message for both",
    "edit": "Edited message",
}


async def chooses(stage: Stage, kind: str, text: str, seq: int) -> None:
    """Alice makes this change of her message in the menus."""
    page = stage.page
    if kind == "edit":
        await acts(page, text, "Edit")
        await stage.composer.fill(f"changed {seq}")
        await stage.composer.press("Enter")
    elif kind == "react":
        await acts(page, text, "👍")
    elif kind == "timer":
        await sets_timer(page, "1 hour")
    else:
        await acts(page, text, "Delete")
        await page.get_by_role("button", name="Delete for both").click()


async def is_unchanged(stage: Stage, texts: list[str]) -> None:
    """The page shows her messages as they were; all but the last are edited."""
    await expect(texts_of(stage.page)).to_have_text(texts)
    await expect(stage.page.locator("[data-gone], [data-line], .reaction")).to_have_count(0)
    await expect(stage.page.locator("message-row").last.locator(".edited")).to_have_count(0)
    await expect(stage.page.locator("message-composer .lifetime")).to_be_empty()


async def test_a_refused_change_is_reported_and_shows_nothing_as_done(talk: Stage) -> None:
    """It waits, also after the conversation was opened anew, until the person tries again or discards it. Chosen in the
    menus with the first refusal, and queued by the same function with the others."""
    page, pending, texts = talk.page, talk.page.locator(".pending"), [*SAID]
    await talk.opens()
    for number, (name, (status, answer, sentence)) in enumerate(REFUSALS.items()):
        with told(name):
            mine = f"mine, {number}"
            await talk.says(mine)
            seq = (await talk.bob.rows())[-1]["seq"]
            for kind, called in CALLED.items():
                async with refusing(page, "**/send_message", status, answer) as asked:
                    if number:
                        await page.evaluate(QUEUE, [kind, seq])
                    else:
                        await chooses(talk, kind, mine, seq)
                    await expect(pending, kind).to_contain_text(called)
                    await expect(pending.get_by_role("status"), kind).to_contain_text(sentence)
                    await is_unchanged(talk, [*texts, mine])
                    for _ in range(3):
                        await page.evaluate(ROUND)
                    await page.wait_for_timeout(300)
                    assert 1 <= len(asked) <= MOST, kind
                    await expect(pending, kind).to_contain_text(called)
                    if kind != "edit":
                        await pending.get_by_role("button", name="Discard").click()
                        await expect(pending, kind).to_have_count(0)
            async with refusing(page, "**/send_message", status, answer):
                await (talk.opens_anew() if number else talk.opens())
                await expect(pending.get_by_role("status")).to_contain_text(sentence)
                await is_unchanged(talk, [*texts, mine])
            await pending.get_by_role("button", name="Try again").click()
            texts.append(f"changed {seq}")
            await expect(texts_of(page)).to_have_text(texts)
            await expect(pending).to_have_count(0)
            rows = await talk.bob.rows()
            assert len(rows) == len(SAID) + 2 * (number + 1)  # only the edit, and only once
            assert rows[-1]["replaces"] == rows[-2]["message_id"]


async def test_a_server_cannot_make_the_page_encrypt_a_message_forever(talk: Stage) -> None:
    """It says that another device was faster, and shows a row of that device, again and again."""
    await talk.opens_anew()
    await talk.says("mine")
    shown = [0]

    def change(rows: Rows) -> Rows:
        shown[0] += 1
        own = [row for row in rows if "data-own" in row] or [made]
        made.update(own[-1])
        n, seq = str(int(made["data-n"]) + shown[0]), str(10 + shown[0])
        return [*rows, without_copy(invented(made, n=n)) | {"data-n": n, "data-seq": seq}]

    made: dict[str, str] = {}
    pending = talk.page.locator(".pending")
    with talk.liar.lying(SHOWN, showing(change)):
        await talk.opens_anew()
        async with refusing(talk.page, "**/send_message", 409, COUNTER) as asked:
            await talk.composer.fill("who is faster?")
            await talk.composer.press("Enter")
            await expect(pending.get_by_role("status")).to_contain_text("already has this number")
            assert 5 < len(asked) < 50
            before = len(asked)
            await talk.page.wait_for_timeout(1000)
            assert len(asked) == before
            await pending.get_by_role("button", name="Edit").click()
            await expect(pending).to_have_count(0)  # otherwise it is sent beside what the next test sends
            await talk.composer.clear()


# When the page sent its messages (ms), by its own clock: the test hears of them later.
ASKED_AT = """() => performance.getEntriesByType("resource").filter(({ name }) => name.endsWith("/send_message"))
    .map(({ startTime }) => startTime)"""


async def test_a_server_that_asks_for_no_wait_is_asked_once_a_second(talk: Stage) -> None:
    await talk.opens()
    said = [*SAID, await talk.hears_from_bob()]
    await expect(texts_of(talk.page)).to_have_text(said)  # it is connected: it also asks at once when it connects
    waits = {"code": "too_often", "retry_after": 0}
    async with refusing(talk.page, "**/send_message", 429, waits) as asked:
        await talk.composer.fill("patient")
        await talk.composer.press("Enter")
        await until(lambda: len(asked) >= 7)
        times = await talk.page.evaluate(ASKED_AT)
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert len(pauses) >= 6
    assert sorted(pauses)[1] >= 999  # and at once with the next round, every ten seconds
    await expect(texts_of(talk.page)).to_have_text([*said, "patient"])
    assert len(await talk.bob.rows()) == len(said) + 1


MARKS = {name: (status, answer) for name, (status, answer, _) in REFUSALS.items() if status != 200}


async def test_a_message_stays_hidden_although_the_server_refuses_the_mark(talk: Stage) -> None:
    """Also if it refuses the list of contacts, in which the user's other devices would find it."""
    page, shown = talk.page, [f"hides {number}" for number in range(len(MARKS))]
    for text in shown:
        await talk.bob.writes(text)
    await talk.opens()
    for number, (name, mark) in enumerate(MARKS.items()):
        with told(name):
            async with refusing(page, "**/hide_message", *mark) as asked, refusing(page, "**/vault", *mark):
                await acts(page, shown[number], "Delete")
                await page.get_by_role("button", name="Delete for me").click()
                shown[number] = "You deleted this message for yourself."
                await expect(texts_of(page)).to_have_text([*SAID, *shown])
                alert = page.locator("message-composer [role=alert]")
                refused = re.compile("refused to remove its copy .* stays hidden on your devices")
                await expect(alert).to_have_text(refused)
                for _ in range(3):
                    await page.evaluate(ROUND)
                await page.wait_for_timeout(300)
                assert len(asked) == 1
                await (talk.opens_anew() if number else talk.opens())
                await expect(texts_of(page)).to_have_text([*SAID, *shown])
            await talk.opens_anew()  # with the vault, and the copy that the server still has
            assert all(one["encrypted"] is not None for one in await talk.bob.rows())
            await expect(texts_of(page)).to_have_text([*SAID, *shown])
            await expect(row(page, f"hides {number}")).to_have_count(0)
    await talk.opens()
    await expect(texts_of(page)).to_have_text([*SAID, *shown])
    await talk.carries_on()
