"""How long a search of a long history takes in the browser, and what typing feels meanwhile."""

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path

from playwright.async_api import Page, async_playwright

from bench import processes
from bench.filled import Filled
from bench.report import Report
from ezdms import crypto
from ezdms.db import now
from tests.conftest import CHROMIUM, CHROMIUM_FLAGS, Server
from tests.support.someone import Someone

MESSAGES = 10_000
WORDS = ["harbour", "coffee", "morning", "letter", "window", "orange", "paper", "river", "yellow", "garden", "ticket"]
WORDS += ["station", "winter", "kitchen", "bicycle", "story", "concert", "weather", "mountain", "dinner"]
RARE = "serendipity"

# Types a word, and resolves once everything was searched, to the milliseconds. `window.tasks`: those over 50 ms.
SEARCH = """(typed) => new Promise((resolve) => {
    window.tasks = [];
    new PerformanceObserver((list) => window.tasks.push(...list.getEntries().map(({ duration }) => duration)))
        .observe({ type: "longtask" });
    const began = performance.now();
    const field = document.querySelector("#filter");
    field.value = typed;
    field.dispatchEvent(new Event("input"));
    const progress = document.querySelector(".progress");
    const look = () => {
        if (progress.textContent !== "Everything was searched") return setTimeout(look, 50);
        resolve(performance.now() - began);
    };
    look();
})"""
# Types more and more of a text; the milliseconds that each key takes until its results stand in the page.
KEYS = """async (text) => {
    const field = document.querySelector("#filter");
    const waits = [];
    for (let length = 1; length <= text.length; length += 1) {
        await new Promise((resolve) => { setTimeout(resolve, 30); });
        const began = performance.now();
        field.value = text.slice(0, length);
        field.dispatchEvent(new Event("input"));
        document.querySelector(".results").getBoundingClientRect();
        waits.push(performance.now() - began);
    }
    return waits;
}"""


def add_history(path: Path, username: str, count: int) -> None:
    """Someone new has written `count` messages to this user, every one sealed and signed. The server may be running."""
    dice = random.Random(1)  # noqa: S311
    filled = Filled(path)
    user_id, reader = filled.find(username)
    (sender,) = filled.add_people(1)
    where = filled.add_conversation((crypto.fingerprint(reader.ik), user_id), (sender.keys.fp, sender.user_id))
    first, before = now() - count * 3_600_000, ""
    for n in range(1, count + 1):
        text = " ".join(dice.choices(WORDS, k=dice.randrange(3, 25))) + (f" {RARE}" if n in (7, count // 2) else "")
        at = first + n * 3_600_000
        sealed = crypto.seal_message(sender.keys, reader.ik, reader.spki, n=n, p=before, a=(0, ""), ts=at, text=text)
        filled.add_message(where, sender, sealed, seq=n, at=at)
        before = sealed.hash
    filled.close()


async def measure(report: Report, folder: Path, *, quick: bool) -> None:
    """A user of Chromium who has a history of MESSAGES messages."""
    count = 2000 if quick else MESSAGES
    os.sched_setaffinity(0, processes.CORES)
    server = Server(folder)
    await asyncio.to_thread(server.start)
    try:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=CHROMIUM,
                args=[*CHROMIUM_FLAGS, "--enable-precise-memory-info", "--js-flags=--expose-gc"],
            )
            seeker = await Someone.is_in(browser, server, "seeker")
            await asyncio.to_thread(add_history, server.data_dir, "seeker", count)
            page = seeker.page
            await page.reload()
            await seeker.opens("person0")
            await page.get_by_role("link", name="EZ-DMS").click()
            before = await _memory(page)
            took = float(await page.evaluate(SEARCH, RARE))
            found = await page.locator(".found").count()
            tasks = await page.evaluate("window.tasks")
            waits = await page.evaluate(KEYS, f"winter {RARE[:4]}")
            grown = await _memory(page) - before
            await browser.close()
    finally:
        server.kill()
    assert found == 2, found
    report.at_most(f"search: {count:,} messages for the first time", took / 1000, 20 * count / MESSAGES, "s")
    report.at_most(f"search: a key once {count:,} messages are loaded, longest", max(waits), 100, "ms")
    report.at_most("search: longest task meanwhile", max([*tasks, 0]), 50, "ms")
    report.at_most(f"search: memory of {count:,} messages", grown / 2**20, 60, "MiB")


async def _memory(page: Page) -> int:
    """The bytes of the page's JavaScript heap."""
    return int(await page.evaluate("() => { gc(); gc(); return performance.memory.usedJSHeapSize; }"))
