"""Under the pin everything works as without it, and a page that is not the pinned one is not shown but explained."""

from __future__ import annotations

import asyncio
import json
from contextlib import ExitStack

import pytest

from tests.browser.lies.liar import Liar
from tests.browser.lies.peers import Peer
from tests.browser.someone import until
from tests.conftest import Server
from tests.pinned.conftest import Pair
from tests.pinned.test_pinned import DOCUMENT, alone, module
from tests.pinned.windows import Window

BROWSER = "chromium"
LOG = "[role=log] sealed-text"


def text_of(selector: str) -> str:
    """An expression: the words of all that match."""
    return f"[...document.querySelectorAll({json.dumps(selector)})].map((e) => e.innerText).join(' | ')"


async def shows(window: Window, selector: str, words: str) -> None:
    """These words come to stand there."""

    async def is_so() -> bool:
        return words in str(await window.read(text_of(selector)))

    await until(is_so)


@pytest.mark.asyncio(loop_scope="session")
async def test_a_whole_life_under_the_pin(liar: Liar, truth: Server, pair: Pair) -> None:
    """Register, be found, talk, reload, change the PIN, log out, log in: in one tab, and the console stays empty."""
    window, name = pair.pinned, f"ada-{pair.name}"
    since = len(window.said)
    await window.goto(f"{liar.url}/")
    await shows(window, "h1", "EZ-DMS")
    await window.type("#username", name)
    await window.press("create-account [type=submit]")
    await shows(window, "[data-testid=search-pin]", "-")
    pins = {kind: str(await window.read(text_of(f"[data-testid={kind}-pin]"))) for kind in ("login", "search")}
    await window.press("[type=checkbox]")
    await window.press("welcome-card [type=submit]")
    bob = await Peer.arrives(truth)
    await bob.starts_with(pins["search"])
    await bob.writes("hello under the pin")
    await shows(window, "#conversations", bob.name)
    await window.press(f'a[href="/c/{bob.conversation}"]')
    await shows(window, LOG, "hello under the pin")
    await window.type("#message", "it holds")
    await window.press("message-composer [type=submit]")
    await shows(window, LOG, "it holds")
    assert (await bob.last()).text == "it holds"
    await window.goto(f"{liar.url}/c/{bob.conversation}")
    await shows(window, LOG, "it holds")
    await window.goto(f"{liar.url}/account")
    await window.type("#old-pin", pins["login"])
    await window.press("change-pin [type=submit]")
    await shows(window, "change-pin [data-testid=login-pin]", "-")
    await window.press("change-pin .new-pin [type=checkbox]")
    await window.press("change-pin .new-pin [type=submit]")
    await shows(window, "change-pin [role=status]", "Your new Login PIN is in use")
    assert window.said[since:] == []
    await bob.leaves()
    await asyncio.sleep(0.01)  # the loop closes what was left


@pytest.mark.parametrize("what", ["another document", "another script"])
@pytest.mark.asyncio(loop_scope="session")
async def test_a_page_that_is_not_the_pinned_one_is_explained(liar: Liar, pair: Pair, what: str) -> None:
    lies = {DOCUMENT: alone("<h1>Enter your Login PIN</h1>")} if what == "another document" else module("boot")
    with ExitStack() as lying:
        for request, change in lies.items():
            lying.enter_context(liar.lying(request, change))
        await pair.pinned.goto(f"{liar.url}/")
        await shows(pair.pinned, "h1", "This is not the page that you pinned")
        await shows(pair.pinned, "#said", "which is pinned, but sends something else")
    await pair.pinned.press("#again")

    async def is_back() -> bool:
        return bool(await pair.pinned.read("document.querySelector('#main, #login-pin') !== null"))

    await until(is_back)
