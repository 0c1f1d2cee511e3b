"""Talking in WebKitGTK: messages arrive, wait and survive, and the scroll position stays."""

from __future__ import annotations

from selenium.webdriver.common.action_chains import ActionChains

from tests.browser.lies.peers import Peer
from tests.conftest import Server
from tests.webkit.user import WebKitUser
from tests.webkit.window import ENTER, SHIFT, Window

MANY = 120
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
SCROLL = "(to) => { document.querySelector('message-log').scrollTop = to; }"
COUNT = "() => document.querySelectorAll('message-row sealed-text:not([data-sealed])').length"

OF_SESSION = "import(document.querySelector('[src*=boot]').src.replace('boot', 'session'))"
USE_INDEX = f"(isOn) => {OF_SESSION}.then(({{ useSearchIndex }}) => useSearchIndex(isOn))"
KEPT = f"(conversation) => {OF_SESSION}.then(({{ readIndex }}) => readIndex(conversation)).then((all) => all.length)"


def is_drawn(window: Window) -> None:
    """Wait until layout and observers are done."""
    window.run("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done())))")


def test_two_people_find_each_other_and_talk_through_reloads(alice: WebKitUser, bob: WebKitUser) -> None:
    alice.is_at_the_list().looks_up(bob.search_pin)
    alice.window.reads("Verified by Search PIN")
    alice.writes("hello bob")
    bob.window.press("alice", "link")
    bob.window.sees("hello bob")
    bob.writes("hello alice, ça va?")
    for someone in (alice, bob):
        someone.window.sees("hello bob", "hello alice, ça va?")
        someone.window.reload()
        someone.window.sees("hello bob", "hello alice, ça va?")
    alice.writes("after the reload")
    for someone in (alice, bob):
        someone.window.sees("hello bob", "hello alice, ça va?", "after the reload")
        assert not someone.window.run("() => !!document.querySelector('[role=alert]:not(:empty)')")


async def test_enter_sends_and_shift_enter_inserts_a_new_line(alice: WebKitUser, friend: Peer) -> None:
    window = alice.opens(friend).window
    field = window.element("textbox", "Message")
    field.send_keys("one")
    ActionChains(window.driver).key_down(SHIFT).send_keys(ENTER).key_up(SHIFT).perform()
    field.send_keys("two", ENTER)
    window.sees("one\ntwo")
    assert window.run(f"() => {FIELD}.value") == ""
    assert (await friend.last()).text == "one\ntwo"


async def test_any_text_arrives_unchanged(alice: WebKitUser, friend: Peer) -> None:
    texts = ["👍🏽 " * 100, "مرحبا\n\tעברית", '<b>"bold"</b> & \\ \u2028', "é" * 500]
    for text in texts:
        await friend.writes(text)
    alice.opens(friend).window.sees(*texts)


async def test_a_new_message_appears_live(alice: WebKitUser, friend: Peer) -> None:
    alice.is_at_the_list().looks_up(friend.search_pin)  # otherwise it is a request, which the title does not count
    window = alice.window
    window.reads("Verified by Search PIN")
    await friend.writes("live")
    window.sees("live")
    window.until("() => !!document.querySelector('conversation-item a[aria-current]')")
    window.open(alice.server.url)
    await friend.writes("not seen")
    window.until("() => document.title === '(1) EZ-DMS'")
    window.press(friend.name, "link")
    window.sees("live", "not seen")
    window.until("(title) => document.title === title", f"{friend.name} · EZ-DMS")


async def test_a_draft_survives_a_reload_and_is_cleared_once_sent(alice: WebKitUser, friend: Peer) -> None:
    window = alice.opens(friend).window
    window.fill("Message", "half a thought")
    window.reload()
    window.until(f"() => {FIELD}?.value === 'half a thought'")
    window.press("Send")
    window.sees("half a thought")
    window.reload()
    window.sees("half a thought")
    window.element("textbox", "Message")
    assert window.run(f"() => {FIELD}.value") == ""


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


async def test_a_long_conversation_opens_at_its_end_and_loads_older_messages_above_without_moving_the_reader(
    alice: WebKitUser, friend: Peer
) -> None:
    for number in range(1, MANY + 1):
        await friend.writes(f"line {number}")
    window = alice.opens(friend).window
    window.until(IN_VIEW, f"line {MANY}")
    window.until(f"() => ({COUNT})() === 50")
    text = "line 90"
    window.run(
        "(top) => { const log = document.querySelector('message-log'); log.scrollTop = top - log.scrollHeight; }", 900
    )
    is_drawn(window)
    top = window.run(TOP, text)
    window.until(f"() => ({COUNT})() > 50")
    window.until("() => !document.querySelector('[data-sealed]')")
    is_drawn(window)
    assert abs(window.run(TOP, text) - top) <= 2
    window.run(SCROLL, -100_000)
    window.until(f"(text) => ({TOP})(text) !== undefined", "line 1")
    window.until("() => !document.querySelector('[data-sealed]')")
    window.sees(*(f"line {number}" for number in range(1, MANY + 1)))

    # A search finds one of them, at the next visit from the index, and leads there.
    window.press("Accept")
    window.until("() => document.querySelector('request-card').hidden")
    window.run(USE_INDEX, True)
    for _ in range(2):
        alice.is_at_the_list()
        window.element("textbox", "Search", ".filter").send_keys("line 77")
        window.reads("line 77", ".results")
        window.reads("Everything was searched")
    assert window.run(KEPT, friend.conversation) == MANY
    window.press("line 77", scope=".results")
    window.until(IN_VIEW, text := "line 77")
    assert window.run("(text) => document.activeElement.innerText.includes(text)", text)
    window.run(USE_INDEX, False)
    assert window.run(KEPT, friend.conversation) == 0


async def test_new_messages_do_not_move_a_reader_who_has_scrolled_up(alice: WebKitUser, friend: Peer) -> None:
    window = alice.opens(friend).window
    for number in range(1, 26):
        await friend.writes(f"line {number}\nand more of it")
    window.until(f"() => ({COUNT})() === 25")
    window.run(SCROLL, -700)
    is_drawn(window)
    where = {text: window.run(TOP, text) for text in ("line 8\nand more of it", "line 12\nand more of it")}
    for number in range(26, 30):
        await friend.writes(f"line {number}\nand more of it")
        window.until(f"(count) => ({COUNT})() === count", number)
        is_drawn(window)
        for text, top in where.items():
            assert abs(window.run(TOP, text) - top) <= 2
    window.press("New messages")
    window.until(IN_VIEW, "line 29\nand more of it")
    await friend.writes("one more")  # a reader at the end stays at the end
    window.until(IN_VIEW, "one more")


async def test_returning_to_a_conversation_restores_scroll_position_and_draft(
    host: Server, alice: WebKitUser, friend: Peer
) -> None:
    other = await Peer.arrives(host)
    await other.starts_with(alice.search_pin)
    window = alice.opens(friend).window
    for number in range(1, 26):
        await friend.writes(f"line {number}")
    window.until(f"() => ({COUNT})() === 25")
    window.fill("Message", "not yet sent")
    window.run(SCROLL, -300)
    is_drawn(window)
    top = window.run(TOP, "line 10")
    window.press(other.name, "link")
    window.until("(path) => location.pathname === path", f"/c/{other.conversation}")
    window.element("textbox", "Message")
    assert window.run(f"() => {FIELD}.value") == ""
    window.press(friend.name, "link")
    window.until(f"() => {FIELD}?.value === 'not yet sent'")
    is_drawn(window)
    assert abs(window.run(TOP, "line 10") - top) <= 2
    await other.leaves()
