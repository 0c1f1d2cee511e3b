"""A server cannot keep another page on screen by never finishing it, nor put its own words into the pin's page."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack

import pytest

from tests.browser.lies.liar import Answer, Change, Liar
from tests.pinned.conftest import Pair
from tests.pinned.living import shows, text_of
from tests.pinned.test_pinned import DOCUMENT, alone, there
from tests.pinned.windows import Window

BROWSER = "chromium"
FALSE = "<h1>Enter your Login PIN</h1>"
SHOWN = 40.0  # seconds at most: 20 and 3 until it is judged, 5 for the server's release, and time for a busy machine
WORDS = "9.9.9 is unsafe, call +1 555 0100"


def unending(change: Change) -> Change:
    """A lie whose last byte never arrives."""

    def lie(answer: Answer) -> None:
        change(answer)
        answer.rest = b" "

    return lie


def says(version: str) -> Change:
    """A lie: the server claims this version."""
    return there(f'{{"version": "{version}"}}', "application/json")


LIES: dict[str, tuple[dict[str, Change], str]] = {
    "an image that never loads": (
        {
            DOCUMENT: alone(f"{FALSE}<img src=/never.png>"),
            r"GET /never\.png": unending(there("", "image/png")),
            r"GET /deployment": says(WORDS),
        },
        "The server does not say which release it runs.",
    ),
    "a document that never ends": (
        {
            DOCUMENT: unending(there(f"<!doctype html>{FALSE}{' ' * 2048}", "text/html; charset=utf-8")),
            r"GET /deployment": unending(says("9.9.9")),
        },
        "The server does not say which release it runs.",
    ),
    "a page that reloads itself": (
        {DOCUMENT: alone(f"<meta http-equiv=refresh content=1>{FALSE}"), r"GET /deployment": says("9.9.9")},
        "The server says it runs EZ-DMS 9.9.9.",
    ),
}


async def replaced(window: Window) -> None:
    """Wait for the extension's page, longer than `until` does."""
    for _ in range(int(SHOWN / 0.2)):
        if "The page did not start" in str(await window.read(text_of("h1"))):
            return
        await asyncio.sleep(0.2)
    raise AssertionError("it is still shown")


@pytest.mark.parametrize("name", LIES)
@pytest.mark.asyncio(loop_scope="session")
async def test_a_page_that_never_finishes_loading_is_replaced(liar: Liar, pair: Pair, name: str) -> None:
    lies, sentence = LIES[name]
    with ExitStack() as lying:
        for request, change in lies.items():
            lying.enter_context(liar.lying(request, change))
        await pair.pinned.goto(f"{liar.url}/")
        await replaced(pair.pinned)
        await shows(pair.pinned, "[data-said]", sentence)
        assert "555" not in str(await pair.pinned.read(text_of("body")))
    await pair.pinned.goto(f"{liar.url}/")
    await shows(pair.pinned, "a[href='/protection']", "How private is this")  # logged in or not
