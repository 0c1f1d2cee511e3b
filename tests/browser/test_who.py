"""Verifying a contact by Search PIN, safety number or scanned code, and never by the server's word."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from ezdms.client import Client
from ezdms.protocol.encoding import b64u_decode
from ezdms.protocol.envelope import parse_statement, search_pin
from tests.browser.home import Home, Paused, paused
from tests.browser.lies.peers import Peer
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


async def ask_who(someone: Someone, tab: Page | None = None) -> Page:
    """Open the verification panel."""
    page = tab or someone.page
    await page.bring_to_front()
    await page.locator(".trust").click()
    await expect(page.get_by_test_id("safety-number")).not_to_be_empty()
    return page


async def found_by_a_stranger(home: Home) -> tuple[Someone, Peer]:
    """Bob in a conversation that somebody has started with him."""
    bob, stranger = await home.person("bob"), await home.peer()
    await stranger.starts_with(bob.search_pin)
    await bob.opens(stranger.name)
    await expect(bob.page.get_by_role("button", name="Not verified")).to_be_visible()
    return bob, stranger


@pytest.mark.firefox_too
async def test_the_recipient_can_verify_the_sender_by_search_pin(home: Home) -> None:
    bob, stranger = await found_by_a_stranger(home)
    eve, page, trust = await home.peer(), bob.page, bob.page.locator(".trust")

    # The panel opens and closes by keyboard, and the focus comes back.
    await page.bring_to_front()
    await trust.focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Who is this?")).to_be_focused()
    await expect(trust).to_have_attribute("aria-expanded", "true")
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("region", name="Who is this?")).to_have_count(0)
    await expect(trust).to_be_focused()
    await expect(trust).to_have_attribute("aria-expanded", "false")

    await ask_who(bob)
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
    await field.fill(stranger.search_pin.lower().replace("-", " "))
    await page.get_by_role("button", name="Check").click()
    await expect(page.get_by_role("button", name="Verified by Search PIN")).to_be_visible()
    await page.reload()
    await expect(page.get_by_role("button", name="Verified by Search PIN")).to_be_visible()


async def test_the_safety_number_is_the_same_on_both_sides_and_a_confirmed_one_is_not_downgraded(
    home: Home, friends: tuple[Someone, Someone], tmp_path: Path
) -> None:
    alice, bob = friends
    await expect(alice.page.get_by_role("button", name="Verified by Search PIN")).to_be_visible()
    numbers = []
    for someone in friends:
        page = await ask_who(someone)
        numbers.append(await page.get_by_test_id("safety-number").inner_text())
    assert numbers[0] == numbers[1]
    assert re.fullmatch(r"[0-9]{5}( [0-9]{5}){11}", numbers[0])
    assert await page.locator("canvas.qr").evaluate("canvas => canvas.width") > 20
    await page.get_by_role("button", name="They match").click()
    verified = page.get_by_role("button", name="Verified by safety number")
    await expect(verified).to_be_focused()

    await ask_who(bob)
    await page.get_by_label("The PIN they gave you").fill(alice.search_pin)
    await page.get_by_role("button", name="Check").click()
    await expect(page.get_by_role("region", name="Who is this?")).to_be_hidden()
    await expect(verified).to_be_visible()
    await page.reload()
    await expect(verified).to_be_visible()

    await alice.page.goto(alice.address)
    await alice.starts_with((await home.peer()).search_pin)
    page = await ask_who(alice)
    assert await page.get_by_test_id("safety-number").inner_text() != numbers[0]
    field = page.get_by_role("textbox", name="Message")
    await page.get_by_role("button", name="They differ").click()
    for _ in range(2):
        await expect(alice.alert).to_contain_text("You said that your safety numbers differ")
        await expect(alice.alert).to_contain_text("write nothing here, and meet or call instead")
        await expect(field).to_be_disabled()
        await page.reload()
    async with await Client.login(home.server.url, alice.login_pin, home=tmp_path) as program:
        contact = next(one for one in await program.contacts() if one.conversation_id in page.url)
        assert "You said that your safety numbers differ" in contact.alarms[0]
        await page.get_by_role("button", name="Continue anyway").click()
        await expect(field).to_be_enabled()
        await page.reload()
        await expect(field).to_be_enabled()
        await expect(alice.alert).to_have_count(0)
    async with await Client.login(home.server.url, alice.login_pin, home=tmp_path / "again") as program:
        await program.contacts()
        assert program.alarms(contact) == {}


async def test_scanning_the_right_code_verifies_and_a_wrong_code_warns(home: Home) -> None:
    bob, _ = await found_by_a_stranger(home)
    page = await bob.new_tab()
    await page.add_init_script(DETECTOR)
    await page.goto(bob.page.url)
    await ask_who(bob, page)
    scan = page.get_by_role("button", name="Scan their code")
    for code, words in (
        ("https://example.org", "not an EZ-DMS code"),
        ("ezdms1:" + "A" * 86, "belongs to another conversation"),
    ):
        await page.evaluate("code => { globalThis.inSight = code; }", code)
        await scan.click()
        await expect(page.get_by_role("alert")).to_contain_text(words)
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


async def follows(someone: Someone, link: str) -> None:
    """Load a link in the tab, as from another site, but in the same process."""
    await someone.page.evaluate("(link) => history.replaceState(null, '', link)", link)
    await someone.page.reload()


async def test_an_add_link_fills_the_field_and_the_server_never_sees_the_pin(browser: Browser, home: Home) -> None:
    alice, bob = await home.person("alice"), await Someone.arrives(browser, home.server, "bob", recorded=True)
    tab = await alice.new_tab()
    await tab.add_init_script(SHARING)
    await tab.goto(home.server.url)
    await alice.new_chat(tab)
    await tab.get_by_role("link", name="QR code and link").click()
    link = f"{home.server.url}/#add={alice.search_pin}"
    await expect(tab.locator("code")).to_have_text(link)
    await expect(tab.locator("canvas.qr")).to_be_visible()
    assert await tab.locator("canvas.qr").evaluate("canvas => canvas.width") > 20
    await tab.get_by_role("button", name="Share…").click()
    assert await tab.evaluate("() => globalThis.shared.url") == link
    await follows(bob, link)
    await expect(bob.page.get_by_text("Someone shared their Search PIN with you")).to_be_visible()
    assert bob.page.url == f"{home.server.url}/"
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
    await bob.page.get_by_role("button", name="Verified by Search PIN").click()
    await expect(bob.page.get_by_text("Their Search PIN, which they gave you, belongs to their key")).to_be_visible()
    to_verify = bob.page.get_by_label("The PIN they gave you")
    await to_verify.fill(alice.search_pin)  # the whole PIN fits in the field
    assert await to_verify.evaluate("field => field.scrollWidth <= field.clientWidth")


async def test_a_linked_search_pin_does_not_count_as_typed_until_it_is_another(home: Home) -> None:
    """Who corrects a few of its letters has not chosen the person: the link's author has."""
    bob, eve = await home.person("bob"), await home.peer()
    field = bob.page.get_by_role("textbox", name="Search PIN")
    for places in ([0], [-1], [12, 13]):
        alice = await home.peer()
        letters = list(alice.search_pin.lower())
        for place in places:
            letters[place] = "x" if letters[place] != "x" else "y"
        await follows(bob, f"{bob.address}/#add={''.join(letters)}")
        await expect(field).to_have_value("".join(letters))
        await bob.page.get_by_role("button", name="Start").click()
        await expect(bob.alert).to_contain_text(re.compile("typo|Nobody on this server"))
        await field.fill(alice.search_pin)
        await bob.page.get_by_role("button", name="Start").click()
        await expect(bob.page.get_by_role("heading", name=alice.name)).to_be_visible()
        await expect(bob.page.get_by_role("button", name="Not verified: added by link")).to_be_visible()

    await follows(bob, f"{bob.address}/#add={eve.search_pin}")
    await expect(field).to_have_value(eve.search_pin)
    await field.clear()
    alice = await home.peer()
    await bob.starts_with(alice.search_pin)  # "Verified by Search PIN"
    await expect(bob.page.get_by_role("heading", name=alice.name)).to_be_visible()

    await follows(bob, f"{bob.address}/#add={'7' * 1000}")  # no more than the length of a PIN is stored
    await expect(field).to_have_value("7" * 64)


async def test_a_withdrawn_search_pin_finds_nobody_and_conversations_stay(
    home: Home, friends: tuple[Someone, Someone]
) -> None:
    alice, bob = friends
    await alice.writes("before")
    await bob.sees("before")
    old = bob.search_pin
    await bob.page.goto(f"{bob.address}/search-pin")
    await expect(bob.page.get_by_test_id("my-search-pin")).to_have_text(old)
    await bob.page.get_by_role("button", name="Replace").click()
    await expect(bob.page.get_by_text("Replace it?")).to_be_visible()
    await bob.page.get_by_role("button", name="Replace").click()
    await expect(bob.page.get_by_test_id("my-search-pin")).not_to_have_text(old)
    await expect(bob.page.get_by_test_id("my-search-pin")).not_to_be_empty()  # it is empty while the page reloads
    bob.search_pin = await bob.page.get_by_test_id("my-search-pin").inner_text()
    await expect(bob.alert).to_have_count(0)
    await alice.looks_up(old)
    await expect(alice.alert).to_contain_text("Nobody on this server has this Search PIN")
    eve = await home.peer()
    await eve.starts_with(bob.search_pin)
    assert eve.other.name == "bob"
    await bob.page.goto(bob.address)
    await expect(bob.list.get_by_role("link", name=eve.name)).to_be_visible()
    await bob.opens("alice")
    await bob.writes("after")
    await alice.sees("before", "after")
    await expect(alice.page.get_by_text("Verified by Search PIN")).to_be_visible()


async def test_the_browser_computes_the_users_search_pin_and_ignores_the_servers(home: Home) -> None:
    alice, eve = await home.person("alice"), await home.peer()
    statement = Hostile(home.server).user("alice")["statement"]
    ours = search_pin(parse_statement(statement).ik, b64u_decode(eve.salt, 16))
    assert ours != eve.search_pin
    told: dict[str, str] = {}

    async def lie(me: Paused) -> None:
        await me.is_answered(json.dumps(json.loads(await me.text()) | told))

    shown = alice.page.get_by_test_id("my-search-pin")
    async with paused(alice.page, "*/me", lie, is_answered=True):
        await alice.page.goto(f"{home.server.url}/search-pin")  # the list does the same: lies/test_answers.py
        await expect(shown).to_have_text(alice.search_pin)
        told |= {"search_salt": eve.salt, "search_pin": eve.search_pin}
        await alice.page.reload()
        await expect(shown).to_have_text(ours)  # another PIN of the own key, which finds nobody
        told["search_salt"] = "AAAA"
        await alice.page.reload()
        await expect(alice.alert).to_contain_text("Your Search PIN is not known here")
        await expect(shown).to_be_empty()
