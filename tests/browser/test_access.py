"""Accessibility: axe on every page and state, and the whole app with the keyboard alone."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from tests.browser.home import Home
from tests.browser.lies.peers import noise
from tests.browser.test_changing import gets, place_of
from tests.support.access import faults_in_every_look
from tests.support.hostile import Hostile
from tests.support.someone import Someone


async def test_every_page_and_state_passes_axe_and_fits_the_screen(browser: Browser, home: Home) -> None:
    """Where something is opened or added, axe looks at that: it has looked at the rest before."""
    alice = await Someone.is_in(browser, home.server, "axel", reduced_motion="reduce")
    bob, page, faults = await home.peer("bob"), alice.page, {}
    faults["nothing yet"] = await faults_in_every_look(page)
    await alice.starts_with(bob.search_pin)
    await bob.starts_with(alice.search_pin)
    faults["an empty conversation"] = await faults_in_every_look(page, "message-thread")
    await alice.new_chat()
    faults["a new chat"] = await faults_in_every_look(page, "#new-chat")
    await page.keyboard.press("Escape")
    await alice.writes("a long word: " + "W" * 200)
    await bob.writes("an answer, see https://example.org")
    await alice.sees("a long word: " + "W" * 200, "an answer, see https://example.org")
    await page.get_by_role("textbox", name="Message").fill("x" * 3980)
    await expect(page.get_by_text("3,980 of 4,000 characters")).to_be_visible()
    faults["a conversation"] = await faults_in_every_look(page)
    await page.get_by_role("textbox", name="Message").clear()
    await page.locator(".trust").click()
    await expect(page.get_by_test_id("safety-number")).not_to_be_empty()
    faults["who is this"] = await faults_in_every_look(page, "who-is-this")
    await page.get_by_role("button", name="They match").click()
    faults["verified"] = await faults_in_every_look(page, ".partner")

    hostile = Hostile(home.server, bob.conversation)
    hostile.repeat(1)
    hostile.here("UPDATE messages SET sender_id = ? WHERE seq = 3", bob.user_id)
    await page.reload()
    await expect(alice.alert).to_contain_text("forged signature")
    faults["an alarm"] = await faults_in_every_look(page, "message-thread")
    await page.route("**/send_message", lambda route: route.abort())
    await page.get_by_role("button", name="Continue anyway").click()
    await alice.writes("not sent")
    await expect(page.locator(".pending")).to_contain_text("Not sent")
    faults["not sent"] = await faults_in_every_look(page, ".outbox")
    await bob.deletes_the_account()
    await expect(page.get_by_text("This person deleted their account")).to_be_visible()
    faults["a deleted contact"] = await faults_in_every_look(page, "message-thread")
    await page.unroute_all()

    another = """INSERT INTO sessions SELECT ?, ?, user_id, created_at, expires_at, browser, address, used_at
                 FROM sessions WHERE user_id = (SELECT user_id FROM users WHERE username = 'axel')"""
    hostile.run(another, noise(16), noise(32))
    for path in ("/settings", "/search-pin", "/sessions", "/account"):
        await page.goto(home.server.url + path)
        await expect(page.locator("fieldset:disabled")).to_have_count(0)
        if path == "/sessions":
            await expect(page.locator(".device")).to_have_count(2)
            faults["two sessions"] = await faults_in_every_look(page)
            await page.get_by_role("button", name="Log out all others").click()
            await expect(page.locator(".device")).to_have_count(1)
        faults[f"{path} of one's own"] = await faults_in_every_look(page)
    await page.get_by_label("Current Login PIN").fill(alice.login_pin)
    await page.get_by_role("button", name="Make a new Login PIN").click()
    await expect(page.get_by_test_id("login-pin")).not_to_be_empty()
    faults["a new PIN"] = await faults_in_every_look(page, "main")

    stranger = await Someone.arrives(browser, home.server, "", reduced_motion="reduce")
    page = stranger.page
    faults["/"] = await faults_in_every_look(page)
    for path in ("/protection", "/nowhere", "/account"):
        await page.goto(home.server.url + path)
        faults[path] = await faults_in_every_look(page)
    await page.goto(f"{home.server.url}/#add=nonsense")
    await page.get_by_label("Login PIN", exact=True).fill("nonsense")
    await page.get_by_role("button", name="Log in").click()
    await expect(stranger.alert.filter(has_text="16 letters")).to_be_visible()
    faults["an error and a person to add"] = await faults_in_every_look(page)
    assert {state: found for state, found in faults.items() if found} == {}
    assert len(faults) == 20


BEHIND = "element => !!(element.compareDocumentPosition(document.activeElement) & Node.DOCUMENT_POSITION_FOLLOWING)"


async def by_tab_to(page: Page, target: Locator, most: int = 40, key: str = "") -> None:
    """Press Tab until the target has the focus, which must be visible.

    Backward to targets already passed: after the last element the focus moves to the browser's own controls, where
    Firefox's driver gets stuck.
    """
    key = key or ("Shift+Tab" if await target.evaluate(BEHIND) else "Tab")
    for _ in range(most):
        await page.keyboard.press(key)
        if await target.evaluate("element => element === document.activeElement"):
            assert await target.evaluate("element => getComputedStyle(element).outlineStyle !== 'none'")
            return
    raise AssertionError("it is not reached by Tab")


# Records what the button of a form says, also after its page has been left.
TOLD = """(form) => {
    const button = document.querySelector(`${form} [type=submit]`), seen = [];
    new MutationObserver(() => seen.push(button.textContent)).observe(button, { childList: true });
    addEventListener("pagehide", () => sessionStorage.setItem("told", JSON.stringify(seen)));
}"""
SEEN = "() => JSON.parse(sessionStorage.getItem('told'))"


async def presses(page: Page, target: Locator, key: str = "") -> None:
    """Go there by Tab, and press Enter."""
    await expect(target).to_be_enabled()
    await by_tab_to(page, target, key=key)
    await page.keyboard.press("Enter")


async def test_an_account_is_created_changed_left_and_deleted_by_keyboard_alone_and_shows_its_progress(
    browser: Browser, home: Home
) -> None:
    bob = await home.peer("bob")
    alice = await Someone.arrives(browser, home.server, "alix")
    page, keys = alice.page, alice.page.keyboard

    def button(name: str) -> Locator:
        return page.get_by_role("button", name=name, exact=True)

    def link(name: str) -> Locator:
        return page.get_by_role("link", name=name, exact=True)

    await expect(button("Create account")).to_be_enabled()
    await page.evaluate(TOLD, "create-account")
    await by_tab_to(page, page.get_by_role("textbox", name="Username"))
    await keys.type("alix")
    await keys.press("Enter")
    await expect(page.get_by_test_id("login-pin")).not_to_be_empty()
    assert (await page.evaluate(SEEN))[:3] == ["Creating your keys…", "Encrypting them…", "Registering…"]
    alice.login_pin = await page.get_by_test_id("login-pin").inner_text()
    alice.search_pin = await page.get_by_test_id("search-pin").inner_text()
    await by_tab_to(page, page.get_by_role("textbox", name="Last 4 characters of your Login PIN"))
    await keys.type(alice.login_pin[-4:])
    await presses(page, button("Continue"))

    await expect(page.get_by_test_id("my-search-pin")).to_have_text(alice.search_pin)
    await bob.starts_with(alice.search_pin)
    await bob.writes("hello")
    await presses(page, link("Devices"))
    await expect(page.get_by_role("heading", name="Devices")).to_be_visible()
    await presses(page, link("Account"))
    await by_tab_to(page, page.get_by_label("Current Login PIN"))
    await keys.type(alice.login_pin)
    await keys.press("Enter")
    await expect(page.get_by_test_id("login-pin")).not_to_be_empty()
    alice.login_pin = await page.get_by_test_id("login-pin").inner_text()
    await expect(page.get_by_role("textbox", name="Last 4 characters of your new Login PIN")).to_be_focused()
    await keys.type(alice.login_pin[-4:])
    await presses(page, button("Use the new Login PIN"))
    await expect(page.get_by_text("Your new Login PIN is in use")).to_be_visible()
    await presses(page, link("Conversations"), "Shift+Tab")  # starting where the button was
    await presses(page, link("Settings"))
    await presses(page, button("Log out"))
    await expect(button("Stay logged in")).to_be_focused()
    await presses(page, button("Log out"))

    await expect(button("Log in")).to_be_enabled()
    await page.evaluate(TOLD, "log-in")
    await by_tab_to(page, page.get_by_label("Login PIN", exact=True))
    await keys.type(alice.login_pin)
    await keys.press("Enter")
    await expect(page.get_by_test_id("my-search-pin")).to_have_text(alice.search_pin)
    assert (await page.evaluate(SEEN))[:2] == ["Checking…", "Unlocking your keys…"]
    await presses(page, alice.list.get_by_role("link", name="bob"))
    await expect(page.locator(".partner").get_by_role("heading", name="bob")).to_be_visible()
    await expect(page.locator("sealed-text")).not_to_be_empty()
    await presses(page, page.get_by_role("link", name="Your account"))
    await by_tab_to(page, page.get_by_label("Your Login PIN, to confirm"))
    await keys.type(alice.login_pin)
    await presses(page, button("Delete my account"))
    await expect(button("Create account")).to_be_visible()
    assert alice.errors == []


@pytest.mark.firefox_too
async def test_a_conversation_is_begun_and_verified_and_a_timer_set_and_a_quote_followed_by_keyboard_alone(
    home: Home,
) -> None:
    someone, bob = await home.person("alice"), await home.peer()
    page, keys = someone.page, someone.page.keyboard
    await expect(page.get_by_role("button", name="Start")).to_be_enabled()
    await by_tab_to(page, page.get_by_role("textbox", name="Search PIN"))
    await keys.type(bob.search_pin)
    await keys.press("Enter")
    message = page.get_by_role("textbox", name="Message")
    await expect(message).to_be_focused()
    height = await message.evaluate("element => element.offsetHeight")
    await keys.type("one")
    await keys.press("Shift+Enter")
    await keys.type("two")
    assert await message.evaluate("element => element.offsetHeight") > height
    await keys.press("Enter")
    await someone.sees("one two")  # Playwright collapses white space
    assert await page.locator("sealed-text").evaluate("element => element.textContent") == "one\ntwo"
    await expect(message).to_be_focused()
    await expect(message).to_have_value("")
    assert await message.evaluate("element => element.offsetHeight") == height

    await presses(page, page.locator(".trust"))
    await expect(page.get_by_role("heading", name="Who is this?")).to_be_focused()
    await presses(page, page.get_by_role("button", name="They match", exact=True))
    await expect(page.locator(".trust")).to_be_focused()

    await by_tab_to(page, page.get_by_role("button", name="Conversation options"))
    await keys.press("Enter")
    await expect(page.get_by_role("menuitem", name="Search")).to_be_focused()
    for name in ("Delete conversation", "Block", "Report", "Disappearing messages"):  # past the end
        await keys.press("ArrowUp")
        await expect(page.get_by_role("menuitem", name=name, exact=True)).to_be_focused()
    await keys.press("Enter")
    dialog = page.get_by_role("dialog", name="Disappearing messages")
    await by_tab_to(page, dialog.get_by_role("button", name="1 hour"))
    await keys.press("Space")
    await by_tab_to(page, dialog.get_by_role("button", name="Set", exact=True))
    await keys.press("Enter")
    await expect(dialog).to_be_hidden()
    await bob.starts_with(someone.search_pin)
    await gets(bob, "timer", "3600")
    await expect(page.get_by_role("button", name="Conversation options")).to_be_focused()
    await bob.writes("about that", reference=await place_of(bob, 0))
    await by_tab_to(page, page.get_by_role("button", name="In reply to"))
    await keys.press("Enter")
    await expect(page.locator("message-row").first).to_be_focused()
    assert someone.errors == []
