"""Receipts and typing: off until they are turned on, sent and shown only while they are, and true."""

from __future__ import annotations

import asyncio
import json
import re
import time
from typing import Any

from playwright.async_api import Browser, Locator, Page, expect

from tests.browser.home import Home
from tests.support.hostile import Hostile, contact_of
from tests.support.someone import Someone, until

Pair = tuple[Someone, Someone]
SWITCHES = {"receipts": "Read receipts", "typing": "Typing indicator"}

# Sets both switches as Settings does, without leaving the page.
SET = """async (wanted) => {
    const { changeSettings } = await import(document.querySelector("[src*=boot]").src.replace("boot", "vault"));
    await changeSettings(wanted);
}"""
LEAVE = """(isHidden) => {
    Object.defineProperty(document, "hidden", { configurable: true, value: isHidden });
    document.dispatchEvent(new Event("visibilitychange"));
}"""
# Counts the requests and frames with a signal; unlike the drivers' events, in Firefox too.
COUNT = """() => {
    globalThis.signals = [];
    const { fetch, WebSocket: { prototype } } = globalThis;
    globalThis.fetch = (address, options) => {
        if (String(address).startsWith("/signal")) signals.push(`${address} ${options?.body ?? ""}`);
        return fetch(address, options);
    };
    const { send } = prototype;
    prototype.send = function keep(frame) {
        if (frame.includes('"signal"')) signals.push(frame);
        return send.call(this, frame);
    };
}"""


async def switch(page: Page, name: str, *, on: bool) -> None:
    """Press a switch in Settings."""
    box = page.get_by_role("switch", name=name)
    await expect(box).to_be_checked(checked=not on)
    await box.click()
    await expect(box).to_be_checked(checked=on)


async def set_both(pair: Pair, *, receipts: bool = False, typing: bool = False) -> None:
    """Both people have these settings."""
    for someone in pair:
        await someone.page.evaluate(SET, {"receipts": receipts, "typing": typing})


async def goes(someone: Someone, path: str) -> None:
    """Load an address of the page."""
    await someone.page.goto(someone.address + path)
    if path.startswith("/c/"):
        await expect(field_of(someone)).to_be_enabled()


def field_of(someone: Someone) -> Locator:
    return someone.page.get_by_role("textbox", name="Message")


def tick_of(someone: Someone, text: str, page: Page | None = None) -> Locator:
    """What a message of their own says about how far it got."""
    rows = (page or someone.page).locator("message-row.own").filter(has_text=text)
    return rows.last.locator(".sent")


async def says(someone: Someone, text: str, state: str, page: Page | None = None) -> None:
    """Their message of this text has this state, for everyone."""
    tick = tick_of(someone, text, page)
    await expect(tick).to_have_accessible_name(state)
    await expect(tick).to_have_role("img")
    await expect(tick).to_have_text("✓" if state == "Sent" else "✓✓")


def stored(home: Home, username: str) -> list[str]:
    """The slots of the receipts that this person has sent."""
    rows = Hostile(home.server).run(
        "SELECT slot FROM signals JOIN users ON user_id = sender_id WHERE username = ? AND conversation_id = ?",
        username, home.conversation,
    )  # fmt: skip
    return sorted(row["slot"] for row in rows)


def signals_of(someone: Someone) -> list[str]:
    """The signals that left this browser."""
    posts = [one for one in someone.traffic if one.startswith("POST") and "/signal " in one]
    return posts + [one for one in someone.traffic if one.startswith("sent") and "signal" in one]


async def test_only_what_was_on_the_screen_is_read_and_receipts_follow_once_and_in_the_end(
    home: Home, friends: Pair
) -> None:
    alice, bob = friends
    await set_both(friends, receipts=True)
    await bob.goes_to("/")
    await alice.writes("are you there")
    await bob.list.get_by_text("are you there").wait_for()
    await says(alice, "are you there", "Sent")
    await bob.page.evaluate(LEAVE, True)
    await bob.opens("alice")
    await says(alice, "are you there", "Delivered")
    plain = await tick_of(alice, "are you there").evaluate("(tick) => getComputedStyle(tick).backgroundColor")
    await bob.page.evaluate(LEAVE, False)
    await says(alice, "are you there", "Read")
    tick = tick_of(alice, "are you there")
    assert plain != await tick.evaluate("(tick) => getComputedStyle(tick).backgroundColor")  # filled
    assert await alice.page.get_by_text("last seen").count() == 0

    # What is below the screen was not read.
    await bob.goes_to("/")
    for letter in "ABC":
        await alice.writes(f"part {letter}\n" + "line\n" * 40)
        await expect(tick_of(alice, f"part {letter}")).to_have_count(1)
    await bob.list.get_by_text("part C").wait_for()
    await bob.opens("alice")  # opens at the first new message
    await says(alice, "part C", "Delivered")
    await says(alice, "part A", "Read")
    log = bob.page.get_by_role("log")
    assert await log.evaluate("(log) => log.scrollTop") < -1000
    await says(alice, "part B", "Delivered")

    # Receipts that came meanwhile are there when a conversation opens.
    await alice.goes_to("/")
    Hostile(home.server).run("DELETE FROM signals")
    await log.evaluate("(log) => { log.scrollTop = 0; }")
    await until(lambda: "read" in stored(home, "bob"))
    await goes(alice, f"/c/{home.conversation}")
    await says(alice, "part C", "Read")

    # Nothing is sent unless it says more, and few receipts say all of it.
    await bob.page.reload()
    await expect(field_of(bob)).to_be_enabled()
    bob.forgets_the_past()
    bob.records()
    for hidden in (True, False, True, False):
        await bob.page.evaluate(LEAVE, hidden)
    await log.evaluate("(log) => { log.scrollTop = -200; log.scrollTop = 0; }")
    await asyncio.sleep(2)
    assert signals_of(bob) == []
    for n in range(5):
        await alice.writes(f"quick {n}")
    await says(alice, "quick 4", "Read")
    assert 1 <= len(signals_of(bob)) <= 4

    # What could not be sent follows.
    refused = asyncio.Event()

    async def refuse(route: Any) -> None:
        refused.set()
        headers = {"Content-Security-Policy": "default-src 'none'; sandbox"}
        body = json.dumps({"error": "x", "code": "too_often", "retry_after": 1})
        await route.fulfill(status=429, body=body, headers=headers)

    await bob.page.route("**/signal", refuse)
    await alice.writes("again and again")
    await asyncio.wait_for(refused.wait(), 20)
    await says(alice, "again and again", "Sent")
    await bob.page.unroute("**/signal")
    await says(alice, "again and again", "Read")


async def test_nothing_is_sent_while_there_is_an_alarm(home: Home, friends: Pair) -> None:
    alice, bob = friends
    await set_both(friends, receipts=True, typing=True)
    await bob.page.evaluate("""() => {
        document.querySelector("message-thread").alarm("test", "Something is wrong.", () => {});
    }""")
    bob.forgets_the_past()
    bob.records()
    await alice.writes("under alarm")
    await expect(bob.page.get_by_role("log").get_by_text("under alarm")).to_be_visible()
    await asyncio.sleep(2)
    assert signals_of(bob) == []
    await says(alice, "under alarm", "Sent")
    await bob.page.get_by_role("button", name="Continue anyway").click()
    await says(alice, "under alarm", "Read")


async def test_receipts_are_neither_sent_nor_shown_until_one_turns_them_on_for_all_tabs_and_devices(
    browser: Browser, home: Home, friends: Pair
) -> None:
    alice, bob = friends
    Hostile(home.server).run("DELETE FROM signals")
    await set_both(friends)
    await bob.page.evaluate(SET, {"receipts": True})
    tab = await alice.new_tab()
    await tab.goto(f"{alice.address}/settings")
    for name in SWITCHES.values():
        await expect(tab.get_by_role("switch", name=name)).not_to_be_checked()
        described = tab.get_by_role("switch", name=name)
        await expect(described).to_have_accessible_description(re.compile("^While this is on, people you talk to see"))
    alice.forgets_the_past()
    alice.records()
    await alice.writes("which tab")
    await until(lambda: "read" in stored(home, "bob"))  # Bob's says so,
    await says(alice, "which tab", "Sent")  # but Alice has it off
    await bob.writes("my second")
    await expect(alice.page.get_by_role("log").get_by_text("my second")).to_be_visible()
    await asyncio.sleep(1.5)  # longer than receipts wait
    await says(bob, "my second", "Sent")
    assert stored(home, "alice") == signals_of(alice) == []

    await switch(tab, "Read receipts", on=True)  # both directions begin at once, in the other tab, without a reload
    await says(alice, "which tab", "Read")
    await says(bob, "my second", "Read")
    await switch(tab, "Typing indicator", on=True)

    # What was read is known to another device, even without the receipt.
    async def is_kept() -> bool:
        contact = await contact_of(alice.page)
        own = contact["own"]
        return bool(own and contact.get("told", {}).get("read", 0) >= own[0])

    await until(is_kept)
    await asyncio.sleep(0.5)  # for the vault to reach the server
    Hostile(home.server).run("DELETE FROM signals")
    device = await alice.on_another_device(browser)
    await device.opens("bob")
    await says(device, "which tab", "Read")

    # Each device follows the others without a reload.
    await device.page.goto(f"{alice.address}/settings")
    for name in SWITCHES.values():
        await expect(device.page.get_by_role("switch", name=name)).to_be_checked()
    await switch(device.page, "Typing indicator", on=False)
    typing = tab.get_by_role("switch", name="Typing indicator")
    await expect(typing).not_to_be_checked(timeout=15_000)
    await switch(device.page, "Read receipts", on=False)
    await expect(tick_of(alice, "which tab")).to_have_accessible_name("Sent", timeout=15_000)
    await switch(device.page, "Read receipts", on=True)
    await says(alice, "which tab", "Read")
    await tab.reload()
    await expect(typing).not_to_be_checked()
    await expect(tab.get_by_role("switch", name="Read receipts")).to_be_checked()
    await switch(tab, "Read receipts", on=False)
    await says(alice, "which tab", "Sent")


async def test_typing_is_shown_and_sent_at_most_every_three_seconds_and_never_while_hidden_or_off(
    home: Home, friends: Pair
) -> None:
    alice, bob = friends
    await set_both(friends)
    await bob.page.evaluate(SET, {"typing": True})
    for someone in friends:
        someone.forgets_the_past()
        someone.records()
    # Frames are kept of sockets that open while they are.
    await goes(alice, f"/c/{home.conversation}")
    await goes(bob, f"/c/{home.conversation}")
    for someone in friends:
        await field_of(someone).press_sequentially("to be or not")
    await until(lambda: any("signal-arrived" in one for one in alice.traffic))
    await asyncio.sleep(0.5)
    assert signals_of(alice) == []  # Alice has it off
    for someone in friends:
        assert await someone.page.get_by_text("typing…", exact=True).locator("visible=true").count() == 0
        await field_of(someone).fill("")

    # With both of them on, it is shown in the header and the list until the message arrives.
    await alice.page.evaluate(SET, {"typing": True})
    header = alice.page.locator(".partner").get_by_text("typing…", exact=True)
    line = alice.list.get_by_role("link", name="bob").get_by_text("typing…", exact=True)
    height = await alice.page.locator(".partner").evaluate("(header) => header.offsetHeight")
    await asyncio.sleep(3)  # until Bob's browser may send the next one
    await field_of(bob).press_sequentially("I am here")
    await expect(header).to_be_visible()
    await expect(line).to_be_visible()
    assert await alice.page.locator(".partner").evaluate("(header) => header.offsetHeight") == height
    assert await header.evaluate("(element) => element.closest('[aria-live], [role=status], [role=alert]')") is None
    await field_of(bob).press("Enter")
    await expect(alice.page.get_by_role("log").get_by_text("I am here")).to_be_visible()
    await expect(header).to_be_hidden(timeout=4000)  # at once, and not after six seconds
    await expect(line).to_have_count(0)

    await alice.goes_to("/")
    await bob.page.evaluate(COUNT)
    await asyncio.sleep(3)
    started = time.monotonic()
    while time.monotonic() - started < 3.5:
        await field_of(bob).press("x")
        await asyncio.sleep(0.3)
    await expect(line).to_be_visible()
    found = await bob.page.evaluate("signals")
    assert 2 <= len(found) <= 1 + int((time.monotonic() - started) / 3)
    assert {tuple(json.loads(frame)) for frame in found} == {("event", "conversation_id", "slot", "sealed")}
    assert {json.loads(frame)["slot"] for frame in found} == {""}
    before = time.monotonic()
    await expect(line).to_have_count(0)  # by itself
    assert time.monotonic() - before > 3

    # Neither while the page is hidden, nor while it is off, nor for nothing.
    count = await bob.page.evaluate("signals.length")
    await bob.page.evaluate(LEAVE, True)
    await field_of(bob).press("x")
    await bob.page.evaluate(LEAVE, False)
    await bob.page.evaluate(SET, {"typing": False})
    await field_of(bob).press("x")
    await bob.page.evaluate("document.querySelector('#message').dispatchEvent(new Event('input'))")
    await bob.page.evaluate(SET, {"typing": True})
    await bob.page.evaluate("document.querySelector('#message').dispatchEvent(new Event('input'))")
    await field_of(bob).fill("  ")
    await asyncio.sleep(0.5)
    assert await bob.page.evaluate("signals.length") == count
    await field_of(bob).press("x")  # control: one more
    await bob.page.wait_for_function("(before) => signals.length === before + 1", arg=count)
    await field_of(bob).fill("")
