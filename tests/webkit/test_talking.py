"""Talking in WebKitGTK: messages arrive, wait, survive, change and disappear, and nothing moves who reads them."""

from __future__ import annotations

from selenium.webdriver.common.action_chains import ActionChains

from tests.browser.lies.peers import Peer
from tests.browser.test_changing import gets, place_of
from tests.conftest import Server
from tests.webkit.user import WebKitUser
from tests.webkit.window import ENTER, SHIFT, Window, until

PAGE, MANY = 50, 55  # messages that are loaded at once, and those of a long conversation
MORE = "\nand more of it" * 5
FIELD = "document.querySelector('message-composer textarea')"

# The position in the log of the row with this text, in pixels.
TOP = """(text) => {
    const log = document.querySelector("message-log");
    const row = [...log.querySelectorAll("message-row")].find((one) =>
        one.querySelector("sealed-text").textContent === text);
    return row && Math.round(row.getBoundingClientRect().top - log.getBoundingClientRect().top);
}"""
IN_VIEW = f"""(text) => {{
    const top = ({TOP})(text);
    return top !== undefined && top > -20 && top < document.querySelector("message-log").clientHeight;
}}"""
FROM_THE_TOP = "(to) => { const log = document.querySelector('message-log'); log.scrollTop = to - log.scrollHeight; }"
SCROLL = "(to) => { document.querySelector('message-log').scrollTop = to; }"
COUNT = "() => document.querySelectorAll('message-row sealed-text:not([data-sealed])').length"

OF_SESSION = "import(document.querySelector('[src*=boot]').src.replace('boot', 'session'))"
USE_INDEX = f"(isOn) => {OF_SESSION}.then(({{ useSearchIndex }}) => useSearchIndex(isOn))"
KEPT = f"(conversation) => {OF_SESSION}.then(({{ readIndex }}) => readIndex(conversation)).then((all) => all.length)"

ROW = "[...document.querySelectorAll('message-row')].find((one) => one.textContent.includes(text))"
IS_OPEN = "() => document.querySelector('message-menu .menu').matches(':popover-open')"
CHOOSE = """([selector, words]) => [...document.querySelectorAll(selector)].find((one) =>
    one.checkVisibility() && one.textContent.includes(words))"""


def is_drawn(window: Window) -> None:
    """Wait until layout and observers are done."""
    window.run("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done())))")


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


async def test_two_people_find_each_other_and_talk_live_and_through_reloads_with_a_draft(
    alice: WebKitUser, friend: Peer
) -> None:
    window = alice.window
    alice.looks_up(friend.search_pin)
    window.reads("Verified by Search PIN")
    alice.writes("hello bob")
    await friend.sees("hello bob")
    await friend.writes("hello alice, ça va?")
    window.sees("hello bob", "hello alice, ça va?")
    window.until("() => !!document.querySelector('conversation-item a[aria-current]')")
    window.fill("Message", "half a thought")
    window.reload()
    window.sees("hello bob", "hello alice, ça va?")
    window.until(f"() => {FIELD}?.value === 'half a thought'")
    window.press("Send")
    said = ["hello bob", "hello alice, ça va?", "half a thought"]
    window.sees(*said)
    await friend.sees(*said)
    window.reload()
    window.sees(*said)
    window.element("textbox", "Message")
    assert window.run(f"() => {FIELD}.value") == ""
    alice.goes_to("/")
    await friend.writes("not seen")
    window.until("() => document.title === '(1) EZ-DMS'")
    window.press(friend.name, "link")
    window.sees(*said, "not seen")
    window.until("(title) => document.title === title", f"{friend.name} · EZ-DMS")
    assert not window.run("() => !!document.querySelector('[role=alert]:not(:empty)')")


async def test_any_text_arrives_unchanged_and_shift_enter_inserts_a_new_line_into_it(
    alice: WebKitUser, friend: Peer
) -> None:
    texts = ["👍🏽 " * 100, "مرحبا\n\tעברית", '<b>"bold"</b> & \\ \u2028', "é" * 500]
    for text in texts:
        await friend.writes(text)
    window = alice.opens(friend).window
    window.sees(*texts)
    field = window.element("textbox", "Message")
    field.send_keys("one")
    ActionChains(window.driver).key_down(SHIFT).send_keys(ENTER).key_up(SHIFT).perform()
    field.send_keys("two", ENTER)
    window.sees(*texts, "one\ntwo")
    assert window.run(f"() => {FIELD}.value") == ""
    assert (await friend.last()).text == "one\ntwo"


async def test_a_message_written_while_the_server_is_down_is_sent_once_it_is_back(
    host: Server, alice: WebKitUser, friend: Peer
) -> None:
    window = alice.opens(friend).window
    alice.writes("before")
    window.sees("before")
    window.until("() => !document.querySelector('.pending')")
    host.stop()
    try:
        alice.writes("while it was away")
        window.reads("Not sent yet. The server cannot be reached.")
        window.reads("Reconnecting…", "#connection")
    finally:
        host.start()
    window.sees("before", "while it was away")
    window.until("() => !document.querySelector('.pending')")
    assert [row["n"] for row in await friend.rows()] == [1, 2]


async def test_a_search_finds_a_message_at_the_next_visit_from_the_index_and_leads_there(
    alice: WebKitUser, friend: Peer
) -> None:
    texts = [f"line {number}{MORE}" for number in range(1, 11)]
    for text in texts:
        await friend.writes(text)
    window = alice.opens(friend).window
    window.sees(*texts)
    is_drawn(window)  # it has opened at its first new message
    window.run(SCROLL, 0)
    window.until(IN_VIEW, texts[-1])
    assert not window.run(IN_VIEW, texts[2])
    window.press("Accept")
    window.until("() => document.querySelector('request-card').hidden")
    window.run(USE_INDEX, True)
    alice.goes_to("/")
    for is_next in (False, True):
        if is_next:
            alice.is_at_the_list()
        window.element("textbox", "Search", ".filter").send_keys("line 3")
        window.reads("line 3", ".results")
        window.reads("Everything was searched")
    assert window.run(KEPT, friend.conversation) == len(texts)
    window.press("line 3", scope=".results")
    window.until(IN_VIEW, texts[2])
    assert window.run("(text) => document.activeElement.innerText.includes(text)", "line 3")
    window.run(USE_INDEX, False)
    assert window.run(KEPT, friend.conversation) == 0


async def test_a_long_conversation_opens_at_its_end_and_nothing_moves_a_reader_who_has_scrolled_up(
    host: Server, alice: WebKitUser, friend: Peer
) -> None:
    alice.window.open("about:blank")  # opening a message takes long here, and the list would open each of them
    for number in range(1, MANY + 1):
        await friend.writes(f"line {number}")
    window = alice.opens(friend).window
    window.until(IN_VIEW, f"line {MANY}")
    window.until(f"(count) => ({COUNT})() === count", PAGE)

    text = f"line {MANY - PAGE + 20}"  # older messages are loaded above it
    window.run(FROM_THE_TOP, 900)
    is_drawn(window)
    top = window.run(TOP, text)
    window.sees(*(f"line {number}" for number in range(1, MANY + 1)))
    is_drawn(window)
    assert abs(window.run(TOP, text) - top) <= 2

    window.run(SCROLL, -700)  # new ones come below
    is_drawn(window)
    where = {text: window.run(TOP, text) for text in (f"line {MANY - 22}", f"line {MANY - 18}")}
    for count in (MANY + 1, MANY + 2):
        await friend.writes(f"line {count}\nand more of it")
        window.until(f"(count) => ({COUNT})() === count", count)
        is_drawn(window)
        for text, top in where.items():
            assert abs(window.run(TOP, text) - top) <= 2
    window.press("New messages")
    window.until(IN_VIEW, f"line {MANY + 2}\nand more of it")
    await friend.writes("one more")  # a reader at the end stays at the end
    window.until(IN_VIEW, "one more")

    other = await Peer.arrives(host)  # the reader goes elsewhere and comes back
    await other.starts_with(alice.search_pin)
    await other.writes("hello")
    window.fill("Message", "not yet sent")
    window.run(SCROLL, -300)
    is_drawn(window)
    top = window.run(TOP, text := f"line {MANY - 5}")
    window.press(other.name, "link")
    window.until("(path) => location.pathname === path", f"/c/{other.conversation}")
    window.element("textbox", "Message")
    assert window.run(f"() => {FIELD}.value") == ""
    window.press(friend.name, "link")
    window.until(f"() => {FIELD}?.value === 'not yet sent'")
    is_drawn(window)
    assert abs(window.run(TOP, text) - top) <= 2
    await other.leaves()


async def test_the_menu_of_a_message_answers_edits_reacts_and_deletes(alice: WebKitUser, friend: Peer) -> None:
    window = alice.opens(friend).window
    await friend.writes("what time?")
    window.sees("what time?")
    about = await place_of(friend, 0)
    acts(window, "what time?", "Reply")
    window.reads(f"Reply to {friend.name}", ".about")
    window.element("textbox", "Message").send_keys("at eigt", ENTER)
    await gets(friend, "text", "at eigt", reference=about)
    window.reads("what time?", ".quote")

    answer = await place_of(friend, 1)
    acts(window, "at eigt", "Edit")
    window.until(f"() => {FIELD}.value === 'at eigt' && document.activeElement === {FIELD}")
    window.element("textbox", "Message").clear()
    window.element("textbox", "Message").send_keys("at eight", ENTER)
    await gets(friend, "edit", "at eight", reference=answer)
    window.sees("what time?", "at eight")
    window.reads("edited", ".meta")

    await friend.writes("good news")
    window.sees("what time?", "at eight", "good news")
    about = await friend.newest()
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

    alice.writes("for nobody")
    window.sees("what time?", "at eight", "good news", "for nobody")
    target = await friend.newest()
    acts(window, "for nobody", "Delete")
    window.press("Delete for both")
    window.sees("what time?", "at eight", "good news", "You deleted this message for both of you.")
    await gets(friend, "delete", " ".join(target))
    acts(window, "good news", "Delete")
    window.press("Delete for me")
    left = ["You deleted this message for yourself.", "You deleted this message for both of you."]
    window.sees("what time?", "at eight", *left)
    window.reload()
    window.sees("what time?", "at eight", *left)


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
