"""How long until the newest 50 messages of a conversation can be read, from the click on; beside it, an empty page.

Run with `bin/test`'s environment: .venv-test/bin/python -m bench.opening
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from pathlib import Path

from playwright.async_api import Page, async_playwright

from tests.browser.someone import Someone
from tests.conftest import CHROMIUM, CHROMIUM_FLAGS, Server

MESSAGES = 120
ROUNDS = 7

READABLE = "() => [...document.querySelectorAll('sealed-text')].filter((one) => one.textContent).length >= 50"


async def seconds(page: Page, address: str, condition: str) -> float:
    """From opening the address to the condition."""
    began = time.perf_counter()
    await page.goto(address, wait_until="commit")
    await page.wait_for_function(condition, polling=10)
    return time.perf_counter() - began


async def main(folder: Path) -> None:
    """Print the medians and their ratio."""
    server = Server(folder)
    server.start()
    try:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
            alice, bob = [await Someone.arrives(browser, server, name) for name in ("alice", "bob")]
            await asyncio.gather(alice.creates_an_account(), bob.creates_an_account())
            await alice.starts_with(bob.search_pin)
            await alice.writes_many(MESSAGES)
            address = alice.page.url
            page = bob.page
            full = [await seconds(page, address, READABLE) for _ in range(ROUNDS)]
            empty = [await seconds(page, server.url, "() => document.querySelector('nav a')") for _ in range(ROUNDS)]
            await browser.close()
    finally:
        server.kill()
    full_median, empty_median = statistics.median(full), statistics.median(empty)
    print(f"50 messages readable: {full_median:.3f} s (slowest {max(full):.3f} s)")
    print(f"a page without any:   {empty_median:.3f} s; ratio {full_median / empty_median:.1f}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        asyncio.run(main(Path(name)))
