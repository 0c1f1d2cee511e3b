"""Trust in WebKitGTK: verification, alarms, and what logging out leaves behind."""

from __future__ import annotations

from tests.browser.lies.peers import Peer
from tests.conftest import Server
from tests.support.hostile import Hostile
from tests.support.someone import STORED
from tests.webkit.user import WebKitUser
from tests.webkit.window import Window

FORK = "This conversation was tampered with"


def is_locked(window: Window, words: str) -> None:
    """A red alarm with these words is shown, and the message field is disabled."""
    window.reads(words, "[data-alarm]")
    window.until("() => document.querySelector('message-composer textarea').disabled")


async def test_the_recipient_can_verify_the_sender_by_search_pin(alice: WebKitUser, friend: Peer) -> None:
    window = alice.opens(friend).window
    window.press("Not verified")
    window.reads("Read it to each other")
    window.until("() => document.querySelector('[data-testid=safety-number]').textContent.length === 71")
    window.fill("The PIN they gave you", friend.search_pin)
    window.press("Check")
    window.reads("Verified by Search PIN", ".trust")
    window.reload()
    window.reads("Verified by Search PIN", ".trust")


async def test_another_persons_search_pin_does_not_verify_the_contact(
    alice: WebKitUser, bob: WebKitUser, friend: Peer
) -> None:
    window = alice.opens(friend).window
    window.press("Not verified")
    window.fill("The PIN they gave you", bob.search_pin)
    window.press("Check")
    window.reads("belongs to someone other", "who-is-this")
    window.reads("Not verified", ".trust")


async def test_a_swapped_key_raises_a_red_alarm_that_cannot_be_accepted(
    host: Server, alice: WebKitUser, friend: Peer
) -> None:
    window = alice.opens(friend).window
    eve = await Peer.arrives(host)
    hostile = Hostile(host)
    hostile.change_user(friend.name, statement=eve.statement)
    window.reload()
    is_locked(window, "The server shows a different key for this person")
    assert not window.has("button", "Continue anyway")
    hostile.change_user(friend.name, statement=friend.statement)
    alice.opens(friend).writes("honest again")
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
    window.reload()
    window.sees("one", "Cannot be verified", "and on")
    window.element("textbox", "Message")


async def test_a_message_forged_in_the_users_own_name_raises_a_red_alarm(
    host: Server, alice: WebKitUser, friend: Peer
) -> None:
    await friend.writes("never mine")
    hostile = Hostile(host)
    mine = hostile.user("alice")["user_id"]
    hostile.run("UPDATE messages SET sender_id = ? WHERE conversation_id = ?", mine, friend.conversation)
    window = alice.opens_alarmed(friend)
    is_locked(window, "A message has a forged signature")
    window.sees("Cannot be verified")


async def test_a_dropped_message_leaves_a_note(host: Server, alice: WebKitUser, friend: Peer) -> None:
    for text in ("one", "two", "three"):
        await friend.writes(text)
    hostile = Hostile(host)
    hostile.run("DELETE FROM messages WHERE seq = 2 AND conversation_id = ?", friend.conversation)
    hostile.run("UPDATE messages SET seq = 2 WHERE seq = 3 AND conversation_id = ?", friend.conversation)
    hostile.run("UPDATE conversations SET last_seq = 2 WHERE conversation_id = ?", friend.conversation)
    window = alice.opens(friend).window
    window.sees("one", "three")
    window.reads("Messages are missing before this one.", "message-row:last-child .note")


async def test_a_tampered_copy_is_not_shown(host: Server, alice: WebKitUser, friend: Peer) -> None:
    await friend.writes("intact")
    await friend.writes("to be damaged")
    hostile = Hostile(host)
    (row,) = hostile.run("SELECT * FROM messages WHERE seq = 2 AND conversation_id = ?", friend.conversation)
    for copy in ("sealed_a", "sealed_b"):
        damaged = row[copy][:-30] + ("A" if row[copy][-30] != "A" else "B") + row[copy][-29:]
        hostile.run(f"UPDATE messages SET {copy} = ? WHERE message_id = ?", damaged, row["message_id"])  # noqa: S608
    alice.opens(friend).window.sees("intact", "Cannot be verified")


def test_logging_out_deletes_the_keys_and_logging_in_restores_everything(alice: WebKitUser, bob: WebKitUser) -> None:
    window = bob.window
    bob.looks_up(alice.search_pin)
    bob.writes("still here")
    window.reads("still here", "message-row")
    bob.logs_out()
    assert window.run(STORED) == [0, 0, 0, 0, 0, 0]
    assert window.run("() => [localStorage.length, sessionStorage.length]") == [0, 2]  # its place, and why
    bob.logs_in()
    window.press("alice", "link")
    window.reads("still here", "message-row")
    window.reads("Verified by Search PIN", ".trust")


async def test_the_verification_of_a_contact_carries_over_to_the_next_device(
    alice: WebKitUser, bob: WebKitUser, friend: Peer
) -> None:
    window = alice.opens(friend).window
    window.press("Not verified")
    window.fill("The PIN they gave you", friend.search_pin)
    window.press("Check")
    window.reads("Verified by Search PIN", ".trust")
    alice.writes("from the first")
    window.sees("from the first")
    bob.logs_out()
    device = WebKitUser(bob.window, bob.server, alice.name)
    device.login_pin, device.search_pin = alice.login_pin, alice.search_pin
    device.logs_in()
    device.window.press(friend.name, "link")
    device.window.sees("from the first")
    device.window.reads("Verified by Search PIN", ".trust")
    device.writes("from the second")
    window.sees("from the first", "from the second")
    device.logs_out()


def test_a_wrong_login_pin_shows_an_error_and_stays_in_its_field(bob: WebKitUser) -> None:
    bob.logs_out()
    window = bob.window
    for typed, words in (
        ("1234", "16 letters and digits"),
        ("0000-0000-0000-0000", "No account has this Login PIN"),
    ):
        window.element("textbox", "Login PIN").clear()
        window.fill("Login PIN", typed)
        window.press("Log in")
        window.reads(words, "log-in")
        assert window.run("() => document.querySelector('log-in .pin').value") == typed
