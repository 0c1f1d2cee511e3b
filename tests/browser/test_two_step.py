"""Two-step login in real browsers: in the settings, on the front page, and while the Login PIN is changed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest_asyncio
from playwright.async_api import Browser, Page, Route, expect

from ezdms.views.assets import address_of
from tests.browser.home import Home
from tests.browser.test_page import DESKTOP, FORM, PHONE
from tests.support.access import serious_faults
from tests.support.hostile import Hostile
from tests.support.second_step import code_of, rewind_file, wrong_code
from tests.support.someone import Someone

ON = "This server says two-step login is on."
WRONG = "This code is wrong or too old"
NOT_MINE = "K7QW-3MTX-9RBC-5HJD"  # a Login PIN


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


async def comes_with_pin(home: Home, someone: Someone) -> Someone:
    """The same person in another browser, which asks for the code now."""
    if "device" not in home.people:
        home.people["device"] = await Someone.arrives(home.browser, home.server, someone.name, recorded=True)
    else:
        await home.people["device"].context.clear_cookies()
        await home.people["device"].page.goto(home.server.url)
        home.people["device"].forgets_the_past()
    device = home.people["device"]
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


async def looks_well(page: Page, what: str, part: str) -> None:
    """Axe finds no fault in this part, and nothing is wider than the screen, on a phone and on a desktop, light and
    dark."""
    await page.emulate_media(reduced_motion="reduce")  # colors change at once
    for size, scheme in ((PHONE, "light"), (PHONE, "dark"), (DESKTOP, "dark"), (DESKTOP, "light")):
        await page.set_viewport_size(size["viewport"])
        await page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        if (size, scheme) in ((PHONE, "dark"), (DESKTOP, "light")):
            assert await serious_faults(page, part=part) == [], what
        assert await page.evaluate("() => document.documentElement.scrollWidth <= innerWidth"), what


@dataclass
class Owner:
    """Somebody with two-step login, at its settings."""

    alice: Someone
    secret: str
    codes: list[str]  # that were not used

    @property
    def page(self) -> Page:
        return self.alice.page


_owners: dict[Home, Owner] = {}


@pytest_asyncio.fixture(loop_scope="session")
async def ada(browser: Browser, home: Home) -> Someone:
    """The same for all tests of this file."""
    if "ada" not in home.people:
        home.people["ada"] = await Someone.is_in(browser, home.server, "ada", recorded=True)
    return home.people["ada"]


@pytest_asyncio.fixture(loop_scope="session")
async def without(home: Home, ada: Someone) -> Someone:
    """Ada, whose two-step login is off."""
    _owners.pop(home, None)
    for table in ("recovery_codes", "second_steps"):
        Hostile(home.server).run(f"DELETE FROM {table}")  # noqa: S608
    return ada


@pytest_asyncio.fixture(loop_scope="session")
async def owner(home: Home, ada: Someone) -> Owner:
    """Ada, who has turned it on; what an app shows can be entered again."""
    if home not in _owners:
        ada.errors.clear()
        _owners[home] = Owner(ada, *await turns_on(ada))
        await expect(ada.page.get_by_text("These devices stay logged in")).to_be_visible()
        await expect(ada.page.locator(".device")).to_contain_text(["this device"])
        await looks_well(ada.page, "on", "two-step")
    else:
        rewind_file(home.server.data_dir)
        await _owners[home].page.goto(f"{home.server.url}/settings")
    await expect(_owners[home].page.get_by_text(ON)).to_be_visible()
    return _owners[home]


def leave_only(sent: list[str], *codes: str) -> None:
    """Of these PINs and codes, nothing was sent."""
    traffic = [one.upper().replace("-", "") for one in sent]
    assert [one for path in ("/SECOND_STEP_ON", "/LOGIN_SECOND") for one in traffic if path in one]  # control
    for typed in codes:
        assert [one for one in traffic if typed.replace("-", "") in one] == []


# The QR code, drawn again from the text that it must have: both as black and white cells.
SAME_QR = """async ([dom, text]) => {
    const { drawQr } = await import(dom);
    const canvas = document.createElement("canvas");
    drawQr(canvas, text);
    const shown = document.querySelector("two-step canvas");
    return canvas.toDataURL() === shown.toDataURL() && shown.width > 20;
}"""


async def test_it_is_off_until_a_code_is_right_and_answers_or_a_server_that_fail_leave_nobody_outside(
    home: Home, without: Someone
) -> None:
    alice, page = without, without.page
    await page.goto(f"{home.server.url}/settings")
    await expect(page.get_by_text("Two-step login is off.")).to_be_visible()
    assert await page.evaluate("() => document.activeElement === document.body")  # nobody asked for the field
    await looks_well(page, "off", "two-step")
    pin = page.get_by_label("Your Login PIN, to turn it on")
    await pin.fill(NOT_MINE)
    await page.get_by_role("button", name="Turn on", exact=True).click()
    await expect(page.locator("two-step .off [role=alert]")).to_contain_text("This is not your Login PIN.")
    await pin.fill(alice.login_pin)
    await page.get_by_role("button", name="Turn on", exact=True).click()
    secret = await secret_on(page)
    uri = f"otpauth://totp/EZ-DMS%20127.0.0.1:ada?secret={secret}&issuer=EZ-DMS%20127.0.0.1"
    assert await page.evaluate(SAME_QR, [address_of("js/dom.js"), uri])
    assert not await page.evaluate(SAME_QR, [address_of("js/dom.js"), uri + "x"])
    assert [one for one in alice.addresses if secret in one] == []
    field = page.get_by_label("Code from your app", exact=True)
    await expect(field).to_be_focused()
    await field.fill(wrong_code(secret))
    await page.get_by_role("button", name="Confirm").click()
    await expect(page.locator("two-step .setup [role=alert]")).to_contain_text(WRONG)
    await looks_well(page, "setup", "two-step")
    mine = "FROM second_steps JOIN users USING (user_id) WHERE username = 'ada' AND turned_on_at IS NOT NULL"
    assert Hostile(home.server).run(f"SELECT user_id {mine}") == []
    codes = "SELECT user_id FROM recovery_codes JOIN users USING (user_id) WHERE username = 'ada'"
    assert Hostile(home.server).run(codes) == []
    await page.get_by_role("button", name="Cancel").click()
    await expect(page.get_by_test_id("totp-secret")).to_be_hidden()
    await alice.logs_out()
    await alice.logs_in()

    # Turned on, but the recovery codes never arrive: the page says so, and makes new ones.
    await page.goto(f"{home.server.url}/settings")
    await pin.fill(alice.login_pin)
    await page.get_by_role("button", name="Turn on", exact=True).click()
    secret = await secret_on(page)

    async def lose(route: Route) -> None:
        await route.fetch()
        await route.abort()

    await page.route("**/second_step_on", lose, times=1)
    await field.fill(code_of(secret))
    await page.get_by_role("button", name="Confirm").click()
    await expect(page.locator("two-step .setup [role=alert]")).to_contain_text("cannot be reached")
    await page.get_by_role("button", name="Confirm").click()
    await expect(page.get_by_text("your recovery codes were lost on the way")).to_be_visible()
    await expect(page.get_by_role("button", name="New recovery codes")).to_be_visible()
    assert len(Hostile(home.server).run(f"SELECT user_id {mine}")) == 1

    # A server that skips the code lets the PIN decide, and the page claims nothing else.
    Hostile(home.server).run("UPDATE second_steps SET turned_on_at = NULL")
    await alice.logs_out()
    await alice.logs_in()
    await page.goto(f"{home.server.url}/settings")
    await expect(page.get_by_text("Two-step login is off.")).to_be_visible()
    await expect(page.get_by_text("a server could skip it")).to_be_visible()


async def test_the_next_login_takes_a_code_unless_its_device_is_trusted_and_that_ends_from_elsewhere(
    home: Home, owner: Owner
) -> None:
    alice, secret = owner.alice, owner.secret
    device = await comes_with_pin(home, alice)
    page, alert = device.page, device.page.get_by_role("alert")
    field, trust = page.get_by_label("Code", exact=True), page.get_by_label("Trust this device for 30 days")
    await expect(field).to_be_focused()
    await expect(field).to_have_attribute("autocomplete", "one-time-code")
    await expect(field).to_have_attribute("inputmode", "numeric")
    for typed, said in (
        ("12345", "A code has 6 digits."),
        (alice.login_pin, "A code has 6 digits."),
        (wrong_code(secret), WRONG),
    ):
        await presents(page, typed)
        await expect(alert).to_contain_text(said)
        await expect(field).to_have_value(typed)
    await looks_well(page, "code", "log-in")

    # Back to the PIN, and nothing is kept of what was typed; a password manager gets nothing of it either.
    await field.fill(code_of(secret))
    assert await page.locator("log-in form").last.evaluate(FORM) == [
        ["one-time-code", "text", "", ""],
        ["off", "text", "", ""],
        ["", "checkbox", "", ""],
    ]
    await page.get_by_role("button", name="Back").click()
    await expect(page.get_by_label("Login PIN", exact=True)).to_be_focused()
    await presents_pin(device)
    await expect(field).to_have_value("")

    # If the code comes too late, the page proves the PIN again by itself, once.
    late: list[str] = []

    async def comes_late(route: Route) -> None:
        late.append(route.request.post_data or "")
        await route.continue_(post_data=re.sub("challenge=[^&]*", "challenge=AAAA", late[0]))

    await page.route("**/login_second", comes_late, times=1)
    code = code_of(secret)
    await presents(page, f"{code[:3]} {code[3:]}")
    await is_in(device)
    assert len(late) == 1
    await page.goto(f"{home.server.url}/settings")
    await expect(page.get_by_text(f"Recovery codes left: {len(owner.codes)}.")).to_be_visible()
    await expect(page.get_by_text("Devices that are trusted")).to_have_count(0)

    # Trusted from the next login on: after that, the PIN alone is enough.
    rewind_file(home.server.data_dir)
    await device.logs_out()
    await presents_pin(device)
    await expect(trust).not_to_be_checked()
    await trust.check()
    await presents(page, code_of(secret))
    await is_in(device)
    await device.logs_out()
    await device.logs_in()
    await alice.page.reload()
    await expect(alice.page.get_by_text("Devices that are trusted and not asked for a code: 1.")).to_be_visible()
    await alice.page.goto(f"{home.server.url}/sessions")
    await alice.page.get_by_role("button", name="Log out all others").click()
    await expect(page.get_by_text("This device was logged out from another device.")).to_be_visible()
    await presents_pin(device)

    assert [one for one in alice.errors + device.errors if "401" not in one] == []
    leave_only([*alice.traffic, *device.traffic], alice.login_pin, *owner.codes)


async def test_recovery_codes_are_shown_once_and_each_logs_in_once_even_after_five_wrong_codes(
    home: Home, owner: Owner
) -> None:
    alice, page, old = owner.alice, owner.page, owner.codes
    assert len(set(old)) == 10
    device = await comes_with_pin(home, alice)
    alert = device.page.get_by_role("alert")
    to_recovery = device.page.get_by_role("button", name="Use a recovery code")
    field = device.page.get_by_label("Recovery code", exact=True)
    await to_recovery.click()
    await expect(field).to_be_focused()
    await looks_well(device.page, "recovery", "log-in")
    await presents(device.page, old[0].lower())
    await is_in(device)
    await device.logs_out()
    await presents_pin(device)
    await to_recovery.click()
    await presents(device.page, old[0])
    await expect(alert).to_contain_text("already used")
    await expect(field).to_have_value(old[0])
    await device.page.get_by_role("button", name="Use a code from the app").click()
    await expect(device.page.get_by_label("Code", exact=True)).to_be_focused()
    await expect(device.page.get_by_text("already used")).to_have_count(0)

    # New ones replace them, once they are saved.
    await alice.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await page.reload()
    await expect(page.get_by_text("Recovery codes left: 9.")).to_be_visible()
    assert [code for code in old if code in await page.content()] == []
    await page.get_by_role("button", name="New recovery codes").click()
    renew = page.locator("two-step .renew")
    await renew.get_by_label("Your Login PIN").fill(alice.login_pin)
    await renew.get_by_label("Code from your app, or a recovery code").fill(old[1])
    await renew.get_by_role("button", name="Make new recovery codes").click()
    new = owner.codes = await codes_on(page)
    assert len({*new, *old}) == 20
    await looks_well(page, "codes", "two-step")
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

    # Too many wrong codes stop the app's codes, but neither other sessions nor recovery codes.
    for _ in range(5):
        await presents(device.page, wrong_code(owner.secret))
        await expect(alert).to_contain_text(WRONG)
    await presents(device.page, code_of(owner.secret))
    await expect(alert).to_contain_text("Too many wrong codes. Wait 15 minutes, or use a recovery code.")
    await page.goto(home.server.url)
    await is_in(alice)
    await to_recovery.click()
    await presents(device.page, old[2])
    await expect(alert).to_contain_text("already used")
    await presents(device.page, new[0])
    await is_in(device)
    owner.codes = new[1:]
    leave_only([*alice.traffic, *device.traffic], alice.login_pin, *old[3:], *owner.codes)


async def test_the_login_pin_is_changed_and_two_step_login_turned_off_with_pin_and_code(
    home: Home, owner: Owner
) -> None:
    alice, page, secret = owner.alice, owner.page, owner.secret
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
    await alice.logs_out()
    await presents_pin(alice)
    await presents(page, code_of(secret))
    await is_in(alice)

    rewind_file(home.server.data_dir)
    await page.goto(f"{home.server.url}/settings")
    form = page.locator("two-step .quit")
    await page.get_by_role("button", name="Turn off").click()
    pin, code = form.get_by_label("Your Login PIN"), form.get_by_label("Code from your app, or a recovery code")
    await expect(pin).to_be_focused()
    await looks_well(page, "quit", "two-step")
    for typed_pin, typed_code, said in (
        (NOT_MINE, code_of(secret), "This is not your Login PIN."),
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
    del _owners[home]
    await alice.logs_out()
    await alice.logs_in()
