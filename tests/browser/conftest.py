"""Two browsers for all tests of this folder, a context of its own for each person, and two people in a conversation."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Playwright, async_playwright

from tests.conftest import CHROMIUM, CHROMIUM_FLAGS, FIREFOX, Server, skip_or_fail
from tests.support.someone import Someone


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that is marked runs in Firefox too."""
    if "browser_name" in metafunc.fixturenames and metafunc.definition.get_closest_marker("firefox_too"):
        metafunc.parametrize("browser_name", ["chromium", "firefox"], indirect=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The browsers live in one event loop, so their tests do too; those of a file in Firefox after all others of it."""
    files = {path: number for number, path in enumerate(dict.fromkeys(item.path for item in items))}
    items.sort(key=lambda item: (files[item.path], is_in_firefox(item)))
    for item in items:
        if Path(__file__).parent in item.path.parents and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


def is_in_firefox(item: pytest.Item) -> bool:
    """Whether it is that half of a marked test."""
    called = getattr(item, "callspec", None)
    return called is not None and called.params.get("browser_name") == "firefox"


async def chromium(playwright: Playwright, folder: Path) -> Browser:
    """Debian's."""
    if CHROMIUM is None:
        skip_or_fail("Chromium is missing (Debian: apt install chromium-headless-shell, or chromium)")
    return await playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)


async def firefox(playwright: Playwright, folder: Path) -> Browser:
    """Debian's, over WebDriver BiDi: Playwright's own protocol needs a Firefox that Playwright has built."""
    if FIREFOX is None:
        skip_or_fail("Firefox is missing (Debian: apt install firefox-esr)")
    return await playwright.firefox.launch(
        channel="moz-firefox", executable_path=FIREFOX, env={**os.environ, "HOME": str(folder)}
    )


STARTS = {"chromium": chromium, "firefox": firefox}
Starting = Callable[[str], Awaitable[Browser]]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def started(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Starting]:
    """A browser by its name. It is started once, when it is first asked for: that takes a third of the tests' time."""
    running: dict[str, Browser] = {}

    async def start(name: str) -> Browser:
        if name not in running:
            running[name] = await STARTS[name](playwright, tmp_path_factory.mktemp(name))
        return running[name]

    async with async_playwright() as playwright:
        yield start
        for browser in running.values():
            await browser.close()


@pytest.fixture
def browser_name(request: pytest.FixtureRequest) -> str:
    """Chromium, unless the test is marked."""
    return str(getattr(request, "param", "chromium"))


@pytest_asyncio.fixture(loop_scope="session")
async def browser(started: Starting, browser_name: str) -> AsyncIterator[Browser]:
    """Without anybody in it: what a test opened is closed, and its storage forgotten, when the test ends."""
    browser = await started(browser_name)
    yield browser
    for context in browser.contexts:
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
