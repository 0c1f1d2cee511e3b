"""The outbox: what was written is sent from whichever page is open, in order, and no network can lose it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Route, expect

from ezdms.views.assets import address_of
from tests.browser.home import Home, refused
from tests.browser.lies.fragments import OTHER
from tests.browser.lies.peers import Peer
from tests.support import requests
from tests.support.portals import PORTALS
from tests.support.someone import GO, Someone, until

WAITING = "Not sent yet. Waiting until they accept your request."
UNREACHED = "Not sent yet. The server cannot be reached. It will be sent automatically."
CLAIM_OFFLINE = "() => Object.defineProperty(navigator, 'onLine', { configurable: true, value: false })"
COLOR_NAMED = """(name) => {
    const probe = document.body.appendChild(document.createElement("p"));
    probe.style.color = `var(${name})`;
    const { color } = getComputedStyle(probe);
    probe.remove();
    return color;
}"""
# Unsent messages of these conversations, as the composer stores them.
QUEUE = """async ([keystore, conversations]) => {
    const { addToOutbox } = await import(keystore);
    for (const [i, conversation] of conversations.entries()) {
        const message_id = `${String(i).padStart(21, "A")}A`;
        await addToOutbox([{ conversation, message_id, text: `queued ${i}`, ts: 1e12 }]);
    }
}"""
ROUND = "() => { dispatchEvent(new Event('online')); }"  # otherwise every ten seconds
COLOR_OF = "element => getComputedStyle(element).color"


SEND = "*/send_message"


@asynccontextmanager
async def queued(home: Home, *texts: str) -> AsyncIterator[tuple[Someone, Peer]]:
    """Alice has written these to a program. Inside, her page cannot send them."""
    alice, bob = await home.person("alice"), await home.peer()
    await bob.starts_with(alice.search_pin)
    await alice.opens(bob.name)
    async with refused(alice.page, SEND):
        for text in texts:
            await alice.writes(text)
        await expect(alice.page.locator(".pending")).to_have_count(len(texts))
        await expect(alice.page.locator(".pending").first).to_contain_text(UNREACHED)
        yield alice, bob


async def test_what_they_have_not_accepted_waits_and_is_sent_once_they_accept_or_answer(home: Home) -> None:
    alice = await home.person("alice")
    pending = alice.page.locator(".pending")
    requests.accept_none(home.server.data_dir)
    for does in ("accepts", "answers"):
        bob, texts = await home.peer(), ["one", "two", "three", "four", "five"]
        await alice.starts_with(bob.search_pin)
        await expect(alice.page.get_by_role("heading", name=bob.name)).to_be_visible()
        await bob.is_asked()
        for text in texts:
            await alice.writes(text)
        await expect(pending).to_have_count(2)
        await expect(pending.first).to_contain_text(WAITING)
        await expect(pending.last).to_contain_text("Queued after the message before it.")
        await expect(pending.first).to_have_attribute("data-unsent", "waiting")  # not an error
        await expect(alice.alert).to_be_hidden()
        await alice.page.reload()
        await expect(pending.first).to_contain_text(WAITING)
        await bob.sees(*texts[:3])
        if does == "answers":
            texts.insert(3, "yes?")
            await bob.writes("yes?")  # seen at once
        else:
            await bob.ask("POST", f"/conversations/{bob.conversation}/accept")
            await alice.page.evaluate(ROUND)
        await bob.sees(*texts)
        await expect(pending).to_have_count(0)
    requests.accept_all(home.server.data_dir)


async def test_messages_are_sent_in_order_from_a_page_without_conversations(home: Home) -> None:
    async with queued(home, "one", "two", "three") as (alice, bob):
        await alice.page.goto(f"{alice.address}/account")
        await bob.writes("not seen yet")
        await expect(alice.page).to_have_title("(1) Account · EZ-DMS")
    await alice.page.reload()
    await bob.sees("not seen yet", "one", "two", "three")
    await expect(alice.page).to_have_title("(1) Account · EZ-DMS")  # nobody has read it
    await alice.page.goto(f"{alice.address}/c/{bob.conversation}")
    await alice.sees("not seen yet", "one", "two", "three")
    await expect(alice.page.locator(".pending")).to_have_count(0)


async def test_the_messages_of_many_conversations_are_sent_in_one_round_and_the_open_one_stays(home: Home) -> None:
    alice, bob, carol = await home.person("alice"), await home.peer(), await home.peer()
    page, field = alice.page, alice.page.get_by_role("textbox", name="Message")
    many = [await home.peer() for _ in range(14)]
    for peer in (bob, carol, *many):
        await peer.starts_with(alice.search_pin)
    for name in (bob.name, carol.name, bob.name):  # one that was put away and is open again
        await alice.opens(name)
    await expect(field).to_be_enabled()
    await field.fill("half a sentence")
    alice.records()
    unknown = [OTHER[:-1] + each for each in "ABCDE"]  # these cannot be loaded, and hold nobody up
    conversations = [*unknown, *(peer.conversation for peer in many)]
    await page.evaluate(QUEUE, [address_of("js/keystore.js"), conversations])
    await page.evaluate(ROUND)
    for number, peer in enumerate(many, len(unknown)):
        await peer.sees(f"queued {number}")
    await expect(field).to_have_value("half a sentence")
    opened = [address.split("/")[-2] for address in alice.addresses if "/open" in address]
    assert sorted(each for each in opened if each not in unknown) == sorted(peer.conversation for peer in many)


async def test_several_tabs_agree_on_what_waits_is_refused_was_taken_back_or_is_being_sent(
    home: Home,
) -> None:
    async with queued(home, "nowhere") as (alice, bob):
        tab = await alice.new_tab()
        async with refused(tab, SEND):
            await tab.goto(alice.page.url)
            edit, field = tab.get_by_role("button", name="Edit"), tab.get_by_role("textbox", name="Message")
            await edit.click()
            await expect(field).to_have_value("nowhere")
            await alice.page.evaluate(ROUND)
            await expect(alice.page.locator(".pending")).to_have_count(0)
            await field.clear()
            await alice.writes("once")
            await expect(alice.page.locator(".pending")).to_contain_text(UNREACHED)
            await tab.evaluate(ROUND)
            await expect(tab.locator(".pending")).to_contain_text(UNREACHED)
    held: list[Route] = []
    await alice.page.route("**/send_message", lambda route: held.append(route))
    await alice.page.evaluate(ROUND)
    await until(lambda: bool(held))
    await edit.click()
    await expect(tab.locator(".pending")).to_contain_text("It is being sent at the moment, perhaps by another tab.")
    await held[0].continue_()
    await bob.sees("once")
    await expect(tab.locator(".pending")).to_have_count(0)
    await expect(field).to_have_value("")

    # What waits is calm. What was refused is red and not tried again, and what is behind it waits.
    await alice.page.unroute_all(behavior="wait")
    await alice.context.route("**/send_message", lambda route: route.abort())
    await alice.writes("patience")
    state = alice.page.locator(".pending .state")
    await expect(state).to_contain_text(UNREACHED)
    calm = await state.evaluate(COLOR_OF)
    tries: list[str] = []

    async def refuse(route: Route) -> None:
        tries.append(route.request.url)
        response = await route.fetch(url=f"{alice.address}/me", method="GET", post_data="")  # of the real server
        await route.fulfill(response=response, status=422, json={"code": "envelope", "error": "No."})

    await tab.evaluate(GO, "/")
    line = tab.get_by_role("navigation", name="Conversations").get_by_role("link", name=bob.name)
    await expect(line).to_be_visible()
    await alice.page.route("**/send_message", refuse)
    await tab.route("**/send_message", lambda route: route.abort())
    await alice.context.unroute_all(behavior="wait")
    await alice.page.evaluate(ROUND)
    await expect(state).to_contain_text("Not sent. Something went wrong")
    red = await state.evaluate(COLOR_OF)
    danger, soft = [await alice.page.evaluate(COLOR_NAMED, name) for name in ("--danger", "--soft")]
    assert (calm, red) == (soft, danger)
    before = len(tries)
    await alice.page.evaluate(ROUND)
    await alice.writes("behind it")
    await expect(state.last).to_contain_text("Queued after the message before it.")
    assert len(tries) == before

    await alice.page.unroute_all(behavior="wait")
    await state.first.get_by_role("button", name="Try again").click()
    await bob.sees("once", "patience", "behind it")
    await expect(alice.page.locator(".pending")).to_have_count(0)

    # Another tab, at the list, sends it, whatever the browser says about the connection.
    await alice.context.route("**/send_message", lambda route: route.abort())
    await alice.writes("by another tab")
    await expect(state).to_contain_text(UNREACHED)
    await expect(line).to_contain_text("Not sent yet")
    await tab.evaluate(CLAIM_OFFLINE)
    await alice.page.goto(f"{alice.address}/protection")  # a page that sends nothing
    await tab.unroute_all(behavior="wait")
    await alice.context.unroute_all(behavior="wait")
    await tab.evaluate(ROUND)
    await bob.sees("once", "patience", "behind it", "by another tab")
    await expect(line).not_to_contain_text("Not sent yet")


# The next transaction about drafts waits until `release()`.
HOLD = """() => new Promise((held) => {
    indexedDB.open("ezdms").onsuccess = ({ target: { result } }) => {
        const store = result.transaction("drafts", "readwrite").objectStore("drafts");
        let isHeld = true;
        window.release = () => { isHeld = false; };
        const goOn = () => { held(); if (isHeld) store.count().onsuccess = goOn; };
        store.count().onsuccess = goOn;
    };
})"""


async def test_a_conversation_that_was_loaded_to_send_takes_no_text_before_its_draft_is_there(home: Home) -> None:
    async with queued(home, "waiting") as (alice, bob):
        page, field = alice.page, alice.page.get_by_role("textbox", name="Message")
        await field.fill("a draft")
        async with page.expect_request(lambda request: request.url.endswith("/send_message")):
            await page.goto(alice.address)  # its field could be enabled by now
        await page.evaluate(HOLD)
        await alice.opens(bob.name)
        await expect(field).to_be_disabled()
        await page.evaluate("() => release()")
        await expect(field).to_be_enabled()
        await expect(field).to_have_value("a draft")
        await field.clear()


async def test_a_text_that_can_be_neither_sent_nor_stored_comes_back_before_what_was_typed_since(home: Home) -> None:
    alice, bob = await home.person("alice"), await home.peer()
    await bob.starts_with(alice.search_pin)
    await alice.opens(bob.name)
    held: list[Route] = []
    await alice.page.route("**/send_message", lambda route: held.append(route))
    await alice.page.evaluate("() => { IDBObjectStore.prototype.add = () => { throw new Error('It is full.'); }; }")
    await alice.writes("first")
    await until(lambda: bool(held))
    await alice.page.get_by_role("textbox", name="Message").fill("second")
    await held[0].abort()
    await expect(alice.page.get_by_role("textbox", name="Message")).to_have_value("first\nsecond")
    await expect(alice.page.locator("message-composer [role=alert]")).to_contain_text("its storage was cleared")
    await alice.page.get_by_role("textbox", name="Message").clear()


async def test_a_network_that_answers_itself_counts_as_no_connection(home: Home) -> None:
    bob, dora = await home.person("bob"), await home.peer()
    await dora.starts_with(bob.search_pin)
    await bob.opens(dora.name)
    await expect(bob.page.get_by_role("textbox", name="Message")).to_be_enabled()
    await home.relay.capture(PORTALS["a login page"])
    await bob.writes("after the login page")
    pending = bob.page.locator(".pending")
    for name, octets in PORTALS.items():
        await home.relay.capture(octets)
        await bob.page.evaluate(ROUND)
        await until(lambda: all(one in home.relay.captured for one in (b"POST /send_message", b"GET /me", b"GET /ws")))
        await expect(pending, name).to_contain_text(UNREACHED)
    await expect(bob.page.locator("[role=alert]:not(:empty)")).to_have_count(0)
    await home.relay.capture(b"")
    await dora.sees("after the login page")
    await bob.sees("after the login page")
    await expect(pending).to_have_count(0)


async def test_each_tab_also_a_duplicated_one_keeps_its_own_draft_and_none_is_lost(home: Home) -> None:
    alice, bob = await home.person("alice"), await home.peer()
    await bob.starts_with(alice.search_pin)
    await alice.opens(bob.name)
    tabs = [await alice.new_tab() for _ in range(2)]
    for number, tab in enumerate(tabs):
        await tab.goto(alice.page.url)
        await expect(tab.get_by_role("textbox", name="Message")).to_be_enabled()
        await tab.get_by_role("textbox", name="Message").fill(f"draft {number}")
    await alice.writes("sent meanwhile")
    await bob.sees("sent meanwhile")
    for number, tab in enumerate(tabs):
        await tab.reload()
        await expect(tab.get_by_role("textbox", name="Message")).to_have_value(f"draft {number}")
    for tab in tabs:
        await tab.close()
    await alice.page.reload()
    field = alice.page.get_by_role("textbox", name="Message")
    await expect(field).to_have_value("draft 1")  # the latest of those left behind
    await alice.page.get_by_role("button", name="Send").click()
    await bob.sees("sent meanwhile", "draft 1")
    await alice.page.reload()
    await expect(field).to_have_value("draft 0")
    await field.clear()
    await alice.page.reload()
    await expect(field).to_be_enabled()
    await expect(field).to_have_value("")

    # A duplicated tab does not share the draft of its original.
    await field.fill("of the original")
    async with alice.context.expect_page() as opened:
        await alice.page.evaluate("() => { window.open(location.href); }")  # copies the session storage
    copy = (await opened.value).get_by_role("textbox", name="Message")
    await expect(copy).to_be_enabled()
    await expect(copy).to_have_value("")
    await copy.fill("of the copy")
    await alice.page.reload()
    await expect(field).to_have_value("of the original")
    await field.clear()
