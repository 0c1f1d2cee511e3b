"""What a user makes of their conversations: nickname, mute, pin, archive, delete; on all their devices."""

from __future__ import annotations

import re
from functools import partial

from playwright.async_api import Locator, Page, expect

from tests.browser.home import Home
from tests.browser.lies.peers import Peer, milliseconds
from tests.support.access import faults_in_every_look
from tests.support.hostile import Hostile
from tests.support.someone import Someone, texts_of, until

COPIES = "SELECT COUNT(sealed_a) AS a, COUNT(sealed_b) AS b FROM messages WHERE conversation_id = ?"

MUTED = "SELECT MAX(muted_until) AS until FROM participants WHERE conversation_id = ?"


def line(page: Page, name: str) -> Locator:
    """The line of a conversation, wherever it stands."""
    return page.get_by_role("navigation", name="Conversations").get_by_role("link", name=name)


def wrong(*people: Someone) -> list[str]:
    """What the browsers say went wrong, but that two devices stored the vault at the same time."""
    return [error for someone in people for error in someone.errors if "409" not in error]


async def choose(page: Page, option: str) -> None:
    """Choose an item of the menu of the open conversation."""
    await page.get_by_role("button", name="Conversation options").click()
    await page.get_by_role("menuitem", name=option, exact=True).click()


async def meet(home: Home, alice: Someone, *texts: str, name: str = "") -> Peer:
    """Someone new whom Alice has added, and who has written to her. Their conversation is open."""
    peer = await home.peer(name)
    await alice.starts_with(peer.search_pin)
    await peer.starts_with(alice.search_pin)
    for text in texts:
        await peer.writes(text)
    await expect(texts_of(alice.page)).to_have_text(list(texts))
    return peer


async def test_a_deleted_conversation_goes_on_all_devices_and_comes_back_with_new_messages_alone(home: Home) -> None:
    alice = await home.person("alice", is_kept=True)
    bob, page = await meet(home, alice, "one"), alice.page
    await alice.writes("two")
    device = await home.another_device()
    await device.opens(bob.name)
    await device.sees("one", "two")
    await page.get_by_role("textbox", name="Message").fill("half a thought")

    await choose(page, "Delete conversation")
    dialog = page.get_by_role("dialog", name="Delete this conversation?")
    for said in (
        "The server deletes your copies",
        "The other person keeps theirs",
        "comes back, without these messages",
    ):
        await expect(dialog).to_contain_text(said)
    await page.emulate_media(reduced_motion="reduce")
    assert await faults_in_every_look(page) == []
    await dialog.get_by_role("button", name="Cancel").click()
    await alice.sees("one", "two")
    await choose(page, "Delete conversation")
    await dialog.get_by_role("button", name="Delete conversation").click()
    await expect(page).to_have_url(f"{alice.address}/")
    await expect(line(page, bob.name)).to_have_count(0)
    await expect(
        page.locator("conversation-item a").or_(page.get_by_role("button", name="New chat")).first
    ).to_be_focused()
    await expect(texts_of(device.page)).to_have_count(0)
    await expect(line(device.page, bob.name)).to_have_count(0)
    await expect(device.page.get_by_text("No messages yet")).to_be_visible()
    mine, theirs = sorted(dict(Hostile(home.server).run(COPIES, bob.conversation)[0]).values())
    assert (mine, theirs) == (0, 2)

    await page.reload()
    await expect(line(page, bob.name)).to_have_count(0)
    await expect(page.locator("#page-alert")).to_have_count(0)  # it is not missing
    await bob.writes("three")
    for one in (alice, device):
        await expect(line(one.page, bob.name)).to_contain_text("three")
    await alice.opens(bob.name)
    await alice.sees("three")
    await expect(page.get_by_role("textbox", name="Message")).to_have_value("")  # the draft went, too
    await expect(page.get_by_text("does not hand over")).to_have_count(0)
    await alice.writes("four")
    await bob.sees("one", "two", "three", "four")
    await device.sees("three", "four")
    assert wrong(alice, device) == []


async def test_a_conversation_with_waiting_messages_or_without_a_connection_is_not_deleted(home: Home) -> None:
    alice = await home.person("alice", is_kept=True)
    bob, page = await meet(home, alice, "one"), alice.page
    dialog = page.get_by_role("dialog", name="Delete this conversation?")
    await page.route("**/send_message", lambda route: route.abort())
    await alice.writes("two")
    await choose(page, "Delete conversation")
    await dialog.get_by_role("button", name="Delete conversation").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("waiting to be sent here")
    await page.unroute("**/send_message")
    await page.keyboard.press("Escape")
    await alice.sees("one", "two")
    await page.route("**/delete", lambda route: route.abort())
    await choose(page, "Delete conversation")
    await expect(dialog.get_by_role("alert")).to_have_count(0)
    await dialog.get_by_role("button", name="Delete conversation").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("cannot be reached")
    await page.unroute("**/delete")
    await dialog.get_by_role("button", name="Delete conversation").click()
    await expect(line(page, bob.name)).to_have_count(0)


async def names(page: Page) -> list[str]:
    """Who is in the list, in its order."""
    return await page.locator("#conversations .who").all_inner_texts()


async def test_a_nickname_stands_everywhere_but_in_the_panel_and_on_all_devices(home: Home) -> None:
    alice = await home.person("alice", is_kept=True)
    page = alice.page
    await meet(home, alice, "hello", name="robert")
    device = await home.another_device()
    await device.opens("robert")
    alice.records()
    await choose(page, "Nickname")
    dialog = page.get_by_role("dialog", name="Nickname")
    await expect(dialog).to_contain_text("the name that they signed: robert")
    await expect(dialog.get_by_role("textbox")).to_be_focused()
    await page.keyboard.type("  Zoë\u202e Ünal\u200b ")
    await page.keyboard.press("Enter")
    for one in (page, device.page):
        await expect(one.get_by_role("heading", name="Zoë Ünal", level=1)).to_have_text("Zoë Ünal")
        await expect(line(one, "Zoë Ünal")).to_be_visible()
        await expect(one).to_have_title("Zoë Ünal · EZ-DMS")
        await expect(one.get_by_role("article", name="Received from Zoë Ünal")).to_be_visible()
        await one.get_by_role("button", name="Verified by Search PIN").click()
        await expect(one.get_by_role("region", name="Who is this?")).to_contain_text("signed by their key is robert")
        await one.keyboard.press("Escape")
    await page.reload()
    await expect(page.get_by_role("heading", name="Zoë Ünal", level=1)).to_be_visible()
    assert not [said for said in alice.traffic if "Zo%C3%AB" in said or "Zoë" in said]
    await choose(page, "Nickname")
    await dialog.get_by_role("textbox").clear()
    await dialog.get_by_role("button", name="Save").click()
    for one in (page, device.page):
        await expect(one.get_by_role("heading", name="robert", level=1)).to_be_visible()
    assert wrong(alice, device) == []


async def test_a_muted_conversation_does_not_count_and_the_server_learns_only_until_when(home: Home) -> None:
    alice = await home.person("alice", is_kept=True)
    bob, page = await meet(home, alice, "hello"), alice.page
    device = await home.another_device()
    alice.records()

    async def is_told(hours: float) -> bool:
        [row] = Hostile(home.server).run(MUTED, bob.conversation)
        return bool(abs((row["until"] - milliseconds()) / 3_600_000 - hours) < 0.1)

    for name, hours in (("For 1 hour", 1), ("For 1 week", 168), ("For 8 hours", 8)):
        await choose(page, "Mute")
        await page.get_by_role("button", name=name).click()
        for one in (page, device.page):
            await expect(line(one, f"{bob.name} Muted")).to_be_visible()
        await until(partial(is_told, hours))
        if hours != 8:
            await choose(page, "Unmute")
            await expect(line(page, f"{bob.name} Muted")).to_be_hidden()
    await alice.goes_to("/")
    await bob.writes("psst")
    for one in (page, device.page):
        await expect(line(one, bob.name).locator(".unread")).to_have_text("1 unread")
        await expect(one).to_have_title("EZ-DMS")
    await alice.opens(bob.name)
    await choose(page, "Unmute")
    await expect(line(page, f"{bob.name} Muted")).to_be_hidden()
    await alice.goes_to("/")
    await bob.writes("hey")
    for one in (page, device.page):
        await expect(line(one, f"{bob.name} Muted")).to_be_hidden()
        await expect(one).to_have_title(re.compile(r"^\([12]\) EZ-DMS"))
    assert Hostile(home.server).run(MUTED, bob.conversation)[0]["until"] == 0
    await alice.opens(bob.name)
    await page.route("**/mute", lambda route: route.abort())
    await choose(page, "Mute")
    await page.get_by_role("button", name="Always").click()
    await expect(page.locator("message-composer").get_by_role("alert")).to_contain_text("cannot be reached")
    await expect(line(page, f"{bob.name} Muted")).to_be_hidden()
    await page.unroute("**/mute")
    await choose(page, "Mute")
    await page.get_by_role("button", name="Always").click()
    await expect(line(page, f"{bob.name} Muted")).to_be_visible()
    await choose(page, "Archive")
    archived = page.locator(f"#archived [data-conversation-id='{bob.conversation}']")
    await expect(archived).to_have_count(1)
    await bob.writes("nobody asked")
    await page.locator("#to-archived").click()
    await expect(archived).to_contain_text("nobody asked")  # it is known here, and stays where it is
    await expect(archived).to_have_count(1)
    await archived.get_by_role("link").click()
    await choose(page, "Unarchive")
    await expect(archived).to_have_count(0)


async def test_pinned_archived_and_unread_are_so_on_all_devices_until_something_new_comes(home: Home) -> None:
    alice = await home.person("alice")
    page = alice.page
    first, second, third = [
        await meet(home, alice, "hello", name=f"{name}_{home.browser.browser_type.name}")
        for name in ("ada", "bea", "cy")
    ]
    device = await home.another_device()
    both = (page, device.page)
    order = [third.name, second.name, first.name]

    async def stand(*expected: str) -> None:
        for one in both:
            await until(partial(is_order, one, list(expected)))

    async def is_order(one: Page, expected: list[str]) -> bool:
        return [name for name in await names(one) if name in order] == expected

    await stand(*order)
    await alice.opens(first.name)
    await choose(page, "Pin")
    await stand(first.name, third.name, second.name)
    await second.writes("news")
    await stand(first.name, second.name, third.name)  # the newest below the pinned one
    await choose(page, "Unpin")
    await stand(second.name, third.name, first.name)

    await choose(page, "Archive")
    await expect(page).to_have_url(f"{alice.address}/")
    await stand(second.name, third.name)
    await expect(line(page, second.name)).to_be_focused()
    for one in both:
        archived = one.get_by_role("button", name="Archived")
        await expect(archived).to_have_text("Archived 1")
        await archived.click()
        await expect(one.get_by_role("list", name="Archived conversations")).to_contain_text(first.name)
    await page.reload()
    await stand(second.name, third.name)
    await page.get_by_role("button", name="Archived").click()
    await expect(page.get_by_role("list", name="Archived conversations")).to_contain_text("hello")
    await expect(page.locator("#page-alert")).to_have_count(0)
    await first.reacts(await first.newest(), "👍")
    await expect(page.locator(f"#archived [data-conversation-id='{first.conversation}']")).to_have_attribute(
        "data-unread", "1"
    )
    await stand(second.name, third.name)  # a reaction does not bring it back
    await first.writes("I am back")
    await stand(first.name, second.name, third.name)
    for one in both:
        await expect(one.get_by_role("button", name="Archived")).to_be_hidden()

    await alice.opens(third.name)
    await choose(page, "Mark as unread")
    await expect(page).to_have_url(f"{alice.address}/")
    for one in both:
        await expect(line(one, third.name).locator(".unread")).to_have_text("unread")
    await device.opens(third.name)
    await expect(line(page, third.name).locator(".unread")).to_have_count(0)
    assert wrong(alice, device) == []


async def test_the_search_field_filters_conversations_from_the_first_one_on_and_works_by_keyboard(home: Home) -> None:
    alice = await Someone.is_in(home.browser, home.server, f"filters_{home.browser.browser_type.name}")
    page, keys = alice.page, alice.page.keyboard
    peers = [await home.peer() for _ in range(8)]
    field = page.get_by_role("searchbox", name="Search")
    lines = page.locator("conversation-item:visible")
    await expect(field).to_be_hidden()
    for peer in peers[:7]:
        await peer.starts_with(alice.search_pin)
        await peer.writes("hello")
        await expect(field).to_be_visible()
    await expect(lines).to_have_count(7)
    await alice.starts_with(peers[7].search_pin)
    await expect(field).to_be_visible()
    await choose(page, "Nickname")
    await keys.type("Renée Ångström")
    await keys.press("Enter")
    await expect(page.get_by_role("heading", name="Renée Ångström", level=1)).to_be_visible()
    await choose(page, "Archive")
    await expect(lines).to_have_count(7)

    await field.focus()
    await keys.type("renee an")  # an archived one, too
    await expect(lines).to_have_count(1)
    await expect(lines).to_contain_text("Renée Ångström")
    await field.fill(peers[7].name.upper())  # their own name finds them, too
    await expect(lines).to_have_count(1)
    await field.fill("nobody has this name")
    await expect(lines).to_have_count(0)
    await expect(page.get_by_role("status").get_by_text("No conversation with this name.")).to_be_visible()
    await keys.press("Escape")
    await expect(field).to_have_value("")
    await expect(lines).to_have_count(7)
    await keys.type(peers[0].name)
    await expect(lines).to_have_count(1)
    await keys.press("ArrowDown")
    await expect(lines.get_by_role("link")).to_be_focused()
    await keys.press("ArrowUp")
    await expect(field).to_be_focused()
    await page.get_by_role("button", name="Clear the search").click()
    await expect(field).to_be_focused()
    await keys.press("ArrowDown")
    await keys.press("ArrowDown")
    await expect(lines.nth(1).get_by_role("link")).to_be_focused()
    await keys.press("Enter")
    await expect(page.get_by_role("log")).to_contain_text("hello")
    assert wrong(alice) == []
