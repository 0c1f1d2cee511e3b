"""The page on phones, without JavaScript, over plain http, and with invalid input."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Locator, expect

from tests.browser.home import Home, Paused, paused
from tests.browser.lies.peers import Peer
from tests.conftest import Server
from tests.support.access import serious_faults
from tests.support.someone import Someone

PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}}
DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}

# What a password manager sees in a form, and what the form itself could submit: nothing without a name.
FORM = """(form) => [...form.elements].filter((one) => one.localName === "input").map((one) => {
    const kept = one.autocomplete.includes("password") ? one.value : one.autocomplete === "username" && one.value;
    return [one.autocomplete, one.type, one.name, kept || ""];
})"""


async def test_the_new_account_page_is_accessible_survives_a_reload_and_saves_the_pin(
    browser: Browser, home: Home
) -> None:
    alice = await Someone.arrives(browser, home.server, "alice", **PHONE)
    alice.records()
    await alice.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = alice.page
    await page.get_by_role("textbox", name="Username").fill("alice")
    await page.get_by_role("button", name="Create account").click()
    pin = page.get_by_test_id("login-pin")
    await expect(pin).to_have_text(re.compile(r"[0-9A-Z]{4}(-[0-9A-Z]{4}){3}"))
    await expect(page.get_by_text("nobody can restore it")).to_be_visible()
    assert await serious_faults(page) == []
    shown = await pin.inner_text()
    await page.reload()
    await expect(pin).to_have_text(shown)
    await page.goto(home.server.url)  # not saved yet: the same page again
    await expect(pin).to_have_text(shown)
    await page.get_by_role("button", name="Copy").first.click()
    await expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert await page.evaluate("() => navigator.clipboard.readText()") == shown
    async with page.expect_download() as download:
        await page.get_by_role("link", name="Download").click()
    file = await (await download.value).path()
    assert shown in Path(file).read_text("utf-8")
    await page.evaluate("() => { window.print = () => { window.printed = true } }")
    await page.get_by_role("button", name="Print").click()
    assert await page.evaluate("() => window.printed")
    await expect(page.get_by_test_id("search-pin")).to_be_visible()
    assert await page.locator("welcome-card form").evaluate(FORM) == [
        ["username", "text", "", "alice"],
        ["new-password", "password", "", shown],
        ["off", "text", "", ""],
    ]
    field = page.get_by_role("textbox", name="Last 4 characters of your Login PIN")
    for typed in ("", shown[-3:], "UUUU"):  # no PIN has a U
        await field.fill(typed)
        await page.get_by_role("button", name="Continue").click()
        await expect(alice.alert).to_contain_text("This is not how your Login PIN ends")
        await expect(field).to_have_value(typed)
    await field.fill(f" {shown[-4:].lower().replace('1', 'l').replace('0', 'o')} ")
    await page.get_by_role("button", name="Continue").click()
    await expect(page.get_by_test_id("my-search-pin")).to_be_visible()
    await page.goto(f"{home.server.url}/welcome")  # once saved, it is not shown again
    await expect(page.get_by_test_id("my-search-pin")).to_be_visible()
    assert shown not in await page.content()
    alice.login_pin = shown
    alice.search_pin = await page.get_by_test_id("my-search-pin").inner_text()
    device = await Someone.arrives(browser, home.server, "alice")
    device.records()
    page = device.page
    assert await page.locator("log-in form").evaluate(FORM) == [
        ["username", "text", "", ""],
        ["current-password", "password", "", ""],
    ]
    reveal, pin = page.locator("log-in").get_by_role("button", name="Show"), page.get_by_label("Login PIN", exact=True)
    await reveal.click()
    await expect(pin).to_have_attribute("type", "text")
    await page.locator("log-in").get_by_role("button", name="Hide").click()
    await expect(pin).to_have_attribute("type", "password")
    await reveal.click()
    device.login_pin, device.search_pin = alice.login_pin, alice.search_pin
    await device.logs_in()
    sent = [one.lower() for one in (*alice.traffic, *device.traffic)]
    assert all([one for one in sent if path in one] for path in ("/register", "/login"))  # control
    assert [one for one in sent if shown.lower() in one or shown.replace("-", "").lower() in one] == []
    response = await device.context.request.get(home.server.url)
    assert "form-action 'none'" in response.headers["content-security-policy"]
    await alice.page.set_viewport_size(DESKTOP["viewport"])
    home.people.setdefault("alice", alice)  # for the other tests


async def shows_on_submit(field: Locator, button: Locator, alert: Locator, typed: str, word: str) -> None:
    """Invalid input shows a helpful error, and the text stays in the field."""
    await field.fill(typed)
    await button.click()
    await expect(alert).to_have_count(1)
    await expect(alert).to_contain_text(word)
    await expect(field).to_have_value(typed)


async def test_invalid_input_shows_an_error_stays_in_its_field_and_stores_nothing(browser: Browser, home: Home) -> None:
    nobody = await Someone.arrives(browser, home.server, "nobody", **DESKTOP)
    nobody.records()
    create, log_in = nobody.page.locator("create-account"), nobody.page.locator("log-in")
    field, button = create.get_by_role("textbox", name="Username"), create.get_by_role("button", name="Create account")
    alert = create.get_by_role("alert")
    for typed in ("", "al", "with space", "<script>", "x" * 32 + "y", "ünïcode"):
        if len(typed) <= 32:
            await shows_on_submit(field, button, alert, typed, "3 to 32 letters (a to z)")
    for typed in (
        "ABCD-EFGH-JKMN-PQRS",
        "abcdefgh1234jkmn",
        "ABCD-EFGH-JKMN-PQR",
        "ABCDEFGH1234JKM",
        "x-ABCD-EFGH-JKMN-PQRS",
    ):
        await shows_on_submit(field, button, alert, typed, "looks like a Login PIN")
        assert typed not in "".join(nobody.traffic)
    for typed in ("9XM9A-MQQPM-79YKF-XPQ75-NHP58", "oil" * 8 + "o"):
        await shows_on_submit(field, button, alert, typed, "looks like a Search PIN")
        assert typed not in "".join(nobody.traffic)

    field, button = log_in.get_by_label("Login PIN", exact=True), log_in.get_by_role("button", name="Log in")
    for typed, word in (
        ("", "Enter your Login PIN."),
        ("1234", "16 letters"),
        ("9XM9A-MQQPM-79YKF-XPQ75-NHP58", "looks like a Search PIN"),
        ("UUUU-UUUU-UUUU-UUUU", "except U"),
        ("0000-0000-0000-0000", "No account has this Login PIN"),
    ):
        await shows_on_submit(field, button, log_in.get_by_role("alert"), typed, word)

    alice, bob = await home.person("alice", is_kept=True), await home.peer()
    page, before = alice.page, await alice.list.get_by_role("link").count()
    alice.records()
    await alice.new_chat()
    field, button = page.get_by_role("textbox", name="Search PIN"), page.get_by_role("button", name="Start")
    wrong = bob.search_pin[:-1] + ("0" if bob.search_pin[-1] != "0" else "1")
    for typed, word in (
        ("", "Enter their Search PIN."),
        ("hello", "25 letters"),
        (alice.login_pin, "looks like a Login PIN"),
        (wrong, "typo"),
        ("9XM9A-MQQPM-79YKF-XPQ75-NHP58", "Nobody on this server"),
        (alice.search_pin, "your own Search PIN"),
    ):
        await shows_on_submit(field, button, alice.alert, typed, word)
    await expect(alice.list.get_by_role("link")).to_have_count(before)
    assert alice.login_pin not in "".join(alice.traffic)

    await alice.starts_with(bob.search_pin)
    field, button = page.get_by_role("textbox", name="Message"), page.get_by_role("button", name="Send")
    for typed, word in (
        ("x" * 4001, "at most 4,000"),
        ("a\x07b", "control"),
    ):
        await shows_on_submit(field, button, alice.alert, typed, word)
    await expect(page.get_by_text("4,001 of 4,000")).to_be_hidden()
    await expect(page.locator(".message")).to_have_count(0)
    await page.reload()
    await expect(field).to_be_enabled()
    await expect(page.locator(".message")).to_have_count(0)


SHAPED = [
    "ABCD-EFGH-JKMN-PQRS",
    " abcd efgh jkm7 pqrs ",
    "ABCDEFGH1234JKMN",
    "ABCD–EFGH–JKMN–PQRS.",
    "it is abcd-efgh-jkm7-pqrs!",
]


async def test_a_message_containing_a_login_pin_must_be_sent_a_second_time(home: Home) -> None:
    alice, bob = await home.person("alice", is_kept=True), await home.peer()
    await alice.starts_with(bob.search_pin)
    field, button = alice.page.get_by_role("textbox", name="Message"), alice.page.get_by_role("button", name="Send")

    async def send(text: str, how: str) -> None:
        await field.fill(text)
        await (field.press("Enter") if how == "Enter" else button.click())

    said: list[str] = []
    for typed, how in [*zip(SHAPED, itertools.cycle(("Enter", "click"))), (SHAPED[0], "click")]:
        await send(typed, how)
        await expect(alice.alert, typed).to_contain_text("This looks like a Login PIN. Never give yours to anyone.")
        await expect(field).to_have_value(typed)
        await alice.sees(*said)
        if len(said) < 4:  # pressed in each way
            said.append(f"meet here next week, with-care-over-here {len(said)}")  # four words of four letters are none
            await send(said[-1], how)
            await alice.sees(*said)
            await expect(alice.alert).to_have_count(0)
            await field.fill(typed)
            if how == "Enter":
                for _ in range(3):  # held down
                    await alice.page.keyboard.down("Enter")
                await alice.page.keyboard.up("Enter")
            else:
                await button.dblclick()
            await expect(alice.alert, typed).to_contain_text("Never give yours to anyone.")
        await alice.page.wait_for_timeout(500)  # sooner, it may be the same press
        await alice.sees(*said)
        await send(typed, how)
        said.append(typed.strip())
        await alice.sees(*said)


async def test_rate_limits_and_an_unreachable_server_show_an_error(browser: Browser, tmp_path: Path) -> None:
    with Server(tmp_path, limit_register="1/hour") as server:
        await (await Peer.arrives(server)).leaves()
        bob = await Someone.arrives(browser, server, "bob")
        field, button = (
            bob.page.get_by_role("textbox", name="Username"),
            bob.page.get_by_role("button", name="Create account"),
        )
        await shows_on_submit(field, button, bob.alert, "bob", "Please wait")
        server.stop()
        await shows_on_submit(field, button, bob.alert, "bobby", "cannot be reached")


async def test_without_javascript_the_page_says_so_and_sends_nothing(browser: Browser, home: Home) -> None:
    nobody = await Someone.arrives(browser, home.server, "nobody", recorded=True, java_script_enabled=False)
    await expect(nobody.page.get_by_role("alert").first).to_contain_text("needs JavaScript")
    for role in ("textbox", "button"):
        await expect(nobody.page.get_by_role(role)).to_have_count(0)
    await nobody.page.goto(f"{home.server.url}/protection")  # text only
    await expect(nobody.page.get_by_role("heading", name="How private is this?")).to_be_visible()
    assert {line.split()[0] for line in nobody.traffic} == {"GET"}


async def test_over_plain_http_the_page_explains_why_and_disables_its_fields(browser: Browser, home: Home) -> None:
    page = await browser.new_page()
    await page.goto(f"http://chat.test:{home.server.port}/")
    await expect(page.get_by_role("alert")).to_contain_text("opened without encryption (http)")
    await expect(page.get_by_role("textbox", name="Username")).to_be_disabled()
    await expect(page.get_by_role("button", name="Log in")).to_be_disabled()


LISTENING = """
const { addEventListener } = globalThis;
globalThis.addEventListener = (name, ...more) => {
    addEventListener(name, ...more);
    if (name === "error") globalThis.isListening = true;
};"""


async def test_a_page_whose_scripts_were_blocked_is_reloaded_once(browser: Browser, home: Home) -> None:
    """As WebKit does if the entry script arrives before the rest of the head."""
    asked = []

    async def refuse_once(request: Paused) -> None:
        asked.append(request)
        await page.wait_for_function("() => globalThis.isListening")  # first.js has run, and not only arrived
        await (request.fails() if len(asked) == 1 else request.goes_on())

    page = await browser.new_page()
    await page.add_init_script(LISTENING)
    async with paused(page, "*/js/boot.js", refuse_once):
        await page.goto(home.server.url)
        await expect(page.get_by_role("textbox", name="Username")).to_be_enabled()
    assert len(asked) == 2


NAMES = [
    "jean-paul",
    "anna-lisa",
    "matthew1985",
    "christopher2001",
    "kate-smith-jones",
    "john_paul_jones",
    "team-blue-2",
    "x",
]


WITHOUT_ED25519 = """
const { generateKey } = SubtleCrypto.prototype;
SubtleCrypto.prototype.generateKey = async function (algorithm, ...more) {
    if ((algorithm.name ?? algorithm) === "Ed25519") throw new DOMException("Unrecognized name", "NotSupportedError");
    return generateKey.call(this, algorithm, ...more);
};"""


# Runs before the page's own code; a document cannot put elements there.
EXTENSION = """new MutationObserver((_, observer) => {
    if (!document.body) return;
    observer.disconnect();
    const made = (tag, values) => Object.assign(document.createElement(tag), values);
    document.head.append(made("meta", { name: "darkreader", content: "of an extension" }));
    document.head.after(made("div", { textContent: "of an extension" }));
    document.body.after(made("div", { textContent: "of an extension" }), "of an extension");
}).observe(document, { childList: true, subtree: true })"""


async def test_the_front_page_copes_with_calm_people_extensions_and_browsers_without_ed25519(
    browser: Browser, home: Home
) -> None:
    guest = await Someone.arrives(browser, home.server, "guest")
    page = guest.page
    await expect(page.get_by_role("textbox", name="Username")).to_be_enabled()  # the control

    # A username is not mistaken for a PIN.
    module = """import(document.querySelector("[src*=boot]").src.replace("boot", "keyboard"))"""
    mistaken = f"async (names) => {{ const M = await {module}; return names.filter((name) => M.isPinShaped(name)); }}"
    assert await page.evaluate(mistaken, ["ABCD-EFGH-J", *NAMES]) == ["ABCD-EFGH-J"]

    # Reduced motion turns off transitions.
    duration = "() => getComputedStyle(document.querySelector('button')).transitionDuration"
    assert await page.evaluate(duration) != "0s"
    await page.emulate_media(reduced_motion="reduce")
    assert await page.evaluate(duration) == "0s"

    # Without Ed25519, the page lists supported browsers and disables its fields.
    tab = await guest.context.new_page()
    await tab.add_init_script(WITHOUT_ED25519)
    await tab.goto(home.server.url)
    alert = tab.get_by_role("alert").first
    await expect(alert).to_contain_text("Use Chrome 137, Firefox 129, Safari 17.5, or a later version")
    for control in await tab.get_by_role("textbox").all() + await tab.get_by_role("button").all():
        await expect(control).to_be_disabled()
    await tab.close()

    # Nodes added by a browser extension are removed without a warning.
    await page.add_init_script(EXTENSION)
    await page.reload()
    await guest.creates_an_account()
    await expect(guest.alert).to_have_count(0)
    assert "of an extension" not in await page.content()


async def test_the_app_asks_this_server_alone_in_one_column_or_two_and_new_chat_opens_and_closes_by_click_or_key(
    browser: Browser, home: Home
) -> None:
    alice = await Someone.is_in(browser, home.server, "alice", recorded=True, **DESKTOP)
    bob, carol = await home.peer(), await home.peer()
    page, keys = alice.page, alice.page.keyboard
    button, panel = page.get_by_role("button", name="New chat"), page.get_by_role("dialog", name="New chat")
    field, start = [panel.get_by_role("textbox", name="Their Search PIN"), panel.get_by_role("button", name="Start")]
    mine = panel.get_by_test_id("my-search-pin")
    await expect(page.get_by_text("No conversations yet")).to_be_visible()
    for part in (field, start, mine):  # by itself, while the list is empty
        await expect(part).to_be_visible()
    await expect(field).not_to_be_focused()
    await button.click()  # to the field, since there is nothing else to see
    await expect(field).to_be_focused()
    await keys.type("half a P")
    await bob.starts_with(alice.search_pin)  # someone is faster: nothing moves away from under the hands
    await expect(alice.list.get_by_role("link", name=bob.name)).to_be_visible()
    await expect(field).to_be_focused()
    await keys.press("Escape")
    await expect(panel).to_be_hidden()
    await expect(button).to_be_focused()
    await expect(button).to_have_attribute("aria-expanded", "false")

    await page.reload()
    await expect(alice.list.get_by_role("link", name=bob.name)).to_be_visible()
    await expect(mine).to_be_hidden()
    await button.press("Enter")
    await expect(button).to_have_attribute("aria-expanded", "true")
    await expect(field).to_be_focused()
    await shows_on_submit(field, start, alice.alert, "hello", "25 letters")
    await button.click()
    await expect(panel).to_be_hidden()
    await button.click()
    await expect(field).to_have_value("hello")
    await field.fill(carol.search_pin)
    await keys.press("Enter")
    await expect(page.get_by_role("heading", name=carol.name)).to_be_visible()
    await expect(panel).to_be_hidden()
    await button.click()
    await expect(field).to_have_value("")
    await keys.press("Escape")

    # Two columns on a desktop, and one on a phone.
    for part in (
        button,
        page.get_by_role("link", name="Settings"),
        alice.list.get_by_role("link", name=carol.name),
        page.get_by_role("textbox", name="Message"),
        page.get_by_role("button", name="Send"),
        page.get_by_text("Say hello"),
    ):
        await expect(part).to_be_in_viewport()
    await page.set_viewport_size(PHONE["viewport"])
    await page.goto(home.server.url)
    await expect(alice.list.get_by_role("link", name=carol.name)).to_be_visible()
    await expect(page.get_by_role("log")).to_be_hidden()
    await alice.opens(carol.name)
    await expect(page.get_by_role("log")).to_be_visible()
    await expect(alice.list).to_be_hidden()
    await page.get_by_role("link", name="Back to your conversations").click()
    await expect(alice.list).to_be_visible()

    addresses = [line.split()[1] for line in alice.traffic if line.startswith(("GET", "POST"))]
    assert len(addresses) > 20
    ours = (home.server.url, "blob:" + home.server.url)
    assert [address for address in addresses if not address.startswith(ours)] == []
    assert await page.evaluate("() => document.fonts.ready.then(() => document.fonts.check('16px Inter'))")
    assert any("inter-latin" in address for address in addresses)
    assert alice.errors == []
