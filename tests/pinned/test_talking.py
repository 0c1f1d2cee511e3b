"""With the pin, everything works as without it; instead of any other page, an explanation is shown."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack

import pytest

from tests.browser.lies.liar import Liar
from tests.browser.lies.peers import Peer
from tests.conftest import Server
from tests.pinned.conftest import Pair
from tests.pinned.living import LOG, changes_pin, complaints, registers, shows, talks
from tests.pinned.test_pinned import DOCUMENT, alone, module
from tests.support.someone import until

BROWSER = "chromium"


@pytest.mark.asyncio(loop_scope="session")
async def test_the_whole_app_works_with_a_pin(liar: Liar, truth: Server, pair: Pair) -> None:
    """Register, exchange messages, reload, change the PIN: in one tab, and the console stays empty."""
    window, name = pair.pinned, f"ada-{pair.name}"
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
    lies = {DOCUMENT: alone("<h1>Enter your Login PIN</h1>")} if what == "another document" else module("boot")
    with ExitStack() as lying:
        for request, change in lies.items():
            lying.enter_context(liar.lying(request, change))
        await pair.pinned.goto(f"{liar.url}/")
        await shows(pair.pinned, "h1", "This is not the page you pinned")
        await shows(pair.pinned, "[data-said]", "which is pinned, but sends something else")
    await pair.pinned.press("#again")

    async def is_back() -> bool:
        return bool(await pair.pinned.read("document.querySelector('#main, #login-pin') !== null"))

    await until(is_back)
