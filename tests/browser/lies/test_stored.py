"""A message counts as stored only if the server shows it: false claims neither lose nor duplicate messages."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, nullcontext
from urllib.parse import parse_qs

from playwright.async_api import Page, expect

from ezdms.edge.headers import HEADERS
from tests.browser.lies.answers import saying
from tests.browser.lies.fragments import element
from tests.browser.lies.liar import Answer
from tests.browser.lies.rows import ROW, SHOWN, Rows, read, showing, without_copy
from tests.browser.lies.stage import Stage, told
from tests.browser.lies.test_order import DISORDER, is_alarmed, older
from tests.browser.lies.test_previews import rows_of
from tests.browser.lies.test_rows import SAID, talk
from tests.support.someone import texts_of, until

__all__ = ["talk"]

SEND = "POST /send_message"
TAKEN = json.dumps({"error": "x", "code": "counter", "next_n": 2})
NOT_SHOWN = "The server says it has this message, but does not show it."


def seals_in(heard: list[str]) -> list[dict[str, list[str]]]:
    """Return the fields of every submitted message."""
    return [parse_qs(one.partition("\r\n\r\n")[2]) for one in heard if one.startswith(f"{SEND} ")]


async def is_sent(talk: Stage, *texts: str) -> None:
    """The messages are shown once, nothing is queued, and the real server has each once."""
    await expect(texts_of(talk.page)).to_have_text([*SAID, *texts])
    await expect(talk.page.locator(".pending")).to_have_count(0)
    await expect(talk.page.locator("[role=alert]:not(:empty)")).to_have_count(0)
    assert len(await talk.bob.rows()) == len(SAID) + len(texts)
    assert (await talk.bob.last()).text == texts[-1]


async def test_a_message_that_was_stored_but_refused_is_not_sealed_again(talk: Stage) -> None:
    """Its row proves that it is stored, whether the socket delivers the row or the page requests it."""
    texts: list[str] = []
    await talk.opens_anew()
    for times, is_silent in itertools.product((1, 9), (False, True)):
        left = iter(range(times))

        def refuse(answer: Answer, left: Iterator[int] = left) -> None:
            if next(left, None) is not None:
                saying(TAKEN, 409)(answer)

        since = len(talk.liar.heard)
        texts.append(f"only once: {times}, {is_silent}")
        with (
            told(texts[-1]),
            talk.liar.lying(SEND, refuse),
            talk.liar.silent() if is_silent else nullcontext(),
        ):
            await talk.says(texts[-1])
            await is_sent(talk, *texts)
            handed = seals_in(talk.liar.heard[since:])
            assert handed.count(handed[0]) == len(handed)
    await talk.carries_on()


@asynccontextmanager
async def swallowed(page: Page, seq: int) -> AsyncIterator[None]:
    """Inside, the server claims to store every message, and stores none."""
    await page.route("**/send_message", lambda route: route.fulfill(json={"seq": seq}, headers=HEADERS))
    try:
        yield
    finally:
        await page.unroute("**/send_message")


async def test_a_message_accepted_but_not_shown_stays_queued_until_it_is_shown(talk: Stage) -> None:
    texts: list[str] = []
    await talk.opens_anew()
    pending = talk.page.locator(".pending")
    for seq, is_reloaded in itertools.product((2, 99), (False, True)):
        texts.append(f"is it there? {seq}, {is_reloaded}")
        with told(texts[-1]):
            async with swallowed(talk.page, seq):
                await talk.composer.fill(texts[-1])
                await talk.composer.press("Enter")
                await expect(pending).to_contain_text(NOT_SHOWN)
                await expect(pending).to_contain_text(texts[-1])
            assert len(await talk.bob.rows()) == len(SAID) + len(texts) - 1
            if is_reloaded:
                await talk.opens_anew()
            else:
                await pending.get_by_role("button", name="Try again").click()
            await is_sent(talk, *texts)
    await talk.carries_on()


async def test_an_emptied_row_does_not_take_the_place_of_a_message_shown_elsewhere(talk: Stage) -> None:
    await talk.opens_anew()
    await talk.says("yes, do it")

    def change(rows: Rows) -> Rows:
        """Move their last message after the reply to it, and put an emptied row in its place."""
        asked = [row for row in rows if row["data-seq"] == "3"]
        return [without_copy(row) if row in asked else row for row in rows] + [row | {"data-seq": "9"} for row in asked]

    with talk.liar.lying(SHOWN, showing(change)):
        await talk.opens_anew(is_well=False)
        await is_alarmed(talk, DISORDER)
        await expect(texts_of(talk.page)).to_have_text([*SAID[:2], "yes, do it", SAID[2]])
    await talk.opens_anew()  # control: no lie
    await is_sent(talk, "yes, do it")
    await talk.carries_on()


KEPT = """async () => {
    const { loadOutbox } = await import(document.querySelector("[src*=boot]").src.replace("boot", "keystore"));
    return (await loadOutbox(location.pathname.slice(3))).length;
}"""


async def test_a_message_whose_response_was_lost_is_found_on_an_older_page(talk: Stage) -> None:
    page, held = talk.page, list[Answer]()

    def hold(answer: Answer) -> None:
        """It is stored, and the page never hears of that."""
        if not held:
            answer.body, answer.rest = b"", answer.body
        held.append(answer)

    await talk.opens()
    since = len(talk.liar.heard)
    with talk.liar.silent(), talk.liar.lying(SEND, hold):
        await talk.composer.fill("long ago")
        await talk.composer.press("Enter")
        await until(lambda: bool(held))
        await page.goto("about:blank")
        held[0].go_on.set()
        lines = [f"line {i}" for i in range(1, 61)]
        for line in lines:
            await talk.bob.writes(line)
        await page.goto(talk.address)
        await expect(texts_of(page)).to_have_text([*SAID, "long ago", *lines])
        await expect(page.locator(".pending")).to_have_count(0)
    handed = seals_in(talk.liar.heard[since:])
    assert handed in ([handed[0]], [handed[0]] * 2)  # the same again, unless its row was seen first

    async def is_let_go() -> bool:
        return bool(await page.evaluate(KEPT) == 0)

    await until(is_let_go)
    rows = await rows_of(talk, talk.bob)
    assert len(rows) == len(SAID) + 1 + len(lines)
    assert [i for i, row in enumerate(rows) if "data-own" in row] == [len(SAID)]


# Resolves once all loaded rows are judged.
SETTLED = "() => document.querySelector('message-thread').settled()"


def layout(places: str, rows: Rows) -> str:
    """Build a response: "<2 2 3" is an element for messages before 2, and the rows with seq 2 and 3."""
    by_seq = {row["data-seq"]: element("message-row", row) for row in rows}
    return "".join(older(int(place[1:])) if place[0] == "<" else by_seq[place] for place in places.split())


LAYOUTS = [
    ("<2 2 3", "1", 1),  # control: the honest layout
    ("1 2 3 <2", "", 0),
    ("1 <3 2 3", "", 0),
    ("<9 1 2 3", "", 0),
    ("<2 <2 2 3", "1", 1),
    ("<2 2 <3 3", "1", 1),
    ("<2 2 3", "<2 2 1", 1),
    ("<2 2 3", "<3 3 1", 1),
]


async def test_older_messages_are_requested_once_and_in_the_right_place(talk: Stage) -> None:
    for opened, before, asked in LAYOUTS:
        rows: Rows = []

        def change(answer: Answer, opened: str = opened, rows: Rows = rows) -> None:
            facts = ROW.sub("", answer.text)
            rows.extend(read(match[1]) for match in ROW.finditer(answer.text))
            answer.text = facts + layout(opened, rows)

        def change_more(answer: Answer, before: str = before, rows: Rows = rows) -> None:
            answer.text = layout(before, rows)

        since = len(talk.liar.heard)
        with (
            told(f"{opened}, then {before}"),
            talk.liar.lying("GET /c/.*/open", change),
            talk.liar.lying(r"GET /messages/.*\?before=.*", change_more),
        ):
            await talk.opens_anew()
            await expect(texts_of(talk.page)).to_have_text(SAID)
            await expect(talk.page.locator("older-messages")).to_have_count(0)
            if (opened, before, asked) == LAYOUTS[-1]:
                await talk.carries_on()
            else:
                await talk.page.evaluate(SETTLED)
            heard = talk.liar.heard[since:]
            assert [one.split()[1].partition("?")[2] for one in heard if "?before=" in one] == ["before=2"] * asked
