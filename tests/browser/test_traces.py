"""What was edited away, deleted or has disappeared is found nowhere: in no file of the server, no page, no storage."""

from __future__ import annotations

import asyncio

from playwright.async_api import expect

from tests.browser.home import Home
from tests.browser.lies.watching import STORED
from tests.browser.test_reading import HELD, SECRET
from tests.browser.test_timers import opens_timer, sets_timer
from tests.conftest import Server
from tests.http.test_changes import is_found
from tests.support.hostile import Hostile
from tests.support.someone import Someone

TYPED = """() => JSON.stringify([document.title,
    ...[...document.querySelectorAll("textarea, input")].map(({ value }) => value)])"""


def files_of(server: Server) -> bytes:
    """All bytes of its data folder (the database with its free pages, and what is not yet in it), and its log."""
    files = [path for path in sorted(server.data_dir.rglob("*")) if path.is_file()]
    return b"\n".join(path.read_bytes() for path in [*files, server.log])


def copies(home: Home) -> list[str]:
    """Both sealed copies of the newest message of the friends."""
    newest = "SELECT sealed_a, sealed_b FROM messages WHERE conversation_id = ? ORDER BY seq DESC LIMIT 1"
    both = list(Hostile(home.server).run(newest, home.conversation)[0])
    assert all(is_found(copy, files_of(home.server)) for copy in both)  # control
    return both


async def is_on_no_disk(home: Home, gone: list[str]) -> None:
    """Within a minute, no part of these copies is in a file of the server."""
    for _ in range(30):  # reading all of them takes longer than most polls
        stored = files_of(home.server)
        left = [copy for copy in gone if is_found(copy, stored)]
        if not left:
            return
        await asyncio.sleep(2)
    raise AssertionError(f"{len(left)} of {len(gone)} copies are still there")


async def held_by(someone: Someone) -> str:
    """Everything in the document, its fields and the memory of its rows, and all that this browser stores."""
    stored = await someone.page.evaluate(STORED)
    assert someone.name in stored  # control
    return f"{await someone.page.evaluate(HELD)}{await someone.page.evaluate(TYPED)}{stored}"


async def acts(someone: Someone, text: str, name: str) -> None:
    """Choose this in the menu of the message with this text, which answers none."""
    target = someone.page.locator("message-row:not(:has(.quote))").filter(has_text=text)
    await target.hover()
    await target.get_by_role("button", name="Message actions").click()
    await someone.page.get_by_role("menuitem", name=name).click()


async def say_it(home: Home) -> tuple[Someone, Someone, list[str]]:
    """Alice writes the secret. Bob answers it, and has begun a second answer, so that it is quoted in three places."""
    alice, bob = await home.friends()
    await alice.writes(f"{SECRET} typo")
    for someone in (alice, bob):
        await expect(someone.page.locator("message-row").filter(has_text=SECRET)).to_be_visible()
        await expect(someone.list).to_contain_text(f"{SECRET} typo")
    written = copies(home)
    await acts(bob, f"{SECRET} typo", "Reply")
    await bob.writes("about that")
    for someone in (alice, bob):
        await expect(someone.page.locator(".quote").last).to_contain_text(f"{SECRET} typo")
    await acts(bob, f"{SECRET} typo", "Reply")
    await bob.page.keyboard.type("and also")
    await expect(bob.page.locator(".about")).to_contain_text(f"{SECRET} typo")
    for someone in (alice, bob):
        assert SECRET in await held_by(someone)  # control
    return alice, bob, written


async def is_in_no_browser(*people: Someone, is_loaded: bool = False) -> None:
    """Neither as the page is now, nor, if `is_loaded`, after a reload."""
    for someone in people:
        assert SECRET not in await held_by(someone)
        if not is_loaded:
            continue
        await someone.page.reload()
        await expect(someone.page.get_by_role("textbox", name="Message")).to_be_enabled()
        await expect(someone.page.locator(".quote").last).to_be_visible()
        assert SECRET not in await held_by(someone)


async def test_what_was_edited_or_deleted_or_has_disappeared_is_on_no_disk_and_in_no_browser(home: Home) -> None:
    # An edited text.
    alice, bob, gone = await say_it(home)
    field = alice.page.get_by_role("textbox", name="Message")
    for before, after in ((f"{SECRET} typo", f"{SECRET} again"), (f"{SECRET} again", "as meant")):
        await acts(alice, before, "Edit")
        await field.fill(after)
        await field.press("Enter")
        for someone in (alice, bob):
            await expect(someone.page.locator("message-row:has(.edited)").last).to_contain_text(after)
            await expect(someone.page.locator(".quote").last).to_contain_text(after)
        if after != "as meant":
            gone += copies(home)
    await expect(bob.page.locator(".about")).to_contain_text("as meant")
    await is_in_no_browser(alice, bob)

    # A message that was deleted for both.
    alice, bob, written = await say_it(home)
    gone += written
    await acts(alice, f"{SECRET} typo", "Delete")
    await alice.page.get_by_role("button", name="Delete for both").click()
    for someone in (alice, bob):
        await expect(someone.page.locator(".quote").last).to_contain_text("Message deleted")
    await expect(bob.page.locator(".about")).to_contain_text("This message was deleted.")
    await is_in_no_browser(alice, bob, is_loaded=True)  # the edited text, too

    # One that disappears.
    dialog = await opens_timer(alice.page)
    await dialog.get_by_role("button", name="Custom").click()
    await dialog.get_by_role("textbox", name="Custom time").fill("20")
    await dialog.get_by_role("button", name="seconds", exact=True).click()
    await dialog.get_by_role("button", name="Set", exact=True).click()
    await expect(alice.page.locator("message-composer .lifetime")).to_contain_text("20 seconds")
    alice, bob, written = await say_it(home)
    for someone in (alice, bob):
        await expect(someone.page.locator("message-row").filter(has_text=SECRET)).to_have_count(0)
        assert SECRET not in await held_by(someone)
    await is_on_no_disk(home, [*gone, *written])
    await sets_timer(alice.page, "Off")
    await expect(alice.page.locator("message-composer .lifetime")).to_be_empty()
