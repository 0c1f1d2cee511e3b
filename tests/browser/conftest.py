"""Two browsers for all tests in this folder, a context for each person, and two people in a conversation."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Playwright, async_playwright

from tests.browser.home import Home
from tests.conftest import CHROMIUM, CHROMIUM_FLAGS, FIREFOX, Server, skip_or_fail
from tests.support.someone import Someone


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run marked tests in Firefox too."""
    if "browser_name" in metafunc.fixturenames and metafunc.definition.get_closest_marker("firefox_too"):
        metafunc.parametrize("browser_name", ["chromium", "firefox"], indirect=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run browser tests in one event loop, like the browsers; Firefox tests run last in each file."""
    files = {path: number for number, path in enumerate(dict.fromkeys(item.path for item in items))}
    items.sort(key=lambda item: (files[item.path], is_in_firefox(item)))
    for item in items:
        if Path(__file__).parent in item.path.parents and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


def is_in_firefox(item: pytest.Item) -> bool:
    """Whether this is the Firefox variant of a marked test."""
    called = getattr(item, "callspec", None)
    return called is not None and called.params.get("browser_name") == "firefox"


# A camera that shows a test picture, and a name of this machine to which browsers give no secure context.
MORE_FLAGS = [
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--host-resolver-rules=MAP chat.test 127.0.0.1",
]


async def chromium(playwright: Playwright, folder: Path) -> Browser:
    """Debian's Chromium."""
    if CHROMIUM is None:
        skip_or_fail("Chromium is missing (Debian: apt install chromium-headless-shell, or chromium)")
    return await playwright.chromium.launch(executable_path=CHROMIUM, args=[*CHROMIUM_FLAGS, *MORE_FLAGS])


async def firefox(playwright: Playwright, folder: Path) -> Browser:
    """Debian's Firefox over WebDriver BiDi: Playwright's own protocol needs Playwright's build of Firefox."""
    if FIREFOX is None:
        skip_or_fail("Firefox is missing (Debian: apt install firefox-esr)")
    return await playwright.firefox.launch(
        channel="moz-firefox",
        executable_path=FIREFOX,
        env={**os.environ, "HOME": str(folder)},
        args=["--kiosk"],  # without toolbars, which take a tenth of the CPU time of a page load
    )


async def with_notifications(playwright: Playwright, folder: Path) -> Browser:
    """The whole Chromium: its headless shell never permits notifications."""
    whole = shutil.which("chromium")
    if whole is None:
        skip_or_fail("Chromium is missing (Debian: apt install chromium)")
    flags = ["--headless=new", *CHROMIUM_FLAGS[1:], *MORE_FLAGS]
    return await playwright.chromium.launch(executable_path=whole, args=flags)


STARTS = {"chromium": chromium, "firefox": firefox, "with notifications": with_notifications}
Starting = Callable[[str], Awaitable[Browser]]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def started(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Starting]:
    """Start a browser by name, only once: starting is a large share of the tests' time."""
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


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def homes() -> AsyncIterator[dict[str, Home]]:
    """The file's home in each browser."""
    homes: dict[str, Home] = {}
    yield homes
    for home in homes.values():
        await home.ends()


@pytest_asyncio.fixture(loop_scope="session")
async def browser(started: Starting, browser_name: str, homes: dict[str, Home]) -> AsyncIterator[Browser]:
    """A browser: the contexts that the test opens, and their storage, are closed when it ends."""
    browser = await started(browser_name)
    yield browser
    shared = {context for home in homes.values() for context in home.contexts}
    for context in browser.contexts:
        if context not in shared:
            await context.close()


@pytest.fixture
def home_settings() -> dict[str, str]:
    """Of the home's server, if a file needs others."""
    return {}


@pytest_asyncio.fixture(loop_scope="session")
async def home(
    request: pytest.FixtureRequest,
    browser: Browser,
    browser_name: str,
    homes: dict[str, Home],
    home_settings: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Home]:
    """The home in this browser. A test that fails leaves an empty one to the next."""
    failed = request.session.testsfailed
    if browser_name not in homes:
        server = Server(tmp_path_factory.mktemp("home"), **home_settings)
        server.start()
        homes[browser_name] = Home(browser, server)
    yield homes[browser_name]
    await homes[browser_name].peers_leave()
    if request.session.testsfailed > failed:
        await homes.pop(browser_name).ends()


@pytest_asyncio.fixture(loop_scope="session")
async def friends(home: Home) -> tuple[Someone, Someone]:
    """Alice and Bob, whom the tests of a file share, in their conversation."""
    return await home.friends()


@pytest_asyncio.fixture(loop_scope="session")
async def pair(browser: Browser, server: Server) -> tuple[Someone, Someone]:
    """Alice and Bob, in one conversation that Alice started."""
    alice, bob = [await Someone.is_in(browser, server, name) for name in ("alice", "bob")]
    await alice.starts_with(bob.search_pin)
    await bob.opens("alice")
    return alice, bob


@pytest_asyncio.fixture(loop_scope="session")
async def newcomers(browser: Browser, server: Server) -> tuple[Someone, Someone]:
    """Alice and Bob, whose browsers created their keys and PINs."""
    alice, bob = [await Someone.arrives(browser, server, name, recorded=True) for name in ("alice", "bob")]
    await asyncio.gather(alice.creates_an_account(), bob.creates_an_account())
    await alice.starts_with(bob.search_pin)
    await bob.opens("alice")
    return alice, bob
