"""Sessions, PINs and the account in real browsers: ended sessions are over, deleted data is gone."""

from __future__ import annotations

import re
import time
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from playwright.async_api import Browser, Route, expect

from ezdms import crypto
from ezdms.client import Client, SessionEnded
from tests.browser.home import Home, refused
from tests.browser.lies.watching import stored_in
from tests.browser.test_disk import changes_the_login_pin
from tests.support.hostile import Hostile
from tests.support.operated import operate, said
from tests.support.someone import STORED, Someone

REASONS = [
    ("elsewhere", "This device was logged out from another device."),
    ("pin", "Your Login PIN was changed on another device."),
    ("host", "This device was logged out by whoever runs this server."),
    ("unseen", "You were logged out, perhaps from another device"),
    ("expired", "You were logged out because this browser was not used for 90 days."),
]


# A sleeping tab hears late from the others that the session has ended: they are logged in again by then.
LATE = """() => {
    window.BroadcastChannel = class {
        constructor(name) { this.name = name; }
        set onmessage(hear) { if (this.name === "ezdms-leave") window.hear = hear; }
        postMessage() {}
    };
}"""


GONE = "no longer keeps your keys and messages for EZ-DMS"
BROKEN = """() => {
    IDBFactory.prototype.open = () => { throw new DOMException("Not allowed.", "SecurityError"); };
}"""


async def test_words_survive_a_session_that_ends_the_front_page_says_why_and_any_page_that_it_can_store_nothing(
    home: Home,
) -> None:
    """Only Log out erases. What stays is encrypted, and comes back with the Login PIN."""
    alice, bob = await Someone.is_in(home.browser, home.server, "amy"), await home.peer("bob")
    await alice.starts_with(bob.search_pin)
    page, address = alice.page, alice.page.url
    where = address.removeprefix(home.server.url)
    await alice.writes("sent")
    await alice.sees("sent")
    device = await alice.on_another_device(home.browser)
    hold = AsyncExitStack()  # none of her tabs can send
    await hold.enter_async_context(refused(page, "*/send_message"))
    await alice.writes("not sent yet")
    await expect(page.locator(".pending")).to_contain_text("Not sent")
    await alice.writes("nor this, which comes after it")
    await expect(page.locator(".pending")).to_have_count(2)
    draft = page.get_by_role("textbox", name="Message")
    second_tab = await alice.new_tab()
    await hold.enter_async_context(refused(second_tab, "*/send_message"))
    await second_tab.goto(address)
    other_draft = second_tab.get_by_role("textbox", name="Message")
    await expect(other_draft).to_have_value("")
    await other_draft.fill("quite another thought")
    await draft.fill("half a thought")
    for way, why in REASONS:
        if way == "unseen":
            late = await alice.new_tab()
            await hold.enter_async_context(refused(late, "*/send_message"))
            await late.add_init_script(f"({LATE})()")
            await late.goto(address)
            await expect(late.get_by_role("textbox", name="Message")).to_be_enabled()
        if way in ("unseen", "expired"):
            await page.goto("about:blank")
        if way == "expired":
            await page.goto(f"{home.server.url}/static")
            await page.evaluate("() => localStorage.setItem('ezdms-used', `${Date.now() - 91 * 86400000}`)")
        if way == "pin":
            device.login_pin = alice.login_pin
            await changes_the_login_pin(device)
            alice.login_pin = device.login_pin
        elif way == "host":
            person = Hostile(home.server).user("amy")["user_id"]
            said(operate(home.server.data_dir, "users", "end-sessions", person))
        elif way == "elsewhere":
            await device.page.goto(f"{home.server.url}/sessions")
            await device.page.get_by_role("button", name="Log out all others").click()
        else:
            Hostile(home.server).run("DELETE FROM sessions")
        if way in ("unseen", "expired"):
            await page.goto(address)
        await expect(page.get_by_text(why), way).to_be_visible()
        if way in ("host", "expired"):  # heard by the socket, and found out by a load
            await page.reload()
            await expect(page.get_by_text(why), f"{way}, after a reload").to_be_visible()
        kept = await stored_in(page)
        for words in ("not sent yet", "nor this", "half a thought", "quite another thought", "CryptoKey"):
            assert words not in kept, (way, words)
        if way == "elsewhere":
            await expect(second_tab.get_by_text("You were logged out").or_(second_tab.get_by_text(why))).to_be_visible()
        await alice.logs_in()
        await alice.goes_to(where)
        await expect(page.locator(".pending"), way).to_contain_text(["not sent yet", "nor this"])
        await expect(page.get_by_text("Verified by Search PIN")).to_be_visible()
        if way == "elsewhere":
            await expect(draft, way).to_have_value("half a thought")  # the latest
            await second_tab.goto(address)
            await expect(other_draft, way).to_have_value("quite another thought")
            await second_tab.goto("about:blank")
            await draft.fill("half a thought")
        await expect(draft, way).to_have_value("half a thought")
        if way == "unseen":
            await late.evaluate("() => window.hear({ data: 'ended' })")
            await expect(late).to_have_url(f"{home.server.url}/")
            await late.goto("about:blank")
            await expect(page.locator(".pending")).to_have_count(2)
    await hold.aclose()
    await page.reload()
    await alice.sees("sent", "not sent yet", "nor this, which comes after it")
    await alice.logs_out()
    assert await page.evaluate(STORED) == [0, 0, 0, 0, 0, 0]
    await alice.logs_in()
    await alice.goes_to(where)
    await alice.sees("sent", "not sent yet", "nor this, which comes after it")
    await expect(draft).to_have_value("")

    # A browser that stores nothing says so on every page.
    broken = await alice.new_tab()
    await broken.add_init_script(f"({BROKEN})()")
    for path in ("/account", "/settings", "/"):
        await broken.goto(f"{home.server.url}{path}")
        await expect(broken.get_by_role("alert").filter(has_text=GONE)).to_be_visible()
        assert "undefined" not in await broken.inner_text("body")
    await broken.get_by_label("Login PIN", exact=True).fill(alice.login_pin)
    await broken.get_by_role("button", name="Log in").click()
    await expect(broken.locator("log-in").get_by_role("alert")).to_contain_text(GONE)


# The appearance at the moment when there is a body, before any module has run.
AT_FIRST = """() => new MutationObserver((_, observer) => {
    if (!document.body) return;
    window.drawn = document.documentElement.dataset.scheme;
    observer.disconnect();
}).observe(document, { childList: true, subtree: true })"""
DELETE = """() => new Promise((resolve) => {
    Object.assign(indexedDB.deleteDatabase("ezdms"), { onsuccess: resolve, onerror: resolve });
})"""
PERSISTS = """() => {
    navigator.storage.persist = () => { window.asked = true; return new Promise(() => {}); };
}"""


# Another tab has logged out, and this one still changes a contact.
AFTER = """async () => {
    const at = (name) => document.querySelector("[src*=boot]").src.replace("boot", name);
    const [{ forgetEverything, loadContacts }, { changeContact }] = await Promise.all(
        [import(at("keystore")), import(at("vault"))]);
    const note = () => changeContact(location.pathname.slice(3), () => ({ verified: "safety-number" }));
    await note();
    const before = Object.keys(await loadContacts()).length;
    await forgetEverything();
    await note();
    return [before, Object.keys(await loadContacts()).length];
}"""


async def test_the_chosen_scheme_is_there_before_anything_is_drawn(home: Home) -> None:
    alice = await home.person("alice")
    page = await alice.new_tab()
    ground = "() => getComputedStyle(document.body).backgroundColor"
    await page.goto(f"{home.server.url}/settings")
    await expect(page.get_by_role("button", name="System")).to_have_attribute("aria-pressed", "true")
    light = await page.evaluate(ground)
    await page.get_by_role("button", name="Dark").click()
    dark = await page.evaluate(ground)
    assert dark != light
    await page.add_init_script(f"({AT_FIRST})()")
    await page.goto(f"{home.server.url}/account")
    await expect(page.get_by_role("heading", name="alice")).to_be_visible()
    assert await page.evaluate("() => window.drawn") == "dark"
    assert await page.evaluate(ground) == dark
    await page.get_by_role("link", name="Settings").click()
    await page.get_by_role("button", name="System").click()
    assert await page.evaluate(ground) == light
    assert await page.evaluate("() => localStorage.getItem('ezdms-scheme')") is None


@pytest.mark.firefox_too
async def test_every_page_says_that_the_storage_was_deleted_and_none_stores_anything_after_logging_out(
    browser: Browser, home: Home
) -> None:
    alice, bob = await Someone.is_in(browser, home.server, "ann"), await home.peer("bob")
    await alice.page.evaluate(PERSISTS)
    await alice.starts_with(bob.search_pin)
    assert not await alice.page.evaluate("() => window.asked ?? false")
    await alice.writes("the first")
    await alice.sees("the first")
    await alice.page.wait_for_function("() => window.asked")  # to keep it
    thread, account = alice.page, await alice.new_tab()
    where = thread.url.removeprefix(home.server.url)
    await account.goto(f"{home.server.url}/account")
    await expect(account.get_by_role("button", name="Delete my account")).to_be_enabled()
    await thread.get_by_role("textbox", name="Message").fill("half a thought")
    await account.evaluate(DELETE)
    for page in (thread, account):
        await expect(page.get_by_role("alert").filter(has_text=GONE)).to_be_visible()
        assert "undefined" not in await page.inner_text("body")
    await expect(thread.get_by_role("textbox", name="Message")).to_have_value("half a thought")  # to copy it
    await thread.reload()
    await expect(thread.get_by_role("alert").filter(has_text=GONE)).to_be_visible()
    await account.get_by_role("alert").get_by_role("link", name="Log in").click()
    await expect(account.get_by_role("alert").filter(has_text=GONE)).to_be_visible()
    await thread.close()
    alice.page = account
    await alice.logs_in()
    await alice.goes_to(where)
    await expect(account.get_by_text("Verified by Search PIN")).to_be_visible()
    await expect(account.get_by_role("alert")).to_have_count(0)
    assert await account.evaluate(AFTER) == [1, 0]


async def test_a_new_login_pin_is_shown_to_its_own_account_until_it_was_saved(browser: Browser, home: Home) -> None:
    """Two tabs of one browser create an account each; the first has not saved its PIN yet."""
    server = home.server
    alice, bob = await Someone.arrives(browser, server, "alma"), Someone(server, "bert")
    await alice.page.get_by_role("textbox", name="Username").fill("alma")
    await alice.page.get_by_role("button", name="Create account").click()
    shown = alice.page.get_by_test_id("login-pin")
    await expect(shown).not_to_be_empty()
    pin = await shown.inner_text()
    await alice.page.reload()
    await expect(shown).to_have_text(pin)  # control: the right account
    await alice.page.goto(f"{server.url}/#account=3")  # a link to another account loses nothing
    await expect(shown).to_have_text(pin)
    assert "ezdms-3" not in await stored_in(alice.page)
    bob.context, bob.page = alice.context, await alice.new_tab()
    await bob.page.goto(server.url)
    await bob.logs_out()
    await bob.creates_an_account()
    for path in ("/welcome", "/"):
        await alice.page.goto(f"{server.url}{path}")
        await expect(alice.page.get_by_test_id("my-search-pin")).to_have_text(bob.search_pin)
        assert alice.page.url == f"{server.url}/"
        assert pin not in await alice.page.content()


async def test_sessions_are_ended_from_another_one_and_by_a_new_login_pin_and_the_old_pin_opens_nothing(
    browser: Browser, home: Home, tmp_path: Path
) -> None:
    alice, bob = await home.person("alice"), await home.peer("bob")
    alice.records()
    await alice.starts_with(bob.search_pin)
    await bob.starts_with(alice.search_pin)
    await bob.writes("still readable?")
    await alice.sees("still readable?")
    page, address = alice.page, alice.page.url
    device = await Someone.arrives(browser, home.server, "alice", address, recorded=True)
    device.login_pin, device.search_pin = alice.login_pin, alice.search_pin
    await expect(device.page.get_by_text("Log in to open this page.")).to_be_visible()
    await device.logs_in()
    await device.page.goto(address)
    await device.sees("still readable?")
    program = await Client.login(home.server.url, alice.login_pin, home=tmp_path)

    await page.goto(f"{home.server.url}/sessions")
    devices = page.locator(".device")
    await expect(devices).to_have_count(3)
    await expect(devices.filter(has_text="this device")).to_contain_text("Chrome on Linux")
    await expect(devices.first).to_contain_text("127.0.0.1")
    await expect(devices.first).to_contain_text("Since")
    one = devices.filter(has_not_text="Chrome").get_by_role("button", name="Log out:")
    await one.click()
    await expect(devices).to_have_count(2)
    with pytest.raises(SessionEnded):
        await program.contacts()
    await program.close()
    began = time.monotonic()
    await page.get_by_role("button", name="Log out all others").click()
    await expect(device.page.get_by_role("button", name="Log in")).to_be_visible()
    assert time.monotonic() - began < 10
    await expect(page.get_by_text("You are not logged in anywhere else")).to_be_visible()
    assert await device.page.evaluate("() => indexedDB.databases().then((all) => all.length)") == 1
    await device.logs_in()
    await device.page.goto(f"{home.server.url}/account")  # a page without a conversation is logged out too

    await page.goto(f"{home.server.url}/account")
    field = page.get_by_label("Current Login PIN")
    for typed, words in (
        (alice.search_pin, "looks like a Search PIN"),
        (crypto.show_login_pin(crypto.new_login_pin()), "This is not your Login PIN"),
        ("X", "16 letters and digits"),
    ):
        await field.fill(typed)
        await page.get_by_role("button", name="Make a new Login PIN").click()
        await expect(alice.alert).to_contain_text(words)
        await expect(field).to_have_value(typed)
    await field.fill(alice.login_pin)
    await page.get_by_role("button", name="Make a new Login PIN").click()
    await expect(page.get_by_test_id("login-pin")).not_to_be_empty()
    old, alice.login_pin = alice.login_pin, await page.get_by_test_id("login-pin").inner_text()
    assert old != alice.login_pin
    async with page.expect_download() as saving:
        await page.get_by_role("link", name="Download").click()
    saved = await saving.value
    assert re.fullmatch(r"ezdms-alice-\d{4}-\d\d-\d\d\.txt", saved.suggested_filename)  # not the old one's
    assert alice.login_pin in (await saved.path()).read_text("utf-8")
    await expect(page.get_by_role("button", name="Print")).to_be_visible()
    await page.emulate_media(media="print")
    await expect(page.get_by_test_id("login-pin")).to_be_visible()
    for other in (page.get_by_role("navigation"), page.get_by_text("Delete this account"), page.get_by_role("button")):
        await expect(other.filter(visible=True)).to_have_count(0)
    await page.emulate_media(media="screen")
    use = page.get_by_role("button", name="Use the new Login PIN")
    await use.click()
    await expect(alice.alert).to_contain_text("This is not how your Login PIN ends")
    await page.get_by_role("textbox", name="Last 4 characters of your new Login PIN").fill(alice.login_pin)  # or all

    async def lose_the_answer(route: Route) -> None:
        await route.fetch()  # the PIN is changed
        await route.abort()  # the response is lost

    await page.route("**/change_pin", lose_the_answer)
    await use.click()
    await expect(alice.alert).to_contain_text("cannot be reached")
    await page.unroute("**/change_pin")
    await use.click()
    await expect(page.get_by_text("Your new Login PIN is in use")).to_be_visible()
    await expect(device.page.get_by_role("button", name="Log in")).to_be_visible()

    await device.page.get_by_label("Login PIN", exact=True).fill(old)
    await device.page.get_by_role("button", name="Log in").click()
    await expect(device.alert).to_contain_text("No account has this Login PIN")
    device.login_pin = alice.login_pin
    await device.logs_in()
    await device.goes_to(address.removeprefix(home.server.url))
    await device.sees("still readable?")
    await expect(device.page.get_by_text("Verified by Search PIN")).to_be_visible()
    await device.writes("yes")
    await device.sees("still readable?", "yes")
    await bob.sees("still readable?", "yes")
    assert not [one for one in (*alice.traffic, *device.traffic) if alice.login_pin in one or old in one]


async def test_deleting_an_account_keeps_its_messages_for_the_other_person(browser: Browser, home: Home) -> None:
    alice, ada = await home.person("alice", is_kept=True), await Someone.is_in(browser, home.server, "ada")
    await ada.starts_with(alice.search_pin)
    await ada.writes("farewell")
    await alice.opens("ada")
    await alice.sees("farewell")
    await alice.page.get_by_role("textbox", name="Message").fill("are you still there?")
    page = ada.page
    await page.goto(f"{home.server.url}/account")
    field = page.get_by_label("Your Login PIN, to confirm")
    await field.fill(alice.login_pin)
    await page.get_by_role("button", name="Delete my account").click()
    await expect(ada.alert).to_contain_text("This is not your Login PIN")
    await field.fill(ada.login_pin)
    await page.get_by_role("button", name="Delete my account").click()
    await expect(page.get_by_text("Your account was deleted")).to_be_visible()
    await page.get_by_label("Login PIN", exact=True).fill(ada.login_pin)
    await page.get_by_role("button", name="Log in").click()
    await expect(ada.alert).to_contain_text("No account has this Login PIN")

    await expect(alice.page.get_by_text("This person deleted their account")).to_be_visible()  # without a reload
    field, send = alice.page.get_by_role("textbox", name="Message"), alice.page.get_by_role("button", name="Send")
    await expect(field).to_have_value("are you still there?")
    await expect(send).to_be_disabled()
    await expect(alice.list.get_by_role("link", name="ada (deleted account)")).to_be_visible()
    await expect(alice.page.get_by_role("heading", name="ada (deleted account)")).to_be_visible()
    await alice.page.reload()
    await alice.sees("farewell")
    await expect(alice.page.get_by_role("heading", name="ada (deleted account)")).to_be_visible()
    await expect(alice.page.get_by_text("This person deleted their account")).to_be_visible()
    await expect(alice.page.locator(".trust")).to_be_hidden()
    await expect(field).to_have_value("are you still there?")  # what cannot be sent can be read and copied
    await expect(send).to_be_disabled()
    alice.records()
    await field.press("Enter")
    await expect(field).to_have_value("are you still there?")
    await field.clear()
    await expect(field).to_have_count(0)
    await alice.goes_to("/")
    await expect(alice.list.get_by_role("link", name="ada (deleted account)")).not_to_contain_text("Draft")
    assert not [address for address in alice.addresses if "send_message" in address]
    await alice.list.get_by_role("link", name="ada (deleted account)").click()
    await alice.sees("farewell")
    await expect(field).to_have_count(0)
    await expect(alice.alert).to_have_count(0)
    await alice.logs_out()
    await alice.logs_in()
    await alice.list.get_by_role("link", name="ada (deleted account)").click()
    await alice.sees("farewell")  # the pinned key came from the vault
