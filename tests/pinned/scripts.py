"""Ways in which a server can send its own scripts to a page. Each of them leaves its name at the server if it runs."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import NamedTuple

from tests.browser.lies.liar import Answer, Change, Liar
from tests.browser.lies.watching import STOLEN
from tests.pinned.windows import Window
from tests.support.someone import until

DOCUMENT = r"GET /(\?.*)?"
FENCES = ("content-security-policy", "integrity-policy", "x-content-type-options", "etag")
SOON = 5.0  # seconds for a script to run without the pin
AT_ONCE = 1.5  # seconds after the last page has loaded


class Case(NamedTuple):
    """What the server does, and the scripts of it that then run, which have names and addresses of their own: all lies
    can be told at once. The user leaves and comes back with `back`."""

    lies: dict[str, Change]
    scripts: set[str]
    path: str = "/"
    click: str = ""
    back: bool = False


def steal(name: str) -> str:
    """A script that leaves this name at the server."""
    return f"fetch('/{STOLEN}/{name}')"


def script(name: str) -> str:
    """The same as an element."""
    return f"<script>{steal(name)}</script>"


@contextmanager
def telling(liar: Liar, lies: Mapping[str, Change]) -> Iterator[None]:
    """Inside, the server tells all these lies."""
    with ExitStack() as told:
        for request, change in lies.items():
            told.enter_context(liar.lying(request, change))
        yield


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


def added(head: str, body: str = "") -> Change:
    """A lie: insert this at the start of the head and of the body."""
    return unfenced(
        lambda html: re.sub("(<body[^>]*>)", lambda tag: tag[1] + body, html.replace("<head>", f"<head>{head}"))
    )


_visits = itertools.count(1)


def plain(html: str) -> str:
    """Remove the integrity of scripts, and change their addresses so that browsers have not cached them."""
    html = re.sub(r' integrity="[^"]*"', "", re.sub('<script type="importmap">.*?</script>', "", html))
    return re.sub("/static/[0-9a-f]{12}/", f"/static/{next(_visits):012x}/", html)


def mapped(html: str) -> str:
    """A document whose import map loads one module, from which nothing else takes a name, from another address."""
    html = plain(html)
    (address,) = re.findall('src="([^"]*/js/message-menu.js)"', html)
    html = html.replace(f'<script type="module" src="{address}"></script>', "")
    return html.replace("<head>", f'<head><script type="importmap">{{"imports":{{"{address}":"/mapped.js"}}}}</script>')


def alone(html: str) -> Change:
    """A lie: serve a different document."""
    return there(f"<!doctype html><title>x</title>{html}", "text/html")


def appended(name: str) -> Change:
    """A lie: a script of the release, and one more statement."""
    return unfenced(lambda text: f"{text}\n{steal(name)};")


def page(name: str) -> str:
    """A document with a script."""
    return f"<!doctype html>{script(name)}"


def svg(name: str) -> str:
    """A picture with a script."""
    return f'<svg xmlns="http://www.w3.org/2000/svg">{script(name)}</svg>'


def xhtml(name: str) -> str:
    """A document with a script, as XML."""
    return f'<html xmlns="http://www.w3.org/1999/xhtml"><head>{script(name)}</head><body/></html>'


def evil(name: str) -> Change:
    """A lie: serve a script."""
    return there(steal(name), "text/javascript")


def evil_page(name: str) -> Change:
    """A lie: serve a document with a script."""
    return there(page(name), "text/html")


def encoded(charset: str, octets: bytes) -> Change:
    """A lie: a page in another charset."""

    def lie(answer: Answer) -> None:
        there("", f"text/html{charset}")(answer)
        answer.body = octets

    return lie


def redirect(answer: Answer) -> None:
    """A lie: a redirect to a page of the same host."""
    unfenced(lambda _: "")(answer)
    answer.status = 302
    answer.set("location", "/redirect.html")


def kept(answer: Answer) -> None:
    """A lie: a page that browsers may keep in the back/forward cache, and that acts when it is restored."""
    alone(f"<script>onpageshow = (event) => event.persisted && {steal('kept')}</script>")(answer)
    answer.set("cache-control", "max-age=600")


def hinted(answer: Answer) -> None:
    """A lie: a policy and a script in early hints (RFC 8297), before the response and in it."""
    answer.hints = [("link", "</hinted.js>; rel=preload; as=script")]
    alone(f"<script src=/hinted.js></script>{script('hinted-inline')}")(answer)
    answer.set("link", "</hinted.js>; rel=preload; as=script, </hinted.js>; rel=modulepreload")
    answer.set("content-security-policy", "script-src * 'unsafe-inline'")


def worker(address: str) -> str:
    """A script that starts a worker."""
    return f"<script>new Worker({address})</script>"


STATIC = "GET /static/[0-9a-f]{12}/js"
TO_STEAL = f"fetch('${{origin}}/{STOLEN}/%s',{{mode:'no-cors'}})"
HEAD = (
    f"{script('inline')}<script src=/added.js></script><script type=module src=/module.js></script>"
    f"<script nonce=x>{steal('nonce')}</script><script src=/nonce.js nonce=x></script>"
    + worker(f"URL.createObjectURL(new Blob([`{TO_STEAL % 'blob-worker'}`]))")
    + worker(f"`data:text/javascript,{TO_STEAL % 'data-worker'}`")
)
BODY = f'<script type=module>{steal("inline-module")}</script><img src="/none.png" onerror="{steal("handler")}">'
META = '<meta http-equiv="Content-Security-Policy" content="script-src * \'unsafe-inline\'">'


def by(name: str, change: Change, scripts: set[str], more: Mapping[str, Change] | None = None, click: str = "") -> Case:
    """A case in which the server changes the front page at an address of the case's own."""
    return Case({rf"GET /\?{name}": change} | dict(more or {}), scripts, f"/?{name}", click)


CASES: dict[str, Case] = {
    "changed modules": by(
        "modules",
        unfenced(mapped),
        {"entry", "imported", "mapped"},
        {
            f"{STATIC}/boot\\.js": appended("entry"),
            f"{STATIC}/server\\.js": appended("imported"),
            r"GET /mapped\.js": evil("mapped"),
        },
    ),
    "scripts in the page": by(
        "scripts",
        added(HEAD, BODY),
        {"inline", "added-file", "module-file", "nonce", "nonce-file", "blob-worker", "data-worker"}
        | {"inline-module", "handler"},
        {rf"GET /{name}\.js": evil(f"{name}-file") for name in ("added", "module", "nonce")},
    ),
    "a policy in the document": by("policy", alone(META + script("policy")), {"policy"}),
    "another page": by(
        "page",
        alone(
            f'<svg onload="{steal("svg-handler")}"></svg><a id=x href="javascript:{steal("link")}">x</a>'
            f'<iframe src=/frame.html></iframe><iframe srcdoc="{script("srcdoc")}"></iframe>'
            "<object data=/evil.svg></object><script>navigator.serviceWorker.register('/sw.js')</script>"
        ),
        {"svg-handler", "link", "frame", "srcdoc", "object", "service-worker"},
        {
            r"GET /frame\.html": evil_page("frame"),
            r"GET /evil\.svg": there(svg("object"), "image/svg+xml"),
            r"GET /sw\.js": evil("service-worker"),
        },
        click="#x",
    ),
    "an SVG document": by("svg", there(svg("svg"), "image/svg+xml"), {"svg"}),
    "an XHTML document": by("xhtml", there(xhtml("xhtml"), "application/xhtml+xml"), {"xhtml"}),
    "another address": Case({r"GET /address\.html": evil_page("address")}, {"address"}, path="/address.html"),
    "a redirect": by("redirect", redirect, {"redirect"}, {r"GET /redirect\.html": evil_page("redirect")}),
    "a refresh": by(
        "refresh",
        alone('<meta http-equiv=refresh content="0;url=/refresh.html">'),
        {"refresh"},
        {r"GET /refresh\.html": evil_page("refresh")},
    ),
    "UTF-16": by("utf-16", encoded("; charset=utf-16", page("utf-16").encode("utf-16")), {"utf-16"}),
    "a byte order mark": by(
        "mark", encoded("; charset=iso-8859-1", b"\xfe\xff" + page("mark").encode("utf-16-be")), {"mark"}
    ),
    "a back/forward cached page": Case(
        {r"GET /kept\.html": kept, r"GET /elsewhere": alone("elsewhere")}, {"kept"}, path="/kept.html", back=True
    ),
    "early hints": by("hints", hinted, {"hinted-inline", "hinted"}, {r"GET /hinted\.js": evil("hinted")}),
}


def stolen(liar: Liar, since: int) -> set[str]:
    """The names of the scripts of the server's that ran."""
    found = (re.match(rf"GET /{STOLEN}/([a-z0-9-]+) ", one) for one in liar.heard[since:])
    return {one[1] for one in found if one}


async def go(window: Window, case: Case, origin: str) -> None:
    """Visit the page as a user would."""
    await window.goto(origin + case.path)
    if case.click:
        await window.read(f"void document.querySelector({case.click!r}).click()")  # also if it is hidden
    if case.back:
        await window.goto(f"{origin}/elsewhere")
        await window.back()


async def visit(liar: Liar, window: Window, case: Case, origin: str = "") -> set[str]:
    """Visit the page, at the server's address or this one; returns the scripts that ran, once all did or after SOON."""
    since = len(liar.heard)
    await go(window, case, origin or liar.url)
    with suppress(AssertionError):
        await until(lambda: case.scripts <= stolen(liar, since), within=SOON)
    return stolen(liar, since)
