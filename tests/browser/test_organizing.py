"""What a user makes of their conversations: delete; on all their devices."""

from __future__ import annotations

from playwright.async_api import Browser, Locator, Page, expect

from tests.browser.home import Home
from tests.browser.lies.peers import Peer
from tests.support.hostile import Hostile
from tests.support.someone import Someone, texts_of

COPIES = "SELECT COUNT(sealed_a) AS a, COUNT(sealed_b) AS b FROM messages WHERE conversation_id = ?"


def line(page: Page, name: str) -> Locator:
    """The line of a conversation, wherever it stands."""
    return page.get_by_role("navigation", name="Conversations").get_by_role("link", name=name)


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


async def test_a_deleted_conversation_goes_on_all_devices_and_comes_back_with_new_messages_alone(
    browser: Browser, home: Home
) -> None:
    alice = await home.person("alice")
    bob, page = await meet(home, alice, "one"), alice.page
    await alice.writes("two")
    device = await alice.on_another_device(browser)
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
    await dialog.get_by_role("button", name="Cancel").click()
    await alice.sees("one", "two")
    await choose(page, "Delete conversation")
    await dialog.get_by_role("button", name="Delete conversation").click()
    await expect(page).to_have_url(f"{alice.address}/")
    await expect(line(page, bob.name)).to_have_count(0)
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
    assert alice.errors == device.errors == []


async def test_a_conversation_with_waiting_messages_or_without_a_connection_is_not_deleted(home: Home) -> None:
    alice = await home.person("alice")
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
