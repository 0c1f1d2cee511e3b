"""The list of conversations: previews of the newest messages, their times, notes, and where the list is scrolled to."""

from __future__ import annotations

import asyncio
import re

import pytest
from playwright.async_api import Browser, Locator, expect

from bench.filled import add_conversations
from tests.browser.home import Home
from tests.browser.lies.peers import milliseconds
from tests.browser.lies.watching import STORED
from tests.support.hostile import Hostile
from tests.support.someone import Someone, texts_of, until

DAY = 86_400_000  # ms
MANY = 60
# Calls setNote of the list.
NOTE = """async ([conversation, note]) => {
    const { setNote } = await import(document.querySelector("[src*=boot]").src.replace("boot", "conversation-list"));
    setNote(conversation, note);
}"""
TOP = "(line) => Math.round(line.getBoundingClientRect().top)"
# Between “You:” and the text: the text itself, not its box.
GAP = """(last) => {
    const range = document.createRange();
    range.selectNodeContents(last.querySelector(".words"));
    return range.getBoundingClientRect().left - last.querySelector(".by").getBoundingClientRect().right;
}"""
SCROLLED = "() => document.querySelector('.sidebar').scrollTop"
SCROLL = "(to) => { document.querySelector('.sidebar').scrollTop = to; }"


def line_of(someone: Someone, name: str) -> Locator:
    """The line of a conversation."""
    return someone.list.get_by_role("link", name=re.compile(rf"^{name} "))


def previews(someone: Someone) -> list[str]:
    """The conversations of each request for previews."""
    return [address.split("?of=")[1] for address in someone.addresses if "/previews?" in address]


async def test_a_line_shows_the_newest_message_in_one_line_bold_while_unread_and_never_stores_it(home: Home) -> None:
    alice, bob, carol = await home.person("alice", is_kept=True), await home.peer(), await home.peer()
    for peer in (carol, bob):
        await alice.starts_with(peer.search_pin)
    await alice.goes_to("/")
    await bob.starts_with(alice.search_pin)
    with_bob, words = line_of(alice, bob.name), line_of(alice, bob.name).locator(".words")
    await bob.writes("by the socket")
    await expect(words).to_have_text("by the socket")
    await bob.writes(f"two\n\nlines {'and more ' * 20}")
    await expect(words).to_have_text(re.compile("^two lines and more"))
    assert await words.evaluate("element => element.offsetHeight < 30 && element.scrollWidth > element.clientWidth")
    assert int(await words.evaluate("element => getComputedStyle(element).fontWeight")) > 600
    await expect(with_bob).to_have_accessible_name(re.compile(rf"^{bob.name} .* two lines .* 2 unread$", re.DOTALL))

    await carol.starts_with(alice.search_pin)
    await carol.writes("`code` ```\nand a\n  block\n```")
    await expect(line_of(alice, carol.name).locator(".words")).to_have_text("code and a block")  # without their marks
    await carol.writes("שלום")
    alice.forgets_the_past()
    alice.records()
    await alice.page.reload()
    await expect(words).to_have_text(re.compile("^two lines"))
    await expect(line_of(alice, carol.name)).to_contain_text("שלום")
    assert len([asked for asked in previews(alice) if bob.conversation in asked and carol.conversation in asked]) == 1
    await expect(with_bob).to_contain_text("2 unread")  # previews do not count as reading

    await alice.opens(bob.name)
    await alice.writes("my answer")
    await expect(line_of(alice, bob.name).locator(".last")).to_have_text("You: my answer")
    assert int(await words.evaluate("element => getComputedStyle(element).fontWeight")) < 600
    await alice.opens(carol.name)
    await alice.writes("שלום")
    last = line_of(alice, carol.name).locator(".last")
    await expect(last).to_have_text("You: שלום")
    assert await last.evaluate(GAP) < 8  # a text from right to left stands beside it, too
    asked = len(previews(alice))
    await bob.writes("while elsewhere")
    await expect(words).to_have_text("while elsewhere")
    assert len(previews(alice)) == asked  # the socket delivered it
    await alice.page.get_by_role("textbox", name="Message").fill("a draft")

    async def is_stored(text: str = "a draft") -> bool:
        return text in await alice.page.evaluate(STORED)

    await until(is_stored)  # control
    for text in ("while elsewhere", "my answer", "two\\n"):
        assert not await is_stored(text)
    assert alice.errors == []


async def test_a_line_shows_the_time_of_today_then_yesterday_then_a_weekday_or_a_date(home: Home) -> None:
    alice, hostile = await home.person("alice", is_kept=True), Hostile(home.server)
    expected = {0: r"\d\d:\d\d", 1: "Yesterday", 3: r"\w+day", 40: r"\w{3} \d+|\d+ \w{3}", 500: r"\d+/\d+/\d+"}
    peers = {}
    for days in expected:
        peers[days] = await home.peer()
        await peers[days].starts_with(alice.search_pin)
        at = milliseconds() - days * DAY
        await peers[days].writes("then", ts=at)
        for table in ("conversations SET last_at", "messages SET created_at"):
            hostile.run(f"UPDATE {table} = ? WHERE conversation_id = ?", at, peers[days].conversation)
    await alice.page.reload()
    for days, time in expected.items():
        await expect(line_of(alice, peers[days].name).locator(".when")).to_have_text(re.compile(f"^({time})"))


async def test_a_line_says_that_something_is_not_sent_yet_or_a_draft(home: Home) -> None:
    alice, bob, carol = await home.person("alice", is_kept=True), await home.peer(), await home.peer()
    await bob.starts_with(alice.search_pin)
    await bob.writes("a question")
    await carol.starts_with(alice.search_pin)
    last, field = line_of(alice, bob.name).locator(".last"), alice.page.get_by_role("textbox", name="Message")
    await alice.opens(bob.name)
    await field.fill("half an")
    await expect(last).to_have_text("a question")  # the draft is in the field
    await alice.opens(carol.name)
    await expect(last).to_have_text("Draft: half an")
    await alice.page.reload()
    await expect(last).to_have_text("Draft: half an")
    await alice.opens(bob.name)
    await expect(field).to_have_value("half an")
    await field.clear()
    await alice.opens(carol.name)
    await expect(last).to_have_text("a question")
    for note, shown in (
        ({"unsent": "an answer"}, "Not sent yet: an answer"),
        ({"unsent": ""}, "Not sent yet"),
        ({"unsent": None}, "a question"),
    ):
        await alice.page.evaluate(NOTE, [bob.conversation, note])
        await expect(last).to_have_text(shown)


async def is_listed(someone: Someone) -> None:
    """Wait for the whole list."""
    await expect(someone.list.get_by_role("listitem")).to_have_count(MANY)
    await expect(someone.list.locator(".words").first).not_to_be_empty()


@pytest.mark.firefox_too
async def test_a_long_list_previews_the_lines_in_view_and_keeps_its_place(browser: Browser, home: Home) -> None:
    name = f"popular_{browser.browser_type.name}"
    alice = await Someone.is_in(browser, home.server, name, recorded=True, viewport={"width": 1280, "height": 800})
    page = alice.page
    await asyncio.to_thread(add_conversations, home.server.data_dir, name, MANY, "text")
    await page.reload()
    await is_listed(alice)
    lines = alice.list.get_by_role("listitem")
    shown = lines.locator(".words:not(:empty)")
    await expect(lines.nth(8).locator(".words")).to_have_text(re.compile(r"^text \d+$"))
    assert await shown.count() < 25
    assert len(previews(alice)) == 1

    await page.evaluate(SCROLL, 2000)
    in_view = lines.nth(31)
    await expect(in_view.locator(".words")).to_have_text(re.compile(r"^text \d+$"))
    assert await shown.count() < 50
    top = await in_view.evaluate(TOP)
    assert 100 < top < 700

    async def stays() -> None:
        await until(lambda: is_there(top))

    async def is_there(top: int) -> bool:
        return abs(int(await in_view.evaluate(TOP)) - top) <= 1

    in_view = alice.list.locator(f"[data-conversation-id='{await in_view.get_attribute('data-conversation-id')}']")
    writers = [await home.peer() for _ in range(2)]
    for writer in writers:  # new lines at the top
        await writer.starts_with(alice.search_pin)
        await writer.writes("news")
    await expect(lines).to_have_count(MANY + 2)
    await stays()
    await writers[0].writes("and more")  # a line moves from above
    await expect(lines.first.locator(".words")).to_have_text("and more")
    await stays()

    button = await page.get_by_role("button", name="New chat").bounding_box()
    assert button
    await page.mouse.click(button["x"] + 9, button["y"] + 9)  # Locator.click may scroll
    await expect(page.get_by_role("textbox", name="Their Search PIN")).to_be_focused()
    await page.keyboard.press("Escape")  # opened in view, and closed without a trace
    await stays()
    await page.mouse.click(200, top + 30)
    await expect(page.get_by_role("log")).to_contain_text("text")
    await stays()
    await page.reload()
    await expect(lines).to_have_count(MANY + 2)
    await stays()
    await page.evaluate("() => sessionStorage.clear()")  # as in a new tab: the current line comes into view
    await page.evaluate(SCROLL, 0)
    await page.evaluate("() => sessionStorage.clear()")
    await page.reload()
    await expect(lines).to_have_count(MANY + 2)
    await expect(in_view).to_be_in_viewport(ratio=1)
    assert await page.evaluate(SCROLLED) > 500

    await page.set_viewport_size({"width": 390, "height": 844})
    await page.get_by_role("link", name="Back to your conversations").click()
    await page.evaluate(SCROLL, 1500)
    await until(lambda: page.evaluate("() => sessionStorage.getItem('ezdms-list') === '1500'"))
    await page.mouse.click(200, 400)
    await expect(texts_of(page).first).to_be_visible()
    await expect(alice.list).to_be_hidden()
    await page.go_back()
    await expect(alice.list).to_be_visible()
    assert await page.evaluate(SCROLLED) == 1500
    assert alice.errors == []
