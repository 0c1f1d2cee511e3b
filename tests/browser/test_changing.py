"""Answering, editing, deleting and reacting: the menu of a message, what is sent, and what becomes of a draft."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Locator, Page, Route, expect

from ezdms import crypto
from ezdms.client import Client
from tests.browser.home import Home, Paused, paused, refused
from tests.browser.lies.peers import Peer
from tests.support.someone import Someone, until

ROUND = "() => { dispatchEvent(new Event('online')); }"  # otherwise every ten seconds


async def talks(home: Home, *texts: str, is_kept: bool = False) -> tuple[Someone, Peer]:
    """Alice is in a conversation with a program, and has written these texts. `is_kept`: on the page that she had."""
    alice, bob = await home.person("alice", is_kept=is_kept), await home.peer()
    await bob.starts_with(alice.search_pin)
    await alice.opens(bob.name)
    await expect(alice.page.get_by_role("textbox", name="Message")).to_be_enabled()
    for text in texts:
        await alice.writes(text)
        await expect(row(alice.page, text)).to_be_visible()
    await expect(alice.page.locator(".pending")).to_have_count(0)
    return alice, bob


def row(page: Page, text: str) -> Locator:
    """The message with this text."""
    return page.locator("message-row").filter(has_text=text)


async def acts(page: Page, text: str, *names: str) -> None:
    """Open the menu of this message, and choose these items, one after the other."""
    await row(page, text).hover()
    await row(page, text).get_by_role("button", name="Message actions").click()
    for name in names:
        await page.get_by_role("menu", name="Message actions").get_by_role("menuitem", name=name).click()


async def messages(peer: Peer) -> list[crypto.Message]:
    """The messages of the conversation that have content, opened."""
    found = []
    for one in await peer.rows():
        if one["encrypted"] is None:
            continue
        own, theirs = peer.keys.ik, peer.other.ik
        between = (own, theirs) if one["sender_id"] == peer.user_id else (theirs, own)
        claimed = {name: one[name] for name in ("message_id", "n", "hash", "suite")}
        found.append(crypto.open_message(peer.keys, *between, one["encrypted"], **claimed))
    return found


async def gets(peer: Peer, kind: str, text: str, **facts: Any) -> crypto.Message:
    """Wait until the newest message is this one; returns it."""
    newest: list[crypto.Message] = []

    async def is_there() -> bool:
        newest[:] = (await messages(peer))[-1:]
        known = {"kind": kind, "text": text} | facts  # the one before it may say the same
        return bool(newest) and {name: getattr(newest[0], name) for name in known} == known

    await until(is_there)
    return newest[0]


async def place_of(peer: Peer, number: int) -> tuple[str, str]:
    """The id and hash of the row with this number."""
    one = (await peer.rows())[number]
    return one["message_id"], one["hash"]


async def test_answers_and_edits_name_their_message_and_a_reload_keeps_them_and_the_draft(home: Home) -> None:
    alice, bob = await talks(home, "what time?", is_kept=True)
    page, field = alice.page, alice.page.get_by_role("textbox", name="Message")
    about = page.locator("message-composer .about")
    await acts(page, "what time?", "Reply")
    await expect(field).to_be_focused()
    await expect(about).to_contain_text("Reply to yourself what time?")
    await page.keyboard.type("at eight")
    await page.reload()
    await expect(field).to_have_value("at eight")
    await expect(about).to_contain_text("what time?")
    await field.press("Enter")
    await gets(bob, "text", "at eight", reference=await place_of(bob, 0), x=0)
    await expect(about).to_be_hidden()
    await acts(page, "at eight", "Reply")
    await expect(about).to_be_visible()
    await field.press("Escape")
    await expect(about).to_be_hidden()
    await alice.writes("helo")
    await gets(bob, "text", "helo", reference=None)

    await field.fill("half a sentence")
    await acts(page, "helo", "Edit")
    await expect(field).to_be_focused()
    await expect(field).to_have_value("helo")
    await field.press("Escape")
    await expect(field).to_have_value("half a sentence")
    await acts(page, "helo", "Edit")
    await field.press("Enter")  # unchanged
    await expect(field).to_have_value("half a sentence")
    await acts(page, "helo", "Edit")
    await field.fill("x" * 501)
    await expect(page.locator(".counter")).to_have_text("501 of 500 characters")
    await field.press("Enter")
    await expect(page.locator("message-composer [role=alert]")).to_contain_text("at most 500 characters; this has 501")
    await expect(field).to_have_value("x" * 501)
    await field.fill("")
    await field.press("Enter")  # empty: nothing happens
    assert [message.kind for message in await messages(bob)] == ["text"] * 3
    await field.fill("hello")
    await field.press("Enter")
    await expect(field).to_have_value("half a sentence")
    target = await place_of(bob, 2)
    await gets(bob, "edit", "hello", reference=target, e="")
    await expect(row(page, "hello")).to_have_count(1)
    await expect(page.get_by_role("log").get_by_text("helo", exact=True)).to_have_count(0)
    rows = (await bob.rows())[2:]
    assert [(one["gone"], one["replaces"]) for one in rows] == [("replaced", None), (None, target[0])]
    await page.reload()
    await expect(field).to_have_value("half a sentence")
    await expect(about).to_be_hidden()
    await field.fill("")
    await field.press("ArrowUp")  # the last one
    await expect(field).to_have_value("hello")
    await field.fill("hello!")
    await field.press("Enter")
    await gets(bob, "edit", "hello!", reference=target, e=crypto.changes_hash([rows[1]["hash"]]))


# A mark for the newest message that was kept, but not handed over yet.
KEEP_MARK = """async () => {
    const of = (name) => import(document.querySelector("[src*=boot]").src.replace("boot", name));
    const thread = document.querySelector("message-thread");
    const { id, hash } = [...thread.querySelectorAll("message-row")].at(-1).fact;
    const item = { conversation: thread.conversation, message_id: "A".repeat(22), text: "" };
    await (await of("keystore")).addToOutbox([{ ...item, kind: "hide", reference: [id, hash] }], false);
}"""


async def test_own_messages_are_deleted_for_both_or_for_me_and_theirs_for_me(home: Home) -> None:
    alice, bob = await talks(home, "for both", "for me alone", "stays", is_kept=True)
    page, shown = alice.page, alice.page.get_by_role("log")
    dialog = page.get_by_role("dialog", name="Delete this message?")
    for text in ("from bob", "hidden once"):
        await bob.writes(text)
    await acts(page, "for both", "Delete")
    await expect(dialog).to_contain_text(bob.name)
    await dialog.get_by_role("button", name="Cancel").click()
    await expect(dialog).to_be_hidden()
    await acts(page, "for both", "Delete")
    await dialog.get_by_role("button", name="Delete for both").click()
    target = await place_of(bob, 0)
    await gets(bob, "delete", " ".join(target), e="", x=0)
    await expect(row(page, "for both").filter(has_text="deleted")).to_have_count(1)
    await acts(page, "for me alone", "Delete")
    await dialog.get_by_role("button", name="Delete for me").click()
    await expect(shown.get_by_text("for me alone")).to_have_count(0)
    await acts(page, "from bob", "Delete")
    await expect(dialog.get_by_role("button", name="Delete for both")).to_be_hidden()
    await dialog.get_by_role("button", name="Delete for me").click()
    await expect(shown.get_by_text("from bob")).to_have_count(0)

    marked: list[Paused] = []
    held: list[Route] = []

    async def refuse(mark: Paused) -> None:
        marked.append(mark)
        await mark.fails()

    await until(lambda: page.evaluate(IS_SENT))
    async with paused(page, "*/hide_message", refuse):
        await page.route("**/vault", lambda route: held.append(route))  # the list of contacts takes its time
        await acts(page, "hidden once", "Delete")
        await page.get_by_role("button", name="Delete for me").click()
        await expect(shown.get_by_text("hidden once")).to_have_count(0)
        await until(lambda: bool(marked and held))
        await held[0].continue_()
        await page.unroute("**/vault")
        await bob.writes("marked")
        await expect(row(page, "marked")).to_be_visible()
        await page.evaluate(KEEP_MARK)
        await expect(row(page, "marked")).to_be_visible()  # until the reload
        await page.reload()
        await expect(page.get_by_role("textbox", name="Message")).to_be_enabled()
        await expect(shown.get_by_text("stays")).to_be_visible()
        for gone in ("for me alone", "from bob", "hidden once", "marked"):
            await expect(shown.get_by_text(gone), gone).to_have_count(0)
        await page.goto(alice.address)  # any page sends the marks
    async with page.expect_response("**/hide_message") as answered:
        await page.evaluate(ROUND)
    assert (await answered.value).status == 204
    await until(lambda: page.evaluate(IS_SENT))
    await alice.goes_to(f"/c/{bob.conversation}")
    await expect(shown.get_by_text("stays")).to_be_visible()
    for gone in ("for me alone", "from bob", "hidden once", "marked"):
        await expect(shown.get_by_text(gone), gone).to_have_count(0)
    seen = [message.text for message in await messages(bob)]
    assert seen[:2] == ["for me alone", "stays"]  # the other's copies stay
    assert {"from bob", "hidden once", "marked"} <= set(seen)


# Whether nothing waits to be sent.
IS_SENT = """async () => {
    const { loadQueue } = await import(document.querySelector("[src*=boot]").src.replace("boot", "keystore"));
    return !(await loadQueue()).size;
}"""


async def test_reactions_are_chosen_in_the_menu_found_by_words_in_an_unchanged_list_and_withdrawn(home: Home) -> None:
    alice, bob = await talks(home, "good news", is_kept=True)
    alice.records()
    page = alice.page
    target = await place_of(bob, 0)
    await acts(page, "good news", "👍")
    await gets(bob, "react", "👍", reference=target, e=None)
    await expect(row(page, "good news").get_by_role("button", name="👍")).to_have_count(1)
    await acts(page, "good news", "👍")
    await gets(bob, "react", "", reference=target)
    assert "emojibase" not in " ".join(alice.addresses)  # only loaded when it is needed

    async def change(route: Route) -> None:
        response = await route.fetch()
        await route.fulfill(response=response, body=(await response.text()).replace("thumbs up", "thumbs down"))

    await alice.context.route("**/vendor/emojibase*", change)
    await acts(page, "good news", "React")
    search = page.get_by_role("textbox", name="Search emoji")
    await expect(search).to_be_focused()
    await expect(page.get_by_text("The list of emoji could not be loaded. Please try again.")).to_be_visible()
    await expect(page.locator(".emojis button")).to_have_count(0)
    await alice.context.unroute_all(behavior="wait")
    await search.fill("thumbs up")
    await expect(page.locator(".emojis").get_by_role("button", name="thumbs up")).to_be_visible()
    await search.fill("party pop")
    await page.get_by_role("button", name="party popper").click()
    await gets(bob, "react", "🎉", reference=target)
    await acts(page, "good news", "React")
    await search.fill("qqqq")
    await expect(page.get_by_text("No emoji found.")).to_be_visible()
    await page.keyboard.press("Escape")


async def test_every_emoji_of_the_list_can_be_sent(home: Home) -> None:
    alice = await home.person("alice", is_kept=True)
    found = await alice.page.evaluate(
        """async () => {
            const at = (name) => document.querySelector("[src*=boot]").src.replace("boot", name);
            const { EMOJI } = await import(at("release"));
            const list = async (file) => (await fetch(at("release").replace("js/release.js", `vendor/${file}`))).json();
            return Promise.all(Object.keys(EMOJI).map(list));
        }"""
    )
    english, spanish = found
    assert len(english) > 1800
    assert [one for one in english + spanish if not crypto.EMOJI.fullmatch(one[0]) or not one[1]] == []
    assert len({one[0] for one in english}) == len(english)
    assert [one[0] for one in spanish] == [one[0] for one in english]
    assert {"👍", "❤️", "😂", "😮", "😢", "🙏"} <= {one[0] for one in english}


@pytest.mark.firefox_too
async def test_the_menu_works_with_the_keyboard_offers_what_applies_and_a_script_opens_none(home: Home) -> None:
    alice, bob = await talks(home, "one", "two", is_kept=True)
    page = alice.page
    menu = page.get_by_role("menu", name="Message actions")
    button = row(page, "two").get_by_role("button", name="Message actions")
    await page.evaluate(PRESS)
    await page.wait_for_timeout(700)  # longer than a long press
    await expect(page.get_by_role("menu")).to_have_count(0)
    assert [message.kind for message in await messages(bob)] == ["text", "text"]

    await page.get_by_role("textbox", name="Message").press("Shift+Tab")
    await expect(page.get_by_role("button", name="Attach")).to_be_focused()
    await page.keyboard.press("Shift+Tab")
    await expect(button).to_be_focused()  # the newest; the arrow keys lead to the others
    await page.keyboard.press("ArrowUp")
    await expect(row(page, "one").get_by_role("button", name="Message actions")).to_be_focused()
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    await expect(menu).to_be_visible()
    await expect(menu.get_by_role("menuitem", name="👍")).to_be_focused()
    await page.keyboard.press("End")
    await expect(menu.get_by_role("menuitem", name="Delete")).to_be_focused()
    await page.keyboard.press("ArrowDown")
    await expect(menu.get_by_role("menuitem", name="👍")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(menu).to_be_hidden()
    await expect(button).to_be_focused()
    if home.browser.browser_type.name == "chromium":  # Firefox's driver has no such key
        await page.keyboard.press("ContextMenu")
        await expect(menu).to_be_visible()
        await page.keyboard.press("Escape")
    await row(page, "one").locator(".bubble").click(button="right")
    await expect(menu).to_be_visible()
    await menu.get_by_role("menuitem", name="Reply").click()
    await expect(page.locator("message-composer .about")).to_contain_text("one")
    await page.keyboard.press("Escape")

    items = menu.locator("[data-do]:visible")
    await bob.writes("theirs")
    await acts(page, "two")
    await expect(items).to_have_text(["Reply", "React", "Copy", "Edit", "Delete"])
    await page.keyboard.press("Escape")
    await acts(page, "theirs")
    await expect(items).to_have_text(["Reply", "React", "Copy", "Delete"])
    await page.keyboard.press("Escape")
    await page.evaluate("() => { window.now = Date.now; Date.now = () => window.now() + 86400001; }")
    await acts(page, "two")
    await expect(items).to_have_text(["Reply", "React", "Copy", "Delete"])  # texts can be edited for 24 hours
    await page.keyboard.press("Escape")
    await page.evaluate("() => { Date.now = window.now; }")


# Presses and clicks of a script, on the button of a message and on what the menu would offer.
PRESS = """() => {
    const [button] = document.querySelectorAll("message-row .actions");
    button.click();
    for (const name of ["pointerdown", "contextmenu", "click"]) {
        const Kind = name === "click" ? MouseEvent : PointerEvent;
        button.dispatchEvent(new Kind(name, { bubbles: true, cancelable: true, pointerType: "touch" }));
    }
    for (const item of document.querySelectorAll("message-menu button")) item.click();
}"""


async def test_changes_wait_in_order_while_offline_can_be_changed_and_are_sent_from_any_page(home: Home) -> None:
    alice, bob = await talks(home, "first", is_kept=True)
    page, field = alice.page, alice.page.get_by_role("textbox", name="Message")
    pending = page.locator(".pending")
    async with refused(page, "*/send_message"):
        await acts(page, "first", "👍")
        await pending.get_by_role("button", name="Discard").click()
        await expect(pending).to_have_count(0)
        await acts(page, "first", "Edit")
        await field.fill("better")
        await field.press("Enter")
        await expect(pending).to_contain_text("better")
        await pending.get_by_role("button", name="Edit").click()
        await expect(field).to_have_value("better")
        await expect(page.locator("message-composer .about")).to_contain_text("Edit message")
        await field.fill("best")
        await field.press("Enter")
        await expect(pending).to_contain_text("best")
        await acts(page, "first", "👍")
        await alice.writes("second")
        await expect(pending).to_have_count(3)
        await expect(pending.nth(1)).to_contain_text("Your reaction: 👍")
        await expect(pending.nth(1).get_by_role("button", name="Discard")).to_be_hidden()  # queued behind the edit
        await page.goto(alice.address)
        await expect(alice.list.get_by_role("link", name=bob.name)).to_contain_text("Not sent yet: second")
    await page.evaluate(ROUND)
    await gets(bob, "text", "second")
    assert [(one.kind, one.text) for one in await messages(bob)] == [
        ("edit", "best"),
        ("react", "👍"),
        ("text", "second"),
    ]


async def test_an_edit_is_made_anew_if_another_device_was_faster(home: Home, tmp_path: Path) -> None:
    alice, bob = await talks(home, "original", is_kept=True)
    target = await place_of(bob, 0)
    held: list[Route] = []
    await alice.page.route("**/send_message", lambda route: held.append(route), times=1)
    field = alice.page.get_by_role("textbox", name="Message")
    async with await Client.login(home.server.url, alice.login_pin, home=tmp_path) as device:
        [original] = await device.history(bob.conversation)
        await acts(alice.page, "original", "Edit")
        await field.fill("by the first")
        await field.press("Enter")
        await until(lambda: bool(held))
        await original.edit("by the second")
    await gets(bob, "edit", "by the second", e="")
    faster = await place_of(bob, 1)
    await held[0].continue_()
    await gets(bob, "edit", "by the first", reference=target, e=crypto.changes_hash([faster[1]]))
    await expect(row(alice.page, "by the first")).to_have_count(1)


async def test_on_a_phone_a_long_press_opens_the_menu_and_a_swipe_answers(home: Home) -> None:
    alice, _ = await talks(home, "press me", is_kept=True)
    page, before = alice.page, alice.page.viewport_size
    await page.set_viewport_size({"width": 390, "height": 844})
    session = await alice.context.new_cdp_session(page)
    await session.send("Emulation.setTouchEmulationEnabled", {"enabled": True, "maxTouchPoints": 1})

    async def touches(kind: str, *points: tuple[float, float]) -> None:
        await session.send(
            "Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y} for x, y in points]}
        )

    async def middle_of(target: Locator) -> tuple[float, float]:
        box = await target.bounding_box()
        assert box is not None
        return box["x"] + 30, box["y"] + box["height"] / 2

    x, y = await middle_of(row(page, "press me").locator(".bubble"))
    menu = page.get_by_role("menu", name="Message actions")
    await touches("touchStart", (x, y))
    await expect(menu).to_be_visible()
    await touches("touchEnd")
    await expect(menu).to_be_visible()
    for item in await menu.get_by_role("menuitem").all():
        if await item.is_visible():
            size = await item.bounding_box()
            assert size is not None
            assert min(size["width"], size["height"]) >= 43.5, json.dumps(size)
    await touches("touchStart", await middle_of(menu.get_by_role("menuitem", name="Copy")))
    await touches("touchEnd")
    await expect(menu).to_be_hidden()
    await touches("touchStart", (x, y))
    for step in range(1, 9):
        await touches("touchMove", (x + 10 * step, y))
    await touches("touchEnd")
    await expect(page.locator("message-composer .about")).to_contain_text(re.compile(r"Reply to .*press me"))
    await page.keyboard.press("Escape")
    await session.send("Emulation.setTouchEmulationEnabled", {"enabled": False})
    await session.detach()
    assert before is not None
    await page.set_viewport_size(before)
