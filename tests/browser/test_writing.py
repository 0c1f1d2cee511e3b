"""Writing: the focus stays where the user types, Enter does what is expected, long texts become several messages."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest
from playwright.async_api import Browser, CDPSession, Page, Route, expect

from tests.browser.home import Home, held_back, refused
from tests.conftest import ROOT
from tests.support.someone import Someone

JS = ROOT / "ezdms" / "static" / "js"


def test_only_one_function_of_the_page_moves_the_focus() -> None:
    moves = re.compile(r"\.(focus|blur)\(|autofocus|showModal")
    files = {path.name: path.read_text("utf-8") for path in JS.glob("*.js")}
    assert len(moves.findall(files.pop("worker.js"))) == 1  # brings a tab to the front
    found = {name: len(moves.findall(text)) for name, text in files.items() if moves.search(text)}
    assert found == {"dom.js": 2, "viewer.js": 1}  # the viewer of pictures, which opens when one is pressed
    parts = [path.read_text("utf-8") for path in (ROOT / "ezdms" / "templates").rglob("*.html")]
    assert not [part for part in parts if "autofocus" in part]


async def types_meanwhile(page: Page, field: str, asked: asyncio.Event) -> None:
    """Once the page has asked, type the first half of a Search PIN into another field."""
    await asked.wait()
    await page.get_by_role("textbox", name=field).click()
    await page.keyboard.type("ABCDE-")


async def types_on(page: Page, field: str) -> None:
    """The second half of it arrives in the same field, and nothing in any other."""
    await page.keyboard.type("FGHJK")
    await expect(page.get_by_role("textbox", name=field)).to_have_value("ABCDE-FGHJK")
    fields = (
        "() => [...document.querySelectorAll('input, textarea')].filter((one) => one.value.includes('FGHJK')).length"
    )
    assert await page.evaluate(fields) == 1


@pytest.mark.firefox_too
async def test_a_slow_response_moves_neither_the_focus_nor_the_page_of_someone_typing(home: Home) -> None:
    alice, bob, carol = await home.person("alice"), await home.peer(), await home.peer()
    page = alice.page
    await alice.starts_with(bob.search_pin)
    with_bob = page.url
    start = page.get_by_role("button", name="Start")
    partner = await alice.new_chat()

    async with held_back(page, "**/start_conversation") as asked:  # someone is found, while a message is written
        await partner.fill(carol.search_pin)
        await start.click()
        await types_meanwhile(page, "Message", asked)
    await expect(page.get_by_text(f"{carol.name} is in your list of conversations.")).to_be_visible()
    await types_on(page, "Message")
    await expect(page).to_have_url(with_bob)
    await expect(partner).to_have_value("")

    async with held_back(page, "**/start_conversation") as asked:  # nobody is found
        await partner.fill("9XM9A-MQQPM-79YKF-XPQ75-NHP58")
        await partner.press("Enter")
        await page.get_by_role("textbox", name="Message").clear()
        await types_meanwhile(page, "Message", asked)
    await expect(alice.alert.filter(has_text="Nobody on this server")).to_be_visible()
    await types_on(page, "Message")

    await page.get_by_role("textbox", name="Message").clear()
    async with held_back(page, "**/start_conversation") as asked:  # while the next one is typed into the same field
        await partner.fill(carol.search_pin)
        await partner.press("Enter")
        await asked.wait()
        await partner.clear()
        await types_meanwhile(page, "Their Search PIN", asked)
    await expect(start).to_have_text("Start")
    await types_on(page, "Their Search PIN")
    await expect(page).to_have_url(with_bob)
    await partner.clear()

    await page.locator(".trust").click()
    async with held_back(page, "**/vault") as asked:  # someone is verified, by number
        await page.get_by_role("button", name="They match").click()
        await types_meanwhile(page, "The PIN they gave you", asked)
    await expect(page.locator(".trust")).to_have_text("Verified by safety number")
    await types_on(page, "The PIN they gave you")
    await page.get_by_role("textbox", name="The PIN they gave you").fill(carol.search_pin)  # the wrong one
    await page.get_by_role("textbox", name="Message").clear()
    async with held_back(page, "**/start_conversation") as asked:
        await page.get_by_role("button", name="Check").click()
        await types_meanwhile(page, "Message", asked)
    await expect(alice.alert.filter(has_text="belongs to someone other")).to_be_visible()
    await types_on(page, "Message")
    await page.get_by_role("textbox", name="Message").clear()

    await page.goto(f"{alice.address}/account")
    for pin, sign in (("nonsense", "16 letters"), (alice.login_pin, "It is not in use yet")):
        async with held_back(page, "**/deployment", "**/private_keys") as asked:
            if pin == "nonsense":
                asked.set()  # refused without asking
            await page.get_by_label("Current Login PIN").fill(pin)
            await page.get_by_role("button", name="Make a new Login PIN").click()
            await types_meanwhile(page, "Your Login PIN, to confirm", asked)
        await expect(page.get_by_text(sign, exact=False).first).to_be_visible()
        await types_on(page, "Your Login PIN, to confirm")
        await page.get_by_role("textbox", name="Your Login PIN, to confirm").clear()


LINES = """(selectors) => selectors.filter((selector) => {
    const found = [...document.querySelectorAll(selector)].filter((element) => element.checkVisibility());
    const isDrawn = (element) => {
        const style = getComputedStyle(element);
        return ["Top", "Right", "Bottom", "Left"].some((side) =>
            parseFloat(style[`border${side}Width`]) > 0 && style[`border${side}Style`] !== "none");
    };
    return !found.length || !found.every(isDrawn);
})"""


async def test_messages_and_alarms_leave_the_focus_where_it_is_and_survive_forced_colors(home: Home) -> None:
    alice, bob, carol = await home.person("alice"), await home.peer(), await home.peer()
    page = alice.page
    await bob.starts_with(alice.search_pin)
    await bob.writes("hello")
    await alice.starts_with(carol.search_pin)
    await carol.starts_with(alice.search_pin)
    await expect(page.get_by_role("textbox", name="Message")).to_be_enabled()
    await (await alice.new_chat()).click()
    await page.keyboard.type("ABCDE-")
    await carol.writes("one")
    await carol.writes("two", p="A" * 43)  # contradicts the message before it
    await expect(alice.alert.filter(has_text=re.compile("."))).to_be_visible()
    await types_on(page, "Their Search PIN")
    await page.get_by_role("textbox", name="Their Search PIN").clear()
    link = alice.list.get_by_role("link", name=carol.name)
    await alice.list.get_by_role("link", name=bob.name).focus()
    await link.focus()
    await bob.writes("to the top")
    await expect(alice.list.get_by_role("link").first).to_contain_text(bob.name)
    await carol.writes("three")
    await expect(alice.list.get_by_role("link").first).to_contain_text(carol.name)  # the link was moved
    await expect(link).to_be_focused()

    # Forced colors remove backgrounds and shadows, so each mark needs words, a sign, or a line.
    await page.emulate_media(forced_colors="active")
    try:
        marks = [".avatar", ".unread", ".trust", "conversation-item a[aria-current]", ".bubble", ".alarm .alert"]
        await expect(page.locator(".unread").first).to_be_visible()
        assert await page.evaluate(LINES, marks) == []
        signs = "(one) => getComputedStyle(one, '::before').content"
        assert await page.locator(".trust").evaluate(signs) == '"✓"'
        assert await page.locator("[data-failed] sealed-text").first.evaluate(signs) == '"⚠ "'
        await page.goto(f"{alice.address}/sessions")
        await expect(page.locator(".badge")).to_be_visible()
        assert await page.evaluate(LINES, [".badge", ".tabs a[aria-current]", ".card"]) == []
    finally:
        await page.emulate_media(forced_colors="none")


async def composes(session: CDPSession, word: str) -> None:
    """Type a word with an input method, without ending its composition."""
    await session.send(
        "Input.imeSetComposition", {"text": word, "selectionStart": len(word), "selectionEnd": len(word)}
    )


# Tab goes on from where the focus was, even once it is nowhere: to the beginning with it.
BEGIN = "() => { document.body.tabIndex = -1; document.body.focus(); document.body.removeAttribute('tabindex'); }"


async def test_enter_sends_a_text_and_nothing_else(home: Home) -> None:
    alice, bob, carol = await home.person("alice"), await home.peer(), await home.peer()
    page, field = alice.page, alice.page.get_by_role("textbox", name="Message")
    await carol.starts_with(alice.search_pin)
    await alice.starts_with(bob.search_pin)
    await bob.starts_with(alice.search_pin)
    thread = page.url

    # The first Tab stop skips to the content.
    skip = page.get_by_role("button", name="Skip to content")
    await expect(field).to_be_enabled()
    await page.evaluate(BEGIN)
    await page.keyboard.press("Tab")
    await expect(skip).to_be_focused()
    await expect(skip).to_be_in_viewport(ratio=1)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("log")).to_be_focused()
    first = "() => [...document.querySelectorAll('a[href], button, input, textarea, [tabindex=\"0\"]')][0].className"
    assert await page.evaluate(first) == "skip"

    # Blank input is not sent, and nothing is said.
    for blank in ("", "   ", "\n\n \t", "\u00a0", "\u200b\u200d"):
        for is_enter in (True, False):
            await field.fill(blank)
            await (field.press("Enter") if is_enter else page.get_by_role("button", name="Send").click())
            await expect(field).to_have_value(blank)
            await expect(alice.alert).to_have_count(0)

    # Neither is what Enter ends the composition of. Chromium and Firefox report it while composing, Safari afterwards;
    # all as key 229.
    session = await alice.context.new_cdp_session(page)
    enter = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 229, "nativeVirtualKeyCode": 229}
    await field.fill("")
    await field.click()
    await composes(session, "にほんご")
    await session.send("Input.dispatchKeyEvent", {"type": "rawKeyDown", **enter, "windowsVirtualKeyCode": 13})
    await expect(field).to_have_value("にほんご")
    await session.send("Input.insertText", {"text": "日本語"})
    await session.send("Input.dispatchKeyEvent", {"type": "rawKeyDown", **enter})
    await expect(field).to_have_value("日本語")
    await session.detach()
    await expect(page.locator(".message")).to_have_count(0)
    await expect(field).to_have_attribute("enterkeyhint", "send")
    await field.press("Enter")
    await alice.sees("日本語")
    await field.fill("by the button")
    await page.get_by_role("button", name="Send").click()
    await alice.sees("日本語", "by the button")
    await expect(field).to_be_focused()  # on a desktop

    # Held since it opened the conversation, it does not send the draft there.
    await field.fill("not yet")
    await alice.opens(carol.name)
    await alice.list.get_by_role("link", name=bob.name).focus()
    await page.keyboard.down("Enter")
    await expect(field).to_have_value("not yet")
    await expect(field).to_be_focused()
    await page.keyboard.down("Enter")  # repeats
    await page.keyboard.up("Enter")
    await expect(field).to_have_value("not yet")
    await page.keyboard.press("Enter")
    said = ["日本語", "by the button", "not yet"]
    await bob.sees(*said)

    # It can be set to break the line, and Ctrl+Enter to send.
    setting = page.get_by_role("checkbox", name="Enter sends the message")
    await page.goto(f"{alice.address}/settings")
    await setting.uncheck()
    await page.goto(thread)
    await expect(field).to_have_attribute("enterkeyhint", "enter")
    await field.fill("one")
    await field.press("Enter")
    await page.keyboard.type("two")
    await expect(field).to_have_value("one\ntwo")
    await field.press("Control+Enter")
    await bob.sees(*said, "one\ntwo")
    await page.goto(f"{alice.address}/settings")
    await expect(setting).not_to_be_checked()
    await setting.check()
    for address, content in (
        (f"{alice.address}/account", page.get_by_role("heading", name="alice")),
        (alice.address, alice.list.get_by_role("link").first),
    ):
        await page.goto(address)
        await expect(content).to_be_visible()
        await expect(page.locator(".unstarted")).to_have_count(0)
        await page.evaluate(BEGIN)
        await page.keyboard.press("Tab")
        await expect(skip).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(content).to_be_focused()
        assert await page.evaluate(first) == "skip"
    await alice.opens(bob.name)
    await field.fill("three")
    await field.press("Enter")
    await bob.sees(*said, "one\ntwo", "three")


TEXTS = """() => {
    let seed = 7;
    const random = (most) => { seed = (seed * 48271) % 2147483647; return seed % most; };
    const ATOMS = [
        "a", "word", " ", "  ", "\\n", "\\n\\n", ". ", "! ", "?", "x".repeat(40), "é", "e\\u0301", " \\u0301",
        "\\u{1f468}\\u200d\\u{1f469}\\u200d\\u{1f467}", "\\u{1f1e9}\\u{1f1ea}", "\\u{1f44d}\\u{1f3fd}", "漢字", "。",
        "ภาษาไทย", "مفتاح", "\\u00a0", "\\u3000", "\\ufeff", "\\u0600 ", "```", "    indented\\n", "한국어", "\\t",
        "क्षि", "https://example.org/a?b=c#d",
    ];
    const made = (few) => Array.from({ length: random(400) + 100 }, () => ATOMS[random(few)]).join("");
    return [
        ...Array.from({ length: 150 }, (_, i) => made(i % 3 ? ATOMS.length : random(6) + 1)),
        "x".repeat(600), "e\\u0301".repeat(900), "a" + " ".repeat(900) + "b", " ".repeat(900),
        "\\u{1f468}\\u200d\\u{1f469}".repeat(900),
        "x".repeat(499) + " y", "x".repeat(500) + "\\n" + "y".repeat(500), "z" + "\\u0301".repeat(900),
    ].map((text) => [...text].slice(0, 4000).join(""));
}"""

FAULTS = """async (text) => {
    const { split } = await import(document.querySelector("[src*=boot]").src.replace("boot", "keyboard"));
    const parts = split(text);
    const faults = [];
    const graphemes = (text) => Array.from(new Intl.Segmenter("en").segment(text), ({ segment }) => segment);
    if (parts.some((part) => [...part].length > 500)) faults.push("too long");
    if (parts.some((part) => !part.trim())) faults.push("blank");
    let rest = text;
    for (const [i, part] of parts.entries()) {
        const at = rest.indexOf(part);
        if (at < 0 || rest.slice(0, at).trim()) faults.push("lost or moved");
        rest = rest.slice(at + part.length);
    }
    if (rest.trim()) faults.push("cut off");
    const whole = graphemes(text).filter((one) => one.trim());
    const kept = parts.flatMap(graphemes).filter((one) => one.trim());
    const isLong = whole.some((one) => [...one].length > 500);
    if (!isLong && kept.join("\\0") !== whole.join("\\0")) faults.push("inside a character");
    return faults;
}"""


SPLIT = """async (text) => {
    const { split } = await import(document.querySelector("[src*=boot]").src.replace("boot", "keyboard"));
    return split(text);
}"""


@pytest.mark.firefox_too
async def test_a_long_text_is_cut_between_words_into_announced_messages_that_arrive_in_order(home: Home) -> None:
    alice, bob = await home.person("alice"), await home.peer()
    await alice.starts_with(bob.search_pin)
    await bob.starts_with(alice.search_pin)
    page, field = alice.page, alice.page.get_by_role("textbox", name="Message")
    words = [f"word{number:04}" for number in range(150)]
    parts = [" ".join(words[:55]), " ".join(words[55:110]), " ".join(words[110:])]
    # It is cut between words, and loses only white space.
    found = await page.evaluate(
        f"async () => {{ const faults = {FAULTS}; const found = [];"
        f" for (const text of ({TEXTS})()) found.push(...await faults(text)); return found; }}"
    )
    assert found == []
    paragraph, lines = "Roses are red. " * 20, ["    return violets.blue"] * 24
    address = "https://example.org/" + "y" * 480
    for text, cut in {
        f"{paragraph}\n\n" + "\n".join(lines): [paragraph.strip(), "\n".join(lines[:20]), "\n".join(lines[20:])],
        "x" * 600: ["x" * 500, "x" * 100],
        f"see {address}": ["see", address],
        "  as it is  ": ["  as it is  "],
    }.items():
        assert await page.evaluate(SPLIT, text) == cut

    await field.fill(" ".join(words[:55]))
    await expect(page.get_by_text("Will be sent as")).to_have_count(0)
    await field.fill(" ".join(words))
    await expect(page.get_by_text("Will be sent as 3 messages", exact=True)).to_be_visible()
    await field.press("Enter")
    await bob.sees(*parts)
    await alice.sees(*parts)
    await expect(page.locator(".pending")).to_have_count(0)

    if home.browser.browser_type.name == "chromium":  # what is not sent waits, in order
        async with refused(page, "*/send_message"):
            await alice.writes(" ".join(words))
            await expect(page.locator(".pending .text")).to_have_text(parts)
            await page.reload()
            await expect(page.locator(".pending .text")).to_have_text(parts)
        await page.evaluate("() => { dispatchEvent(new Event('online')); }")
        await bob.sees(*parts, *parts)

    too_long = "x" * 4001
    await field.fill(too_long)
    await expect(page.get_by_text("4,001 of 4,000 characters")).to_be_visible()
    await field.press("Enter")
    await expect(alice.alert).to_have_text("You can send at most 4,000 characters at once; this has 4,001.")
    await expect(field).to_have_value(too_long)
    await field.fill("x" * 4000)
    await expect(page.get_by_text("Will be sent as 8 messages · 4,000 of 4,000 characters")).to_be_visible()
    await expect(alice.alert).to_have_count(0)
    await field.clear()


PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


# Texts and controls outside the safe area; of pages that scroll, at their top and at their end.
UNSAFE = """([top, right, bottom, left]) => {
    const found = new Set();
    const look = (atTop, atEnd) => {
        for (const element of document.querySelectorAll("body *")) {
            const isSeen = element.matches("a, button, input, textarea, img, canvas, .scroller")
                || [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
            if (!isSeen || !element.checkVisibility() || element.closest(".visually-hidden, .skip, .how")) continue;
            const { x, y, width, height } = element.getBoundingClientRect();
            if (y >= innerHeight || y + height <= 0) continue;
            const isScrolled = element.parentElement.closest(".scroller");
            const isOut = x < left || x + width > innerWidth - right
                || (!isScrolled && ((atTop && y < top) || (atEnd && y + height > innerHeight - bottom)));
            if (isOut) found.add(`${element.localName}.${element.className} ${[x, y, width, height].map(Math.round)}`);
        }
    };
    scrollTo(0, 0);
    look(true, document.body.matches(".session"));
    scrollTo(0, 100000);
    look(false, true);
    return [...found];
}"""
SHIFTS = """() => new Promise((done) => {
    new PerformanceObserver((list) => {
        const shifts = list.getEntries().filter(({ hadRecentInput }) => !hadRecentInput);
        done(shifts.reduce((sum, { value }) => sum + value, 0));
    }).observe({ type: "layout-shift", buffered: true });
    requestAnimationFrame(() => setTimeout(() => done(0)));
})"""


async def late(route: Route) -> None:
    """The font of a slow connection: text is read before it is there."""
    await asyncio.sleep(0.4)
    await route.continue_()


async def test_on_a_phone_send_keeps_the_keyboard_and_no_page_leaves_the_safe_area_or_jumps(
    browser: Browser, home: Home
) -> None:
    bob = await home.peer("bob")
    phone = await Someone.is_in(browser, home.server, "phone", **PHONE)
    page, field = phone.page, phone.page.get_by_role("textbox", name="Message")
    await phone.starts_with(bob.search_pin)
    await bob.starts_with(phone.search_pin)
    await expect(field).to_be_enabled()
    await expect(field).not_to_be_focused()  # that would open the keyboard
    await expect(field).to_have_attribute("enterkeyhint", "enter")
    await field.tap()
    await page.keyboard.type("one")
    await page.keyboard.press("Enter")
    await page.keyboard.type("two")
    await expect(field).to_have_value("one\ntwo")
    await page.evaluate(
        "() => { document.querySelector('textarea').addEventListener('blur', () => { window.wasBlurred = true; }); }"
    )
    await page.get_by_role("button", name="Send").tap()
    await bob.sees("one\ntwo")
    await expect(field).to_be_focused()
    assert await page.evaluate("() => window.wasBlurred") is None
    trust = page.locator(".trust")
    await expect(trust).to_have_accessible_name("✓ Verified by Search PIN")
    assert await trust.locator(".how").evaluate("element => element.getBoundingClientRect().width") <= 1
    await page.set_viewport_size({"width": 1280, "height": 800})
    assert await trust.locator(".how").evaluate("element => element.getBoundingClientRect().width") > 50

    for number in range(30):
        await bob.writes(f"line {number}")
    thread = phone.page.url
    front = await Someone.arrives(browser, home.server, "nobody", **PHONE)
    insets = {"top": 47, "right": 24, "bottom": 34, "left": 20}
    found = {}
    sizes = [(390, 844), (844, 390), (1280, 800)]
    every: list[tuple[Someone, str, list[tuple[int, int]]]] = [  # each is loaded in these sizes, and seen in all
        (phone, thread, sizes),
        (phone, f"{home.server.url}/", sizes),
        (front, f"{home.server.url}/", sizes),
        *((phone, home.server.url + path, sizes[:1]) for path in ("/search-pin", "/sessions", "/account", "/nowhere")),
        (front, f"{home.server.url}/protection", sizes[:1]),
    ]
    for someone, address, loaded in every:
        page = someone.page
        session = await someone.context.new_cdp_session(page)
        await session.send("Emulation.setSafeAreaInsetsOverride", {"insets": insets})
        await page.route("**/*.woff2", late)
        for width, height in [*loaded, *sizes[len(loaded) :]]:
            await page.set_viewport_size({"width": width, "height": height})
            jumps = 0
            if (width, height) in loaded:
                await page.goto(address)
                await page.wait_for_load_state("networkidle")
                await expect(page.locator("fieldset:disabled, .unstarted, sealed-text:empty")).to_have_count(0)
                await page.evaluate("() => document.fonts.ready")
                jumps = await page.evaluate(SHIFTS)
            unsafe = await page.evaluate(UNSAFE, [insets[side] for side in ("top", "right", "bottom", "left")])
            if unsafe or jumps >= 0.1:  # "good" ends there (web.dev, Cumulative Layout Shift)
                found[f"{address[21:]} {width}"] = jumps, unsafe
        await session.detach()
    assert json.dumps(found) == "{}"


# What a screen reader announces: text that appears in the log, unless it is hidden or busy, or is a region of its own.
ANNOUNCES = """() => {
    window.announced = [];
    const isAnnounced = (node) => {
        let live = null;
        for (let at = node.parentElement ?? node; at; at = at.parentElement) {
            if (at.ariaHidden === "true" || at.ariaBusy === "true") return false;
            live ??= at.ariaLive ?? ({ log: "polite", status: "off", alert: "off" })[at.getAttribute("role")] ?? null;
        }
        return live === "polite";
    };
    new MutationObserver((changes) => {
        const shown = changes.flatMap(({ type, target, addedNodes }) =>
            (type === "childList" ? [...addedNodes] : target.ariaHidden ? [] : [target]));
        for (const node of shown) {
            if (shown.some((other) => other !== node && other.contains(node))) continue; // part of what appears
            const text = [...(node.matches?.("[aria-hidden=true]") ? [] : [node])].map((one) => {
                const copy = one.cloneNode(true);
                copy.querySelectorAll?.("[aria-hidden=true], [hidden]").forEach((hidden) => hidden.remove());
                return copy.textContent.replace(/\\s+/g, " ").trim();
            }).join("");
            if (text && isAnnounced(node)) window.announced.push(text);
        }
    }).observe(document, { childList: true, subtree: true, attributeFilter: ["aria-hidden"] });
}"""


async def test_a_screen_reader_hears_each_message_that_arrives_once_and_none_that_is_loaded(home: Home) -> None:
    alice, bob = await home.person("alice"), await home.peer()
    await alice.starts_with(bob.search_pin)
    await bob.starts_with(alice.search_pin)
    for number in range(51):  # one more than a page
        await bob.writes(f"line {number}")
    page = await alice.new_tab()
    await page.add_init_script(f"({ANNOUNCES})()")
    await page.goto(alice.page.url)
    log = page.get_by_role("log")
    await expect(log.get_by_text("line 50", exact=True)).to_be_visible()
    await expect(log).to_have_attribute("aria-busy", "false")
    await log.evaluate("element => element.scrollTo(0, -element.scrollHeight)")
    await expect(log.get_by_text("line 0", exact=True)).to_be_visible()
    await expect(log).to_have_attribute("aria-busy", "false")
    await bob.writes("hello")
    await alice.writes("hello, too", page=page)
    await expect(log.get_by_text("hello, too", exact=True)).to_be_visible()
    await expect(page.locator(".pending")).to_have_count(0)
    await page.evaluate("() => document.querySelector('message-thread').contact.changed()")  # by another device
    heard = [re.sub(r"\d+:\d+.*", "", text).strip() for text in await page.evaluate("window.announced")]
    assert heard == [f"Received from {bob.name}: hello", "Sent by you: hello, too"]
    last = log.get_by_role("article").last
    await expect(last).to_have_accessible_name(re.compile(r"^Sent by you, \d+:\d+"))
