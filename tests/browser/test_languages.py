"""The page in other languages: Spanish, and one that nobody speaks, which shows what is untranslated or clipped."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, ViewportSize, expect

from tests.browser.lies.peers import Peer
from tests.conftest import PATIENCE, Server
from tests.support.pseudo import CODE, make_checkout

PHONE: ViewportSize = {"width": 390, "height": 844}
NAMES = ("quux", "zzyx")  # no words contain them

# What a person can read that no catalog contains: letters without an accent. What people wrote or named, PINs, numbers,
# times and programs are none of ours.
UNTRANSLATED = """(names) => {
    const OURS = ":not(script, style, option, code, output, .pin, textarea, .which, .text, sealed-text, .words, "
        + "[data-build], .browser, local-time, [data-do=download], .emojis *)";
    const LABELS = ["aria-label", "placeholder", "alt", "title"];
    const NEITHER = /EZ-DMS|localhost|Chrome|Linux|\\b[0-9A-F]{4}\\b|X{4,}(-X{4,})*/g;
    const found = new Set();
    const look = (text, element) => {
        const said = names.reduce((rest, name) => rest.replaceAll(name, ""), text.replace(NEITHER, ""));
        if (/[A-Za-z]{2}/.test(said.replace(/https?:\\S+/g, ""))) found.add(`${element.localName}: ${text.trim()}`);
    };
    for (const element of document.body.querySelectorAll("*")) {
        if (!element.checkVisibility() || !element.matches(OURS) || element.closest("code, output")) continue;
        for (const node of element.childNodes) if (node.nodeType === Node.TEXT_NODE) look(node.data, element);
        for (const name of LABELS) look(element.getAttribute(name) ?? "", element);
    }
    look(document.title, document.head);
    return [...found];
}"""

# What is cut off, or reaches out of the window. Names and texts of people are shortened with an ellipsis.
CLIPPED = """() => {
    const found = [];
    const isOfPeople = (element) => element.closest(".words, .who, .name, .named, .quoted, sealed-text, [role=log]");
    const HIDDEN = ".visually-hidden, .visually-hidden *, .skip, [tabindex='-1']";
    for (const element of document.body.querySelectorAll("button, a, label, h1, h2, h3, p, .badge, select, input")) {
        if (!element.checkVisibility() || element.matches(HIDDEN)) continue;
        const { left, right, width } = element.getBoundingClientRect();
        const isWider = element.scrollWidth > element.clientWidth + 1;
        const isCut = isWider && getComputedStyle(element).overflowX !== "visible";
        if (width && (left < -1 || right > innerWidth + 1 || isCut) && !isOfPeople(element)) {
            found.push(`${element.localName}.${element.className}: ${element.textContent.trim().slice(0, 40)}`);
        }
    }
    if (document.documentElement.scrollWidth > innerWidth) found.push("the page is wider than the window");
    return found;
}"""

# Parts for other states: of two-step login and passkeys, of the account and its PIN, of what cannot be undone.
SHOW_ALL = "() => { for (const part of document.querySelectorAll('main [hidden]')) part.hidden = false; }"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server of that checkout."""
    folder = make_checkout(tmp_path_factory.mktemp("checkout"))
    data = tmp_path_factory.mktemp("data")
    environment = {**os.environ, "EZDMS_DATA_DIR": str(data), "EZDMS_PORT": "0", "EZDMS_LIMIT_REGISTER": "off"}
    command = [sys.executable, "-B", "-m", "ezdms", "serve"]
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        announced = re.search(r"http://\S+", process.stdout.readline())
        assert announced
        yield announced[0].replace("127.0.0.1", "localhost")  # passkeys need an address with a name
        process.terminate()


async def judge(page: Page, where: str, wrong: list[str]) -> None:
    """Add what is untranslated or clipped."""
    await page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 50)))")
    wrong += [f"{where}, untranslated: {one}" for one in await page.evaluate(UNTRANSLATED, list(NAMES))]
    wrong += [f"{where}, clipped: {one}" for one in await page.evaluate(CLIPPED)]


async def make_account(page: Page, name: str) -> str:
    """Go from the front page to the list; returns the Search PIN. Words are not needed."""
    await page.locator("create-account #username").fill(name)
    await page.locator("create-account [type=submit]").click()
    pin = await page.get_by_test_id("login-pin").inner_text(timeout=60_000)
    search_pin = await page.get_by_test_id("search-pin").inner_text()
    await page.locator("#proof").fill(pin[-4:])
    await page.locator("welcome-card [type=submit]").click()
    await expect(page.locator("#to-new-chat")).to_be_visible()
    return search_pin


@pytest_asyncio.fixture(loop_scope="session")
async def phone(browser: Browser) -> AsyncIterator[Any]:
    """Makes a page on a phone in a language."""

    async def make(locale: str) -> Page:
        context = await browser.new_context(viewport=PHONE, locale=locale)
        context.set_default_timeout(PATIENCE)
        return await context.new_page()

    yield make


async def walks_through_a_request(page: Page, wrong: list[str]) -> None:
    """What someone sees who was asked: the request, a report, and that they blocked someone."""
    await page.locator("conversation-item a").click()
    await expect(page.locator("request-card")).to_be_visible()
    await judge(page, "request", wrong)
    await page.locator("request-card [data-do=report]").click()
    await expect(page.locator("report-messages input[type=checkbox]")).to_have_count(1)
    await judge(page, "report", wrong)
    for done in ("[role=alert]", ".done"):
        await page.locator("report-messages [type=submit]").click()
        await expect(page.locator(f"report-messages {done}")).not_to_be_empty()
        await judge(page, f"report {done}", wrong)
        await page.locator("report-messages input[type=checkbox]").check()
    await page.keyboard.press("Escape")
    await page.locator("request-card [data-do=block]").click()
    await expect(page.locator("request-card [data-do=unblock]")).to_be_visible()
    await judge(page, "blocked", wrong)
    await page.goto(f"{page.url.split('/c/')[0]}/settings")
    await expect(page.locator("blocked-people .people button")).to_be_visible()
    await judge(page, "blocked people", wrong)


async def test_no_text_is_untranslated_or_clipped_in_a_long_language_from_right_to_left(
    phone: Any, checkout: str
) -> None:
    alice, bob = await phone(CODE), await phone(CODE)
    wrong: list[str] = []
    for page in (alice, bob):
        await page.goto(checkout)
        await page.wait_for_selector("log-in")
    assert await alice.evaluate("() => [document.documentElement.lang, document.dir]") == [CODE, "rtl"]
    await judge(alice, "front", wrong)
    assert wrong == []
    await alice.locator("create-account #username").fill("no")
    await alice.locator("create-account [type=submit]").click()
    await expect(alice.locator("create-account [role=alert]")).not_to_be_empty()
    await judge(alice, "front with an error", wrong)
    await alice.evaluate(SHOW_ALL)
    await judge(alice, "front, all of it", wrong)
    pin = await make_account(bob, NAMES[1])
    await make_account(alice, NAMES[0])
    await judge(alice, "empty list", wrong)
    if not await alice.locator("#partner-pin").is_visible():
        await alice.locator("#to-new-chat").click()
    await alice.locator("#partner-pin").fill(pin)
    await alice.locator("dialog [type=submit]").click()
    await expect(alice.locator("message-composer textarea")).to_be_enabled()
    await judge(alice, "empty conversation", wrong)
    await alice.locator("message-composer textarea").fill("hello")
    await alice.locator("message-composer [type=submit]").click()
    await expect(alice.locator("message-row sealed-text")).to_have_text("hello")
    await judge(alice, "conversation", wrong)
    await alice.locator("button.trust").click()
    await expect(alice.locator("who-is-this output")).not_to_be_empty()
    await judge(alice, "who is this", wrong)
    await alice.locator("who-is-this [data-do=close]").click()
    await alice.locator("button.options").click()
    await judge(alice, "options", wrong)
    await alice.locator("conversation-options [data-do=timer]").click()
    await judge(alice, "timer", wrong)
    await alice.keyboard.press("Escape")
    await alice.locator("message-row .actions").click(force=True)
    await judge(alice, "message menu", wrong)
    await alice.locator("message-menu [data-do=delete]").click()
    await judge(alice, "delete", wrong)
    await alice.keyboard.press("Escape")
    for sheet in ("mute", "nickname", "delete-conversation"):
        await alice.locator("button.options").click()
        await alice.locator(f"conversation-options [data-do={sheet}]").click()
        await judge(alice, sheet, wrong)
        await alice.keyboard.press("Escape")
    await walks_through_a_request(bob, wrong)
    await alice.locator("button.options").click()
    await alice.locator("conversation-options [data-do=archive]").click()
    await alice.locator("#to-archived").click()
    await judge(alice, "archive", wrong)
    for path in ("/settings", "/search-pin", "/sessions", "/account", "/protection", "/nowhere"):
        await alice.goto(checkout + path)
        await alice.wait_for_selector("h1")
        await alice.wait_for_timeout(300)
        await judge(alice, path, wrong)
        await alice.evaluate(SHOW_ALL)
        await judge(alice, f"{path}, all of it", wrong)
    assert wrong == []


async def test_the_page_is_in_the_language_of_the_browser_or_chosen_with_its_units_and_emoji(
    phone: Any, server: Server
) -> None:
    page = await phone("es-MX")
    await page.goto(server.url)
    await expect(page.get_by_role("button", name="Crear cuenta")).to_be_enabled()
    assert await page.evaluate("() => document.documentElement.lang") == "es"
    await page.get_by_label("Idioma").press("ArrowUp")  # a choice of a person: scripts cannot choose
    await expect(page.get_by_role("button", name="Create account")).to_be_enabled()
    (cookie,) = await page.context.cookies()
    assert (cookie["name"], cookie["value"]) == ("language", "en")
    await page.goto(f"{server.url}/protection")
    await expect(page.get_by_role("heading", name="How private is this?")).to_be_visible()
    await page.goto(server.url)
    await make_account(page, "pepa")
    await page.goto(f"{server.url}/settings")
    await page.get_by_label("Language").press("ArrowDown")
    await expect(page.get_by_role("heading", name="Ajustes")).to_be_visible()
    await expect(page).to_have_title("Ajustes · EZ-DMS")

    # Units of time and names of emoji are in Spanish, too.
    bob = await Peer.arrives(server)
    await page.goto(server.url)
    await page.locator("#to-new-chat").click()
    await page.locator("#partner-pin").fill(bob.search_pin)
    await page.locator("dialog [type=submit]").click()
    await expect(page.locator("message-composer textarea")).to_be_enabled()
    await page.locator("button.options").click()
    await page.locator("conversation-options [data-do=timer]").click()
    timer = page.locator(".sheet.timer")
    await timer.get_by_role("button", name="Personalizado").click()
    await timer.locator("#timer-count").fill("3")
    await expect(timer.get_by_role("button", name="minutos", pressed=True)).to_be_visible()
    await expect(timer.locator(".sentence")).to_contain_text("3 minutos")
    await page.keyboard.press("Escape")
    await page.locator("message-composer textarea").fill("hola")
    await page.locator("message-composer [type=submit]").click()
    await page.locator("message-row .actions").click(force=True)
    await page.locator("message-menu [data-do=react]").click()
    await page.locator("#emoji-search").fill("corazon ROJO")  # without the accent
    await expect(page.locator(".emojis").get_by_role("button")).to_have_accessible_name("corazón rojo")
    await bob.leaves()
