"""A lying server with its own browser, for all files of a worker; Alice is logged in there, Carol is not."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from tests.browser.lies.between import liar, truth
from tests.browser.lies.liar import Liar
from tests.browser.lies.peers import Peer
from tests.browser.lies.shell import Shell
from tests.browser.lies.stage import Stage, Visitor
from tests.browser.lies.watching import Watch
from tests.conftest import CHROMIUM, CHROMIUM_FLAGS, PATIENCE, Server, skip_or_fail
from tests.support.someone import Someone

__all__ = ["liar", "truth"]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def lied_to(liar: Liar) -> AsyncIterator[Browser]:
    """A Chromium whose contexts outlive a test."""
    if CHROMIUM is None:
        skip_or_fail("Chromium is missing (Debian: apt install chromium-headless-shell, or chromium)")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def setting(lied_to: Browser, liar: Liar, truth: Server) -> AsyncIterator[Stage]:
    """Alice at her browser, in one conversation with Bob, a program that she has verified."""
    alice = await Someone.is_in(lied_to, truth, "alice", liar.url)
    bob = await Peer.arrives(truth, "bob")
    await alice.starts_with(bob.search_pin)
    await bob.starts_with(alice.search_pin)
    await bob.writes("hello alice")
    await alice.sees("hello alice")
    stage = Stage(liar, truth, lied_to, alice, bob)
    yield stage
    await stage.end()


@pytest_asyncio.fixture(loop_scope="session")
async def stage(setting: Stage) -> AsyncIterator[Stage]:
    """The same, reset: Alice is in the conversation with Bob, without alarms. A test may leave it in any state."""
    await setting.begin()
    yield setting
    setting.watch.end()


@pytest_asyncio.fixture(loop_scope="session")
async def anywhere(setting: Stage) -> AsyncIterator[Stage]:
    """The same for a test that begins by loading a page: Alice is wherever the last test left her, but logged in."""
    await setting.is_in()
    setting.watch = Watch(setting.page, setting.liar)
    yield setting
    setting.watch.end()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def door(lied_to: Browser, liar: Liar) -> Visitor:
    """A person without an account, at their own page."""
    context = await lied_to.new_context()
    context.set_default_timeout(PATIENCE)
    return Visitor(liar, await context.new_page())


@pytest_asyncio.fixture(loop_scope="session")
async def visitor(door: Visitor) -> AsyncIterator[Visitor]:
    """The same, watched from now on."""
    door.watch = Watch(door.page, door.liar)
    yield door
    door.watch.end()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shell(lied_to: Browser, truth: Server) -> Shell:
    """The page's check of its own document, alone."""
    return await Shell.opens(lied_to, truth.url)
