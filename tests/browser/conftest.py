"""One Chromium for all tests of this folder, a context of its own for each person, and two people in a conversation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from tests.browser.someone import Someone
from tests.conftest import CHROMIUM, CHROMIUM_FLAGS, Server, skip_or_fail


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The browser lives in one event loop, so its tests do too."""
    for item in items:
        if Path(__file__).parent in item.path.parents and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """A real Chromium, Debian's. Starting it once takes a third of the time of the tests away."""
    if CHROMIUM is None:
        skip_or_fail("Chromium is missing (Debian: apt install chromium-headless-shell, or chromium)")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def browser(chromium: Browser) -> AsyncIterator[Browser]:
    """Without anybody in it: what a test opened is closed, and its storage forgotten, when the test ends."""
    yield chromium
    for context in chromium.contexts:
        await context.close()


@pytest_asyncio.fixture(loop_scope="session")
async def pair(browser: Browser, server: Server) -> tuple[Someone, Someone]:
    """Alice and Bob, in one conversation that Alice started."""
    alice, bob = [await Someone.is_in(browser, server, name) for name in ("alice", "bob")]
    await alice.starts_with(bob.search_pin)
    await bob.opens("alice")
    return alice, bob


@pytest_asyncio.fixture(loop_scope="session")
async def newcomers(browser: Browser, server: Server) -> tuple[Someone, Someone]:
    """The same two, whose browsers made their keys and PINs."""
    alice, bob = [await Someone.arrives(browser, server, name) for name in ("alice", "bob")]
    await asyncio.gather(alice.creates_an_account(), bob.creates_an_account())
    await alice.starts_with(bob.search_pin)
    await bob.opens("alice")
    return alice, bob
