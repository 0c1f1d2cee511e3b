"""Two people talk privately in real browsers while connections, tabs and servers come and go."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from playwright.async_api import Browser, Page, Route, expect

from tests.browser.home import Home, Paused, paused
from tests.conftest import Server
from tests.support.hostile import Hostile
from tests.support.someone import STORED, Someone, texts_of, until

MANY = 2  # messages that each place sends while the others do


def is_anywhere(words: list[str], places: list[str]) -> list[str]:
    """Return the words that appear in any of the places, including in URL-encoded form."""
    found = []
    for word in words:
        forms = {word, word.replace("-", ""), word.replace(" ", "+"), word.replace(" ", "%20")}
        if any(form in place for form in forms for place in places):
            found.append(word)
    return found


async def test_two_people_talk_and_the_server_never_sees_plaintext(
    server: Server, newcomers: tuple[Someone, Someone]
) -> None:
    alice, bob = newcomers
    said = ["Midnight at the usual place", "Schlüssel unter der Matte 🔑", "مفتاح تحت السجادة", "I will be there"]
    await alice.writes(said[0])
    await bob.sees(said[0])
    await expect(bob.page.get_by_text("Not verified")).to_be_visible()
    await bob.writes(said[1])
    await alice.sees(*said[:2])

    draft = "On second thoughts, stay at home"
    await alice.page.get_by_role("textbox", name="Message").fill(draft)
    await alice.page.reload()
    await alice.sees(*said[:2])
    await expect(alice.page.get_by_text("Verified by Search PIN")).to_be_visible()
    await expect(alice.page.get_by_role("textbox", name="Message")).to_have_value(draft)

    server.stop()
    await alice.writes(said[2])
    await expect(alice.page.get_by_role("log").get_by_text("Not sent")).to_be_visible()
    server.start()
    await bob.sees(*said[:3])
    await alice.sees(*said[:3])
    await bob.writes(said[3])
    await alice.sees(*said)

    await bob.logs_out()
    await bob.logs_in()
    await bob.opens("alice")
    await bob.sees(*said)

    secrets = [*said, draft, alice.login_pin, bob.login_pin]
    known = ["alice", bob.search_pin, "join", "sealed"]  # control: the search must find these
    traffic = [*alice.traffic, *bob.traffic]
    assert is_anywhere(known, traffic) == known
    assert is_anywhere(secrets, traffic) == []
    assert server.stop() == 0
    files = {path.name: path.read_bytes() for path in server.data_dir.iterdir() if path.is_file()}
    stored = [content.decode("utf-8", "replace") for content in files.values()]
    assert is_anywhere(known[:2], stored) == known[:2]
    assert is_anywhere(secrets, stored) == []
    log = server.log.read_text("utf-8")  # it was stopped twice
    assert [line.split()[2].rstrip(":") for line in log.splitlines()] == ["started", "stopping", "stopped"] * 2
    assert is_anywhere([*secrets, "alice", "bob", alice.search_pin], [log]) == []


async def test_all_tabs_and_devices_agree_even_if_all_send_at_once_or_one_missed_something(
    browser: Browser, friends: tuple[Someone, Someone]
) -> None:
    alice, bob = friends
    second_tab = await alice.new_tab()
    await second_tab.goto(alice.page.url)
    device = await alice.on_another_device(browser)
    await device.opens("bob")
    device.after = alice.after

    await bob.writes("to all of you")
    for page in (alice.page, second_tab, device.page):
        await alice.sees("to all of you", page=page)
    said = ["to all of you"]
    for i, page in enumerate((device.page, second_tab, alice.page, device.page)):  # each uses the next number in turn
        said.append(f"from place {i}")
        await alice.writes(said[-1], page=page)
        for other in (alice.page, second_tab, device.page, bob.page):
            await alice.sees(*said, page=other)

    async def write_many(page: Page, mark: str) -> None:
        for i in range(MANY):
            await alice.writes(f"{mark}{i}", page=page)

    await asyncio.gather(write_many(alice.page, "a"), write_many(second_tab, "b"), write_many(device.page, "c"))
    everything = {f"{mark}{i}" for mark in "abc" for i in range(MANY)}
    for page in (alice.page, second_tab, device.page, bob.page):
        await expect(texts_of(page, alice.after)).to_have_count(len(said) + 3 * MANY)
        await expect(page.locator(".pending")).to_have_count(0)
        texts = (await texts_of(page, alice.after).all_inner_texts())[len(said) :]
        assert set(texts) == everything
        for mark in "abc":
            assert [text for text in texts if text[0] == mark] == [f"{mark}{i}" for i in range(MANY)]
        await expect(page.get_by_role("alert")).to_have_count(0)
    # a number that another place took, or a vault that it stored at the same time, gets a 409 and is tried again
    errors = [error for someone in (alice, bob, device) for error in someone.errors if "409" not in error]
    assert errors == []

    # Another device keeps taking the number.
    newest = await alice.page.locator("message-row").last.get_attribute("data-seq")
    alice.after = bob.after = device.after = int(newest or 0)
    taken: list[str] = []

    async def be_overtaken(route: Route) -> None:
        if len(taken) < 7:
            taken.append(f"overtaken {len(taken)}")
            await device.writes(taken[-1])
            await device.sees(*taken)
        await route.continue_()

    await alice.page.route("**/send_message", be_overtaken)
    await alice.writes("at last")
    await until(lambda: len(taken) == 7, within=90)  # if it gives up, it tries again after ten seconds
    await bob.sees(*taken, "at last")
    await alice.sees(*taken, "at last")
    await expect(alice.page.locator(".pending")).to_have_count(0)

    # A tab whose socket delivers nothing is answered before a message, and catches up with that one, too.
    await second_tab.route_web_socket("**/ws", lambda _: None)
    await second_tab.reload()
    await expect(second_tab.get_by_role("textbox", name="Message")).to_be_enabled()
    asked, may_go = asyncio.Event(), asyncio.Event()

    async def hold_back(route: Route) -> None:
        response = await route.fetch()  # answered now, delivered later
        if not asked.is_set():
            asked.set()
            await may_go.wait()
        await route.fulfill(response=response)

    await second_tab.route("**/messages/*", hold_back)
    catch_up = "() => { document.querySelector('message-thread').catchUp(Infinity); }"
    await second_tab.evaluate(catch_up)
    await asked.wait()
    await bob.writes("in between")
    await bob.sees(*taken, "at last", "in between")
    await second_tab.evaluate(catch_up)
    may_go.set()
    await alice.sees(*taken, "at last", "in between", page=second_tab)
    await second_tab.unroute_all(behavior="wait")


LOST = "Connection lost"


async def loses_the_connection(home: Home, bob: Someone) -> None:
    """Cut Bob's connection, and wait until his page has noticed."""
    await home.relay.cut()
    await expect(bob.page.get_by_text(LOST)).to_be_visible()


# They arrive unchanged, whatever is in them.
TEXTS = [
    "x" * 500,
    "👨‍👩‍👧‍👦" * 71,
    "שלום עולם\nمرحبا",
    "<b>bold</b> & \"quotes\" 'n' \\ {{7*7}} </script>",
    "a\tb\n\nc",
]
CONTENTS = "(texts) => texts.map((text) => text.textContent)"


@pytest.mark.firefox_too
async def test_what_was_missed_while_offline_is_there_and_a_session_that_ended_meanwhile_leaves_no_keys(
    home: Home, friends: tuple[Someone, Someone]
) -> None:
    alice, bob = friends
    anna, carol, dora = [await home.peer() for _ in range(3)]
    for peer in (dora, anna):
        await peer.starts_with(bob.search_pin)
    lines = bob.list.get_by_role("link")
    await expect(lines.first).to_contain_text(anna.name)
    count = await lines.count()
    for seen, text in enumerate(TEXTS[:2], 1):
        await alice.writes(text)
        await bob.sees(*TEXTS[:seen])

    # Messages, and a conversation that somebody started.
    await loses_the_connection(home, bob)
    for seen, text in enumerate(TEXTS[2:], 3):
        await alice.writes(text)
        await alice.sees(*TEXTS[:seen])
    await carol.starts_with(bob.search_pin)
    await carol.writes("one")
    await anna.writes("two")
    await bob.writes("written without a connection")
    await expect(bob.page.locator(".pending")).to_contain_text("Not sent")
    await bob.sees(*TEXTS[:2])
    await home.relay.mend()
    said = [*TEXTS, "written without a connection"]
    for someone in friends:
        await someone.sees(*said)
        assert await texts_of(someone.page, someone.after).evaluate_all(CONTENTS) == said
    assert alice.errors == []
    await expect(bob.page.get_by_text(LOST)).to_be_hidden()
    await expect(lines).to_have_count(count + 1)
    for place, name in enumerate(("alice", anna.name, carol.name)):
        await expect(lines.nth(place)).to_contain_text(name)
    await expect(lines.nth(1)).to_contain_text("1 unread")
    await carol.writes("three")
    await expect(lines.first).to_contain_text(carol.name)
    await expect(lines).to_have_count(count + 1)

    # The first messages of an open conversation, of which the page has none.
    await bob.opens(dora.name)
    await expect(bob.page.get_by_role("textbox", name="Message")).to_be_enabled()
    bob.after = 0
    await loses_the_connection(home, bob)
    for i in range(1, 4):
        await dora.writes(f"missed {i}")
    await bob.page.route("**/messages/*", lambda route: route.abort())
    await home.relay.mend()
    await expect(bob.page.get_by_text(LOST)).to_be_hidden()
    await bob.page.unroute("**/messages/*")
    await dora.writes("live")  # the page's first row is the fourth message
    await bob.sees("missed 1", "missed 2", "missed 3", "live")

    # The session.
    await loses_the_connection(home, bob)
    cookies = {cookie["name"]: cookie["value"] for cookie in await bob.context.cookies()}
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {cookies['ezdms_session']}"}) as client:
        ended = await client.post(f"{home.server.url}/logout")
    assert ended.status_code == 204
    await home.relay.mend()
    await expect(bob.page.get_by_text("You were logged out")).to_be_visible()
    assert await bob.page.evaluate("() => indexedDB.databases().then((all) => all.length)") == 1
    assert await bob.page.evaluate(STORED) == [1, 0, 0, 0, 0, 0]  # the rest, encrypted: test_account.py
    await bob.logs_in()


async def test_the_list_counts_what_was_not_seen_and_a_late_answer_does_not_undo_that(
    friends: tuple[Someone, Someone],
) -> None:
    alice, bob = friends
    line = bob.list.get_by_role("link", name="alice")
    await alice.writes("seen live")
    await bob.sees("seen live")
    count = await bob.list.get_by_role("link").count()
    asked, may_go = asyncio.Event(), asyncio.Event()

    async def hold_back(request: Paused) -> None:
        asked.set()  # rendered now, delivered later
        await may_go.wait()
        await request.goes_on()

    async with paused(bob.page, "*/conversations/*", hold_back, is_answered=True):
        await bob.page.goto(bob.address)
        await asked.wait()
        await alice.writes("newer than the list")
        await expect(line).to_contain_text("1 unread")
        async with bob.page.expect_response("**/conversations/*"):
            may_go.set()
        await bob.page.evaluate("() => new Promise((done) => setTimeout(done, 50))")  # time to swap it in
        await expect(line).to_contain_text("1 unread")
        await expect(bob.list.get_by_role("link")).to_have_count(count)

    await alice.writes("three")
    await expect(line).to_contain_text("2 unread")
    await bob.page.reload()
    await expect(line).to_contain_text("2 unread")
    await line.click()
    await bob.sees("seen live", "newer than the list", "three")
    await bob.page.go_back()
    await bob.page.reload()
    await expect(line).to_be_visible()
    await expect(line).not_to_contain_text("unread")


async def test_a_message_whose_answer_is_lost_or_tells_to_wait_is_sent_once_and_unchanged(
    home: Home, friends: tuple[Someone, Someone]
) -> None:
    alice, bob = friends

    async def lose_the_answer(route: Route) -> None:
        await route.fetch()  # the server stores it
        await route.abort()  # the browser gets no response

    await alice.page.route("**/send_message", lose_the_answer, times=1)
    await alice.writes("only once")
    await bob.sees("only once")
    await alice.sees("only once")
    alice.records()
    await alice.page.reload()
    await alice.sees("only once")
    await expect(alice.page.locator(".pending")).to_have_count(0)
    await alice.writes("and on")
    await bob.sees("only once", "and on")
    sent = [address for address in alice.addresses if address.endswith("/send_message")]
    assert len(sent) == 1  # "and on" alone: the other's row proves that it was stored

    # Not even its row arrives.
    handed: list[str] = []

    async def lose_both(route: Route) -> None:
        handed.append(str(route.request.post_data))
        if len(handed) == 1:
            await home.relay.cut()  # also loses the row that the socket would deliver
            headers = {**route.request.headers, "origin": home.server.url}
            await route.fetch(url=f"{home.server.url}/send_message", headers=headers)
            await route.abort()
        else:
            await route.continue_()

    await bob.page.route("**/send_message", lose_both)
    await bob.page.route("**/messages/*", lambda route: route.abort())
    await bob.writes("an answer")
    said = ["only once", "and on", "an answer"]
    await alice.sees(*said)
    await expect(bob.page.locator(".pending")).to_contain_text("Not sent yet.")
    await home.relay.mend()
    await until(lambda: len(handed) > 1)
    await bob.page.unroute("**/messages/*")
    await bob.sees(*said)
    await expect(bob.page.locator(".pending")).to_have_count(0)
    await bob.writes("another")
    await alice.sees(*said, "another")
    assert [body == handed[0] for body in handed[1:]] == [True, False]

    # The server wants her to wait: what is behind it waits, too.
    waiting = asyncio.Event()

    async def limit(route: Route) -> None:
        if waiting.is_set():
            await route.continue_()
            return
        response = await route.fetch(url=f"{alice.address}/me", method="GET", post_data="")  # of the real server
        body = {"error": "Please wait.", "code": "too_often", "retry_after": 1}
        await route.fulfill(response=response, status=429, json=body)

    await alice.page.route("**/send_message", limit)
    for i in range(3):
        await alice.writes(str(i))
    await expect(alice.page.locator(".pending").first).to_contain_text("Please wait 1 second ")
    waiting.set()
    await bob.sees(*said, "another", "0", "1", "2")
    await expect(alice.page.locator(".pending")).to_have_count(0)


async def test_an_unsent_message_survives_a_reload_is_retried_and_can_be_edited(
    friends: tuple[Someone, Someone],
) -> None:
    alice, bob = friends
    field, pending = alice.page.get_by_role("textbox", name="Message"), alice.page.locator(".pending")
    tries: list[Paused] = []

    async def refuse(request: Paused) -> None:
        tries.append(request)
        await request.fails()

    async with paused(alice.page, "*/send_message", refuse):
        await alice.writes("patience")
        await expect(pending).to_contain_text("Not sent yet. The server cannot be reached")
        await alice.page.reload()
        await expect(pending).to_contain_text("patience")
        await expect(pending).to_contain_text("Not sent")
        before = len(tries)
        await pending.get_by_role("button", name="Try again").click()
        await until(lambda: len(tries) > before)
        edit = pending.get_by_role("button", name="Edit")
        await edit.click()
        await expect(field).to_have_value("patience")
        await expect(field).to_be_focused()
        await alice.page.get_by_role("button", name="Send").click()
        await expect(edit).to_be_visible()
        await field.fill("something else")
        await edit.click()
        await expect(field).to_have_value("patience\nsomething else")
        await expect(pending).to_have_count(0)
        await alice.page.get_by_role("button", name="Send").click()
        await expect(edit).to_be_visible()
    await bob.sees("patience\nsomething else")  # automatically: the next retry is due
    await alice.sees("patience\nsomething else")
    await expect(pending).to_have_count(0)


# Writing to the outbox, or deleting from it, fails until `mend()`.
FULL = """() => {
    const { add } = IDBObjectStore.prototype;
    globalThis.mend = () => { IDBObjectStore.prototype.add = add; };
    IDBObjectStore.prototype.add = () => { throw new DOMException("The disk is full.", "QuotaExceededError"); };
}"""
STUCK = """() => {
    const { prototype } = IDBObjectStore, real = prototype.delete;
    globalThis.mend = () => { prototype.delete = real; };
    prototype.delete = function (...given) {
        if (this.name === "outbox") throw new DOMException("The disk is broken.", "UnknownError");
        return real.apply(this, given);
    };
}"""
LEAVE = """() => {
    document.querySelector("message-composer").addEventListener("submit", () => location.assign("/account"));
}"""


@pytest.mark.firefox_too
async def test_a_full_or_broken_storage_or_a_page_left_while_it_sends_neither_loses_nor_repeats_a_message(
    friends: tuple[Someone, Someone],
) -> None:
    alice, _ = friends
    field, pending = alice.page.get_by_role("textbox", name="Message"), alice.page.locator(".pending")
    await alice.page.evaluate(FULL)
    await alice.writes("sent all the same")
    for someone in friends:
        await someone.sees("sent all the same")
    await expect(pending).to_have_count(0)
    await expect(field).to_have_value("")
    await alice.page.route("**/send_message", lambda route: route.abort())
    await alice.writes("not sent")
    await expect(field).to_have_value("not sent")
    alert = alice.page.get_by_role("alert").filter(has_text="its storage was cleared, is full")
    await expect(alert.last).to_be_visible()
    await expect(pending).to_have_count(0)
    await alice.page.unroute_all(behavior="wait")
    await alice.page.evaluate("mend()")

    # What was sent cannot be removed from the outbox: it is neither shown as unsent nor, later, sent twice.
    await alice.page.evaluate(STUCK)
    await alice.writes("once")
    for someone in friends:
        await someone.sees("sent all the same", "once")
    await expect(pending).to_have_count(0)
    await expect(field).to_have_value("")

    # The page is left at the same moment. The next one sends the leftover again.
    await alice.page.evaluate("mend()")
    await field.fill("last words")
    await alice.page.evaluate(LEAVE)
    await alice.page.get_by_role("button", name="Send").click()
    await alice.page.wait_for_url("**/account")
    await alice.page.go_back()
    await expect(field).to_be_enabled()
    if await field.input_value() == "last words":  # left before it was sealed
        await alice.page.get_by_role("button", name="Send").click()
    for someone in friends:
        await someone.sees("sent all the same", "once", "last words")
    await expect(pending).to_have_count(0)
    await expect(field).to_have_value("")


async def test_logging_out_deletes_the_keys_in_every_tab_and_a_bookmark_leads_back(
    friends: tuple[Someone, Someone],
) -> None:
    alice, _ = friends
    thread = alice.page.url
    await alice.writes("before")
    await alice.sees("before")
    second_tab = await alice.new_tab()
    await second_tab.goto(alice.page.url)
    await expect(second_tab.get_by_role("textbox", name="Message")).to_be_enabled()
    await alice.page.get_by_role("textbox", name="Message").fill("half a message")
    await alice.page.get_by_role("link", name="Settings").click()
    await alice.page.get_by_role("button", name="Log out").click()
    await alice.context.set_offline(True)
    await alice.page.get_by_role("button", name="Log out").click()
    await expect(alice.alert).to_contain_text("The server cannot be reached")
    await alice.context.set_offline(False)
    await expect(alice.alert).to_have_count(0)
    await alice.page.get_by_role("button", name="Log out").click()
    await expect(alice.page.get_by_text("You logged out.")).to_be_visible()
    for page in (alice.page, second_tab):
        await expect(page.get_by_role("button", name="Log in")).to_be_visible()
        assert await page.evaluate(STORED) == [0, 0, 0, 0, 0, 0]
        assert await page.evaluate("() => [localStorage.length, sessionStorage.length]") == [
            0,
            2,
        ]  # its place, why it was left
    await alice.page.goto(thread)  # a bookmark, without a session
    await alice.logs_in()
    assert alice.page.url == thread
    await alice.sees("before")


async def test_what_a_server_damages_empties_renames_or_swaps_is_shown_as_what_it_is(
    home: Home, friends: tuple[Someone, Someone]
) -> None:
    alice, bob = friends
    hole = "The server does not hand over this message."
    paul, eve = await home.peer("paul"), await home.peer()
    for peer in (paul, eve):
        await peer.starts_with(alice.search_pin)
    for text in ("one", "two", "three"):
        await alice.writes(text)
    await bob.sees("one", "two", "three")
    server = Hostile(home.server)
    gone = "UPDATE messages SET sealed_a = NULL, sealed_b = NULL WHERE conversation_id = ? AND seq = ?"
    server.run(gone, home.conversation, alice.after + 2)
    names = [tuple(row) for row in server.run("SELECT username, user_id FROM users")]
    server.run("UPDATE users SET username = 'mum'")

    # A message without content keeps its place and raises no alarm; people have the names that they signed.
    await alice.page.reload()
    await alice.sees("one", hole, "three")
    await expect(alice.alert).to_have_count(0)
    await expect(alice.page.locator("[data-gap]")).to_have_count(0)
    await expect(alice.list.get_by_role("link", name="bob")).to_be_visible()
    await expect(alice.page.get_by_role("heading", name="bob")).to_be_visible()
    await expect(alice.page).to_have_title("bob · EZ-DMS")
    assert "mum" not in await alice.page.content()
    await alice.opens("paul")  # who was never open here
    await expect(alice.page).to_have_title("paul · EZ-DMS")
    assert "mum" not in await alice.page.content()

    # A damaged copy cannot be verified, and one that is not damaged can.
    async def damage(request: Paused) -> None:
        html = await request.text()
        at = html.rindex('data-sealed="') + 1500  # in the newest message
        await request.is_answered(html[:at] + ("A" if html[at] != "A" else "B") + html[at + 1 :])

    async with paused(bob.page, "*/c/*/open", damage, is_answered=True):
        await bob.page.reload()
        await bob.sees("one", hole, "Cannot be verified")
    await bob.page.reload()
    await bob.sees("one", hole, "three")
    await expect(bob.alert).to_have_count(0)
    await expect(bob.page.locator("[data-gap]")).to_have_count(0)

    # Another conversation in the place of Eve's, all of it genuine: nothing can be sent.
    async def serve_another(route: Route) -> None:
        response = await route.fetch(url=f"{home.server.url}/c/{home.conversation}/open")
        await route.fulfill(response=response)

    await alice.page.route("**/c/*/open", serve_another)
    await alice.list.get_by_role("link", name=eve.name).click()
    await expect(alice.alert).to_contain_text("The server shows a different key")
    await expect(alice.page.get_by_role("textbox", name="Message")).to_be_disabled()
    await alice.page.unroute("**/c/*/open")
    await alice.opens("bob")
    await expect(alice.alert).to_have_count(0)
    await alice.writes("four")
    await expect(texts_of(bob.page).last).to_have_text("four")
    await expect(bob.alert).to_have_count(0)
    for name, user in names:
        server.run("UPDATE users SET username = ? WHERE user_id = ?", name, user)
