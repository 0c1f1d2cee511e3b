"""How long users wait in the browser: for a sent message to appear, for a page to open, and to switch conversations."""

from __future__ import annotations

import asyncio
import gzip
import os
import statistics
from pathlib import Path

from playwright.async_api import Browser, Page, Response, async_playwright

from bench import processes
from bench.filled import add_conversations
from bench.report import Report
from tests.conftest import CHROMIUM, CHROMIUM_FLAGS, Server
from tests.support.someone import Someone

MESSAGES = 120
LINES = 4000  # conversations in a long list
PREVIEWED = 1000  # conversations in a list, each with a message
IN_VIEW = 10  # lines on a screen of 720 pixels
PAGE_OF = 50
# Resolves once PAGE_OF messages of a new page are readable, to the milliseconds since its navigation began.
NOTE_PAGES = f"""window.readable = new Promise((resolve) => {{
    const read = new Set();
    new MutationObserver((changes) => {{
        for (const {{ target }} of changes)
            if (target.localName === "sealed-text" && target.textContent) read.add(target);
        if (read.size >= {PAGE_OF}) resolve(performance.now());
    }}).observe(document, {{ childList: true, subtree: true }});
}});"""
# Both pages use the same clock: milliseconds since 1970, with fractions. Nothing else queries the pages meanwhile,
# because on two cores each query would distort the result.
NOTE_CLICKS = """() => addEventListener("click", (event) => {
    if (event.target.closest("button")?.textContent === "Send")
        window.clicked = performance.timeOrigin + performance.now();
}, true)"""
WHEN_READABLE = """(text) => new Promise((resolve) => new MutationObserver((changes, observer) => {
    if (!changes.some(({ target }) => target.localName === "sealed-text" && target.textContent === text)) return;
    observer.disconnect();
    resolve(performance.timeOrigin + performance.now());
}).observe(document.querySelector("message-log"), { childList: true, subtree: true }))"""


# Marks the link to a conversation. Once it was clicked and PAGE_OF messages are readable, resolves to the milliseconds
# since the click.
SWITCH = f"""(name) => new Promise((resolve) => {{
    const read = new Set();
    let clicked;
    const line = [...document.querySelectorAll("conversation-item a")].find((a) => a.textContent.includes(name));
    addEventListener("click", () => {{ clicked = performance.now(); }}, {{ capture: true, once: true }});
    const observer = new MutationObserver((changes) => {{
        for (const {{ target }} of changes)
            if (target.localName === "sealed-text" && target.textContent) read.add(target);
        if (read.size < {PAGE_OF}) return;
        observer.disconnect();
        resolve(performance.now() - clicked);
    }});
    observer.observe(document, {{ childList: true, subtree: true }});
    line.setAttribute("data-next", "");
}})"""
# Resolves once LINES lines show their names, to the milliseconds since the navigation began.
NOTE_LINES = f"""window.listed = new Promise((resolve) => {{
    const look = () => {{
        const names = document.querySelectorAll("conversation-item .who");
        if (names.length >= {LINES} && names[0].textContent !== "…") resolve(performance.now());
        else requestAnimationFrame(look);
    }};
    look();
}});"""
# Resolves once the lines in view show readable previews, to the milliseconds since the navigation began.
NOTE_PREVIEWS = f"""window.previewed = new Promise((resolve) => {{
    const look = () => {{
        const words = [...document.querySelectorAll("conversation-item .words")];
        const isReadable = ({{ textContent }}) => textContent.startsWith("news ");
        if (words.length >= {PREVIEWED} && words.slice(0, {IN_VIEW}).every(isReadable)) resolve(performance.now());
        else requestAnimationFrame(look);
    }};
    look();
}});"""

# Seals a file as the page does, and resolves to the milliseconds.
SEAL = """async (size) => {
    const { b64uEncode, sealFile } = await import(document.querySelector("[src*=boot]").src.replace("boot", "crypto"));
    const random = (bytes) => crypto.getRandomValues(new Uint8Array(bytes));
    const whole = new Blob(Array.from({ length: size / 65536 }, () => random(65536)));
    const read = async (start, end) => new Uint8Array(await whole.slice(start, end).arrayBuffer());
    const began = performance.now();
    for await (const _ of sealFile(b64uEncode(random(32)), size, read));
    return performance.now() - began;
}"""
FILE = 25 * 2**20  # bytes
SEALED = 100  # MB/s, at least


async def measure(report: Report, folder: Path, *, quick: bool) -> None:
    """Two users in Chromium, one with a long list, and one first-time visitor."""
    rounds = 10 if quick else 40
    os.sched_setaffinity(0, processes.CORES)  # realistic: two browsers and a server share both cores
    server = Server(folder)
    await asyncio.to_thread(server.start)
    try:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
            alice, bob = [await Someone.arrives(browser, server, name) for name in ("alice", "bob")]
            await asyncio.gather(alice.creates_an_account(), bob.creates_an_account())
            await alice.starts_with(bob.search_pin)
            await alice.writes_many(MESSAGES)
            address = alice.page.url
            sender, reader = [await _only_page(person, address) for person in (alice, bob)]
            opened = []
            for _ in range(rounds):
                await asyncio.sleep(0.5)  # the previous page has been torn down
                opened.append(await _milliseconds_to_read(reader, address))
            waits = await _from_click_to_readable(sender, reader, rounds)
            switched = await _milliseconds_to_switch(browser, server, alice, rounds)
            popular = await Someone.is_in(browser, server, "popular")
            await asyncio.to_thread(add_conversations, server.data_dir, "popular", LINES)
            listed = await _milliseconds_until(popular, NOTE_LINES, "window.listed", 3 if quick else 7)
            busy = await Someone.is_in(browser, server, "busy")
            await asyncio.to_thread(add_conversations, server.data_dir, "busy", PREVIEWED, "news")
            previewed = await _milliseconds_until(busy, NOTE_PREVIEWS, "window.previewed", 5 if quick else 9)
            sealing = [float(await reader.evaluate(SEAL, FILE)) for _ in range(3 if quick else 9)]
            weight = await _weight_of_first_visit(await browser.new_page(), server.url)
            await browser.close()
    finally:
        server.kill()
    report.at_most("browser: click on Send to readable, median", statistics.median(waits), 30, "ms")
    report.at_most("browser: page of 50 messages, opened to readable", statistics.median(opened), 150, "ms")
    report.at_most("browser: switch to a conversation of 50, click to readable", statistics.median(switched), 80, "ms")
    report.at_most(f"browser: list of {LINES:,}, opened to named", statistics.median(listed), 1000, "ms")
    report.at_most(
        f"browser: list of {PREVIEWED:,}, opened to readable previews", statistics.median(previewed), 400, "ms"
    )
    speed = FILE / 1000 / statistics.median(sealing)
    report.add("browser: sealing a file", f"{speed:,.0f} MB/s", f"at least {SEALED}", speed >= SEALED)
    report.at_most("browser: first visit, compressed", weight / 1024, 150, "KiB")


async def _only_page(person: Someone, address: str) -> Page:
    """Replaces the user's page, whose events the test harness records, with one that it does not watch."""
    page = await person.context.new_page()
    await page.add_init_script(NOTE_PAGES)
    await _milliseconds_to_read(page, address)
    await person.page.close()
    return page


async def _milliseconds_to_read(page: Page, address: str) -> float:
    await page.goto(address, wait_until="commit")
    return float(await page.evaluate("window.readable"))


async def _from_click_to_readable(sender: Page, reader: Page, rounds: int) -> list[float]:
    await sender.evaluate(NOTE_CLICKS)
    waits = []
    for number in range(rounds):
        text = f"measured {number}"
        await sender.get_by_role("textbox", name="Message").fill(text)
        readable = asyncio.create_task(reader.evaluate(WHEN_READABLE, text))
        await asyncio.sleep(0.1)
        await sender.get_by_role("button", name="Send").click()
        waits.append(await asyncio.wait_for(readable, 10) - await sender.evaluate("window.clicked"))
        await asyncio.sleep(0.5)
    return waits


async def _milliseconds_to_switch(browser: Browser, server: Server, alice: Someone, rounds: int) -> list[float]:
    """On an open page, switch to a conversation that the page has not shown yet."""
    others = [f"other{number}" for number in range(min(rounds, 10))]
    for name in others:
        other = await Someone.arrives(browser, server, name)
        await other.creates_an_account()
        page = alice.page = await alice.context.new_page()
        await page.goto(server.url)
        await alice.starts_with(other.search_pin)
        await alice.writes_many(PAGE_OF)
        await page.close()
        await other.context.close()
    page = await alice.context.new_page()
    await page.goto(server.url)
    await page.get_by_role("link", name=others[0]).wait_for()
    waits = []
    for name in others:
        await asyncio.sleep(0.5)
        readable = asyncio.create_task(page.evaluate(SWITCH, name))
        await page.locator("a[data-next]").click()
        waits.append(await asyncio.wait_for(readable, 10))
        await page.evaluate("() => document.querySelector('a[data-next]').removeAttribute('data-next')")
    return waits


async def _milliseconds_until(person: Someone, note: str, seen: str, rounds: int) -> list[float]:
    """Open the page of a user with a long list of conversations, none of them known to this browser. `note` is the
    script that watches it, `seen` what resolves to the time."""
    await person.page.close()
    page = await person.context.new_page()
    await page.add_init_script(note)
    waits = []
    for _ in range(rounds):
        await asyncio.sleep(0.5)
        await page.goto(person.address, wait_until="commit")
        waits.append(float(await page.evaluate(seen)))
    return waits


async def _weight_of_first_visit(page: Page, address: str) -> int:
    """The bytes of all bodies, compressed as the proxies in deploy/ compress them. Fonts are compressed already."""
    answers: list[Response] = []
    page.on("response", lambda answer: answers.append(answer))
    await page.goto(address, wait_until="networkidle")
    bodies = [await answer.body() for answer in answers]
    return sum(min(len(body), len(gzip.compress(body, 6))) for body in bodies)
