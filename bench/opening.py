"""What a person waits for: from the click on Send to the text on the other's screen, and for a page to be readable."""

from __future__ import annotations

import asyncio
import gzip
import os
import statistics
import time
from pathlib import Path

from playwright.async_api import Page, Response, async_playwright, expect

from bench import processes
from bench.report import Report
from tests.browser.someone import Someone
from tests.conftest import CHROMIUM, CHROMIUM_FLAGS, Server

MESSAGES = 120
READABLE = "() => [...document.querySelectorAll('sealed-text')].filter((one) => one.textContent).length >= 50"
# Both pages tell the same clock: milliseconds since 1970, with fractions.
NOTE_CLICKS = """() => addEventListener("click", (event) => {
    if (event.target.closest("button")?.textContent === "Send")
        window.clicked = performance.timeOrigin + performance.now();
}, true)"""
NOTE_TEXTS = """() => {
    window.readable = {};
    new MutationObserver(() => {
        for (const one of document.querySelectorAll("message-row.theirs sealed-text"))
            if (one.textContent) window.readable[one.textContent] ??= performance.timeOrigin + performance.now();
    }).observe(document.querySelector("message-log"), { childList: true, subtree: true, characterData: true });
}"""


async def measure(report: Report, folder: Path, *, quick: bool) -> None:
    """Two people at Chromium, and a third who visits for the first time."""
    rounds = 10 if quick else 40
    os.sched_setaffinity(0, processes.CORES)  # two browsers beside a server: as on a desk, not on half of one
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
            opened = [await _seconds_to_read(bob.page, address) for _ in range(7)]
            await alice.page.reload()
            waits = await _from_click_to_readable(alice, bob, rounds)
            weight = await _weight_of_first_visit(await browser.new_page(), server.url)
            await browser.close()
    finally:
        server.kill()
    report.at_most("browser: click on Send to readable, median", statistics.median(waits), 30, "ms")
    report.at_most("browser: page of 50 messages, opened to readable", statistics.median(opened) * 1000, 150, "ms")
    report.at_most("browser: first visit, gzip", weight / 1024, 150, "KiB")


async def _seconds_to_read(page: Page, address: str) -> float:
    began = time.perf_counter()
    await page.goto(address, wait_until="commit")
    await page.wait_for_function(READABLE, polling=10)
    return time.perf_counter() - began


async def _from_click_to_readable(alice: Someone, bob: Someone, rounds: int) -> list[float]:
    await alice.page.evaluate(NOTE_CLICKS)
    await bob.page.evaluate(NOTE_TEXTS)
    waits = []
    for number in range(rounds):
        text = f"measured {number}"
        await alice.writes(text)
        await expect(bob.page.get_by_text(text, exact=True)).to_be_visible()
        clicked = await alice.page.evaluate("window.clicked")
        waits.append(await bob.page.evaluate("(text) => window.readable[text]", text) - clicked)
        await asyncio.sleep(0.1)
    return waits


async def _weight_of_first_visit(page: Page, address: str) -> int:
    """Bytes of every body, compressed as the proxies of deploy/ do it; fonts are compressed already."""
    answers: list[Response] = []
    page.on("response", lambda answer: answers.append(answer))
    await page.goto(address, wait_until="networkidle")
    bodies = [await answer.body() for answer in answers]
    return sum(min(len(body), len(gzip.compress(body, 6))) for body in bodies)
