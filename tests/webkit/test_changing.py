"""The menu of a message in WebKitGTK: answering, editing, reacting, deleting, and a timer for what is written next."""

from __future__ import annotations

from selenium.webdriver.common.action_chains import ActionChains

from tests.browser.lies.peers import Peer
from tests.browser.test_changing import gets, place_of
from tests.webkit.user import WebKitUser
from tests.webkit.window import ENTER, Window, until

FIELD = "document.querySelector('message-composer textarea')"
ROW = "[...document.querySelectorAll('message-row')].find((one) => one.textContent.includes(text))"
IS_OPEN = "() => document.querySelector('message-menu .menu').matches(':popover-open')"
CHOOSE = """([selector, words]) => [...document.querySelectorAll(selector)].find((one) =>
    one.checkVisibility() && one.textContent.includes(words))"""


def clicks(window: Window, selector: str, words: str = "") -> None:
    """Click what is visible, matches and contains these words."""
    until(lambda: pressed(window, f"return ({CHOOSE})([arguments[0], arguments[1]]);", selector, words), words)


def pressed(window: Window, script: str, *given: str) -> bool:
    """Click the element that the script finds; False if there is none. A row that is drawn anew makes it stale."""
    found = window.driver.execute_script(script, *given)
    if found is not None:
        ActionChains(window.driver).move_to_element(found).click().perform()
    return found is not None


def acts(window: Window, text: str, name: str) -> None:
    """Open the menu of the message with this text, and choose this item."""
    button = f"const text = arguments[0]; return ({ROW})?.querySelector('.actions');"
    until(lambda: window.run(IS_OPEN) or (pressed(window, button, text) and window.run(IS_OPEN)), f"the menu of {text}")
    clicks(window, "message-menu [role=menuitem]", name)


async def test_a_message_is_answered_and_edited_in_its_menu(alice: WebKitUser, friend: Peer) -> None:
    window = alice.opens(friend).window
    await friend.writes("what time?")
    window.sees("what time?")
    acts(window, "what time?", "Reply")
    window.reads(f"Reply to {friend.name}", ".about")
    window.element("textbox", "Message").send_keys("at eigt", ENTER)
    await gets(friend, "text", "at eigt", reference=await place_of(friend, 0))
    window.reads("what time?", ".quote")
    acts(window, "at eigt", "Edit")
    window.until(f"() => {FIELD}.value === 'at eigt' && document.activeElement === {FIELD}")
    window.element("textbox", "Message").clear()
    window.element("textbox", "Message").send_keys("at eight", ENTER)
    await gets(friend, "edit", "at eight", reference=await place_of(friend, 1))
    window.sees("what time?", "at eight")
    window.reads("edited", ".meta")
    window.reload()
    window.sees("what time?", "at eight")


async def test_a_reaction_is_chosen_and_taken_back_and_any_emoji_is_found(alice: WebKitUser, friend: Peer) -> None:
    window = alice.opens(friend).window
    await friend.writes("good news")
    window.sees("good news")
    window.press("Accept")  # nobody reacts to a request
    window.until("() => document.querySelector('request-card').hidden")
    about = await place_of(friend, 0)
    acts(window, "good news", "😂")
    await gets(friend, "react", "😂", reference=about)
    clicks(window, ".reaction", "😂")
    await gets(friend, "react", "", reference=about)
    window.until("() => !document.querySelector('.reaction')")
    acts(window, "good news", "React")
    window.fill("Search emoji", "party pop")
    clicks(window, ".emojis button", "🎉")
    await gets(friend, "react", "🎉", reference=about)
    window.until("() => document.querySelector('.reaction')?.getBoundingClientRect().height >= 43.5")


async def test_a_message_is_deleted_for_both_or_for_me(alice: WebKitUser, friend: Peer) -> None:
    window = alice.opens(friend).window
    await friend.writes("not for me")
    alice.writes("for nobody")
    window.sees("not for me", "for nobody")
    target = await place_of(friend, 1)
    acts(window, "for nobody", "Delete")
    window.press("Delete for both")
    window.sees("not for me", "You deleted this message for both of you.")
    await gets(friend, "delete", " ".join(target))
    acts(window, "not for me", "Delete")
    window.press("Delete for me")
    gone = ["You deleted this message for yourself.", "You deleted this message for both of you."]
    window.sees(*gone)
    window.reload()
    window.sees(*gone)


async def test_a_timer_is_set_and_a_message_disappears_at_its_time(alice: WebKitUser, friend: Peer) -> None:
    window = alice.opens(friend).window
    window.press("Conversation options")
    clicks(window, "conversation-options [role=menuitem]", "Disappearing messages")
    clicks(window, ".timer .choices button", "1 hour")
    clicks(window, ".timer [type=submit]", "Set")
    await gets(friend, "timer", "3600")
    said = "You set messages to disappear 1 hour after they are sent."
    alice.writes("for an hour")
    await gets(friend, "text", "for an hour", x=3600)
    await friend.writes("for a moment", x=5)
    window.sees(said, "for an hour", "for a moment")
    window.until("() => document.querySelectorAll('[role=timer]').length === 2")
    window.sees(said, "for an hour", "This message has disappeared.")
