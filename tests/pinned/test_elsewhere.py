"""With the pin, no text of any other page is shown, whatever its address on the server."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack

import pytest

from tests.browser.lies.liar import Answer, Change, Liar
from tests.pinned.conftest import Pair
from tests.pinned.living import shows, text_of
from tests.pinned.test_pinned import DOCUMENT, alone, there

BROWSER = "chromium"
FALSE = "Enter your Login PIN"
STYLE = "<style>html{display:block!important;transition:display 9s allow-discrete}</style>"
PROTECTION = "How private is this?"
ANOTHER, CHANGED = "The pin does not show this page", "This is not the page you pinned"


def redirect_to(to: str) -> Change:
    """A lie: a redirect."""

    def lie(answer: Answer) -> None:
        answer.status, answer.body = 302, b""
        answer.set("location", to)

    return lie


# All visible text, also in an image.
SEEN = "document.documentElement?.checkVisibility() ? document.documentElement.textContent : ''"
HTML = "text/html; charset=utf-8"
PAGE = there(f"<!doctype html><h1>{FALSE}</h1>", HTML)
SVG = f"<svg xmlns='http://www.w3.org/2000/svg'><text y='50'>{FALSE}</text></svg>"
XHTML = f"<html xmlns='http://www.w3.org/1999/xhtml'><body><h1>{FALSE}</h1></body></html>"
# What the server does, where the user goes, and the heading that they see in the end.
CASES: dict[str, tuple[dict[str, Change], str, str]] = {
    "at another address": ({"GET /sign-in": PAGE}, "/sign-in", ANOTHER),
    "after a redirect": ({DOCUMENT: redirect_to("/sign-in"), "GET /sign-in": PAGE}, "/", ANOTHER),
    "as data": ({"GET /me": there(f'"{FALSE}"', "application/json")}, "/me", ANOTHER),
    "as the protection page": ({"GET /protection": PAGE}, "/protection", PROTECTION),
    "as the page": ({DOCUMENT: alone(f"{STYLE}<h1>{FALSE}</h1>")}, "/", CHANGED),
    "as text": ({DOCUMENT: there(FALSE, "text/plain; charset=utf-8")}, "/", CHANGED),
    "as an image": ({DOCUMENT: there(SVG, "image/svg+xml")}, "/", CHANGED),
    "as XHTML": ({DOCUMENT: there(XHTML, "application/xhtml+xml")}, "/", CHANGED),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.asyncio(loop_scope="session")
async def test_no_text_of_other_pages_is_shown(liar: Liar, pair: Pair, name: str) -> None:
    lies, path, heading = CASES[name]
    with ExitStack() as lying:
        for request, change in lies.items():
            lying.enter_context(liar.lying(request, change))
        await pair.bare.goto(f"{liar.url}{path}")
        assert FALSE in str(await pair.bare.read(SEEN)), "control: it is shown without the pin"
        await pair.pinned.goto("about:blank")
        await pair.pinned.read(f"void (location.href = '{liar.url}{path}')")
        for _ in range(400):
            assert FALSE not in str(await pair.pinned.read(SEEN))
            if heading in str(await pair.pinned.read(text_of("h1"))):
                break
            await asyncio.sleep(0.02)
        await shows(pair.pinned, "h1", heading)
        assert str(await pair.pinned.read("location.protocol")).endswith("-extension:")
        if heading == PROTECTION:
            await shows(pair.pinned, "main", "The server stores and forwards messages it cannot read.")
            assert str(await pair.pinned.read("document.querySelector('.back').href")) == f"{liar.url}/"
    await pair.bare.goto("about:blank")


@pytest.mark.asyncio(loop_scope="session")
async def test_the_pins_own_pages_link_to_the_pinned_page(liar: Liar, pair: Pair) -> None:
    for path, link in (("/protection", ".back"), ("/nowhere", "#again")):
        await pair.pinned.goto(f"{liar.url}{path}")
        await shows(pair.pinned, "body", f"EZ-DMS pin for {liar.url}")
        await pair.pinned.press(link)
        await shows(pair.pinned, "a[href='/protection']", PROTECTION)
