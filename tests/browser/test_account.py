"""Sessions, PINs and the account in real browsers: ended sessions are over, deleted data is gone."""

from __future__ import annotations

import time

from playwright.async_api import Browser, Route, expect

from ezdms import crypto
from tests.browser.home import Home
from tests.conftest import Server
from tests.support.someone import Someone


async def test_ending_a_session_logs_out_its_browser_within_a_second(browser: Browser, server: Server) -> None:
    alice = await Someone.is_in(browser, server, "alice")
    device = await alice.on_another_device(browser)
    third = await alice.on_another_device(browser)
    page = alice.page
    await page.goto(f"{server.url}/sessions")
    await expect(page.locator(".device")).to_have_count(3)
    await expect(page.locator(".device").filter(has_text="this device")).to_contain_text("Chrome on Linux")
    await expect(page.locator(".device").first).to_contain_text("127.0.0.1")
    await expect(page.locator(".device").first).to_contain_text("Since")

    await third.page.goto(f"{server.url}/account")  # a page without a conversation is logged out too
    await page.get_by_role("button", name="Log out:").first.click()
    await expect(page.locator(".device")).to_have_count(2)
    began = time.monotonic()
    await page.get_by_role("button", name="Log out all others").click()
    for ended in (device, third):
        await expect(ended.page.get_by_role("button", name="Log in")).to_be_visible()
    assert time.monotonic() - began < 10
    await expect(page.get_by_text("You are not logged in anywhere else")).to_be_visible()
    assert await device.page.evaluate("() => indexedDB.databases().then((all) => all.length)") == 1
    await page.goto(server.url)
    await expect(page.get_by_test_id("my-search-pin")).to_have_text(alice.search_pin)
    assert alice.errors == []


async def test_a_new_login_pin_is_shown_only_to_its_own_account(browser: Browser, server: Server) -> None:
    """Two tabs of one browser create an account each; the first has not saved its PIN yet."""
    alice, bob = await Someone.arrives(browser, server, "alice"), Someone(server, "bob")
    await alice.page.get_by_role("textbox", name="Username").fill("alice")
    await alice.page.get_by_role("button", name="Create account").click()
    shown = alice.page.get_by_test_id("login-pin")
    await expect(shown).not_to_be_empty()
    pin = await shown.inner_text()
    await alice.page.reload()
    await expect(shown).to_have_text(pin)  # control: the right account
    bob.context, bob.page = alice.context, await alice.new_tab()
    await bob.page.goto(server.url)
    await bob.page.get_by_role("button", name="Log out").click()
    await bob.creates_an_account()
    for path in ("/welcome", "/"):
        await alice.page.goto(f"{server.url}{path}")
        await expect(alice.page.get_by_test_id("my-search-pin")).to_have_text(bob.search_pin)
        assert alice.page.url == f"{server.url}/"
        assert pin not in await alice.page.content()


async def test_a_new_login_pin_works_and_the_old_one_does_not_even_at_the_url_of_a_conversation(
    browser: Browser, home: Home
) -> None:
    alice, bob = await home.person("alice"), await home.peer("bob")
    await alice.starts_with(bob.search_pin)
    await bob.starts_with(alice.search_pin)
    await bob.writes("still readable?")
    await alice.sees("still readable?")
    page, address = alice.page, alice.page.url
    device = await Someone.arrives(browser, home.server, "alice", address)
    device.login_pin, device.search_pin = alice.login_pin, alice.search_pin
    await expect(device.page.get_by_text("Log in to open this page.")).to_be_visible()
    await device.logs_in()
    await device.page.goto(address)
    await device.sees("still readable?")
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
    await device.opens("bob")
    await device.sees("still readable?")
    await expect(device.page.get_by_text("Verified by Search PIN")).to_be_visible()
    await device.writes("yes")
    await device.sees("still readable?", "yes")
    await bob.sees("still readable?", "yes")
    assert not [one for one in (*alice.traffic, *device.traffic) if alice.login_pin in one or old in one]


async def test_deleting_an_account_keeps_its_messages_for_the_other_person(browser: Browser, home: Home) -> None:
    alice, ada = await home.person("alice"), await Someone.is_in(browser, home.server, "ada")
    await ada.starts_with(alice.search_pin)
    await ada.writes("farewell")
    await alice.opens("ada")
    await alice.sees("farewell")
    await alice.page.goto(home.server.url)
    await expect(alice.list.get_by_role("link", name="ada")).to_be_visible()
    page = ada.page
    await page.goto(f"{home.server.url}/account")
    field = page.get_by_label("Your Login PIN, to confirm")
    await field.fill(alice.login_pin)
    await page.get_by_role("button", name="Delete my account").click()
    await expect(ada.alert).to_contain_text("This is not your Login PIN")
    await field.fill(ada.login_pin)
    await page.get_by_role("button", name="Delete my account").click()
    await expect(page.get_by_role("button", name="Create account")).to_be_visible()
    await page.get_by_label("Login PIN", exact=True).fill(ada.login_pin)
    await page.get_by_role("button", name="Log in").click()
    await expect(ada.alert).to_contain_text("No account has this Login PIN")

    await alice.list.get_by_role("link", name="ada (deleted account)").click()  # updated live, without a reload
    await alice.sees("farewell")
    await expect(alice.page.get_by_role("heading", name="ada (deleted account)")).to_be_visible()
    await expect(alice.page.get_by_text("This person deleted their account")).to_be_visible()
    await expect(alice.page.get_by_role("textbox", name="Message")).to_have_count(0)
    await expect(alice.alert).to_have_count(0)
    device = await alice.on_another_device(browser)
    await device.list.get_by_role("link", name="ada (deleted account)").click()
    await device.sees("farewell")  # the pinned key came from the vault
