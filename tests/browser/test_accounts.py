"""Several accounts in one browser: each has a place, with storage and a session of its own."""

from __future__ import annotations

import json

import httpx
import pytest
from playwright.async_api import BrowserContext, Page, expect

from tests.browser.home import Home
from tests.support.access import faults_in_every_look
from tests.support.someone import Someone, until

# What the browser keeps for each account: names of databases and of what is remembered.
KEPT = """async () => {
    const databases = (await indexedDB.databases()).map(({ name }) => name);
    return [databases.sort(), Object.keys(localStorage).sort()];
}"""
OF_TODAY = [["ezdms"], ["ezdms-name", "ezdms-used"]]

# All that one database stores, as text.
STORED = """async (name) => {
    const opened = await new Promise((done) => {
        indexedDB.open(name).onsuccess = ({ target }) => done(target.result);
    });
    const all = [];
    for (const store of opened.objectStoreNames) {
        const asked = opened.transaction(store).objectStore(store);
        for (const request of [asked.getAllKeys(), asked.getAll()]) {
            all.push(await new Promise((done) => { request.onsuccess = () => done(request.result); }));
        }
    }
    opened.close();
    return JSON.stringify(all, (_, value) => (value instanceof CryptoKey ? "a key" : value));
}"""


async def cookies_of(context: BrowserContext) -> set[str]:
    return {str(cookie.get("name")) for cookie in await context.cookies()}


async def joined_by(alice: Someone, name: str) -> Someone:
    """Someone who creates an account in another tab of Alice's browser, from her settings."""
    other = Someone(alice.server, name)
    other.context, other.address = alice.context, alice.address
    other.page = await alice.new_tab()
    page = other.page
    await page.goto(f"{alice.address}/settings")
    accounts = page.get_by_role("group", name="Accounts")
    await expect(accounts.get_by_text("can see that these accounts share a browser")).to_be_visible()
    await accounts.get_by_role("link", name="Add an account").click()
    others = page.get_by_role("group", name="Accounts in this browser").get_by_role("link")
    await expect(others).to_have_accessible_name(alice.name)
    await other.creates_an_account()
    return other


@pytest.mark.firefox_too
async def test_two_accounts_of_one_browser_are_live_in_two_tabs_and_one_logs_out_alone(home: Home) -> None:
    alice = await Someone.is_in(home.browser, home.server, "alice")
    bob = await joined_by(alice, "bob")
    assert await cookies_of(alice.context) == {"ezdms_session", "ezdms_session_1"}
    carol, dave = await home.peer("carol"), await home.peer("dave")
    for peer, someone in ((carol, alice), (dave, bob)):
        await peer.starts_with(someone.search_pin)
        await peer.writes(f"{peer.name} says hello")
        await someone.opens(peer.name)
        await someone.sees(f"{peer.name} says hello")
        await someone.page.get_by_role("textbox", name="Message").fill(f"a draft for {peer.name}")
    for peer, someone in ((carol, alice), (dave, bob)):  # both are live
        await peer.writes(f"{peer.name} again")
        await someone.sees(f"{peer.name} says hello", f"{peer.name} again")
    foreign = {"ezdms": ("dave", dave.conversation), "ezdms-1": ("carol", carol.conversation)}
    own = {"ezdms": "draft for carol", "ezdms-1": "draft for dave"}
    for database, page in (("ezdms", alice.page), ("ezdms-1", bob.page)):

        async def is_kept(database: str = database, page: Page = page) -> bool:
            return own[database] in await page.evaluate(STORED, database)

        await until(is_kept)
        kept = await page.evaluate(STORED, database) + json.dumps(await page.evaluate("() => ({...sessionStorage})"))
        shown = await page.content()
        for name in foreign[database]:
            assert name not in kept + shown, database
    await bob.logs_out()
    assert await cookies_of(alice.context) == {"ezdms_session"}
    assert await bob.page.evaluate(STORED, "ezdms-1") == "[[],[],[],[],[],[],[],[],[],[],[],[]]"
    assert await bob.page.evaluate(KEPT) == [["ezdms", "ezdms-1"], OF_TODAY[1]]
    await carol.writes("still here?")
    await alice.sees("carol says hello", "carol again", "still here?")
    await expect(alice.page.get_by_role("textbox", name="Message")).to_have_value("a draft for carol")
    await bob.page.get_by_role("group", name="Accounts in this browser").get_by_role("link", name="alice").click()
    await expect(bob.page.get_by_role("link", name="Your account: alice")).to_be_visible()
    await alice.context.close()


async def test_one_account_is_kept_as_ever_and_of_two_each_request_says_whose_it_is_and_one_session_ends_alone(
    home: Home,
) -> None:
    alice = await Someone.is_in(home.browser, home.server, "alice", recorded=True)
    assert await alice.page.evaluate(KEPT) == OF_TODAY
    assert await cookies_of(alice.context) == {"ezdms_session"}
    await alice.page.evaluate("() => { localStorage.removeItem('ezdms-name'); sessionStorage.clear(); }")  # as before
    alice.forgets_the_past()
    await alice.page.reload()
    await expect(alice.page.get_by_test_id("my-search-pin")).to_have_text(alice.search_pin)
    assert await alice.page.evaluate(KEPT) == OF_TODAY
    assert not [said for said in alice.traffic if "ezdms-place" in said or "place=" in said]  # as ever
    bob = await joined_by(alice, "bob")
    alice.forgets_the_past()
    for page in (bob.page, alice.page):  # a reload keeps the tab's account
        await page.reload()
    for someone in (alice, bob):
        await expect(someone.page.get_by_test_id("my-search-pin")).to_have_text(someone.search_pin)
    asked = [said for said in alice.traffic if " /me " in said.replace(alice.address, "")]
    assert sorted("'ezdms-place': '1'" in said for said in asked) == [False, True]
    tokens = {str(cookie.get("name")): cookie.get("value") for cookie in await alice.context.cookies()}
    bearer = {"Authorization": f"Bearer {tokens['ezdms_session_1']}"}
    async with httpx.AsyncClient(headers=bearer) as client:
        assert (await client.post(f"{alice.address}/logout")).status_code == 204
    await expect(bob.page.get_by_text("You logged out")).to_be_visible()
    await expect(alice.page.get_by_test_id("my-search-pin")).to_have_text(alice.search_pin)
    await alice.page.goto(f"{alice.address}/settings")
    accounts = alice.page.get_by_role("group", name="Accounts")
    await expect(accounts.get_by_role("listitem")).to_have_count(2)
    await expect(accounts.get_by_role("link", name="An account that was logged out")).to_have_attribute(
        "href", "/#account=1"
    )  # not free: drafts may be kept there
    await expect(accounts.get_by_role("link", name="Add an account")).to_have_attribute("href", "/#account=2")
    await accounts.get_by_role("link", name="An account that was logged out").click()
    bob.page = alice.page
    await bob.logs_in()
    new = await alice.new_tab()  # shows the account that was used last
    await new.goto(alice.address)
    await expect(new.get_by_test_id("my-search-pin")).to_have_text(bob.search_pin)

    await new.close()
    tokens = {str(cookie.get("name")): cookie.get("value") for cookie in await alice.context.cookies()}
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {tokens['ezdms_session_1']}"}) as client:
        assert (await client.post(f"{alice.address}/logout")).status_code == 204
    page = bob.page
    await expect(page.get_by_text("You logged out")).to_be_visible()
    await page.goto(f"{alice.address}/#account=0")
    await expect(page.get_by_test_id("my-search-pin")).to_have_text(alice.search_pin)
    await page.goto(f"{alice.address}/settings")
    left = accounts.get_by_role("listitem").filter(has_text="An account that was logged out")
    await left.get_by_role("button", name="Remove from this browser").click()
    await expect(left).to_contain_text("If you remove it, it is gone.")
    await page.emulate_media(reduced_motion="reduce")
    assert await faults_in_every_look(page) == []
    await left.get_by_role("button", name="Keep").click()
    await expect(left.get_by_role("button", name="Remove from this browser")).to_be_focused()
    await page.keyboard.press("Enter")
    await left.get_by_role("button", name="Remove", exact=True).click()
    await expect(left).to_have_count(0)
    await expect(accounts.get_by_role("link", name="Add an account")).to_have_attribute("href", "/#account=1")
    await expect(accounts.get_by_role("link", name="Add an account")).to_be_focused()
    databases, kept = await page.evaluate(KEPT)
    assert (databases, [name for name in kept if "1" in name]) == (["ezdms"], [])
    await page.reload()
    await expect(page.get_by_role("heading", name="Settings")).to_be_visible()  # nothing of hers went
    await alice.context.close()
