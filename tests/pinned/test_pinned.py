"""With the pin, no script of the server's runs, whatever it sends. Each case also runs in a browser without the pin."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Callable
from contextlib import ExitStack
from typing import NamedTuple

import pytest

from tests.browser.lies.liar import Answer, Change, Liar
from tests.browser.lies.watching import STOLEN
from tests.pinned.conftest import Pair
from tests.pinned.windows import Window

BROWSER = "chromium"
DOCUMENT = r"GET /(\?.*)?"
FENCES = ("content-security-policy", "integrity-policy", "x-content-type-options", "etag")
STEAL = f"fetch('/{STOLEN}')"
SOON = 5.0  # seconds for a script to run without the pin
AT_ONCE = 1.5  # seconds after the page has loaded


class Case(NamedTuple):
    """What the server does. The user then clicks `press`, or with `back` leaves and comes back."""

    lies: dict[str, Change]
    press: str = ""
    path: str = "/"
    back: bool = False


def unfenced(change: Callable[[str], str], kind: str = "") -> Change:
    """A lie: change the document and remove the headers that restrict its scripts."""

    def lie(answer: Answer) -> None:
        answer.headers = [pair for pair in answer.headers if pair[0] not in FENCES]
        answer.status, answer.text = 200, change(answer.text)
        answer.set("cache-control", "no-store")
        if kind:
            answer.set("content-type", kind)

    return lie


def there(text: str, kind: str) -> Change:
    """A lie: serve this text."""
    return unfenced(lambda _: text, kind)


def in_head(more: str) -> Change:
    """A lie: insert this at the start of the head."""
    return unfenced(lambda html: html.replace("<head>", f"<head>{more}"))


def in_body(more: str) -> Change:
    """A lie: insert this at the start of the body."""
    return unfenced(lambda html: re.sub("(<body[^>]*>)", lambda body: body[1] + more, html))


_visits = itertools.count(1)


def plain(html: str) -> str:
    """Remove the integrity of scripts, and change their addresses so that browsers have not cached them."""
    html = re.sub(r' integrity="[^"]*"', "", re.sub('<script type="importmap">.*?</script>', "", html))
    return re.sub("/static/[0-9a-f]{12}/", f"/static/{next(_visits):012x}/", html)


def mapped(html: str) -> str:
    """A document whose import map loads one module from another address."""
    html = plain(html)
    (address,) = re.findall('src="([^"]*/js/older-messages.js)"', html)
    html = html.replace(f'<script type="module" src="{address}"></script>', "")
    return html.replace("<head>", f'<head><script type="importmap">{{"imports":{{"{address}":"/evil.js"}}}}</script>')


def alone(html: str) -> Change:
    """A lie: serve a different document."""
    return there(f"<!doctype html><title>x</title>{html}", "text/html")


def module(name: str) -> dict[str, Change]:
    """A lie: change one script, in a document without integrity."""
    return {
        rf"GET /static/[0-9a-f]{{12}}/js/{name}\.js": unfenced(lambda text: f"{text}\n{STEAL};"),
        DOCUMENT: unfenced(plain),
    }


EVIL = there(STEAL, "text/javascript")
PAGE = f"<!doctype html><script>{STEAL}</script>"
SVG = f'<svg xmlns="http://www.w3.org/2000/svg"><script>{STEAL}</script></svg>'
EVIL_PAGE = there(PAGE, "text/html")
XHTML = f'<html xmlns="http://www.w3.org/1999/xhtml"><head><script>{STEAL}</script></head><body/></html>'


def encoded(charset: str, octets: Callable[[str], bytes]) -> Change:
    """A lie: a page in another charset."""

    def lie(answer: Answer) -> None:
        unfenced(lambda _: PAGE, f"text/html{charset}")(answer)
        answer.body = octets(PAGE)

    return lie


def redirect(answer: Answer) -> None:
    """A lie: a redirect to a page of the same host."""
    unfenced(lambda _: "")(answer)
    answer.status = 302
    answer.set("location", "/evil.html")


def kept(answer: Answer) -> None:
    """A lie: a page that browsers may keep in the back/forward cache, and that acts when it is restored."""
    alone(f"<script>onpageshow = (event) => event.persisted && {STEAL}</script>")(answer)
    answer.set("cache-control", "max-age=600")


def hinted(answer: Answer) -> None:
    """A lie: a policy and a script in early hints (RFC 8297), before the response and in it."""
    answer.hints = [("link", "</evil.js>; rel=preload; as=script")]
    unfenced(lambda html: html.replace("<head>", f"<head><script src=/evil.js></script><script>{STEAL}</script>"))(
        answer
    )
    answer.set("link", "</evil.js>; rel=preload; as=script, </evil.js>; rel=modulepreload")
    answer.set("content-security-policy", "script-src * 'unsafe-inline'")


CASES: dict[str, Case] = {
    "the entry module": Case(module("boot")),
    "an imported module": Case(module("server")),
    "the import map": Case({DOCUMENT: unfenced(mapped), r"GET /evil\.js": EVIL}),
    "a weaker policy": Case({DOCUMENT: in_head(f"<script>{STEAL}</script>")}),
    "a policy in the document": Case(
        {
            DOCUMENT: in_head(
                '<meta http-equiv="Content-Security-Policy" content="script-src * \'unsafe-inline\'">'
                f"<script>{STEAL}</script>"
            )
        }
    ),
    "an added script": Case({DOCUMENT: in_head("<script src=/evil.js></script>"), r"GET /evil\.js": EVIL}),
    "an added module": Case({DOCUMENT: in_head("<script type=module src=/evil.js></script>"), r"GET /evil\.js": EVIL}),
    "a script with a nonce": Case(
        {DOCUMENT: in_head(f"<script nonce=x>{STEAL}</script><script src=/evil.js nonce=x></script>")}
        | {r"GET /evil\.js": EVIL}
    ),
    "an inline module": Case({DOCUMENT: in_body(f"<script type=module>{STEAL}</script>")}),
    "an event handler": Case({DOCUMENT: in_body(f'<img src="/none.png" onerror="{STEAL}">')}),
    "an SVG event handler": Case({DOCUMENT: alone(f'<svg onload="{STEAL}"></svg>')}),
    "a javascript: link": Case(
        {DOCUMENT: there(f'<!doctype html><a id=x href="javascript:{STEAL}">x</a>', "text/html")}, "#x"
    ),
    "an SVG document": Case({DOCUMENT: there(SVG, "image/svg+xml")}),
    "an XHTML document": Case({DOCUMENT: there(XHTML, "application/xhtml+xml")}),
    "another address": Case({r"GET /evil\.html": EVIL_PAGE}, path="/evil.html"),
    "a frame": Case({DOCUMENT: alone("<iframe src=/evil.html></iframe>"), r"GET /evil\.html": EVIL_PAGE}),
    "a srcdoc frame": Case({DOCUMENT: alone(f'<iframe srcdoc="<script>{STEAL}</script>"></iframe>')}),
    "an object": Case(
        {DOCUMENT: alone("<object data=/evil.svg></object>"), r"GET /evil\.svg": there(SVG, "image/svg+xml")}
    ),
    "a redirect": Case({DOCUMENT: redirect, r"GET /evil\.html": EVIL_PAGE}),
    "a refresh": Case(
        {DOCUMENT: alone('<meta http-equiv=refresh content="0;url=/evil.html">')} | {r"GET /evil\.html": EVIL_PAGE}
    ),
    "UTF-16": Case({DOCUMENT: encoded("; charset=utf-16", lambda text: text.encode("utf-16"))}),
    "a byte order mark": Case(
        {DOCUMENT: encoded("; charset=iso-8859-1", lambda text: b"\xfe\xff" + text.encode("utf-16-be"))}
    ),
    "a blob worker": Case(
        {
            DOCUMENT: in_head(
                f"<script>new Worker(URL.createObjectURL(new Blob([`fetch('${{origin}}/{STOLEN}')`])))</script>"
            )
        }
    ),
    "a data worker": Case(
        {
            DOCUMENT: in_head(
                f"<script>new Worker(`data:text/javascript,fetch('${{origin}}/{STOLEN}',{{mode:'no-cors'}})`)</script>"
            )
        }
    ),
    "a service worker": Case(
        {DOCUMENT: alone("<script>navigator.serviceWorker.register('/sw.js')</script>"), r"GET /sw\.js": EVIL}
    ),
    "a back/forward cached page": Case(
        {r"GET /kept\.html": kept, r"GET /elsewhere": alone("elsewhere")}, path="/kept.html", back=True
    ),
    "early hints": Case({DOCUMENT: hinted, r"GET /evil\.js": EVIL}),
}


def stolen(liar: Liar, since: int) -> bool:
    """Whether a script of the server's ran."""
    return any(one.startswith(f"GET /{STOLEN}") for one in liar.heard[since:])


async def visit(liar: Liar, window: Window, case: Case, within: float) -> bool:
    """Visit the page as a user would; true if a script of the server's ran within this many seconds."""
    since = len(liar.heard)
    await window.goto(liar.url + case.path)
    if case.press:
        await window.press(case.press)
    if case.back:
        await window.goto(f"{liar.url}/elsewhere")
        await window.back()
    for _ in range(int(within / 0.1)):
        if stolen(liar, since):
            return True
        await asyncio.sleep(0.1)
    return False


@pytest.mark.parametrize("name", CASES)
@pytest.mark.asyncio(loop_scope="session")
async def test_scripts_of_the_server_do_not_run(liar: Liar, pair: Pair, name: str) -> None:
    with ExitStack() as lies:
        for request, change in CASES[name].lies.items():
            lies.enter_context(liar.lying(request, change))
        assert await visit(liar, pair.bare, CASES[name], SOON), "control: it runs without the pin"
        await pair.bare.goto("about:blank")  # its late requests would be attributed to the other browser
        await asyncio.sleep(0.3)
        assert not await visit(liar, pair.pinned, CASES[name], AT_ONCE)
