"""Verifying a contact by Search PIN, safety number or scanned code, and never by the server's word."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Browser, Page, Route, expect

from ezdms.protocol.encoding import b64u_decode
from ezdms.protocol.envelope import parse_statement, search_pin
from tests.conftest import CHROMIUM, CHROMIUM_FLAGS, Server
from tests.support.hostile import Hostile
from tests.support.someone import Someone

# Debian's Chromium has no BarcodeDetector. This one "sees" what the test puts in front of the camera.
DETECTOR = """
globalThis.BarcodeDetector = class {
  async detect() { return globalThis.inSight ? [{ rawValue: globalThis.inSight }] : []; }
};
"""

# It cannot share either, as phones can.
SHARING = """
navigator.canShare = () => true;
navigator.share = async (letter) => { globalThis.shared = letter; };
"""


async def ask_who(someone: Someone) -> Page:
    """Open the verification panel."""
    await someone.page.locator(".trust").click()
    await expect(someone.page.get_by_test_id("safety-number")).not_to_be_empty()
    return someone.page


@pytest.mark.firefox_too
async def test_the_recipient_can_verify_the_sender_by_search_pin(
    browser: Browser, server: Server, pair: tuple[Someone, Someone]
) -> None:
    alice, bob = pair
    eve = await Someone.is_in(browser, server, "eve")
    await expect(alice.page.get_by_role("button", name="Verified by Search PIN")).to_be_visible()
    page = await ask_who(bob)
    field = page.get_by_label("The PIN they gave you")
    for typed, words in (
        (eve.search_pin, "belongs to someone other"),
        (bob.search_pin, "your own Search PIN"),
        (bob.login_pin, "looks like a Login PIN"),
        ("nonsense", "25 letters and digits"),
    ):
        await field.fill(typed)
        await page.get_by_role("button", name="Check").click()
        await expect(bob.alert).to_contain_text(words)
        await expect(field).to_have_value(typed)
        await expect(page.get_by_role("button", name="Not verified")).to_be_visible()
    await field.fill(alice.search_pin.lower().replace("-", " "))
    await page.get_by_role("button", name="Check").click()
    await expect(page.get_by_role("button", name="Verified by Search PIN")).to_be_visible()
    await page.reload()
    await expect(page.get_by_role("button", name="Verified by Search PIN")).to_be_visible()


@pytest.mark.firefox_too
async def test_the_safety_number_is_the_same_on_both_sides_and_can_be_confirmed(
    browser: Browser, server: Server, pair: tuple[Someone, Someone]
) -> None:
    alice, bob = pair
    numbers = []
    for someone in pair:
        page = await ask_who(someone)
        numbers.append(await page.get_by_test_id("safety-number").inner_text())
    assert numbers[0] == numbers[1]
    assert re.fullmatch(r"[0-9]{5}( [0-9]{5}){11}", numbers[0])
    assert await bob.page.locator("canvas.qr").evaluate("canvas => canvas.width") > 20
    await bob.page.get_by_role("button", name="They are the same").click()
    await expect(bob.page.get_by_role("button", name="Verified by safety number")).to_be_focused()
    device = await bob.on_another_device(browser)
    await device.opens("alice")
    await expect(device.page.get_by_role("button", name="Verified by safety number")).to_be_visible()

    eve = await Someone.is_in(browser, server, "eve")
    await alice.page.goto(server.url)
    await alice.starts_with(eve.search_pin)
    page = await ask_who(alice)
    assert await page.get_by_test_id("safety-number").inner_text() != numbers[0]


async def test_a_search_pin_does_not_downgrade_a_safety_number_verification(pair: tuple[Someone, Someone]) -> None:
    alice, bob = pair
    page = await ask_who(bob)
    await page.get_by_role("button", name="They are the same").click()
    verified = page.get_by_role("button", name="Verified by safety number")
    await expect(verified).to_be_focused()
    await ask_who(bob)
    await page.get_by_label("The PIN they gave you").fill(alice.search_pin)
    await page.get_by_role("button", name="Check").click()
    await expect(page.get_by_role("region", name="Who is this?")).to_be_hidden()
    await expect(verified).to_be_visible()
    await page.reload()
    await expect(verified).to_be_visible()


@pytest.mark.firefox_too
async def test_the_panel_opens_and_closes_by_keyboard_and_restores_focus(pair: tuple[Someone, Someone]) -> None:
    _, bob = pair
    trust = bob.page.locator(".trust")
    await expect(trust).to_be_enabled()
    await trust.focus()
    await bob.page.keyboard.press("Enter")
    await expect(bob.page.get_by_role("heading", name="Who is this?")).to_be_focused()
    await expect(trust).to_have_attribute("aria-expanded", "true")
    await bob.page.keyboard.press("Escape")
    await expect(bob.page.get_by_role("region", name="Who is this?")).to_have_count(0)
    await expect(trust).to_be_focused()
    await expect(trust).to_have_attribute("aria-expanded", "false")


async def test_scanning_the_right_code_verifies_and_a_wrong_code_warns(server: Server) -> None:
    from playwright.async_api import async_playwright

    camera = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=[*CHROMIUM_FLAGS, *camera])
        alice, bob = [await Someone.is_in(browser, server, name) for name in ("alice", "bob")]
        await alice.starts_with(bob.search_pin)
        await bob.context.add_init_script(DETECTOR)
        await bob.page.reload()
        await bob.opens("alice")
        page = await ask_who(bob)
        scan = page.get_by_role("button", name="Scan their code")
        for code, words in (
            ("https://example.org", "not an EZ-DMS code"),
            ("ezdms1:" + "A" * 86, "belongs to another conversation"),
        ):
            await page.evaluate("code => { globalThis.inSight = code; }", code)
            await scan.click()
            await expect(bob.alert).to_contain_text(words)
            await expect(page.get_by_role("button", name="Not verified")).to_be_visible()
            await expect(page.get_by_label("Camera")).to_be_hidden()
        await page.evaluate("() => { globalThis.inSight = ''; }")
        await scan.click()
        await expect(page.get_by_label("Camera")).to_be_visible()
        shown = await page.evaluate(
            """async () => {
                const { safetyQr } = await import(document.querySelector("[src*=boot]").src.replace("boot", "crypto"));
                const { me, partner } = await document.querySelector("message-thread").ready;
                return safetyQr(me.fp, partner.fp);
            }"""
        )
        await page.evaluate("code => { globalThis.inSight = code; }", shown)
        await expect(page.get_by_role("button", name="Verified by safety number")).to_be_visible()
        await browser.close()


async def test_an_add_link_fills_the_field_and_the_server_never_sees_the_pin(browser: Browser, server: Server) -> None:
    alice, bob = await Someone.is_in(browser, server, "alice"), await Someone.arrives(browser, server, "bob")
    await alice.context.add_init_script(SHARING)
    await alice.page.get_by_role("link", name="QR code and link").click()
    link = f"{server.url}/#add={alice.search_pin}"
    await expect(alice.page.locator("code")).to_have_text(link)
    await expect(alice.page.locator("canvas.qr")).to_be_visible()
    assert await alice.page.locator("canvas.qr").evaluate("canvas => canvas.width") > 20
    await alice.page.get_by_role("button", name="Share…").click()
    assert await alice.page.evaluate("() => globalThis.shared.url") == link
    await bob.page.goto("about:blank")
    await bob.page.goto(link)
    await expect(bob.page.get_by_text("Someone shared their Search PIN with you")).to_be_visible()
    assert bob.page.url == f"{server.url}/"
    await bob.creates_an_account()
    await expect(bob.page.get_by_role("textbox", name="Search PIN")).to_have_value(alice.search_pin)
    assert not [one for one in bob.traffic if alice.search_pin in one]
    await bob.page.get_by_role("button", name="Start").click()
    trust = bob.page.get_by_role("button", name="Not verified: added by link")  # anyone could have made the link
    await expect(trust).to_be_visible()
    assert [one for one in bob.traffic if alice.search_pin in one]  # control: now it was requested
    await bob.page.reload()
    await trust.click()
    await expect(bob.page.get_by_text("The link’s author chose the person")).to_be_visible()
    await bob.page.get_by_role("button", name="They gave me the link themselves").click()
    await expect(bob.page.get_by_role("button", name="Verified by Search PIN")).to_be_visible()


async def test_a_typed_search_pin_does_not_count_as_added_by_link(browser: Browser, server: Server) -> None:
    alice, bob, eve = [await Someone.is_in(browser, server, name) for name in ("alice", "bob", "eve")]
    await bob.page.goto("about:blank")
    await bob.page.goto(f"{server.url}/#add={eve.search_pin}")
    field = bob.page.get_by_role("textbox", name="Search PIN")
    await expect(field).to_have_value(eve.search_pin)
    await field.clear()
    await bob.starts_with(alice.search_pin)  # "Verified by Search PIN"


async def test_a_link_stores_no_more_than_the_length_of_a_pin(browser: Browser, server: Server) -> None:
    bob = await Someone.is_in(browser, server, "bob")
    await bob.page.goto("about:blank")
    await bob.page.goto(f"{server.url}/#add={'7' * 1000}")
    await expect(bob.page.get_by_role("textbox", name="Search PIN")).to_have_value("7" * 64)


@pytest.mark.parametrize("places", [[0], [-1], [12, 13]], ids=["first", "last", "middle"])
async def test_correcting_letters_of_a_linked_search_pin_does_not_make_it_typed(
    browser: Browser, server: Server, places: list[int]
) -> None:
    """The link's author still chose the person."""
    alice, bob = [await Someone.is_in(browser, server, name) for name in ("alice", "bob")]
    letters = list(alice.search_pin.lower())
    for place in places:
        letters[place] = "x" if letters[place] != "x" else "y"
    await bob.page.goto("about:blank")
    await bob.page.goto(f"{server.url}/#add={''.join(letters)}")
    field = bob.page.get_by_role("textbox", name="Search PIN")
    await expect(field).to_have_value("".join(letters))
    await bob.page.get_by_role("button", name="Start").click()
    await expect(bob.alert).to_contain_text(re.compile("typo|Nobody on this server"))
    await field.fill(alice.search_pin)
    await bob.page.get_by_role("button", name="Start").click()
    await expect(bob.page.get_by_role("button", name="Not verified: added by link")).to_be_visible()


async def test_a_withdrawn_search_pin_finds_nobody_and_conversations_stay(
    browser: Browser, server: Server, pair: tuple[Someone, Someone]
) -> None:
    alice, bob = pair
    await alice.writes("before")
    await bob.sees("before")
    old = bob.search_pin
    await bob.page.goto(f"{server.url}/search-pin")
    await expect(bob.page.get_by_test_id("my-search-pin")).to_have_text(old)
    await bob.page.get_by_role("button", name="Replace").click()
    await expect(bob.page.get_by_test_id("my-search-pin")).not_to_have_text(old)
    await expect(bob.page.get_by_test_id("my-search-pin")).not_to_be_empty()  # it is empty while the page reloads
    bob.search_pin = await bob.page.get_by_test_id("my-search-pin").inner_text()
    await expect(bob.alert).to_have_count(0)
    eve = await Someone.is_in(browser, server, "eve")
    await eve.page.get_by_role("textbox", name="Search PIN").fill(old)
    await eve.page.get_by_role("button", name="Start").click()
    await expect(eve.alert).to_contain_text("Nobody on this server has this Search PIN")
    await eve.starts_with(bob.search_pin)
    await bob.page.goto(server.url)
    await bob.opens("alice")
    await bob.writes("after")
    await alice.sees("before", "after")
    await expect(alice.page.get_by_text("Verified by Search PIN")).to_be_visible()


@pytest.mark.parametrize("path", ["/", "/search-pin"])
async def test_the_browser_computes_the_users_search_pin_and_ignores_the_servers(
    browser: Browser, server: Server, path: str
) -> None:
    alice, eve = [await Someone.is_in(browser, server, name) for name in ("alice", "eve")]
    theirs = Hostile(server).run("SELECT salt FROM search_pins WHERE search_pin = ?", eve.search_pin)[0]["salt"]
    told: dict[str, str] = {}

    async def lie(route: Route) -> None:
        response = await route.fetch()
        await route.fulfill(response=response, json=await response.json() | told)

    await alice.page.route("**/me", lie)
    shown = alice.page.get_by_test_id("my-search-pin")
    await alice.page.goto(server.url + path)
    await expect(shown).to_have_text(alice.search_pin)
    told |= {"search_salt": theirs, "search_pin": eve.search_pin}
    await alice.page.reload()
    await expect(shown).not_to_be_empty()  # another PIN of the own key, which finds nobody
    statement = Hostile(server).user("alice")["statement"]
    ours = search_pin(parse_statement(statement).ik, b64u_decode(theirs, 16))
    await expect(shown).to_have_text(ours)
    assert ours != eve.search_pin
    told["search_salt"] = "AAAA"
    await alice.page.reload()
    await expect(alice.alert).to_contain_text("Your Search PIN is not known here")
    await expect(shown).to_be_empty()
