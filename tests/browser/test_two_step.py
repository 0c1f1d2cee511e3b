"""Two-step login in real browsers: in the settings, on the front page, and while the Login PIN is changed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from ezdms.views.assets import address_of
from tests.browser.home import Home
from tests.browser.test_page import DESKTOP, FORM, PHONE
from tests.support.access import serious_faults
from tests.support.hostile import Hostile
from tests.support.second_step import code_of, rewind_file, wrong_code
from tests.support.someone import Someone

ON = "This server says two-step login is on."
WRONG = "This code is wrong or too old"


async def secret_on(page: Page) -> str:
    """The secret that the settings show, in groups of four."""
    await expect(page.get_by_test_id("totp-secret")).to_have_text(re.compile("^([A-Z2-7]{4} ){7}[A-Z2-7]{4}$"))
    return (await page.get_by_test_id("totp-secret").inner_text()).replace(" ", "")


async def codes_on(page: Page) -> list[str]:
    """The recovery codes that the settings show."""
    await expect(page.get_by_test_id("recovery-codes")).not_to_be_empty()
    return (await page.get_by_test_id("recovery-codes").inner_text()).split("\n")


async def turns_on(someone: Someone) -> tuple[str, list[str]]:
    """Go through the settings. Returns the secret and the recovery codes."""
    page = someone.page
    await page.goto(f"{someone.server.url}/settings")
    await page.get_by_label("Your Login PIN, to turn it on").fill(someone.login_pin)
    await page.get_by_role("button", name="Turn on", exact=True).click()
    secret = await secret_on(page)
    await page.get_by_label("Code from your app", exact=True).fill(code_of(secret))
    await page.get_by_role("button", name="Confirm").click()
    codes = await codes_on(page)
    await page.get_by_label("Last 5 characters of the last recovery code").fill(codes[-1][-5:])
    await page.get_by_role("button", name="Continue").click()
    await expect(page.get_by_text(ON)).to_be_visible()
    rewind_file(someone.server.data_dir)
    return secret, codes


async def comes_with_pin(browser: Browser, someone: Someone, **options: Any) -> Someone:
    """The same person in another browser, which asks for the code now."""
    device = await Someone.arrives(browser, someone.server, someone.name, recorded=True, **options)
    device.login_pin, device.search_pin = someone.login_pin, someone.search_pin
    await presents_pin(device)
    return device


async def presents_pin(device: Someone) -> None:
    await device.page.get_by_label("Login PIN", exact=True).fill(device.login_pin)
    await device.page.get_by_role("button", name="Log in").click()
    await expect(device.page.get_by_role("button", name="Use a recovery code")).to_be_visible()


async def presents(page: Page, code: str) -> None:
    field = page.locator("log-in .way:not([hidden]) input")
    await field.fill(code)
    await page.get_by_role("button", name="Continue").click()


async def is_in(device: Someone) -> None:
    await expect(device.page.get_by_test_id("my-search-pin")).to_have_text(device.search_pin)


@pytest.mark.firefox_too
async def test_it_is_turned_on_with_a_code_and_asked_for_at_the_next_login(browser: Browser, home: Home) -> None:
    alice = await Someone.is_in(browser, home.server, "ada")
    secret, codes = await turns_on(alice)
    await expect(alice.page.get_by_text("These devices stay logged in")).to_be_visible()
    await expect(alice.page.locator(".device")).to_contain_text(["this device"])
    device = await comes_with_pin(browser, alice)
    field = device.page.get_by_label("Code", exact=True)
    await expect(field).to_be_focused()
    await expect(field).to_have_attribute("autocomplete", "one-time-code")
    await expect(field).to_have_attribute("inputmode", "numeric")
    for typed, said in (("12345", "A code has 6 digits."), (wrong_code(secret), WRONG)):
        await presents(device.page, typed)
        await expect(device.page.get_by_role("alert")).to_contain_text(said)
        await expect(field).to_have_value(typed)
    code = code_of(secret)
    await presents(device.page, f"{code[:3]} {code[3:]}")
    await is_in(device)
    await device.page.goto(f"{home.server.url}/settings")
    await expect(device.page.get_by_text("Recovery codes left: 10.")).to_be_visible()
    await expect(device.page.get_by_text("Devices that are trusted")).to_have_count(0)
    assert len(set(codes)) == 10
    assert [one for one in alice.errors + device.errors if "401" not in one] == []


async def test_neither_pin_nor_recovery_codes_leave_the_browser_until_one_is_used(browser: Browser, home: Home) -> None:
    alice = await Someone.is_in(browser, home.server, "ada", recorded=True)
    secret, codes = await turns_on(alice)
    device = await comes_with_pin(browser, alice)
    await presents(device.page, alice.login_pin)
    await expect(device.page.get_by_role("alert")).to_contain_text("A code has 6 digits.")
    await presents(device.page, code_of(secret))
    await is_in(device)
    sent = [one.upper().replace("-", "") for one in (*alice.traffic, *device.traffic)]
    assert [one for path in ("/SECOND_STEP_ON", "/LOGIN_SECOND") for one in sent if path in one]  # control
    for typed in (alice.login_pin, *codes):
        assert [one for one in sent if typed.replace("-", "") in one] == []


async def test_a_recovery_code_logs_in_once(browser: Browser, home: Home) -> None:
    alice = await Someone.is_in(browser, home.server, "ada")
    _, codes = await turns_on(alice)
    for number, typed in enumerate((codes[0].lower(), codes[0], codes[1])):
        device = await comes_with_pin(browser, alice)
        await device.page.get_by_role("button", name="Use a recovery code").click()
        field = device.page.get_by_label("Recovery code", exact=True)
        await expect(field).to_be_focused()
        await presents(device.page, typed)
        if number == 1:
            await expect(device.page.get_by_role("alert")).to_contain_text("already used")
            await expect(field).to_have_value(typed)
            await device.page.get_by_role("button", name="Use a code from the app").click()
            await expect(device.page.get_by_label("Code", exact=True)).to_be_focused()
            await expect(device.page.get_by_text("already used")).to_have_count(0)
        else:
            await is_in(device)
    await alice.page.reload()
    await expect(alice.page.get_by_text("Recovery codes left: 8.")).to_be_visible()


async def test_the_page_can_go_back_to_the_pin_and_keeps_nothing_that_was_typed(browser: Browser, home: Home) -> None:
    alice = await Someone.is_in(browser, home.server, "ada")
    await turns_on(alice)
    device = await comes_with_pin(browser, alice)
    await device.page.get_by_label("Code", exact=True).fill("123456")
    await device.page.get_by_role("button", name="Back").click()
    await expect(device.page.get_by_label("Login PIN", exact=True)).to_be_focused()
    await presents_pin(device)
    await expect(device.page.get_by_label("Code", exact=True)).to_have_value("")


async def test_a_code_that_comes_too_late_is_not_typed_again(browser: Browser, home: Home) -> None:
    """The page proves the PIN again by itself, once."""
    alice = await Someone.is_in(browser, home.server, "ada")
    secret, _ = await turns_on(alice)
    device = await comes_with_pin(browser, alice)
    await device.page.route(
        "**/login_second",
        lambda route: route.continue_(
            post_data=re.sub("challenge=[^&]*", "challenge=AAAA", route.request.post_data or "")
        ),
        times=1,
    )
    await presents(device.page, code_of(secret))
    await is_in(device)


async def test_after_five_wrong_codes_the_page_says_how_long_to_wait_and_a_recovery_code_still_logs_in(
    browser: Browser, home: Home
) -> None:
    alice = await Someone.is_in(browser, home.server, "ada")
    secret, codes = await turns_on(alice)
    device = await comes_with_pin(browser, alice)
    alert = device.page.get_by_role("alert")
    for _ in range(5):
        await presents(device.page, wrong_code(secret))
        await expect(alert).to_contain_text(WRONG)
    await presents(device.page, code_of(secret))
    await expect(alert).to_contain_text("Too many wrong codes. Wait 15 minutes, or use a recovery code.")
    await alice.page.goto(home.server.url)
    await is_in(alice)
    await device.page.get_by_role("button", name="Use a recovery code").click()
    await presents(device.page, codes[0])
    await is_in(device)


@pytest.mark.firefox_too
async def test_a_trusted_device_is_not_asked_again_until_its_session_is_ended_from_elsewhere(
    browser: Browser, home: Home
) -> None:
    alice = await Someone.is_in(browser, home.server, "ada")
    secret, _ = await turns_on(alice)
    device = await comes_with_pin(browser, alice)
    trust = device.page.get_by_label("Trust this device for 30 days")
    await expect(trust).not_to_be_checked()
    await trust.check()
    await presents(device.page, code_of(secret))
    await is_in(device)
    await device.logs_out()
    await device.logs_in()  # with the PIN alone
    await alice.page.reload()
    await expect(alice.page.get_by_text("Devices that are trusted and not asked for a code: 1.")).to_be_visible()
    await alice.page.goto(f"{home.server.url}/sessions")
    await alice.page.get_by_role("button", name="Log out all others").click()
    await expect(device.page.get_by_text("This device was logged out from another device.")).to_be_visible()
    await presents_pin(device)


async def test_recovery_codes_are_shown_once_and_only_saved_ones_are_accepted(browser: Browser, home: Home) -> None:
    alice = await Someone.is_in(browser, home.server, "ada")
    await alice.context.grant_permissions(["clipboard-read", "clipboard-write"])
    _, codes = await turns_on(alice)
    page = alice.page
    assert [code for code in codes if code in await page.content()] == []
    await page.get_by_role("button", name="New recovery codes").click()
    renew = page.locator("two-step .renew")
    await renew.get_by_label("Your Login PIN").fill(alice.login_pin)
    await renew.get_by_label("Code from your app, or a recovery code").fill(codes[0])
    await renew.get_by_role("button", name="Make new recovery codes").click()
    new = await codes_on(page)
    assert len({*new, *codes}) == 20
    await page.get_by_role("button", name="Copy the recovery codes").click()
    await expect(page.get_by_text("Copied")).to_be_visible()
    assert (await page.evaluate("() => navigator.clipboard.readText()")).split("\n") == new
    async with page.expect_download() as download:
        await page.get_by_role("link", name="Download").click()
    file = Path(await (await download.value).path()).read_text("utf-8")
    assert [code for code in new if code not in file] == []
    await page.emulate_media(media="print")
    await expect(page.get_by_text(new[9])).to_be_visible()
    for other in ("Appearance", "Last 5 characters of the last recovery code", "Log out"):
        await expect(page.get_by_text(other, exact=True).first).to_be_hidden()
    await page.emulate_media(media="screen")
    proof = page.get_by_label("Last 5 characters of the last recovery code")
    for typed in ("", new[0][-5:], "UUUUU"):
        await proof.fill(typed)
        await page.get_by_role("button", name="Continue").click()
        await expect(alice.alert).to_contain_text("This is not how the last recovery code ends.")
        await expect(proof).to_have_value(typed)
    await proof.fill(new[-1].lower())
    await page.get_by_role("button", name="Continue").click()
    await expect(page.get_by_text("Recovery codes left: 10.")).to_be_visible()
    device = await comes_with_pin(browser, alice)
    await device.page.get_by_role("button", name="Use a recovery code").click()
    await presents(device.page, codes[1])
    await expect(device.page.get_by_role("alert")).to_contain_text("already used")
    await presents(device.page, new[0])
    await is_in(device)


@pytest.mark.firefox_too
async def test_turning_it_off_takes_pin_and_code(browser: Browser, home: Home) -> None:
    alice = await Someone.is_in(browser, home.server, "ada")
    secret, _ = await turns_on(alice)
    page, form = alice.page, alice.page.locator("two-step .quit")
    await page.get_by_role("button", name="Turn off").click()
    pin, code = form.get_by_label("Your Login PIN"), form.get_by_label("Code from your app, or a recovery code")
    await expect(pin).to_be_focused()
    for typed_pin, typed_code, said in (
        ("K7QW-3MTX-9RBC-5HJD", code_of(secret), "This is not your Login PIN."),
        (alice.login_pin, "", "A code has 6 digits."),
        (alice.login_pin, wrong_code(secret), WRONG),
    ):
        await pin.fill(typed_pin)
        await code.fill(typed_code)
        await form.get_by_role("button", name="Turn off two-step login").click()
        await expect(form.get_by_role("alert")).to_contain_text(said)
        await expect(code).to_have_value(typed_code)
    await code.fill(code_of(secret))
    await form.get_by_role("button", name="Turn off two-step login").click()
    await expect(page.get_by_text("Two-step login is off.")).to_be_visible()
    await expect(page.get_by_label("Your Login PIN, to turn it on")).to_have_value("")
    await alice.logs_out()
    await alice.logs_in()


async def test_nothing_is_on_until_the_code_is_right(browser: Browser, home: Home) -> None:
    alice = await Someone.is_in(browser, home.server, "ada")
    page = alice.page
    await page.goto(f"{home.server.url}/settings")
    await expect(page.get_by_text("Two-step login is off.")).to_be_visible()
    assert await page.evaluate("() => document.activeElement === document.body")  # nobody asked for the field
    pin = page.get_by_label("Your Login PIN, to turn it on")
    await pin.fill("K7QW-3MTX-9RBC-5HJD")
    await page.get_by_role("button", name="Turn on", exact=True).click()
    await expect(page.locator("two-step .off [role=alert]")).to_contain_text("This is not your Login PIN.")
    await pin.fill(alice.login_pin)
    await page.get_by_role("button", name="Turn on", exact=True).click()
    secret = await secret_on(page)
    field = page.get_by_label("Code from your app", exact=True)
    await expect(field).to_be_focused()
    await field.fill(wrong_code(secret))
    await page.get_by_role("button", name="Confirm").click()
    await expect(page.locator("two-step .setup [role=alert]")).to_contain_text(WRONG)
    assert (
        Hostile(home.server).run("SELECT COUNT(*) FROM second_steps WHERE turned_on_at IS NOT NULL")[0][0]
        == (Hostile(home.server).run("SELECT COUNT(DISTINCT user_id) FROM recovery_codes")[0][0])
    )
    await page.get_by_role("button", name="Cancel").click()
    await expect(page.get_by_test_id("totp-secret")).to_be_hidden()
    await alice.logs_out()
    await alice.logs_in()


# The QR code, drawn again from the text that it must have: both as black and white cells.
SAME_QR = """async ([dom, text]) => {
    const { drawQr } = await import(dom);
    const canvas = document.createElement("canvas");
    drawQr(canvas, text);
    const shown = document.querySelector("two-step canvas");
    return canvas.toDataURL() === shown.toDataURL() && shown.width > 20;
}"""


async def test_the_qr_code_has_the_secret_for_an_app(browser: Browser, home: Home) -> None:
    alice = await Someone.is_in(browser, home.server, "ada", recorded=True)
    page = alice.page
    await page.goto(f"{home.server.url}/settings")
    await page.get_by_label("Your Login PIN, to turn it on").fill(alice.login_pin)
    await page.get_by_role("button", name="Turn on", exact=True).click()
    secret = await secret_on(page)
    uri = f"otpauth://totp/EZ-DMS%20127.0.0.1:ada?secret={secret}&issuer=EZ-DMS%20127.0.0.1"
    assert await page.evaluate(SAME_QR, [address_of("js/dom.js"), uri])
    assert not await page.evaluate(SAME_QR, [address_of("js/dom.js"), uri + "x"])
    assert [one for one in alice.addresses if secret in one] == []


async def test_answers_that_were_lost_leave_nobody_outside(browser: Browser, home: Home) -> None:
    """Turned on, but the recovery codes never arrived: the page says so, and makes new ones."""
    alice = await Someone.is_in(browser, home.server, "ada")
    page = alice.page
    await page.goto(f"{home.server.url}/settings")
    await page.get_by_label("Your Login PIN, to turn it on").fill(alice.login_pin)
    await page.get_by_role("button", name="Turn on", exact=True).click()
    secret = await secret_on(page)

    async def lose(route: object) -> None:
        await route.fetch()  # type: ignore[attr-defined]
        await route.abort()  # type: ignore[attr-defined]

    await page.route("**/second_step_on", lose, times=1)
    await page.get_by_label("Code from your app", exact=True).fill(code_of(secret))
    await page.get_by_role("button", name="Confirm").click()
    await expect(page.locator("two-step .setup [role=alert]")).to_contain_text("cannot be reached")
    await page.get_by_role("button", name="Confirm").click()
    await expect(page.get_by_text("your recovery codes were lost on the way")).to_be_visible()
    await expect(page.get_by_role("button", name="New recovery codes")).to_be_visible()


async def test_the_login_pin_can_be_changed_with_a_code(browser: Browser, home: Home) -> None:
    alice = await Someone.is_in(browser, home.server, "ada")
    secret, _ = await turns_on(alice)
    page = alice.page
    await page.goto(f"{home.server.url}/account")
    await page.get_by_label("Current Login PIN").fill(alice.login_pin)
    field = page.get_by_label("Code from your app, or a recovery code")
    await expect(field).to_be_hidden()
    await page.get_by_role("button", name="Make a new Login PIN").click()
    await expect(page.get_by_role("alert")).to_contain_text("Two-step login is on.")
    await expect(field).to_be_focused()
    await field.fill(wrong_code(secret))
    await page.get_by_role("button", name="Make a new Login PIN").click()
    await expect(page.get_by_role("alert")).to_contain_text(WRONG)
    await field.fill(code_of(secret))
    await page.get_by_role("button", name="Make a new Login PIN").click()
    await expect(page.get_by_test_id("login-pin")).not_to_be_empty()
    new = await page.get_by_test_id("login-pin").inner_text()
    await page.get_by_label("Last 4 characters of your new Login PIN").fill(new[-4:])
    await page.get_by_role("button", name="Use the new Login PIN").click()
    await expect(page.get_by_text("Your new Login PIN is in use.")).to_be_visible()
    alice.login_pin = new
    rewind_file(home.server.data_dir)
    device = await comes_with_pin(browser, alice)
    await presents(device.page, code_of(secret))
    await is_in(device)


async def test_a_password_manager_gets_no_code(browser: Browser, home: Home) -> None:
    alice = await Someone.is_in(browser, home.server, "ada")
    secret, _ = await turns_on(alice)
    device = await comes_with_pin(browser, alice)
    await device.page.get_by_label("Code", exact=True).fill(code_of(secret))
    assert await device.page.locator("log-in form").last.evaluate(FORM) == [
        ["one-time-code", "text", "", ""],
        ["off", "text", "", ""],
        ["", "checkbox", "", ""],
    ]


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_state_is_accessible_and_fits(
    browser: Browser, home: Home, size: dict[str, Any], scheme: str
) -> None:
    look: dict[str, Any] = {**size, "color_scheme": scheme}
    alice = await Someone.is_in(browser, home.server, "ada", **look)
    page = alice.page

    async def looks_well(what: str, page: Page) -> None:
        assert await serious_faults(page) == [], what
        assert await page.evaluate("() => document.documentElement.scrollWidth <= innerWidth"), what

    await page.goto(f"{home.server.url}/settings")
    await page.get_by_label("Your Login PIN, to turn it on").fill(alice.login_pin)
    await looks_well("off", page)
    await page.get_by_role("button", name="Turn on", exact=True).click()
    secret = await secret_on(page)
    await looks_well("setup", page)
    await page.get_by_label("Code from your app", exact=True).fill(code_of(secret))
    await page.get_by_role("button", name="Confirm").click()
    codes = await codes_on(page)
    await looks_well("codes", page)
    await page.get_by_label("Last 5 characters of the last recovery code").fill(codes[-1][-5:])
    await page.get_by_role("button", name="Continue").click()
    await expect(page.locator(".device")).to_be_visible()
    await looks_well("on", page)
    await page.get_by_role("button", name="Turn off").click()
    await looks_well("quit", page)
    device = await comes_with_pin(browser, alice, **look)
    await presents(device.page, "12")
    await looks_well("code", device.page)
    await device.page.get_by_role("button", name="Use a recovery code").click()
    await looks_well("recovery", device.page)


async def test_a_server_that_skips_the_code_lets_the_pin_decide_and_the_page_claims_nothing_else(
    browser: Browser, home: Home
) -> None:
    alice = await Someone.is_in(browser, home.server, "ada")
    await turns_on(alice)
    Hostile(home.server).run("UPDATE second_steps SET turned_on_at = NULL")
    await alice.logs_out()
    await alice.logs_in()
    await alice.page.goto(f"{home.server.url}/settings")
    await expect(alice.page.get_by_text("Two-step login is off.")).to_be_visible()
    await expect(alice.page.get_by_text("a server could skip it")).to_be_visible()
