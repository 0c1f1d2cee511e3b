"""How long a search of a long history takes in the browser, and what typing feels meanwhile."""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections import defaultdict
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

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

# What Chromium's main thread does between two looks at its queue.
TASKS = ("ThreadControllerImpl::RunTask", "BlinkScheduler_PerformMicrotaskCheckpoint")

# Types a word, and resolves once everything was searched, to the milliseconds.
SEARCH = """(typed) => new Promise((resolve) => {
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
# Types more and more of a text. After each key, its results stand in the page.
KEYS = """async (text) => {
    const field = document.querySelector("#filter");
    for (let length = 1; length <= text.length; length += 1) {
        await new Promise((resolve) => { setTimeout(resolve, 30); });
        field.value = text.slice(0, length);
        field.dispatchEvent(new Event("input"));
        document.querySelector(".results").getBoundingClientRect();
    }
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
            took, task = await _longest(page, page.evaluate(SEARCH, RARE))
            found = await page.locator(".found").count()
            _, key = await _longest(page, page.evaluate(KEYS, f"winter {RARE[:4]}"))
            grown = await _memory(page) - before
            again = await _with_index(page, seeker.address)
            await browser.close()
    finally:
        server.kill()
    assert found == 2, found
    report.at_most(f"search: {count:,} messages for the first time", took / 1000, 20 * count / MESSAGES, "s")
    report.at_most(f"search: a key once {count:,} messages are loaded, longest", key, 100, "ms of CPU")
    report.at_most("search: longest task meanwhile", task, 50, "ms of CPU")
    report.at_most(f"search: memory of {count:,} messages", grown / 2**20, 60, "MiB")
    report.at_most(f"search: {count:,} messages of a search index", again / 1000, 5 * count / MESSAGES, "s")


async def _with_index(page: Page, address: str) -> float:
    """The milliseconds that a search takes at the visit after one that filled the index."""
    await page.goto(f"{address}/settings")
    await page.get_by_role("switch", name="Keep a search index on this device").check()
    for _ in range(2):
        await page.goto(address)
        await page.locator("conversation-item").wait_for()
        took = float(await page.evaluate(SEARCH, RARE))
    return took


async def _longest(page: Page, work: Awaitable[Any]) -> tuple[Any, float]:
    """What this work of the page results in, and its longest task, in milliseconds of CPU: how long a task takes
    by the clock depends on what else the machine does."""
    browser = page.context.browser
    assert browser
    await browser.start_tracing(page=page, categories=["toplevel", "__metadata"])
    result = await work
    spent: dict[tuple[int, int], list[float]] = defaultdict(lambda: [0])
    for event in json.loads(await browser.stop_tracing())["traceEvents"]:
        if event["name"] in TASKS:
            spent[event["pid"], event["tid"]].append(event.get("tdur", 0) / 1000)
    return result, max(max(spent.values(), key=sum))


async def _memory(page: Page) -> int:
    """The bytes of the page's JavaScript heap."""
    return int(await page.evaluate("() => { gc(); gc(); return performance.memory.usedJSHeapSize; }"))
