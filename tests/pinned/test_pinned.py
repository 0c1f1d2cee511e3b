"""With the pin, a server can neither run its own scripts nor show its own text, whatever it sends.

Each lie is first told to a browser without the pin, where it works.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import AsyncExitStack

import pytest

from tests.browser.lies.liar import Liar
from tests.browser.lies.peers import Peer
from tests.conftest import Server
from tests.pinned.conftest import Pair
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
from tests.pinned.scripts import AT_ONCE, CASES, DOCUMENT, SOON, alone, telling, visit
from tests.pinned.windows import Window
from tests.support.someone import until

BROWSER = "chromium"
UNKNOWN, CLAIMED = "The server does not say which release it runs.", "The server says it runs EZ-DMS 9.9.9."
LONGEST = 45.0  # seconds: 20 and 3 until a page is judged, 5 for the server's release, and time for a busy machine


@pytest.mark.parametrize("name", CASES)
@pytest.mark.asyncio(loop_scope="session")
async def test_scripts_of_the_server_do_not_run(liar: Liar, pair: Pair, name: str) -> None:
    case = CASES[name]
    with telling(liar, case.lies):
        ran = await visit(liar, pair.bare, case, SOON)
        assert case.scripts <= ran, "control: they run without the pin"
        await pair.bare.goto("about:blank")  # its late requests would be attributed to the other browser
        await asyncio.sleep(0.3)
        assert await visit(liar, pair.pinned, case, AT_ONCE) == set()


@pytest.mark.asyncio(loop_scope="session")
async def test_no_text_of_other_pages_is_shown(liar: Liar, pair: Pair) -> None:
    async with pair.bare.tab() as bare, pair.pinned.tab() as pinned:
        for window in (bare, pinned):
            await window.run_first(LOOK)
        for name, (lies, path, heading) in ELSEWHERE.items():
            with telling(liar, lies):
                bare.said.clear()
                await bare.goto(f"{liar.url}{path}")

                async def is_shown() -> bool:
                    return bool(await bare.read("1")) and SHOWN in bare.said

                await until(is_shown)  # control: it is shown without the pin
                await pinned.goto("about:blank")
                pinned.said.clear()
                await pinned.read(f"void (location.href = '{liar.url}{path}')")
                await shows(pinned, "h1", heading)
                assert SHOWN not in pinned.said, name
                assert FALSE not in str(await pinned.read(text_of("body"))), name
                assert str(await pinned.read("location.protocol")).endswith("-extension:"), name
                if heading == PROTECTION:
                    await shows(pinned, "main", "The server stores and forwards messages it cannot read.")
                    assert str(await pinned.read("document.querySelector('.back').href")) == f"{liar.url}/"


@pytest.mark.asyncio(loop_scope="session")
async def test_the_pins_own_pages_link_to_the_pinned_page(liar: Liar, pair: Pair) -> None:
    for path, link in (("/protection", ".back"), ("/nowhere", "#again")):
        await pair.pinned.goto(f"{liar.url}{path}")
        await shows(pair.pinned, "body", f"EZ-DMS pin for {liar.url}")
        await pair.pinned.press(link)
        await shows(pair.pinned, "a[href='/protection']", PROTECTION)


async def replaced(window: Window) -> None:
    """Wait for the extension's page, longer than `until` does."""
    for _ in range(int(LONGEST / 0.5)):
        if "The page did not start" in str(await window.read(text_of("h1"))):
            return
        await asyncio.sleep(0.5)
    raise AssertionError("it is still shown")


@pytest.mark.asyncio(loop_scope="session")
async def test_a_page_that_never_finishes_loading_is_replaced(liar: Liar, pair: Pair) -> None:
    """One tab for each such page, at the same time. The server's version is shown only if it is one."""
    answers = [says("9.9.9"), says(WORDS), unending(says("9.9.9"))]
    lies = {re.escape(f"GET {path}"): change for path, change in UNENDING.items()}
    async with AsyncExitStack() as tabs:
        with telling(liar, lies | {"GET /deployment": lambda answer: answers.pop()(answer), NEVER: unending(NOTHING)}):
            windows = [await tabs.enter_async_context(pair.pinned.tab()) for _ in UNENDING]
            for path, window in zip(UNENDING, windows, strict=True):
                await window.read(f"void (location.href = '{liar.url}{path}')")
            for window in windows:
                await replaced(window)
            told = [str(await window.read(text_of("[data-said]"))) for window in windows]
            assert sorted(told) == [UNKNOWN, UNKNOWN, CLAIMED]
            for window in windows:
                assert "555 0100" not in str(await window.read(text_of("body")))
    await pair.pinned.goto(f"{liar.url}/")
    await shows(pair.pinned, "a[href='/protection']", PROTECTION)  # logged in or not


@pytest.mark.asyncio(loop_scope="session")
async def test_the_whole_app_works_with_a_pin(liar: Liar, truth: Server, pair: Pair) -> None:
    """Register, exchange messages, reload, change the PIN: in one tab, and the console stays empty."""
    window, name = pair.pinned, f"ada-{pair.name}"
    await window.goto("about:blank")  # the last words of another test's page would be counted
    since = len(window.said)
    await window.goto(f"{liar.url}/")
    pins = await registers(window, name)
    bob = await Peer.arrives(truth)
    await talks(window, bob, pins["search"], "it holds")
    await window.goto(f"{liar.url}/c/{bob.conversation}")
    await shows(window, LOG, "it holds")
    await changes_pin(window, liar.url, pins["login"])
    assert complaints(window, since) == []
    await bob.leaves()
    await asyncio.sleep(0.01)  # lets the loop close connections


@pytest.mark.parametrize("what", ["another document", "another script"])
@pytest.mark.asyncio(loop_scope="session")
async def test_a_page_that_differs_from_the_pinned_one_is_explained(liar: Liar, pair: Pair, what: str) -> None:
    lies = {DOCUMENT: alone(f"<h1>{FALSE}</h1>")} if what == "another document" else CASES["changed modules"].lies
    with telling(liar, lies):
        await pair.pinned.goto(f"{liar.url}/")
        await shows(pair.pinned, "h1", CHANGED)
        await shows(pair.pinned, "[data-said]", "which is pinned, but sends something else")
    await pair.pinned.press("#again")

    async def is_back() -> bool:
        return bool(await pair.pinned.read("document.querySelector('#main, #login-pin') !== null"))

    await until(is_back)
