"""Two people talk privately in real browsers while connections, tabs and servers come and go."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Browser, Page, Route, expect

from tests.browser.home import Home
from tests.browser.lies.peers import Peer
from tests.conftest import Server
from tests.support.hostile import Hostile
from tests.support.someone import STORED, Someone, texts_of, until


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


@pytest.mark.firefox_too
async def test_a_message_reaches_all_tabs_and_devices_of_both_people_even_if_all_of_them_send(
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
        for i in range(5):
            await alice.writes(f"{mark}{i}", page=page)

    await asyncio.gather(write_many(alice.page, "a"), write_many(second_tab, "b"), write_many(device.page, "c"))
    everything = {f"{mark}{i}" for mark in "abc" for i in range(5)}
    for page in (alice.page, second_tab, device.page, bob.page):
        await expect(texts_of(page, alice.after)).to_have_count(len(said) + 15)
        await expect(page.locator(".pending")).to_have_count(0)
        texts = (await texts_of(page, alice.after).all_inner_texts())[len(said) :]
        assert set(texts) == everything
        for mark in "abc":
            assert [text for text in texts if text[0] == mark] == [f"{mark}{i}" for i in range(5)]
        await expect(page.get_by_role("alert")).to_have_count(0)
    # a number that another place took, or a vault that it stored at the same time, gets a 409 and is tried again
    errors = [error for someone in (alice, bob, device) for error in someone.errors if "409" not in error]
    assert errors == []


async def test_a_message_is_sent_even_if_another_device_keeps_taking_its_number(
    browser: Browser, friends: tuple[Someone, Someone]
) -> None:
    alice, bob = friends
    device = await alice.on_another_device(browser)
    await device.opens("bob")
    device.after = alice.after
    taken: list[str] = []

    async def be_overtaken(route: Route) -> None:
        if len(taken) < 7:
            taken.append(f"overtaken {len(taken)}")
            await device.writes(taken[-1])
            await device.sees(*taken)
        await route.continue_()

    await alice.page.route("**/send_message", be_overtaken)
    await alice.writes("at last")
    await until(lambda: len(taken) == 7)
    await bob.sees(*taken, "at last")
    await alice.sees(*taken, "at last")
    await expect(alice.page.locator(".pending")).to_have_count(0)


async def test_a_message_sent_during_catch_up_is_fetched_too(friends: tuple[Someone, Someone]) -> None:
    alice, bob = friends
    tab = await alice.new_tab()
    await tab.route_web_socket("**/ws", lambda _: None)  # the socket delivers nothing
    await tab.goto(alice.page.url)
    await expect(tab.get_by_role("textbox", name="Message")).to_be_enabled()
    asked, may_go = asyncio.Event(), asyncio.Event()

    async def hold_back(route: Route) -> None:
        response = await route.fetch()  # answered now, delivered later
        if not asked.is_set():
            asked.set()
            await may_go.wait()
        await route.fulfill(response=response)

    await tab.route("**/messages/*", hold_back)
    catch_up = "() => { document.querySelector('message-thread').catchUp(Infinity); }"
    await tab.evaluate(catch_up)
    await asked.wait()
    await bob.writes("in between")
    await bob.sees("in between")
    await tab.evaluate(catch_up)
    may_go.set()
    await alice.sees("in between", page=tab)
    await tab.unroute_all(behavior="wait")


LOST = "Connection lost"


async def loses_the_connection(home: Home, bob: Someone) -> None:
    """Cut Bob's connection, and wait until his page has noticed."""
    await home.relay.cut()
    await expect(bob.page.get_by_text(LOST)).to_be_visible()


@pytest.mark.firefox_too
async def test_messages_missed_while_offline_appear_once_and_in_order(
    home: Home, friends: tuple[Someone, Someone]
) -> None:
    alice, bob = friends
    await alice.writes("before")
    await bob.sees("before")
    await loses_the_connection(home, bob)
    for i in range(1, 8):
        await alice.writes(f"missed {i}")
        await alice.sees("before", *(f"missed {n}" for n in range(1, i + 1)))
    await bob.writes("written without a connection")
    await expect(bob.page.locator(".pending")).to_contain_text("Not sent")
    await bob.sees("before")
    await home.relay.mend()
    said = ["before", *(f"missed {i}" for i in range(1, 8)), "written without a connection"]
    await bob.sees(*said)
    await alice.sees(*said)
    await expect(bob.page.get_by_text(LOST)).to_be_hidden()


async def test_conversations_started_while_offline_are_listed(home: Home) -> None:
    bob, anna, carol = await home.person("bob"), await home.peer("anna"), await home.peer("carol")
    await anna.starts_with(bob.search_pin)
    await expect(bob.list.get_by_role("link").first).to_contain_text(anna.name)
    count = await bob.list.get_by_role("link").count()
    await loses_the_connection(home, bob)
    await carol.starts_with(bob.search_pin)
    await carol.writes("one")
    await anna.writes("two")
    await home.relay.mend()
    await expect(bob.list.get_by_role("link")).to_have_count(count + 1)
    await expect(bob.list.get_by_role("link").first).to_contain_text(anna.name)
    await expect(bob.list.get_by_role("link").first).to_contain_text("1 unread")
    await expect(bob.list.get_by_role("link").nth(1)).to_contain_text(carol.name)
    await carol.writes("three")
    await expect(bob.list.get_by_role("link").first).to_contain_text(carol.name)
    await expect(bob.list.get_by_role("link")).to_have_count(count + 1)


async def test_a_stale_conversation_list_does_not_undo_newer_updates(friends: tuple[Someone, Someone]) -> None:
    alice, bob = friends
    line = bob.list.get_by_role("link", name="alice")
    await expect(line).to_be_visible()  # the list is complete
    count = await bob.list.get_by_role("link").count()
    asked, may_go = asyncio.Event(), asyncio.Event()

    async def hold_back(route: Route) -> None:
        response = await route.fetch()  # rendered now, delivered later
        asked.set()
        await may_go.wait()
        await route.fulfill(response=response)

    await bob.page.route("**/conversations/*", hold_back)
    await bob.page.goto(bob.address)
    await asked.wait()
    await alice.writes("newer than the list")
    await expect(line).to_contain_text("1 unread")
    async with bob.page.expect_response("**/conversations/*"):
        may_go.set()
    await bob.page.evaluate("() => new Promise((done) => setTimeout(done, 50))")  # time to swap it in
    await expect(line).to_contain_text("1 unread")
    await expect(bob.list.get_by_role("link")).to_have_count(count)


async def test_an_empty_conversation_fetches_the_first_messages_it_missed(home: Home) -> None:
    bob, dora = await home.person("bob"), await home.peer("dora")
    await dora.starts_with(bob.search_pin)
    await bob.opens("dora")
    await expect(bob.page.get_by_role("textbox", name="Message")).to_be_enabled()
    await loses_the_connection(home, bob)
    for i in range(1, 4):
        await dora.writes(f"missed {i}")
    await bob.page.route("**/messages/*", lambda route: route.abort())
    await home.relay.mend()
    await expect(bob.page.get_by_text(LOST)).to_be_hidden()
    await bob.page.unroute("**/messages/*")
    await dora.writes("live")  # the page's first row is the fourth message
    await bob.sees("missed 1", "missed 2", "missed 3", "live")


async def test_a_message_whose_response_is_lost_is_sent_once(friends: tuple[Someone, Someone]) -> None:
    alice, bob = friends
    lost: list[str] = []

    async def lose_the_answer(route: Route) -> None:
        if not lost:
            lost.append(str(route.request.post_data))
            await route.fetch()  # the server stores it
            await route.abort()  # the browser gets no response
        else:
            lost.append(str(route.request.post_data))
            await route.continue_()

    await alice.page.route("**/send_message", lose_the_answer)
    await alice.writes("only once")
    await bob.sees("only once")
    await alice.sees("only once")
    await alice.page.reload()
    await alice.sees("only once")
    await expect(alice.page.locator(".pending")).to_have_count(0)
    await alice.writes("and on")
    await bob.sees("only once", "and on")
    assert len(lost) == 2  # its row proves that it was stored


async def test_a_message_whose_response_and_row_are_lost_is_resent_unchanged(
    home: Home, friends: tuple[Someone, Someone]
) -> None:
    alice, bob = friends
    handed: list[str] = []

    async def lose_the_answer(route: Route) -> None:
        handed.append(str(route.request.post_data))
        if len(handed) == 1:
            await home.relay.cut()  # also loses the row that the socket would deliver
            headers = {**route.request.headers, "origin": home.server.url}
            await route.fetch(url=f"{home.server.url}/send_message", headers=headers)
            await route.abort()
        else:
            await route.continue_()

    async def abort(route: Route) -> None:
        await route.abort()

    await bob.page.route("**/send_message", lose_the_answer)
    await bob.page.route("**/messages/*", abort)
    await bob.writes("only once")
    await alice.sees("only once")
    await expect(bob.page.locator(".pending")).to_contain_text("Not sent yet.")
    await home.relay.mend()
    await until(lambda: len(handed) > 1)
    await bob.page.unroute("**/messages/*")
    await bob.sees("only once")
    await expect(bob.page.locator(".pending")).to_have_count(0)
    await bob.writes("and on")
    await alice.sees("only once", "and on")
    assert [body == handed[0] for body in handed[1:]] == [True, False]


@pytest.mark.firefox_too
async def test_an_unsent_message_survives_a_reload_and_is_retried(friends: tuple[Someone, Someone]) -> None:
    alice, bob = friends
    tries: list[str] = []

    async def refuse(route: Route) -> None:
        tries.append(route.request.url)
        await route.abort()

    await alice.page.route("**/send_message", refuse)
    await alice.writes("patience")
    pending = alice.page.locator(".pending")
    await expect(pending).to_contain_text("Not sent yet. The server cannot be reached")
    await alice.page.reload()
    await expect(pending).to_contain_text("patience")
    await expect(pending).to_contain_text("Not sent")
    before = len(tries)
    await pending.get_by_role("button", name="Try again").click()
    await until(lambda: len(tries) > before)
    await alice.page.unroute("**/send_message")
    await bob.sees("patience")  # automatically: the next retry is due
    await alice.sees("patience")
    await expect(pending).to_have_count(0)


async def test_edit_puts_an_unsent_text_back_into_the_field_before_what_is_there(
    friends: tuple[Someone, Someone],
) -> None:
    alice, _ = friends
    field, pending = alice.page.get_by_role("textbox", name="Message"), alice.page.locator(".pending")
    await alice.page.route("**/send_message", lambda route: route.abort())
    await alice.writes("never mind")
    await pending.get_by_role("button", name="Edit").click()
    await expect(field).to_have_value("never mind")
    await expect(field).to_be_focused()
    await alice.page.get_by_role("button", name="Send").click()
    await field.fill("something else")
    await pending.get_by_role("button", name="Edit").click()
    await expect(field).to_have_value("never mind\nsomething else")
    await expect(pending).to_have_count(0)
    await alice.page.reload()
    await expect(field).to_be_enabled()
    await expect(field).to_have_value("never mind\nsomething else")
    await expect(pending).to_have_count(0)


FULL = """() => {
    IDBObjectStore.prototype.add = () => { throw new DOMException("The disk is full.", "QuotaExceededError"); };
}"""


@pytest.mark.firefox_too
async def test_a_full_browser_storage_loses_no_message_whether_sent_or_not(
    friends: tuple[Someone, Someone],
) -> None:
    alice, bob = friends
    await alice.page.evaluate(FULL)
    await alice.writes("sent all the same")
    await bob.sees("sent all the same")
    await alice.sees("sent all the same")
    await expect(alice.page.locator(".pending")).to_have_count(0)
    await expect(alice.page.get_by_role("textbox", name="Message")).to_have_value("")
    await alice.page.route("**/send_message", lambda route: route.abort())
    await alice.writes("not sent")
    field = alice.page.get_by_role("textbox", name="Message")
    await expect(field).to_have_value("not sent")
    await expect(
        alice.page.get_by_role("alert").filter(has_text="its storage was cleared, is full").last
    ).to_be_visible()
    await expect(alice.page.locator(".pending")).to_have_count(0)
    await alice.page.reload()


async def test_a_sent_message_stuck_in_the_outbox_is_neither_shown_as_unsent_nor_sent_twice(
    friends: tuple[Someone, Someone],
) -> None:
    alice, bob = friends
    await alice.page.evaluate("""() => {
        IDBObjectStore.prototype.delete = function () {
            if (this.name === "outbox") throw new DOMException("The disk is broken.", "UnknownError");
        };
    }""")
    await alice.writes("once")
    await bob.sees("once")
    await alice.sees("once")
    await expect(alice.page.locator(".pending")).to_have_count(0)
    await expect(alice.page.get_by_role("textbox", name="Message")).to_have_value("")
    await alice.page.reload()  # the leftover is sent again
    await expect(alice.page.locator(".pending")).to_have_count(0)
    await alice.writes("twice")
    for someone in friends:
        await someone.sees("once", "twice")


@pytest.mark.firefox_too
async def test_a_message_is_sent_or_still_typed_if_the_page_is_left_at_the_same_moment(
    friends: tuple[Someone, Someone],
) -> None:
    alice, bob = friends
    field = alice.page.get_by_role("textbox", name="Message")
    await field.fill("last words")
    await alice.page.evaluate("""() => {
        document.querySelector("message-composer").addEventListener("submit", () => location.assign("/account"));
    }""")
    await alice.page.get_by_role("button", name="Send").click()
    await alice.page.wait_for_url("**/account")
    await alice.page.go_back()
    await expect(field).to_be_enabled()
    if await field.input_value() == "last words":  # left before it was sealed
        await alice.page.get_by_role("button", name="Send").click()
    await alice.sees("last words")
    await bob.sees("last words")
    await expect(alice.page.locator(".pending")).to_have_count(0)
    await expect(field).to_have_value("")


@pytest.mark.firefox_too
async def test_any_text_arrives_unchanged(friends: tuple[Someone, Someone]) -> None:
    alice, bob = friends
    markup = "<b>bold</b> & \"quotes\" 'n' \\ {{7*7}} </script>"
    texts = ["x" * 500, "👨‍👩‍👧‍👦" * 71, "שלום עולם\nمرحبا", markup, "a\tb\n\nc"]
    for seen, text in enumerate(texts, 1):
        await alice.writes(text)
        for someone in friends:
            await expect(texts_of(someone.page, someone.after)).to_have_count(seen)
            await expect(texts_of(someone.page).last).not_to_be_empty()
            assert await texts_of(someone.page).last.evaluate("element => element.textContent") == text
    assert [alice.errors, bob.errors] == [[], []]


async def test_messages_seen_live_count_as_read_and_others_as_unread(friends: tuple[Someone, Someone]) -> None:
    alice, bob = friends
    line = bob.list.get_by_role("link", name="alice")
    await alice.writes("one")
    await bob.sees("one")
    await bob.page.goto(bob.address)
    await expect(line).not_to_contain_text("unread")
    await alice.writes("two")
    await expect(line).to_contain_text("1 unread")
    await alice.writes("three")
    await expect(line).to_contain_text("2 unread")
    await bob.page.reload()
    await expect(line).to_contain_text("2 unread")
    await line.click()
    await bob.sees("one", "two", "three")
    await bob.page.go_back()
    await bob.page.reload()
    await expect(line).not_to_contain_text("unread")


async def test_a_rate_limited_message_waits_and_is_then_sent_automatically(browser: Browser, tmp_path: Path) -> None:
    with Server(tmp_path, limit_send="1/second") as server:
        alice, bob = await Someone.is_in(browser, server, "alice"), await Peer.arrives(server, "bob")
        await bob.starts_with(alice.search_pin)
        await alice.opens("bob")
        for i in range(4):
            await alice.writes(str(i))
        await expect(alice.page.locator(".pending").first).to_contain_text("Please wait 1 second ")
        await bob.sees("0", "1", "2", "3")
        await expect(alice.page.locator(".pending")).to_have_count(0)
        await bob.leaves()


@pytest.mark.firefox_too
async def test_long_conversations_open_at_the_end_once_read_and_load_older_messages(home: Home) -> None:
    bob, dora = await home.person("bob"), await home.peer()
    await dora.starts_with(bob.search_pin)
    for i in range(1, 121):
        await dora.writes(f"line {i}")
    await bob.page.goto(f"{bob.address}/c/{dora.conversation}")
    button = bob.page.get_by_role("button", name="New messages")
    await button.click()
    await bob.page.reload()
    await expect(bob.page.get_by_role("log").get_by_text("line 120", exact=True)).to_be_in_viewport()
    assert await texts_of(bob.page).count() < 120
    log = bob.page.get_by_role("log")
    for first in (21, 1):  # 50 messages at a time
        await log.evaluate("element => { element.scrollTop = -element.scrollHeight }")
        await expect(bob.page.get_by_role("log").get_by_text(f"line {first}", exact=True)).to_be_attached()
    await bob.sees(*(f"line {i}" for i in range(1, 121)))
    await dora.writes("newest")
    await expect(button).to_be_visible()
    await expect(bob.page.get_by_role("log").get_by_text("newest", exact=True)).not_to_be_in_viewport()
    await button.click()
    await expect(bob.page.get_by_role("log").get_by_text("newest", exact=True)).to_be_in_viewport()
    await expect(button).to_be_hidden()
    await dora.writes("one more")
    await expect(bob.page.get_by_role("log").get_by_text("one more", exact=True)).to_be_in_viewport()
    await bob.writes("my own")
    await expect(bob.page.get_by_role("log").get_by_text("my own", exact=True)).to_be_in_viewport()
    await expect(bob.page.get_by_role("alert")).to_have_count(0)


@pytest.mark.firefox_too
async def test_logging_out_deletes_the_keys_in_every_tab(friends: tuple[Someone, Someone]) -> None:
    alice, _ = friends
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
    await alice.logs_out()
    for page in (alice.page, second_tab):
        await expect(page.get_by_role("button", name="Log in")).to_be_visible()
        assert await page.evaluate(STORED) == [0, 0, 0, 0, 0, 0]
        assert await page.evaluate("() => [localStorage.length, sessionStorage.length]") == [
            0,
            2,
        ]  # its place, why it was left
    await alice.logs_in()


@pytest.mark.firefox_too
async def test_a_session_that_ends_while_offline_leaves_no_keys(home: Home) -> None:
    bob = await home.person("bob")
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


@pytest.mark.firefox_too
async def test_every_conversation_has_a_url_and_browser_history_works(
    home: Home, friends: tuple[Someone, Someone]
) -> None:
    alice, bob = friends
    carol = await home.peer()
    await bob.writes("from bob")
    await alice.sees("from bob")
    with_bob = alice.page.url
    await carol.starts_with(alice.search_pin)
    await carol.writes("from carol")
    await alice.opens(carol.name)
    newest = texts_of(alice.page).last
    await expect(newest).to_have_text("from carol")
    with_carol = alice.page.url
    assert with_bob != with_carol
    await alice.page.go_back()
    await alice.sees("from bob")
    assert alice.page.url == with_bob
    await alice.page.go_forward()
    await expect(newest).to_have_text("from carol")
    await alice.page.get_by_role("link", name="EZ-DMS, your conversations").click()
    await expect(alice.page).to_have_url(f"{home.server.url}/")
    await alice.page.goto(with_bob)
    await alice.sees("from bob")

    await alice.logs_out()
    await alice.page.goto(with_carol)  # a bookmark, without a session
    await alice.logs_in()
    assert alice.page.url == with_carol
    await expect(newest).to_have_text("from carol")


async def test_a_damaged_copy_cannot_be_verified(
    friends: tuple[Someone, Someone],
) -> None:
    alice, bob = friends
    await alice.writes("genuine")
    await bob.sees("genuine")

    async def damage(route: Route) -> None:
        response = await route.fetch()
        html = await response.text()
        at = html.rindex('data-sealed="') + 1500  # in the newest message
        await route.fulfill(response=response, body=html[:at] + ("A" if html[at] != "A" else "B") + html[at + 1 :])

    await bob.page.route("**/c/*/open", damage)
    await bob.page.reload()
    await bob.sees("Cannot be verified")
    await bob.page.unroute("**/c/*/open")
    await bob.page.reload()
    await bob.sees("genuine")


async def test_a_deleted_message_keeps_its_place_and_raises_no_alarm(
    home: Home, friends: tuple[Someone, Someone]
) -> None:
    alice, bob = friends
    for text in ("one", "two", "three"):
        await alice.writes(text)
    await bob.sees("one", "two", "three")
    gone = "UPDATE messages SET sealed_a = NULL, sealed_b = NULL WHERE conversation_id = ? AND seq = ?"
    Hostile(home.server).run(gone, home.conversation, alice.after + 2)
    for someone in friends:
        await someone.page.reload()
        await someone.sees("one", "The server does not hand over this message.", "three")
        await expect(someone.alert).to_have_count(0)
        await expect(someone.page.locator("[data-gap]")).to_have_count(0)
    await alice.writes("four")
    await expect(texts_of(bob.page).last).to_have_text("four")
    await expect(bob.alert).to_have_count(0)


async def test_a_swapped_contact_key_is_detected_before_anything_is_sent(home: Home) -> None:
    alice, bob, eve, mallory = await home.person("alice"), *[await home.peer() for _ in range(3)]
    await alice.starts_with(bob.search_pin)
    with_bob = alice.page.url

    async def swap(route: Route) -> None:
        response = await route.fetch()
        html = await response.text()
        assert bob.statement in html
        await route.fulfill(response=response, body=html.replace(bob.statement, eve.statement))

    await alice.page.route("**/c/*/open", swap)
    await alice.page.reload()
    await expect(alice.alert).to_contain_text("The server shows a different key")
    await expect(alice.page.get_by_role("textbox", name="Message")).to_be_disabled()

    async def serve_another(route: Route) -> None:  # all genuine, but from the conversation with Eve
        response = await route.fetch(url=f"{home.server.url}/c/{with_eve}/open")
        await route.fulfill(response=response)

    await alice.page.unroute("**/c/*/open")
    await alice.page.goto(with_bob)
    await alice.starts_with(eve.search_pin)
    await expect(alice.page.get_by_role("heading", name=eve.name)).to_be_visible()
    with_eve = alice.page.url.rsplit("/", 1)[1]
    await alice.page.route("**/c/*/open", serve_another)
    await alice.page.goto(with_bob)
    await expect(alice.alert).to_contain_text("The server shows a different key")
    await expect(alice.page.get_by_role("textbox", name="Message")).to_be_disabled()

    async def answer_with_eve(route: Route) -> None:
        response = await route.fetch()
        answer = await response.json()
        await route.fulfill(response=response, json=answer | {"partner_statement": eve.statement})

    await alice.page.unroute("**/c/*/open")
    await alice.page.goto(home.server.url)
    await alice.page.route("**/start_conversation", answer_with_eve)
    await alice.looks_up(mallory.search_pin)
    await expect(alice.alert).to_contain_text("does not belong to this Search PIN")
    assert alice.page.url == f"{home.server.url}/"


async def test_people_are_shown_only_by_their_signed_names(home: Home) -> None:
    """For existing contacts and for first messages alike."""
    alice, bob, carol = await home.person("alice"), await home.peer("peter"), await home.peer("paul")
    await alice.starts_with(bob.search_pin)
    await carol.starts_with(alice.search_pin)
    Hostile(home.server).run("UPDATE users SET username = 'mum' WHERE username IN ('peter', 'paul')")
    await alice.page.reload()
    await expect(alice.list.get_by_role("link", name="peter")).to_be_visible()
    await expect(alice.page.get_by_role("heading", name="peter")).to_be_visible()
    await expect(alice.page).to_have_title("peter · EZ-DMS")
    assert "mum" not in await alice.page.content()
    await alice.opens("paul")
    await expect(alice.page).to_have_title("paul · EZ-DMS")
    assert "mum" not in await alice.page.content()
