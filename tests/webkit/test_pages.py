"""The page in WebKitGTK: names and selections, phones and their keyboards; verification, alarms, and logging out."""

from __future__ import annotations

from pathlib import Path

from ezdms.client import Client
from tests.browser.lies.peers import Peer
from tests.conftest import Server
from tests.support.hostile import Hostile
from tests.support.someone import STORED
from tests.webkit.user import WebKitUser
from tests.webkit.window import Window, until

PHONE = (390, 844)
SHOWN = """() => [...document.querySelectorAll("button, a[href], input, textarea, output, nav, [role]")]
    .filter((one) => one.checkVisibility())"""
SEEN = "(selector) => !!document.querySelector(selector)?.checkVisibility()"
WIDER = "() => document.documentElement.scrollWidth > innerWidth"
FORK = "This conversation was tampered with"

# Reports an on-screen keyboard of this height (0: none), as iOS does.
KEYBOARD = """(height) => {
    const left = document.documentElement.clientHeight - height;
    Object.defineProperty(visualViewport, "height", { configurable: true, get: () => left });
    visualViewport.dispatchEvent(new Event("resize"));
    return left;
}"""
ZOOM = "() => Object.defineProperty(visualViewport, 'scale', { configurable: true, value: 2 }) && 0"
AS_BEFORE = "() => { delete visualViewport.scale; delete visualViewport.height; }"
BOTTOM = "() => Math.round(document.querySelector('message-composer').getBoundingClientRect().bottom)"


def is_locked(window: Window, words: str) -> None:
    """A red alarm with these words is shown, and the message field is disabled."""
    window.reads(words, "[data-alarm]")
    window.until("() => document.querySelector('message-composer textarea').disabled")


async def test_every_field_and_button_has_a_role_and_a_name(alice: WebKitUser, friend: Peer) -> None:
    window = alice.opens(friend).window
    alice.new_chat()
    assert not window.run("() => document.getElementById('page-alert')?.innerText ?? ''")
    used = ("button", "link", "textbox", "checkbox")
    known = {
        ("textbox", "Message"),
        ("textbox", "Their Search PIN"),
        ("button", "Send"),
        ("button", "New chat"),
        ("link", "Settings"),
        ("button", "Copy my Search PIN"),
        ("log", "Messages"),
        ("navigation", "Conversations"),
    }

    def named() -> set[tuple[str, str]]:
        """The role and name of each element; empty while one has no name.

        On a busy machine WebKit keeps the name that a row had before its words were there: none. So look again.
        """
        elements = window.driver.execute_script(f"return ({SHOWN})();")
        found = {(one.aria_role, one.accessible_name) for one in elements}
        if all(name or role not in used for role, name in found):
            return found if known <= found else set()
        window.reload()
        alice.new_chat()
        return set()

    assert until(named, "everything has a name")


async def test_a_phone_shows_either_the_list_or_the_conversation(alice: WebKitUser, friend: Peer) -> None:
    window = alice.goes_to("/")
    await friend.writes("hello")
    window.resize(*PHONE)
    assert window.run(SEEN, ".sidebar")
    assert not window.run(SEEN, "message-log")
    window.press(friend.name, "link")
    window.until(SEEN, "message-log")
    assert not window.run(SEEN, ".sidebar")
    alice.writes("from a phone")
    window.sees("hello", "from a phone")
    assert not window.run(WIDER)
    window.press("Back to your conversations", "link")
    window.until(SEEN, ".sidebar")
    assert not window.run(WIDER)


async def test_the_message_field_stays_visible_above_an_on_screen_keyboard_for_which_zooming_is_not_mistaken(
    alice: WebKitUser, friend: Peer
) -> None:
    window = alice.opens(friend).window
    window.resize(*PHONE)
    full = window.run(BOTTOM)
    assert full == PHONE[1]
    left = window.run(KEYBOARD, 336)
    assert left == PHONE[1] - 336
    window.until(f"(left) => ({BOTTOM})() === left", left)
    assert window.run("() => scrollY") == 0
    alice.writes("above the keyboard")
    window.sees("above the keyboard")
    window.run(KEYBOARD, 0)
    window.until(f"(full) => ({BOTTOM})() === full", full)

    window.run(ZOOM)
    window.run(KEYBOARD, full // 2)
    assert window.run(BOTTOM) == full
    window.run(KEYBOARD, full // 2 + 100)  # leaves 200 pixels less of the page
    window.until(f"(left) => ({BOTTOM})() === left", full - 200)
    window.run(AS_BEFORE)


async def test_one_click_selects_the_whole_text_to_copy(alice: WebKitUser, friend: Peer) -> None:
    window = alice.opens(friend).window
    window.press("Not verified")
    alice.new_chat()
    for place in ("[data-testid=my-search-pin]", ".safety"):
        window.until("(place) => document.querySelector(place).checkVisibility()", place)
        text = window.until("(place) => document.querySelector(place).textContent", place)
        window.driver.find_element("css selector", place).click()
        assert window.run("() => String(getSelection()).trim()") == text, place


async def test_the_recipient_can_verify_the_sender_only_by_their_search_pin(
    host: Server, alice: WebKitUser, friend: Peer
) -> None:
    other = await Peer.arrives(host)
    window = alice.opens(friend).window
    window.press("Not verified")
    window.reads("Read it to each other")
    window.until("() => document.querySelector('[data-testid=safety-number]').textContent.length === 71")
    window.fill("The PIN they gave you", other.search_pin)
    window.press("Check")
    window.reads("belongs to someone other", "who-is-this")
    window.reads("Not verified", ".trust")
    window.element("textbox", "The PIN they gave you").clear()
    window.fill("The PIN they gave you", friend.search_pin)
    window.press("Check")
    window.reads("Verified by Search PIN", ".trust")
    window.reload()
    window.reads("Verified by Search PIN", ".trust")
    await other.leaves()


async def test_a_swapped_key_raises_a_red_alarm_that_cannot_be_accepted(
    host: Server, alice: WebKitUser, friend: Peer
) -> None:
    alice.opens(friend)
    eve = await Peer.arrives(host)
    hostile = Hostile(host)
    hostile.change_user(friend.name, statement=eve.statement)
    window = alice.opens_anew(friend)
    is_locked(window, "The server shows a different key for this person")
    assert not window.has("button", "Continue anyway")
    hostile.change_user(friend.name, statement=friend.statement)
    alice.opens_anew(friend).element("textbox", "Message")
    alice.writes("honest again")
    window.sees("honest again")
    await eve.leaves()


async def test_a_message_that_breaks_the_chain_raises_a_red_alarm_until_the_user_continues(
    alice: WebKitUser, friend: Peer
) -> None:
    window = alice.opens(friend).window
    first = await friend.writes("one")
    window.sees("one")
    await friend.writes("two", p=first.hash[::-1])
    window.sees("one", "Cannot be verified")
    is_locked(window, FORK)
    window.press("Continue anyway")
    alice.writes("and on")
    window.sees("one", "Cannot be verified", "and on")
    alice.opens_anew(friend)
    window.sees("one", "Cannot be verified", "and on")
    window.element("textbox", "Message")


async def test_a_message_forged_in_the_users_own_name_raises_a_red_alarm(
    host: Server, alice: WebKitUser, friend: Peer
) -> None:
    alice.window.open("about:blank")  # it must not arrive before it is forged
    await friend.writes("never mine")
    hostile = Hostile(host)
    mine = hostile.user("alice")["user_id"]
    hostile.run("UPDATE messages SET sender_id = ? WHERE conversation_id = ?", mine, friend.conversation)
    window = alice.opens_anew(friend)
    is_locked(window, "A message has a forged signature")
    window.sees("Cannot be verified")


async def test_a_dropped_message_leaves_a_note_and_a_tampered_copy_is_not_shown(
    host: Server, alice: WebKitUser, friend: Peer
) -> None:
    for text in ("one", "two", "three", "to be damaged"):
        await friend.writes(text)
    hostile = Hostile(host)
    hostile.run("DELETE FROM messages WHERE seq = 2 AND conversation_id = ?", friend.conversation)
    for seq in (3, 4):
        hostile.run(
            "UPDATE messages SET seq = ? WHERE seq = ? AND conversation_id = ?", seq - 1, seq, friend.conversation
        )
    hostile.run("UPDATE conversations SET last_seq = 3 WHERE conversation_id = ?", friend.conversation)
    (row,) = hostile.run("SELECT * FROM messages WHERE seq = 3 AND conversation_id = ?", friend.conversation)
    for copy in ("sealed_a", "sealed_b"):
        damaged = row[copy][:-30] + ("A" if row[copy][-30] != "A" else "B") + row[copy][-29:]
        hostile.run(f"UPDATE messages SET {copy} = ? WHERE message_id = ?", damaged, row["message_id"])  # noqa: S608
    window = alice.opens(friend).window
    window.sees("one", "three", "Cannot be verified")
    window.reads("Messages are missing before this one.", "message-row:nth-last-child(2) .note")


async def test_logging_out_deletes_the_keys_and_the_next_device_knows_everything_unlike_a_wrong_login_pin(
    host: Server, alice: WebKitUser, friend: Peer, tmp_path: Path
) -> None:
    """The next device is a program, and then this browser again, in which nothing is left."""
    window = alice.goes_to("/")
    alice.looks_up(friend.search_pin)
    window.reads("Verified by Search PIN", ".trust")
    alice.writes("from the first")
    window.sees("from the first")
    async with await Client.login(host.url, alice.login_pin, home=tmp_path) as device:
        (contact,) = [one for one in await device.contacts() if one.name == friend.name]
        assert contact.verified == "search-pin"
        await device.send(contact, "from the second")
    window.sees("from the first", "from the second")

    alice.logs_out()
    assert window.run(STORED) == [0, 0, 0, 0, 0, 0]
    assert window.run("() => [localStorage.length, sessionStorage.length]") == [0, 2]  # its place, and why
    for typed, words in (
        ("1234", "16 letters and digits"),
        ("0000-0000-0000-0000", "No account has this Login PIN"),
    ):
        window.element("textbox", "Login PIN").clear()
        window.fill("Login PIN", typed)
        window.press("Log in")
        window.reads(words, "log-in")
        assert window.run("() => document.querySelector('log-in .pin').value") == typed
    window.element("textbox", "Login PIN").clear()
    alice.logs_in()
    window.press(friend.name, "link")
    window.sees("from the first", "from the second")
    window.reads("Verified by Search PIN", ".trust")
    alice.writes("and again")
    window.sees("from the first", "from the second", "and again")
