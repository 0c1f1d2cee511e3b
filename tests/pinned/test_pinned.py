"""With the pin, a server can neither run its own scripts nor show its own text, whatever it sends.

Each lie is first told at an address of the server that the browser has no pin for, where it works.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from ezdms.release import pin
from ezdms.release.manifest import installed
from tests.browser.lies.liar import Liar
from tests.browser.lies.peers import Peer
from tests.conftest import Server
from tests.pinned.false_pages import (
    CHANGED,
    ELSEWHERE,
    FALSE,
    LOOK,
    NEVER,
    NOTHING,
    PROTECTION,
    SHOWN,
    UNENDING,
    WORDS,
    says,
    unending,
)
from tests.pinned.living import LOG, changes_pin, complaints, registers, shows, talks, text_of
from tests.pinned.scripts import AT_ONCE, CASES, DOCUMENT, alone, go, stolen, telling, there, visit
from tests.pinned.starting import AFTERWARDS, AT_STARTUP, PRERENDERED, judged
from tests.pinned.windows import Window, begun, lead
from tests.pinned.workers import IS_HONEST, IS_THERE, REGISTER, WORKER
from tests.support.someone import until

BROWSER = "chromium"
UNKNOWN, CLAIMED = "The server does not say which release it runs.", "The server says it runs EZ-DMS 9.9.9."
LINKS = {"at another address": "#again", "as the protection page": ".back"}  # to the pinned page


@pytest.mark.asyncio(loop_scope="session")
async def test_scripts_of_the_server_do_not_run_and_a_changed_page_is_explained(
    liar: Liar, bare: str, browser: Window
) -> None:
    """With the pin, each way is tried in a tab of its own: one for each name of CASES."""
    async with browser.tab() as window:
        for name, case in CASES.items():
            with telling(liar, case.lies):
                ran = await visit(liar, window, case, bare)
                assert case.scripts <= ran, f"control: without the pin, {name} runs {case.scripts}, but only {ran} did"
    await asyncio.sleep(0.3)  # its late requests would be attributed to the others
    since = len(liar.heard)
    async with AsyncExitStack() as tabs:
        with telling(liar, {request: change for case in CASES.values() for request, change in case.lies.items()}):
            for case in CASES.values():
                window = await tabs.enter_async_context(browser.tab())
                if case is CASES["changed modules"]:
                    changed = window
                await go(window, case, liar.url)
            await asyncio.sleep(AT_ONCE)
            assert stolen(liar, since) == set()
            await is_explained(changed)
        await changed.press("#again")
        await is_back(changed)


async def is_explained(window: Window) -> None:
    """The extension's page says that the server claims the pinned release, but sends something else."""
    await shows(window, "h1", CHANGED)
    await shows(window, "[data-said]", "which is pinned, but sends something else")


async def is_back(window: Window) -> None:
    """Wait for the honest page: with the front page's form, or logged in."""
    await until(lambda: window.read("document.querySelector('#main, #login-pin') !== null"))


@pytest.mark.asyncio(loop_scope="session")
async def test_no_text_of_other_pages_is_shown_and_the_pins_own_pages_link_to_the_pinned_one(
    liar: Liar, bare: str, browser: Window, hasty: tuple[str, Path]
) -> None:
    async with browser.tab() as control, browser.tab() as pinned:
        for window in (control, pinned):
            await window.run_first(LOOK)
        for name, (lies, path, heading) in ELSEWHERE.items():
            origin = hasty[0] if heading == CHANGED else liar.url
            with telling(liar, lies):
                control.said.clear()
                await control.goto(f"{bare}{path}")

                async def is_shown() -> bool:
                    return bool(await control.read("1")) and SHOWN in control.said

                await until(is_shown)  # it is shown without the pin
                pinned.said.clear()
                await pinned.read(f"void (document.body.replaceChildren(), location.href = '{origin}{path}')")
                await shows(pinned, "h1", heading)
                assert SHOWN not in pinned.said, name
                assert FALSE not in str(await pinned.read(text_of("body"))), name
                assert str(await pinned.read("location.protocol")).endswith("-extension:"), name
                await shows(pinned, "body", f"EZ-DMS pin for {origin}")
            if heading == CHANGED:
                await is_explained(pinned)
            if heading == PROTECTION:
                await shows(pinned, "main", "The server stores and forwards messages it cannot read.")
                assert str(await pinned.read("document.querySelector('.back').href")) == f"{liar.url}/"
            if name in LINKS:
                await pinned.press(LINKS[name])
                await shows(pinned, "a[href='/protection']", PROTECTION)


@pytest.mark.asyncio(loop_scope="session")
async def test_a_page_that_never_finishes_loading_is_replaced(
    liar: Liar, browser: Window, hasty: tuple[str, Path]
) -> None:
    """One tab for each such page, at the same time. The server's version is shown only if it is one."""
    answers = [says("9.9.9"), says(WORDS), unending(says("9.9.9"))]
    lies = {re.escape(f"GET {path}"): change for path, change in UNENDING.items()}
    async with AsyncExitStack() as tabs:
        with telling(liar, lies | {"GET /deployment": lambda answer: answers.pop()(answer), NEVER: unending(NOTHING)}):
            windows = [await tabs.enter_async_context(browser.tab()) for _ in UNENDING]
            for path, window in zip(UNENDING, windows, strict=True):
                await window.read(f"void (location.href = '{hasty[0]}{path}')")
            for window in windows:
                await shows(window, "h1", "The page did not start")
            told = [str(await window.read(text_of("[data-said]"))) for window in windows]
            assert sorted(told) == [UNKNOWN, UNKNOWN, CLAIMED]
            for window in windows:
                assert "555 0100" not in str(await window.read(text_of("body")))


@pytest.mark.asyncio(loop_scope="session")
async def test_the_whole_app_works_with_a_pin(liar: Liar, truth: Server, browser_name: str, window: Window) -> None:
    """Register, exchange messages, reload, change the PIN: in one tab, and the console stays empty."""
    await window.goto(f"{liar.url}/")
    pins = await registers(window, f"ada-{browser_name}")
    bob = await Peer.arrives(truth)
    await talks(window, bob, pins["search"], "it holds")
    await window.goto(f"{liar.url}/c/{bob.conversation}")
    await shows(window, LOG, "it holds")
    await changes_pin(window, liar.url, pins["login"])
    assert complaints(window) == []
    await bob.leaves()
    await asyncio.sleep(0.01)  # lets the loop close connections


@pytest.mark.asyncio(loop_scope="session")
async def test_pages_that_open_at_browser_startup_or_are_prerendered_are_pinned(
    liar: Liar, bare: str, browser_name: str, window: Window, kept: Path
) -> None:
    """In Firefox, no script has run when they are judged. Chromium can open pages before it has its extensions.

    Chromium alone prerenders pages that a document or a header names, without a navigation.
    """
    is_chromium = browser_name == "chromium"
    urls = [f"{liar.url}{path}" for path in AT_STARTUP]
    with telling(liar, {re.escape(f"GET {path}"): change for path, change in AT_STARTUP.items()} | PRERENDERED):
        since = len(liar.heard)
        for path in AT_STARTUP:
            await window.goto(f"{bare}{path}")
        await until(lambda: len(stolen(liar, since)) == len(urls))  # control
        await window.goto("about:blank")
        since = len(liar.heard)
        async with begun(browser_name, kept, *urls):
            await judged(liar, since, len(urls))
            assert not stolen(liar, since) or is_chromium
            since = len(liar.heard)
            if is_chromium:
                await lead(kept, f"{liar.url}/")
                await judged(liar, since, 1)
            await asyncio.sleep(AFTERWARDS)
            assert not stolen(liar, since)
            if is_chromium:
                await lead(kept, f"{bare}/")
                await until(lambda: "prerendered" in stolen(liar, since))  # control


@pytest.mark.asyncio(loop_scope="session")
async def test_the_pin_removes_existing_service_workers(liar: Liar, window: Window, tmp_path: Path) -> None:
    """It would answer instead of the server. At an address of its own, which has no pin at first."""
    origin = liar.url.replace("127.0.0.1", "workers.localhost")
    pin.write(tmp_path / "extension", origin, [installed()])

    async def is_registered() -> bool:
        return bool(await window.read(IS_THERE) == 1)

    async def is_removed() -> bool:
        return bool(await window.read(IS_THERE) == 0)

    async def is_honest() -> bool:
        return bool(await window.read(IS_HONEST))

    with telling(liar, {r"GET /sw\.js": there(WORKER, "text/javascript")}):  # until the end: a 404 would remove it, too
        with telling(liar, {DOCUMENT: alone(REGISTER)}):
            await window.goto(origin)
            await until(is_registered)
        with telling(liar, {DOCUMENT: alone("Our own page would remove it.")}):
            since = len(liar.heard)
            await window.goto(origin)  # gets no request
            await until(lambda: bool(stolen(liar, since)))
            await window.install(tmp_path / "extension")
            await until(is_removed)  # the open tab is reloaded
        since = len(liar.heard)
        await window.goto(origin)
        await until(is_honest)
        await asyncio.sleep(1)
        assert not stolen(liar, since)
        assert await is_honest()
        assert await is_removed()
