"""Search: one field finds conversations by name and messages by words, all of it in the browser."""

from __future__ import annotations

import asyncio
import re
from functools import partial

import httpx
import pytest_asyncio
from playwright.async_api import Locator, Page, Route, expect

from tests.browser.home import Home, held_back
from tests.browser.lies.peers import Peer
from tests.browser.test_files import THUMB
from tests.browser.test_organizing import choose, wrong
from tests.support.access import faults_in_every_look
from tests.support.pictures import png_of
from tests.support.someone import Someone, until

MANY = 205  # messages: more than a page
CAFE = "The Café is\nunder the MÁT"


def field(page: Page) -> Locator:
    return page.get_by_role("searchbox", name="Search")


def results(page: Page) -> Locator:
    """What was found, latest first."""
    return page.get_by_role("list", name="Messages found").get_by_role("button")


async def finds(page: Page, typed: str, *texts: str) -> None:
    """Type this; exactly these messages are found."""
    await field(page).fill(typed)
    await expect(results(page).locator(".words")).to_have_text(list(texts))
    count = {0: "No messages found", 1: "1 message found"}.get(len(texts), f"{len(texts)} messages found")
    await expect(page.get_by_role("status").get_by_text(count, exact=True)).to_be_visible()


Three = tuple[Someone, Peer, Peer]
_three: dict[Home, Three] = {}


async def with_two(home: Home, name: str) -> Three:
    """Somebody new, and two programs that they talk to: Bob, last, and Carol."""
    alice = await Someone.is_in(home.browser, home.server, name)
    bob, carol = [await home.neighbor() for _ in range(2)]
    for peer in (carol, bob):
        await alice.starts_with(peer.search_pin)
        await peer.starts_with(alice.search_pin)
    return alice, bob, carol


@pytest_asyncio.fixture(loop_scope="session")
async def three(home: Home) -> Three:
    """Whom most tests of this file share: Bob has written more than a page."""
    if home not in _three:
        _three[home] = await with_two(home, "seeker")
        home.people["seeker"], bob, _ = _three[home]
        bob.wrote("the needle", CAFE, *(f"line {n}" for n in range(MANY)))
    await home.people["seeker"].starts_afresh()
    return _three[home]


async def test_messages_of_all_conversations_are_found_as_they_are_now_and_opened_in_their_place(
    home: Home, three: Three
) -> None:
    alice, bob, carol = three
    page, keys, dave = alice.page, alice.page.keyboard, await home.peer()
    await dave.starts_with(alice.search_pin)
    await dave.writes("The café of a stranger")
    await carol.writes("cafe <b>mat</b>")
    await carol.writes("a secret mat")
    await carol.edits("a secret mat", "an open door")
    await carol.writes("a word for an hour, mat", x=3600)
    await carol.shares(b"%PDF", "Überweisung.pdf", "application/pdf")
    alice.records()
    await finds(page, "mat", "a word for an hour, mat", "cafe <b>mat</b>", "The Café is under the MÁT")
    await expect(page.get_by_text("Everything was searched")).to_be_visible()
    await finds(page, "mat cafe", "cafe <b>mat</b>", "The Café is under the MÁT")
    await expect(results(page).nth(1).locator("mark")).to_have_text(["Café", "MÁT"])
    await expect(results(page).nth(1)).to_contain_text(bob.name)
    await finds(page, '"under the mat"', "The Café is under the MÁT")
    await finds(page, "secret")
    await finds(page, "door", "an open door")
    await finds(page, "pdf uberweisung", "Überweisung.pdf")
    await expect(results(page)).to_contain_text("File: ")
    await finds(page, f"from:{carol.name} cafe", "cafe <b>mat</b>")
    await finds(page, "cafe from:me")
    await finds(page, "cafe since:2100")
    await field(page).fill("line")
    await expect(results(page)).to_have_count(50)
    await page.get_by_role("button", name="Show more").click()
    await expect(results(page)).to_have_count(100)
    assert [one for one in alice.traffic if "mat" in one.casefold() and "cafe" in one.casefold()] == []

    # It opens where it stands, and back leads to what was found.
    await finds(page, "under mat", "The Café is under the MÁT")
    await keys.press("ArrowDown")
    await expect(results(page).first).to_be_focused()
    await keys.press("Enter")
    row = page.locator("message-row").filter(has_text="under the MÁT")
    await expect(row).to_be_focused()
    await expect(row).to_be_in_viewport()
    await expect(page).to_have_url(f"{alice.address}/c/{bob.conversation}")
    await expect(results(page)).to_have_count(1)

    # What is deleted or edited while the results are open is found no more, and what arrives is.
    await bob.deletes(CAFE)
    await expect(results(page)).to_have_count(0)
    await field(page).fill("news")
    await carol.writes("news for you")
    await bob.writes("more news")
    await expect(results(page).locator(".words")).to_have_text(["more news", "news for you"])
    await carol.edits("news for you", "nothing")
    await expect(results(page).locator(".words")).to_have_text(["more news"])

    # In one conversation, a request, too.
    await alice.list.get_by_role("button", name="Clear the search").click()
    await alice.list.get_by_role("link", name=dave.name).click()
    await choose(page, "Search")
    await expect(field(page)).to_be_focused()
    await keys.type("cafe")
    await expect(results(page).locator(".words")).to_have_text(["The café of a stranger"])
    await expect(page.get_by_text(f"Only with {dave.name}")).to_be_visible()
    await page.get_by_role("button", name="All conversations").click()
    await expect(results(page).locator(".words")).to_have_text(["cafe <b>mat</b>"])

    # What one removes from one's own sight is gone from here, too.
    await results(page).first.click()
    found = page.locator("message-row").filter(has_text="<b>mat</b>")
    await found.get_by_role("button", name="Message actions").click()
    await page.get_by_role("menuitem", name="Delete").click()
    await page.get_by_role("button", name="Delete for me").click()
    await expect(results(page)).to_have_count(0)
    await keys.press("Escape")
    assert wrong(alice) == []


async def test_the_pictures_files_and_links_of_a_conversation_are_one_press_away(three: Three) -> None:
    alice, bob, carol = three
    page = alice.page
    thumb = bytes(await page.evaluate(THUMB, ["image/webp", 40, 30]))
    await carol.shares(png_of(4, 4), "of_carol.png", "image/png")
    await bob.shares(png_of(4, 4), "harbour.png", "image/png", thumb=thumb, w=4, h=4)
    await bob.shares(b"x", "list.txt", "text/plain")
    await bob.writes("see https://example.org")
    await bob.writes("nothing of it")
    await alice.opens(bob.name)
    await choose(page, "Pictures, files and links")
    kinds = page.get_by_role("group", name="Only messages with")
    await expect(kinds.get_by_role("button", name="Pictures")).to_have_attribute("aria-pressed", "true")
    await expect(results(page)).to_have_count(1)
    await expect(results(page)).to_have_accessible_name(re.compile("File: harbour.png"))
    assert await results(page).locator("canvas").evaluate("({ width, height }) => [width, height]") == [40, 30]
    await kinds.get_by_role("button", name="Files").click()
    await expect(results(page).locator(".words")).to_have_text(["list.txt", "harbour.png"])
    await kinds.get_by_role("button", name="Links").click()
    await expect(results(page).locator(".words")).to_have_text(["see https://example.org"])
    await expect(field(page)).to_have_value("has:link ")
    await kinds.get_by_role("button", name="Links").click()
    await expect(field(page)).to_have_value("")
    await kinds.get_by_role("button", name="Pictures").click()
    await bob.deletes(next(text for text in bob.named if "harbour" in text))
    await expect(results(page)).to_have_count(0)
    await page.get_by_role("button", name="All conversations").click()
    await expect(results(page).locator(".words")).to_have_text(["of_carol.png"])
    assert wrong(alice) == []


async def test_the_history_loads_in_the_background_and_can_be_stopped_on_a_phone_too(three: Three) -> None:
    alice, bob, carol = three
    await bob.writes("the needle")  # again
    page, many = alice.page, int((await bob.rows())[-1]["seq"])
    stop, resume = [page.get_by_role("button", name=name, exact=True) for name in ("Stop", "Resume")]
    async with held_back(page, f"**/messages/*?before={many - 199}&*") as asked:  # the second page
        await field(page).fill("needle")
        await asked.wait()
        await expect(results(page)).to_have_count(1)
        await expect(page.get_by_text("Searched back to")).to_be_visible()
        await stop.click()
        await expect(resume).to_be_focused()
    await expect(results(page)).to_have_count(2)  # what was asked for is taken
    await expect(page.get_by_text("Everything was searched")).to_be_hidden()
    await resume.click()
    await expect(page.get_by_text("Everything was searched")).to_be_visible()
    await expect(stop).to_be_hidden()
    await expect(resume).to_be_hidden()

    # Days are reached by their date; every message is from today.
    await field(page).press("Escape")
    await alice.opens(bob.name)
    for date, text in (("1999-12-31", "the needle"), ("2999-01-01", "the needle"), ("", None)):
        await choose(page, "Jump to a date")
        dialog = page.get_by_role("dialog", name="Jump to a date")
        await expect(dialog.get_by_label("Date")).to_be_focused()
        await dialog.get_by_label("Date").fill(date)
        await dialog.get_by_role("button", name="Go").click()
        if text is None:
            await expect(dialog.get_by_role("alert")).to_have_text("Choose a date.")
            await dialog.get_by_role("button", name="Cancel").click()
            continue
        row = page.locator("message-row").nth(0 if date < "2000" else many - 1)
        await expect(dialog).to_be_hidden()
        await expect(row).to_be_focused()
        await expect(row).to_contain_text(text)
        await expect(row).to_be_in_viewport()

    # Far back, the messages load out of sight, and one can stop that.
    await page.goto(f"{alice.address}/")
    await field(page).fill("needle")
    await expect(results(page)).to_have_count(2)
    asked, may_go = asyncio.Event(), asyncio.Event()
    addresses: list[str] = []

    async def give_less(route: Route) -> None:
        addresses.append(route.request.url)
        if len(addresses) == 3:
            asked.set()
            await may_go.wait()
        await route.continue_(url=route.request.url.replace("limit=200", "limit=60"))

    await page.route(re.compile(r"/messages/\w+\?before=\d+&limit=200$"), give_less)
    seeking, newest = page.locator(".seeking"), page.locator("message-row").last
    await results(page).nth(1).click()
    await asked.wait()
    await expect(seeking.get_by_role("status")).to_have_text("Loading earlier messages…")
    await expect(seeking).to_contain_text("messages, back to")
    await expect(newest).to_be_hidden()
    await seeking.get_by_role("button", name="Cancel").click()
    may_go.set()
    await expect(seeking).to_be_hidden()
    await expect(newest).to_be_in_viewport()
    await expect(page.get_by_role("log")).to_be_focused()
    assert len(addresses) == 3
    await results(page).nth(1).click()
    await expect(page.locator("message-row").first).to_be_focused()
    await expect(seeking).to_be_hidden()
    await page.unroute_all()

    # It goes on in the background, whatever is open, and the focus stays where the user is.
    await page.goto(f"{alice.address}/")
    async with held_back(page, f"**/messages/*?before={many - 199}&*") as asked:
        await field(page).fill("needle")
        await asked.wait()
        await results(page).first.click()
        await expect(page.locator("message-row").filter(has_text="the needle").last).to_be_focused()
    await expect(results(page)).to_have_count(2)
    await expect(page.locator("message-row").filter(has_text="the needle").last).to_be_focused()

    await page.set_viewport_size({"width": 390, "height": 844})
    await expect(field(page)).to_be_hidden()
    await choose(page, "Search")
    await expect(field(page)).to_be_focused()
    await expect(results(page)).to_have_count(2)
    await page.emulate_media(reduced_motion="reduce")
    assert await faults_in_every_look(page, "nav") == []
    await results(page).nth(1).click()
    await expect(page.get_by_role("log").get_by_text("the needle").first).to_be_in_viewport()
    await expect(field(page)).to_be_hidden()
    await page.get_by_role("link", name="Back to your conversations").click()
    await expect(results(page)).to_have_count(2)
    await expect(page.get_by_text(f"Only with {bob.name}")).to_be_visible()
    await field(page).press("Escape")
    await field(page).press("Escape")
    await expect(page.get_by_text(f"Only with {bob.name}")).to_be_hidden()
    for peer in (bob, carol):
        await expect(alice.list.get_by_role("link", name=peer.name)).to_be_visible()
    assert wrong(alice) == []


# What stands in the search index: its keys and values, bytes as text; and whether its key can be exported.
INDEX = """async () => {
    const { ofPlace } = await import(document.querySelector("[src*=boot]").src.replace("boot", "first"));
    const done = (request) => new Promise((resolve) => { request.onsuccess = () => resolve(request.result); });
    const opened = await done(indexedDB.open(ofPlace("ezdms")));
    const store = opened.transaction("index").objectStore("index");
    const [keys, values] = await Promise.all([done(store.getAllKeys()), done(store.getAll())]);
    opened.close();
    const bytes = (value) => (value.byteLength ? String.fromCharCode(...new Uint8Array(value.buffer ?? value)) : value);
    const shown = values.map((value) => Object.entries(value).map(([name, each]) => [name, bytes(each)]));
    return { count: keys.length, text: JSON.stringify([keys, shown]), canLeave: values[0]?.key?.extractable };
}"""

# What the page itself can open of the index, of these conversations.
OPENED = """async (conversations) => {
    const { readIndex } = await import(document.querySelector("[src*=boot]").src.replace("boot", "session"));
    return JSON.stringify(await Promise.all(conversations.map(readIndex)));
}"""

# Somebody with this device changes the index: a byte of the first message of one conversation; and its last message
# becomes what the first one of another conversation says.
TAMPER = """async ([one, other]) => {
    const done = (request) => new Promise((resolve) => { request.onsuccess = () => resolve(request.result); });
    const opened = await done(indexedDB.open("ezdms"));
    const transaction = opened.transaction("index", "readwrite");
    const store = transaction.objectStore("index");
    const of = (conversation) => IDBKeyRange.bound([conversation], [conversation, []]);
    const [keys, values] = await Promise.all([done(store.getAllKeys(of(one))), done(store.getAll(of(one)))]);
    const others = await done(store.getAll(of(other)));
    new Uint8Array(values[0].sealed)[0] ^= 1;
    store.put(values[0], keys[0]);
    store.put(others[0], keys.at(-1));
    await new Promise((resolve) => { transaction.oncomplete = resolve; });
    opened.close();
}"""

# The browser has no more room for what is stored in the index.
NO_ROOM = """() => {
    const { put } = IDBObjectStore.prototype;
    IDBObjectStore.prototype.put = function (...given) {
        const asked = put.apply(this, given);
        if (this.name === "index") this.transaction.abort();
        return asked;
    };
}"""


async def only_the_newest(route: Route) -> None:
    """The newest ten messages, and none before."""
    if f"before={2**53 - 1}&" in route.request.url:
        await route.continue_(url=route.request.url.replace("limit=200", "limit=10"))
    else:
        await route.abort()


async def test_the_index_is_off_until_one_wants_it_and_keeps_nothing_readable_wrong_or_gone(home: Home) -> None:
    alice, bob, carol = await with_two(home, "dex")
    page, both = alice.page, [bob.conversation, carol.conversation]
    switch = page.get_by_role("switch", name="Keep a search index on this device")

    async def holds(count: int) -> bool:
        return int((await page.evaluate(INDEX))["count"]) == count

    async def lacks(*words: str) -> bool:
        opened = await page.evaluate(OPENED, both)
        return "lantern" in opened and not any(word in opened for word in words)

    async def searched(*texts: str) -> list[str]:
        """The addresses of the messages that a new page asks for, until it has found these."""
        alice.forgets_the_past()
        await page.goto(f"{alice.address}/")
        await finds(page, "lantern", *texts)
        await expect(page.get_by_text("Everything was searched")).to_be_visible()
        return [url.partition("?")[2] for url in alice.addresses if "/messages/" in url]

    await bob.writes("the first lantern")
    await bob.writes("a lantern to edit")
    await bob.writes("a lantern to delete")
    await carol.writes("Carol’s lantern")
    await carol.shares(b"x", "lantern.pdf", "application/pdf")
    await carol.writes("a lantern for an hour", x=3600)
    texts = ["a lantern for an hour", "lantern.pdf", "Carol’s lantern"]
    texts += ["a lantern to delete", "a lantern to edit", "the first lantern"]
    alice.records()
    assert len(await searched(*texts)) == 2
    assert await holds(0)

    await page.goto(f"{alice.address}/settings")
    await expect(switch).not_to_be_checked()
    await switch.check()
    assert len(await searched(*texts)) == 2
    await until(partial(holds, 7))
    found = await page.evaluate(INDEX)
    assert found["canLeave"] is False
    assert "lantern" not in found["text"]
    assert await lacks("nothing of this")
    assert await searched(*texts) == []

    # What happens while the page is closed is loaded, and only that.
    await page.goto("about:blank")
    await bob.edits("a lantern to edit", "a lantern as it is now")
    await carol.writes("one more lantern")
    texts = ["one more lantern", *texts]
    texts[texts.index("a lantern to edit")] = "a lantern as it is now"
    assert sorted(await searched(*texts)) == [f"after={seq}&limit=200&peek=1" for seq in (3, 3, 4, 4)]
    assert await lacks("lantern to edit")

    # What is deleted is gone at once, whether anything is searched or not, and what disappears without the server.
    await page.goto(f"{alice.address}/")
    await expect(page.locator("conversation-item")).to_have_count(2)
    await bob.deletes("a lantern to delete")
    await until(partial(lacks, "lantern to delete"))
    texts.remove("a lantern to delete")
    await alice.opens(carol.name)
    row = page.locator("message-row").filter(has_text="Carol’s lantern")
    await row.get_by_role("button", name="Message actions").click()
    await page.get_by_role("menuitem", name="Delete").click()
    await page.get_by_role("button", name="Delete for me").click()
    await until(partial(lacks, "Carol’s lantern"))
    texts.remove("Carol’s lantern")
    assert await searched(*texts) == []
    later = await alice.new_tab()
    await later.add_init_script("{ const { now } = Date; Date.now = () => now() + 7200000; }")
    await later.goto(f"{alice.address}/")
    await finds(later, "lantern", *texts[:1], *texts[2:])
    await later.close()
    await until(partial(lacks, "lantern for an hour"))  # here, where two hours are over

    # What does not open is never shown, but loaded again.
    await page.evaluate(TAMPER, [carol.conversation, bob.conversation])
    async with held_back(page, "**/messages/*") as asked:
        await page.goto(f"{alice.address}/")
        await field(page).fill("lantern")
        await asked.wait()
        await expect(results(page).locator(".words")).to_have_text(texts[-2:])
    await expect(results(page).locator(".words")).to_have_text(texts)
    await expect(page.get_by_text("Everything was searched")).to_be_visible()
    assert await searched(*texts) == []

    # Without room, the index is empty, and the search works as ever.
    await page.evaluate(NO_ROOM)
    await bob.writes("a lantern too much")
    texts = ["a lantern too much", *texts]
    await expect(results(page).locator(".words")).to_have_text(texts)
    await until(partial(holds, 1))
    assert len(await searched(*texts)) == 2
    await until(partial(holds, 11))

    # Turned off, no other tab puts anything into it either.
    settings = await alice.new_tab()
    switch = settings.get_by_role("switch", name="Keep a search index on this device")
    await settings.goto(f"{alice.address}/settings")
    await expect(switch).to_be_checked()
    await switch.uncheck()
    await until(partial(holds, 0))
    await bob.writes("the last lantern")
    texts = ["the last lantern", *texts]
    await expect(results(page).locator(".words")).to_have_text(texts)
    assert await holds(0)
    await switch.check()
    await searched(*texts)
    await until(partial(holds, 12))
    await settings.close()

    # An edit goes with its message even if the search never loaded that far back.
    dave = await home.peer()
    await alice.starts_with(dave.search_pin)
    await dave.starts_with(alice.search_pin)
    await dave.writes("a lantern of old")
    for n in range(12):
        await dave.writes(f"hay {n}")
    edit = await dave.edits("a lantern of old", "a lantern, corrected")
    await page.route(re.compile(rf"/messages/{dave.conversation}.before="), only_the_newest)
    await page.goto(f"{alice.address}/")
    both.append(dave.conversation)
    await finds(page, "lantern", *texts)
    await until(partial(holds, 22))
    assert not await lacks("corrected")
    await dave.deletes("a lantern of old", edit.hash)
    await until(partial(lacks, "corrected"))
    await page.unroute_all()
    assert set(alice.errors) == {"Failed to load resource: net::ERR_FAILED"}
    alice.errors.clear()
    tokens = {str(cookie.get("name")): cookie.get("value") for cookie in await alice.context.cookies()}
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {tokens['ezdms_session']}"}) as client:
        assert (await client.post(f"{alice.address}/logout")).status_code == 204
    await expect(page.get_by_text("You logged out")).to_be_visible()
    assert await holds(0)
    assert wrong(alice) == []
