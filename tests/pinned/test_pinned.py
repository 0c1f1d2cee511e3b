"""With the pin no script of the server's runs, whatever it sends; each case runs first in a browser without it."""

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
SOON = 5.0  # seconds that a script has to run where it can
AT_ONCE = 1.5  # seconds after the page is loaded


class Case(NamedTuple):
    """What the server does; `press` is what a person then clicks, `back`: they go elsewhere and come back."""

    lies: dict[str, Change]
    press: str = ""
    path: str = "/"
    back: bool = False


def unfenced(change: Callable[[str], str], kind: str = "") -> Change:
    """A lie: the document is changed, and nothing is said of what may run in it."""

    def lie(answer: Answer) -> None:
        answer.headers = [pair for pair in answer.headers if pair[0] not in FENCES]
        answer.status, answer.text = 200, change(answer.text)
        answer.set("cache-control", "no-store")
        if kind:
            answer.set("content-type", kind)

    return lie


def there(text: str, kind: str) -> Change:
    """A lie: something is there."""
    return unfenced(lambda _: text, kind)


def in_head(more: str) -> Change:
    """A lie: first in the head, before anything else."""
    return unfenced(lambda html: html.replace("<head>", f"<head>{more}"))


def in_body(more: str) -> Change:
    """A lie: first in the body."""
    return unfenced(lambda html: re.sub("(<body[^>]*>)", lambda body: body[1] + more, html))


_visits = itertools.count(1)


def plain(html: str) -> str:
    """A document that says nothing of what its scripts must be, nor where a browser has them already."""
    html = re.sub(r' integrity="[^"]*"', "", re.sub('<script type="importmap">.*?</script>', "", html))
    return re.sub("/static/[0-9a-f]{12}/", f"/static/{next(_visits):012x}/", html)


def mapped(html: str) -> str:
    """A document whose import map has one module come from elsewhere."""
    html = plain(html)
    (address,) = re.findall('src="([^"]*/js/older-messages.js)"', html)
    html = html.replace(f'<script type="module" src="{address}"></script>', "")
    return html.replace("<head>", f'<head><script type="importmap">{{"imports":{{"{address}":"/evil.js"}}}}</script>')


def alone(html: str) -> Change:
    """A lie: a document of the server's own."""
    return there(f"<!doctype html><title>x</title>{html}", "text/html")


def module(name: str) -> dict[str, Change]:
    """One script does one thing more, and the document does not mind."""
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
    """A lie: a page of another charset."""

    def lie(answer: Answer) -> None:
        unfenced(lambda _: PAGE, f"text/html{charset}")(answer)
        answer.body = octets(PAGE)

    return lie


def redirect(answer: Answer) -> None:
    """A lie: it leads to a page of the same host."""
    unfenced(lambda _: "")(answer)
    answer.status = 302
    answer.set("location", "/evil.html")


def kept(answer: Answer) -> None:
    """A lie: a page that browsers may keep as it is, and that acts when one comes back to it."""
    alone(f"<script>onpageshow = (event) => event.persisted && {STEAL}</script>")(answer)
    answer.set("cache-control", "max-age=600")


def hinted(answer: Answer) -> None:
    """A lie: a policy and a script in early hints (RFC 8297), before the answer and in it."""
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
    "a script that says its hash": Case(
        {DOCUMENT: in_head(f"<script nonce=x>{STEAL}</script><script src=/evil.js nonce=x></script>")}
        | {r"GET /evil\.js": EVIL}
    ),
    "an inline module": Case({DOCUMENT: in_body(f"<script type=module>{STEAL}</script>")}),
    "a handler": Case({DOCUMENT: in_body(f'<img src="/none.png" onerror="{STEAL}">')}),
    "a handler of SVG": Case({DOCUMENT: alone(f'<svg onload="{STEAL}"></svg>')}),
    "a link of script": Case(
        {DOCUMENT: there(f'<!doctype html><a id=x href="javascript:{STEAL}">x</a>', "text/html")}, "#x"
    ),
    "an SVG document": Case({DOCUMENT: there(SVG, "image/svg+xml")}),
    "an XHTML document": Case({DOCUMENT: there(XHTML, "application/xhtml+xml")}),
    "another address": Case({r"GET /evil\.html": EVIL_PAGE}, path="/evil.html"),
    "a frame": Case({DOCUMENT: alone("<iframe src=/evil.html></iframe>"), r"GET /evil\.html": EVIL_PAGE}),
    "a frame of words": Case({DOCUMENT: alone(f'<iframe srcdoc="<script>{STEAL}</script>"></iframe>')}),
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
    "a page that was kept": Case(
        {r"GET /kept\.html": kept, r"GET /elsewhere": alone("elsewhere")}, path="/kept.html", back=True
    ),
    "early hints": Case({DOCUMENT: hinted, r"GET /evil\.js": EVIL}),
}


def stolen(liar: Liar, since: int) -> bool:
    """A script ran."""
    return any(one.startswith(f"GET /{STOLEN}") for one in liar.heard[since:])


async def visit(liar: Liar, window: Window, case: Case, within: float) -> bool:
    """Go there and do what a person would; true if a script of the server's ran within so many seconds."""
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
        assert await visit(liar, pair.bare, CASES[name], SOON), "the control: it runs where nothing is pinned"
        await pair.bare.goto("about:blank")  # what it still asks for would be taken for the other's
        await asyncio.sleep(0.3)
        assert not await visit(liar, pair.pinned, CASES[name], AT_ONCE)
