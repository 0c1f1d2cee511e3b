"""The page in WebKitGTK: accessible names, phones, on-screen keyboards, and use with a mouse alone."""

from __future__ import annotations

from tests.browser.lies.peers import Peer
from tests.webkit.user import WebKitUser
from tests.webkit.window import until

PHONE = (390, 844)
SHOWN = """() => [...document.querySelectorAll("button, a[href], input, textarea, output, nav, [role]")]
    .filter((one) => one.checkVisibility())"""
SEEN = "(selector) => !!document.querySelector(selector)?.checkVisibility()"
WIDER = "() => document.documentElement.scrollWidth > innerWidth"

# Reports an on-screen keyboard of this height (0: none), as iOS does.
KEYBOARD = """(height) => {
    const left = document.documentElement.clientHeight - height;
    Object.defineProperty(visualViewport, "height", { configurable: true, get: () => left });
    visualViewport.dispatchEvent(new Event("resize"));
    return left;
}"""
BOTTOM = "() => Math.round(document.querySelector('message-composer').getBoundingClientRect().bottom)"


async def test_every_field_and_button_has_a_role_and_a_name(alice: WebKitUser, friend: Peer) -> None:
    window = alice.opens(friend).window
    window.press("New chat")
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
        window.press("New chat")
        return set()

    assert until(named, "everything has a name")


async def test_a_phone_shows_either_the_list_or_the_conversation(alice: WebKitUser, friend: Peer) -> None:
    window = alice.is_at_the_list().window
    window.resize(*PHONE)
    assert window.run(SEEN, ".sidebar")
    assert not window.run(SEEN, "message-log")
    window.press(friend.name, "link")
    window.until(SEEN, "message-log")
    assert not window.run(SEEN, ".sidebar")
    alice.writes("from a phone")
    window.sees("from a phone")
    assert not window.run(WIDER)
    window.press("Back to your conversations", "link")
    window.until(SEEN, ".sidebar")
    assert not window.run(WIDER)


async def test_the_message_field_stays_visible_above_an_on_screen_keyboard(alice: WebKitUser, friend: Peer) -> None:
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


async def test_zooming_is_not_mistaken_for_an_on_screen_keyboard(alice: WebKitUser, friend: Peer) -> None:
    window = alice.opens(friend).window
    full = window.run(BOTTOM)
    window.run("() => Object.defineProperty(visualViewport, 'scale', { configurable: true, value: 2 }) && 0")
    window.run(KEYBOARD, full // 2)
    assert window.run(BOTTOM) == full
    window.run(KEYBOARD, full // 2 + 100)  # leaves 200 pixels of the page
    window.until(f"(left) => ({BOTTOM})() === left", full - 200)


async def test_one_click_selects_the_whole_text_to_copy(alice: WebKitUser, friend: Peer) -> None:
    window = alice.opens(friend).window
    window.press("Not verified")
    window.press("New chat")
    for place in ("[data-testid=my-search-pin]", ".safety"):
        window.until("(place) => document.querySelector(place).checkVisibility()", place)
        text = window.until("(place) => document.querySelector(place).textContent", place)
        window.driver.find_element("css selector", place).click()
        assert window.run("() => String(getSelection()).trim()") == text, place
