"""A conversation with everything in it, its menus and dialogs: for axe, fingers, and the keyboard alone."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import Locator, ViewportSize, expect

from ezdms import crypto
from tests.browser.home import Home
from tests.browser.lies.peers import milliseconds
from tests.browser.test_access import by_tab_to
from tests.browser.test_changing import gets, place_of, talks
from tests.browser.test_signals import SET
from tests.browser.test_timers import opens_timer
from tests.support.access import faults_in_every_look
from tests.support.hostile import Hostile
from tests.support.someone import Someone

SCREENS: list[ViewportSize] = [{"width": 390, "height": 844}, {"width": 1280, "height": 800}]
TARGET = 43.5  # pixels; 44 without rounding

# What can be pressed, but is smaller than a finger or covers another one: [what, its size or the other].
SMALL = """(least) => {
    const found = [], seen = [...document.querySelectorAll("button, a[href], input, textarea, [role=menuitem]")]
        .filter((one) => one.checkVisibility() && getComputedStyle(one).clipPath !== "inset(50%)"
            && !one.closest("sealed-text"))
        .map((one) => [one, one.getBoundingClientRect()]);
    const name = (one) => `${one.className || one.dataset.do || one.localName} ${one.ariaLabel ?? one.textContent}`;
    for (const [one, { width, height }] of seen) {
        if (Math.min(width, height) < least) found.push([name(one), `${width} × ${height}`]);
    }
    for (const among of [".rows, .rows *, .outbox *", "message-composer *, .newer"]) {
        const near = seen.filter(([one]) => one.matches(among));
        for (const [i, [one, a]] of near.entries()) {
            for (const [other, b] of near.slice(i + 1)) {
                const x = Math.min(a.right, b.right) - Math.max(a.left, b.left);
                const y = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
                if (x > 1 && y > 1) found.push([name(one), `covers ${name(other)}`]);
            }
        }
    }
    return [seen.length, found];
}"""

# Sends these as the composer and the menu of a message do, without a click.
SEND = """(messages) => document.querySelector("message-thread message-composer").outbox.add(messages)"""
# Emoji are all alike, and axe takes four milliseconds for each: keeps more than are in view.
FEWER = "() => document.querySelectorAll('.emojis button:nth-child(n + 81)').forEach((one) => one.remove())"


def row(someone: Someone, text: str) -> Locator:
    """The message with this text, not one that quotes it."""
    texts = someone.page.locator("sealed-text", has_text=re.compile(f"^{re.escape(text)}$"))
    return someone.page.locator("message-row").filter(has=texts)


async def opens_menu(someone: Someone, text: str) -> Locator:
    """Open the menu of this message."""
    await row(someone, text).hover()
    await row(someone, text).get_by_role("button", name="Message actions").click()
    return someone.page.get_by_role("menu", name="Message actions")


async def acts(someone: Someone, text: str, name: str) -> None:
    """Open its menu, and choose this item."""
    await (await opens_menu(someone, text)).get_by_role("menuitem", name=name).click()


@pytest_asyncio.fixture(loop_scope="session")
async def alice(home: Home) -> Someone:
    """Alice in a conversation with all that one can do to a message; the server holds one back, and one cannot be
    sent. Nothing moves."""
    texts = ["Lunch at 12?", "typo heer", "gone soon", "held back", "see https://example.org"]
    alice, bob = await talks(home, *texts)
    place = [await place_of(bob, i) for i in range(len(texts))]
    await alice.page.evaluate(SET, {"receipts": True, "typing": False})
    last = (await bob.rows())[-1]
    of = (bob.keys, bob.other.ik, bob.other.spki)
    sealed = crypto.seal_signal(*of, kind="read", m=(last["n"], last["hash"]), ts=milliseconds())
    await bob.ask("POST", "/signal", {"conversation_id": bob.conversation, "slot": "read", "sealed": sealed})
    await bob.writes("Yes, see you there", reference=place[0])
    await bob.writes("What was that?", reference=place[2])
    await bob.writes("not for me")
    await bob.writes("🎉")
    party = await bob.newest()
    await bob.reacts(place[0], "❤️")
    await bob.reacts(party, "👍")
    acts_at_once = [
        *({"kind": "react", "text": "👍", "reference": about} for about in (place[0], party)),
        {"kind": "edit", "text": "typo here", "reference": place[1]},
        {"kind": "delete", "text": " ".join(place[2])},
        {"kind": "timer", "text": "3600"},
        {"kind": "text", "text": "short-lived", "x": 3600},
    ]
    await expect(row(alice, "🎉").get_by_role("button", name="👍 1: ")).to_be_visible()
    await alice.page.evaluate(SEND, acts_at_once)
    await expect(row(alice, "🎉").get_by_role("button", name="👍 2: ")).to_be_visible()
    await gets(bob, "text", "short-lived")
    answer = {"kind": "text", "text": "and an answer to myself", "reference": await place_of(bob, -1), "x": 3600}
    await alice.page.evaluate(SEND, [answer])
    await acts(alice, "not for me", "Delete")
    await alice.page.get_by_role("button", name="Delete for me").click()
    await gets(bob, "text", "and an answer to myself")
    await bob.reacts(await place_of(bob, -2), "👍", x=3600)
    await expect(row(alice, "short-lived").get_by_role("button", name="👍")).to_be_visible()
    empty = "UPDATE messages SET sealed_a = NULL, sealed_b = NULL WHERE conversation_id = ? AND seq = 4"
    Hostile(home.server).run(empty, bob.conversation)
    await alice.page.reload()
    await expect(alice.page.locator(".withheld")).to_be_visible()
    await expect(alice.page.get_by_role("img", name="Read").first).to_be_visible()
    await alice.page.route("**/send_message", lambda route: route.abort())
    await acts(alice, "🎉", "Reply")
    await alice.writes("not sent")
    await expect(alice.page.locator(".pending").get_by_role("button", name="Try again")).to_be_visible()
    await acts(alice, "Yes, see you there", "Reply")
    await alice.page.emulate_media(reduced_motion="reduce")  # colors change at once
    return alice


async def states(someone: Someone) -> AsyncIterator[str]:
    """The conversation, and each menu and dialog opened above it."""
    page = someone.page
    yield "the conversation"
    for text in ("typo here", "Yes, see you there"):
        await opens_menu(someone, text)
        yield f"the menu of {text}"
        await page.keyboard.press("Escape")
    await acts(someone, "typo here", "React")
    await expect(page.locator(".emojis button").first).to_be_visible()
    yield "any emoji"
    await page.get_by_role("textbox", name="Search emoji").fill("qqqq")
    await expect(page.get_by_text("No emoji found.")).to_be_visible()
    yield "no emoji"
    await page.keyboard.press("Escape")
    for text in ("typo here", "Yes, see you there"):
        await acts(someone, text, "Delete")
        yield f"deleting {text}"
        await page.keyboard.press("Escape")
    await page.get_by_role("button", name="Conversation options").click()
    yield "the options"
    await page.keyboard.press("Escape")
    dialog = await opens_timer(page)
    yield "the timer"
    await dialog.get_by_role("button", name="Custom").click()
    await dialog.get_by_role("textbox", name="Custom time").fill("x")
    await dialog.get_by_role("button", name="Set", exact=True).click()
    await expect(dialog.get_by_role("alert")).not_to_be_empty()
    yield "a bad time"
    await page.keyboard.press("Escape")


async def test_all_in_a_conversation_is_accessible_large_enough_to_press_and_covers_nothing(alice: Someone) -> None:
    page, before = alice.page, alice.page.viewport_size
    accessible: dict[str, list[str]] = {}
    large: list[str] = []
    await page.set_viewport_size(SCREENS[-1])
    await page.locator("message-log").evaluate("log => { log.scrollTop = -900; }")
    await expect(page.locator(".newer")).to_be_visible()
    async for state in states(alice):
        for screen in SCREENS:
            await page.set_viewport_size(screen)
            count, found = await page.evaluate(SMALL, TARGET)
            assert count > 20
            large += [f"{state}, {screen['width']}: {what} {why}" for what, why in found]
        await page.evaluate(FEWER)
        # A dialog is judged alone: the rest is what it was.
        part = "html" if state == "the conversation" else ":popover-open"
        accessible[state] = await faults_in_every_look(page, part)
    assert before is not None
    await page.set_viewport_size(before)
    assert len(accessible) == 10
    assert "\n".join(f"{state}: {fault}" for state, found in accessible.items() for fault in found) == ""
    assert "\n".join(large) == ""


async def test_messages_are_answered_edited_deleted_and_reacted_to_by_keyboard_alone(home: Home) -> None:
    someone, bob = await talks(home, "one", is_kept=True)
    page, keys = someone.page, someone.page.keyboard
    field = page.get_by_role("textbox", name="Message")
    newest = page.locator("message-row:not([hidden])").last.get_by_role("button", name="Message actions")

    async def picks(name: str) -> None:
        """In the menu of the newest message."""
        if not await newest.evaluate("button => button === document.activeElement"):
            await by_tab_to(page, newest)
        await keys.press("Enter")
        await keys.press("End")
        item = page.get_by_role("menu", name="Message actions").get_by_role("menuitem", name=name)
        while not await item.evaluate("item => item === document.activeElement"):
            await keys.press("ArrowUp")
        await keys.press("Enter")

    await expect(field).to_be_focused()
    first = await place_of(bob, 0)
    await picks("Reply")
    await expect(field).to_be_focused()
    await keys.type("an answer")
    await keys.press("Enter")
    await gets(bob, "text", "an answer", reference=first)
    answer = await place_of(bob, 1)
    await picks("Edit")
    await expect(field).to_be_focused()
    await keys.press("End")
    await keys.type("!")
    await keys.press("Enter")
    await gets(bob, "edit", "an answer!", reference=answer)
    await picks("👍")
    await gets(bob, "react", "👍", reference=answer)
    await expect(newest).to_be_focused()
    await by_tab_to(page, page.get_by_role("button", name="👍 1: you"))
    await keys.press("Enter")  # takes it back
    await gets(bob, "react", "", reference=answer)
    await expect(page.locator(".reaction")).to_have_count(0)
    await expect(newest).to_be_focused()
    await picks("React")
    await expect(page.get_by_role("textbox", name="Search emoji")).to_be_focused()
    await keys.type("party pop")
    await by_tab_to(page, page.get_by_role("button", name="party popper"))
    await keys.press("Enter")
    await gets(bob, "react", "🎉", reference=answer)
    await picks("Delete")
    await by_tab_to(page, page.get_by_role("button", name="Delete for both"))
    await keys.press("Enter")
    await gets(bob, "delete", " ".join(answer))
    await by_tab_to(page, field)
    await keys.type("still here")
    await keys.press("Enter")
    await gets(bob, "text", "still here")
