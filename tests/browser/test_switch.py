"""Switching between conversations: no page is loaded, and everything is where it was left."""

from __future__ import annotations

import asyncio
import re

import pytest_asyncio
from playwright.async_api import expect

from tests.browser.home import Home, Paused, held_back, paused
from tests.browser.lies.peers import Peer
from tests.conftest import PATIENCE
from tests.support.someone import Someone, texts_of, until

Three = tuple[Someone, Peer, Peer]
OPENING = "**/c/*/open"


@pytest_asyncio.fixture(loop_scope="session")
async def three(home: Home) -> Three:
    """Alice, with a conversation with Bob and an open one with Carol, both new; her page is marked."""
    alice, bob, carol = await home.person("alice", is_kept=True), await home.peer(), await home.peer()
    await bob.starts_with(alice.search_pin)
    await bob.writes("line 1")
    await alice.starts_with(carol.search_pin)
    await expect(alice.page.get_by_role("heading", name=carol.name)).to_be_visible()
    await alice.page.evaluate("() => { window.mark = 'the same page'; }")
    return alice, bob, carol


async def is_the_same_page(alice: Someone) -> bool:
    return bool(await alice.page.evaluate("() => window.mark === 'the same page'"))


async def test_conversations_are_chosen_without_a_new_page_and_the_focus_goes_where_one_writes(
    home: Home, three: Three
) -> None:
    alice, bob, carol = three
    page, log = alice.page, alice.page.get_by_role("log")
    message = page.get_by_role("textbox", name="Message")
    dave, erin = [await home.peer() for _ in range(2)]
    for peer in (dave, erin):
        await peer.starts_with(alice.search_pin)
        await peer.writes(f"hello from {peer.name}")
    await expect(message).to_be_focused()  # started by a Search PIN
    with_carol = page.url
    await alice.opens(bob.name)  # new here
    await expect(message).to_be_focused()
    await expect(log.get_by_text("line 1", exact=True)).to_be_visible()
    await expect(page).to_have_title(re.compile(rf"^(\(\d+\) )?{bob.name} · EZ-DMS$"))
    with_bob = page.url
    assert with_bob != with_carol
    await page.go_back()
    await expect(page.get_by_role("heading", name=carol.name)).to_be_visible()
    assert page.url == with_carol

    # A link opens in a second tab, too.
    async with alice.context.expect_page() as opened:
        await alice.list.get_by_role("link", name=bob.name).click(modifiers=["ControlOrMeta"])
    tab = await opened.value
    await expect(tab.locator(".partner").get_by_role("heading", name=bob.name)).to_be_visible()
    await expect(page.get_by_role("heading", name=carol.name)).to_be_visible()
    await tab.close()

    await page.go_forward()
    await expect(page.get_by_role("heading", name=bob.name)).to_be_visible()
    await expect(log.get_by_text("line 1", exact=True)).to_be_visible()
    assert page.url == with_bob
    await expect(alice.list.locator("[aria-current=page]")).to_contain_text(bob.name)
    for name in (carol.name, bob.name):  # both were put away, and are shown again
        await alice.opens(name)
        await expect(message).to_be_focused()
        await page.keyboard.type(f"for {name}")
        await expect(message).to_have_value(f"for {name}")
    await page.get_by_role("link", name="EZ-DMS, your conversations").click()
    await expect(page.get_by_role("heading", name="Your conversations")).to_be_visible()
    await expect(alice.list.locator("[aria-current=page]")).to_have_count(0)
    await expect(page).to_have_title(re.compile(r"^(\(\d+\) )?EZ-DMS$"))
    assert await is_the_same_page(alice)

    # The list loads even if the open conversation does not, which gets the focus once it is there.
    await alice.opens(carol.name)
    is_listed = asyncio.Event()

    async def hold_back(request: Paused) -> None:
        async with asyncio.timeout(PATIENCE / 1000):
            await is_listed.wait()
        await request.goes_on()

    async with paused(page, "*/c/*/open", hold_back):
        await page.reload()
        for peer in (bob, carol):
            await expect(alice.list.get_by_role("link", name=peer.name)).to_be_visible()
        await expect(message).to_be_disabled()
        is_listed.set()
    await expect(page.get_by_role("heading", name=carol.name)).to_be_visible()
    await expect(message).to_be_enabled()
    await expect(message).to_be_focused()
    assert not await is_the_same_page(alice)

    # One that fails to load says so, and loads once one tries again.
    await page.route(OPENING, lambda route: route.abort())
    await alice.list.get_by_role("link", name=dave.name).click()
    await expect(page.get_by_text("The server cannot be reached")).to_be_visible()
    await page.unroute(OPENING)
    await page.get_by_role("button", name="Try again").click()
    await expect(log.get_by_text(f"hello from {dave.name}", exact=True)).to_be_visible()
    await expect(alice.alert).to_have_count(0)

    # While it loads, it does not take the focus from another field.
    field = await alice.new_chat()
    async with held_back(page, OPENING):
        await alice.list.get_by_role("link", name=erin.name).click()
        await field.click()
        await page.keyboard.type("ABCDE-")
    await expect(message).to_be_enabled()
    await page.keyboard.type("FGHJK")
    await expect(field).to_be_focused()
    await expect(field).to_have_value("ABCDE-FGHJK")
    await expect(message).to_have_value("")


async def has_come(peer: Peer, text: str) -> bool:
    """Whether this is the newest message there."""
    return (await peer.last()).text == text


async def test_switching_conversations_keeps_scroll_position_and_draft_and_sends_what_waits(three: Three) -> None:
    alice, bob, carol = three
    page = alice.page
    field = page.get_by_role("textbox", name="Message")
    for number in range(2, 14):
        await bob.writes(f"part {number}" + "\nline" * 5)
    await field.fill("for carol")
    await alice.opens(bob.name)
    await expect(field).to_have_value("")
    log = page.get_by_role("log")
    await log.evaluate("element => { element.scrollTop = -700; }")
    await field.fill("for bob")
    await alice.opens(carol.name)
    await expect(field).to_have_value("for carol")
    await bob.writes("meanwhile")
    await expect(alice.list.get_by_role("link", name=bob.name)).to_contain_text("1 unread")
    await alice.opens(bob.name)
    await expect(field).to_have_value("for bob")
    await expect(texts_of(page).last).to_have_text("meanwhile")
    await expect(page.get_by_role("log").get_by_text("meanwhile", exact=True)).not_to_be_in_viewport()
    assert -820 < await log.evaluate("element => element.scrollTop") < -600
    await expect(page.get_by_role("button", name="New messages")).to_be_visible()
    await expect(alice.list.get_by_role("link", name=bob.name)).not_to_contain_text("unread")
    await page.get_by_role("button", name="Send").click()
    await expect(texts_of(page).last).to_have_text("for bob")
    assert (await bob.last()).text == "for bob"

    # What could not be sent is sent while another conversation is open.
    await page.route("**/send_message", lambda route: route.abort())
    await alice.writes("patience")
    pending = page.locator(".pending")
    await expect(pending).to_contain_text("Not sent")
    await alice.opens(carol.name)
    await expect(pending).to_have_count(0)
    await page.unroute("**/send_message")
    await until(lambda: has_come(bob, "patience"))
    await alice.opens(bob.name)
    await expect(texts_of(page).last).to_have_text("patience")
    await expect(pending).to_have_count(0)
    assert await is_the_same_page(alice)
    await page.reload()
    await alice.opens(carol.name)
    await expect(field).to_have_value("for carol")


async def test_a_conversation_evicted_from_the_cache_is_released(home: Home, three: Three) -> None:
    alice, bob, carol = three
    peers = [await home.peer() for _ in range(8)]
    await asyncio.gather(*(peer.starts_with(alice.search_pin) for peer in peers))
    await alice.page.evaluate("() => { window.left = new WeakRef(document.querySelector('message-thread')); }")

    async def is_gone() -> bool:
        await alice.page.request_gc()
        return bool(await alice.page.evaluate("() => window.left.deref() === undefined"))

    for peer in (bob, *peers[:-1]):
        await alice.goes_to(f"/c/{peer.conversation}")
        await expect(alice.page.locator(".partner").get_by_role("heading", name=peer.name)).to_be_visible()
        await expect(alice.page.get_by_role("textbox", name="Message")).to_be_enabled()
    assert not await is_gone()  # one of the eight kept conversations
    await alice.opens(peers[-1].name)
    await until(is_gone)
    await alice.opens(carol.name)  # as if never opened
    await expect(alice.page.get_by_role("textbox", name="Message")).to_be_enabled()


async def test_enter_does_the_same_as_the_button(home: Home) -> None:
    alice, bob = await home.person("alice", is_kept=True), await home.peer()
    await (await alice.new_chat()).fill(bob.search_pin)
    await alice.page.keyboard.press("Enter")
    await expect(alice.page.get_by_role("heading", name=bob.name)).to_be_visible()
    await expect(alice.page.get_by_text("Verified by Search PIN")).to_be_visible()
    await alice.logs_out()
    await alice.page.get_by_label("Login PIN", exact=True).fill(alice.login_pin)
    await alice.page.keyboard.press("Enter")
    await expect(alice.page.get_by_test_id("my-search-pin")).to_have_text(alice.search_pin)
