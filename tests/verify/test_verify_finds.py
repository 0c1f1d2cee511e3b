"""`ezdms verify` finds every change that a proxy makes to answers, without false alarms."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from functools import cache, partial

import httpx
import pytest
import pytest_asyncio

from ezdms import __version__
from ezdms.edge.headers import HEADERS
from ezdms.release.manifest import installed
from ezdms.verify import FAILED, OK, WARNING, loads, verify
from ezdms.verify.report import shown
from ezdms.views.page_policy import of_a_page
from tests.conftest import Server
from tests.support.misbehaving import (
    EVIL,
    Change,
    Exchange,
    Misbehaving,
    Remembering,
    accept_foreign,
    add,
    asking,
    at,
    confirm,
    cut_short,
    drop,
    flip,
    give_cookie,
    in_page,
    lead_elsewhere,
    lose,
    make_bomb,
    make_huge,
    post_from_elsewhere,
    send_again,
    set_to,
    weaken_errors,
    weaken_etag,
    when,
    whole,
)
from tests.support.operated import operate
from tests.support.reports import names, said

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def between(shared_server: Server) -> AsyncIterator[Misbehaving]:
    """A proxy between verify and an unmodified server."""
    async with Misbehaving(shared_server) as between:
        yield between


@pytest.fixture(scope="module", autouse=True)
def read_once() -> Iterator[None]:
    """What a file loads, what a page consists of, and the installed release are found once for the same bytes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ezdms.verify.loads.Elements", cache(loads.Elements))
        patch.setattr("ezdms.verify.content.loads_of", cache(loads.loads_of))
        patch.setattr("ezdms.verify.visit.installed", cache(installed))
        yield


@pytest.fixture
def proxy(between: Misbehaving) -> Misbehaving:
    """The same, honest at first."""
    between.change = None
    return between


@pytest.fixture(scope="module")
def answers() -> dict[object, Exchange]:
    """What the unmodified server has answered."""
    return {}


@pytest.fixture
def recalled(proxy: Misbehaving, answers: dict[object, Exchange], monkeypatch: pytest.MonkeyPatch) -> Misbehaving:
    """The same proxy without connections: the server is asked each question once."""
    client = partial(httpx.AsyncClient, transport=Remembering(proxy, answers))
    monkeypatch.setattr("ezdms.verify.wire.httpx.AsyncClient", client)
    return proxy


async def test_the_output_lists_changed_files_first_and_groups_equal_pages(proxy: Misbehaving) -> None:
    def change(exchange: Exchange) -> None:
        if exchange.path.endswith(("/js/crypto.js", "/js/vault.js")):
            flip(exchange)
        elif b"</head>" in exchange.body:
            exchange.replace("</head>", "<!-- more --></head>")

    proxy.change = in_english(change)
    report = await verify(proxy.url)
    assert len([one for one in report.findings if one.name.startswith("page ")]) == 8  # the report lists all of them
    done = await asyncio.to_thread(operate, proxy.server.data_dir, "verify", proxy.url)
    lines = [re.split(r"  +", line) for line in done.stdout.splitlines()]
    assert [line[1] for line in lines[:2]] == ["file js/crypto.js", "file js/vault.js"]
    listed = [line[1] for line in lines if len(line) > 1 and line[1].startswith("page ")]
    assert "page / and 6 more" in listed
    assert len(listed) == 2
    assert re.search(r"\d+ ok, 1 warning, \d+ failed\.$", done.stdout, re.MULTILINE)
    examined = await asyncio.to_thread(operate, proxy.server.data_dir, "doctor", proxy.url)
    assert examined.stdout.count("No proxy was seen in front of the server.") == 1
    assert "deploy/nginx.conf" not in examined.stdout
    assert "page / and 6 more" in examined.stdout


PAGE, FRONT = "page /", "<h1 data-host-name></h1>"
FORM = '<form autocomplete="off">'
POLICY = of_a_page()["Content-Security-Policy"]
NO_PAGE = {"Cache-Control", "Content-Security-Policy", "other headers"}  # page headers on other answers


def in_english(change: Change) -> Change:
    """The same, but nobody who asks for Spanish gets a changed answer."""

    def asks_for_it(exchange: Exchange) -> bool:
        return exchange.asked.get("accept-language") == "es" or "language=es" in exchange.asked.get("cookie", "")

    return when(lambda exchange: not asks_for_it(exchange), change)


def on_page(change: Change) -> Change:
    """A change of /welcome when the whole page is sent."""
    return at("/welcome", whole(change))


def unchanged(change: Change) -> Change:
    """A change of the 304 answer at /welcome."""
    return at("/welcome", when(lambda exchange: exchange.status == 304, change))


def both(one: Change, other: Change) -> Change:
    """Both changes in the same answer."""

    def change(exchange: Exchange) -> None:
        one(exchange)
        other(exchange)

    return change


def found(exchange: Exchange) -> None:
    """Change the status to 200."""
    exchange.status = 200


changed = on_page(lambda exchange: exchange.replace("cannot read", "can read"))

CASES: dict[str, tuple[Change, set[str]]] = {
    "one byte of JavaScript": (at("js/crypto.js", flip), {"files", "file js/crypto.js"}),
    "one byte of vendored JavaScript": (
        at("vendor/htmx-4.0.1.esm.min.js", flip),
        {"files", "file vendor/htmx-4.0.1.esm.min.js"},
    ),
    "one byte of a script that no public page loads": (
        at("js/settings.js", flip),
        {"files", "file js/settings.js"},
    ),
    "one byte of CSS": (at("css/session.css", flip), {"files", "file css/session.css"}),
    "one byte of a font": (
        at("fonts/inter-latin-wght-normal.woff2", flip),
        {"files", "file fonts/inter-latin-wght-normal.woff2"},
    ),
    "one byte of the icon": (at("icon.svg", flip), {"files", "file icon.svg"}),
    "a script with another charset": (
        at("js/boot.js", set_to("Content-Type", "text/javascript; charset=utf-7")),
        {"files", "file js/boot.js"},
    ),
    "a page with another charset": (
        at("/", set_to("Content-Type", "text/html; charset=iso-2022-jp")),
        {"pages", PAGE},
    ),
    "a missing file": (at("js/vault.js", lose), {"files", "file js/vault.js", "Cache-Control"}),
    "a script tag": (in_page("</head>", '<script src="/static/more.js"></script></head>'), {"pages", PAGE, "loads"}),
    "an inline script": (in_page("</head>", "<script>steal()</script></head>"), {"pages", PAGE}),
    "an inline event handler": (in_page("<body ", '<body onload="steal()" '), {"pages", PAGE}),
    "an hx-post": (in_page(FORM, '<form autocomplete="off" hx-post="/steal">'), {"pages", PAGE, "loads"}),
    "an hx-post to another host": (
        in_page(FORM, f'<form autocomplete="off" hx-post="{EVIL}">'),
        {"pages", PAGE, "loads"},
    ),
    "a form with an action": (
        in_page(FORM, '<form autocomplete="off" action="/steal" method="post">'),
        {"pages", PAGE, "loads"},
    ),
    "a name for the Login PIN": (in_page('<input id="login-pin"', '<input name="pin" id="login-pin"'), {"pages", PAGE}),
    "a meta refresh": (
        in_page("<title>", f'<meta http-equiv="refresh" content="0; url={EVIL}"><title>'),
        {"pages", PAGE, "loads"},
    ),
    "a base": (in_page("<title>", f'<base href="{EVIL}/"><title>'), {"pages", PAGE, "loads"}),
    "an import map": (in_page("<title>", '<script type="importmap">{"imports":{}}</script><title>'), {"pages", PAGE}),
    "a frame": (in_page(FRONT, f'<iframe src="{EVIL}"></iframe>{FRONT}'), {"pages", PAGE, "loads"}),
    "a frame with srcdoc": (
        in_page(FRONT, f"<iframe srcdoc=\"<img src='{EVIL}/p.png'>\"></iframe>{FRONT}"),
        {"pages", PAGE, "loads"},
    ),
    "an external image": (in_page(FRONT, f'<img src="{EVIL}/p.png">{FRONT}'), {"pages", PAGE, "loads"}),
    "an external image in srcset": (
        in_page(FRONT, f'<img srcset="{EVIL}/p.png 2x">{FRONT}'),
        {"pages", PAGE, "loads"},
    ),
    "a style attribute": (in_page(FRONT, f'<h1 style="background: url({EVIL}/p)"></h1>'), {"pages", PAGE, "loads"}),
    "a style element": (in_page("<title>", f"<style>@import '{EVIL}/x.css';</style><title>"), {"pages", PAGE, "loads"}),
    "an external stylesheet": (
        in_page("<title>", f'<link rel="stylesheet" href="{EVIL}/x.css"><title>'),
        {"pages", PAGE, "loads"},
    ),
    "another word": (in_page("cannot read", "can read"), {"pages", PAGE}),
    "a comment": (in_page("<title>", "<!-- --><title>"), {"pages", PAGE}),
    "another page": (
        at("/protection", whole(lambda exchange: exchange.replace("Not protected", "Protected"))),
        {"pages", "page /protection"},
    ),
    "another page for one conversation": (
        at("/c/000000000000000000000000", whole(lambda exchange: exchange.replace("cannot read", "can read"))),
        {"pages", "page /c/000000000000000000000000"},
    ),
    "another page for session cookies": (asking("Cookie", "ezdms_session=", changed), {"angles"}),
    "another page for phones": (asking("User-Agent", "iPhone", changed), {"angles"}),
    "another page for programs": (asking("User-Agent", "curl", changed), {"angles"}),
    "another page for one browser": (asking("User-Agent", "Chrome", changed), {"angles"}),
    "another page for a referrer": (asking("Referer", "https", changed), {"angles"}),
    "another ETag for session cookies": (
        asking("Cookie", "ezdms_session=", on_page(set_to("ETag", '"visitor-17"'))),
        {"angles"},
    ),
    "another charset for phones": (
        asking("User-Agent", "iPhone", on_page(set_to("Content-Type", "text/html; charset=utf-7"))),
        {"angles"},
    ),
    "no page for programs": (asking("User-Agent", "curl", on_page(lose)), {"angles", *NO_PAGE}),
    "an ETag that identifies a visitor": (at("/welcome", set_to("ETag", '"visitor-17"')), {"revalidation"}),
    "a weak ETag": (on_page(weaken_etag), {"revalidation"}),
    "no ETag": (on_page(drop("ETag")), {"revalidation"}),
    "two ETags": (on_page(add("ETag", '"second"')), {"revalidation"}),
    "a 304 for an old page": (asking("If-None-Match", "00000000", confirm), {"revalidation"}),
    "a page that never gets a 304": (
        asking("Accept", "html", asking("If-None-Match", '"', send_again)),
        {"revalidation"},
    ),
    "a 304 with another ETag": (unchanged(set_to("ETag", '"visitor-17"')), {"revalidation"}),
    "a 304 with another type": (unchanged(set_to("Content-Type", "text/html; charset=utf-7")), {"revalidation"}),
    "a 304 with Content-Encoding": (unchanged(set_to("Content-Encoding", "gzip")), {"revalidation"}),
    "a 304 with a long Cache-Control": (unchanged(set_to("Cache-Control", "max-age=600")), {"Cache-Control"}),
    "a 304 with a weaker policy": (
        unchanged(set_to("Content-Security-Policy", "default-src *")),
        {"Content-Security-Policy"},
    ),
    "an external url() in CSS": (
        at("css/fonts.css", lambda exchange: exchange.replace("url(", f'url("{EVIL}/f"), url(')),
        {"files", "file css/fonts.css", "loads"},
    ),
    "an external import": (
        at("js/dom.js", lambda exchange: exchange.replace("", f'import "{EVIL}/x.js";\n')),
        {"files", "file js/dom.js", "loads"},
    ),
    "an external dynamic import": (
        at("js/dom.js", lambda exchange: exchange.replace("", f"import('{EVIL}/x.js');\n")),
        {"files", "file js/dom.js", "loads"},
    ),
    "a weakened policy": (
        on_page(set_to("Content-Security-Policy", POLICY.replace("script-src ", "script-src 'self' "))),
        {"Content-Security-Policy"},
    ),
    "a policy without one of the hashes": (
        on_page(set_to("Content-Security-Policy", re.sub(" 'sha256-[^']*'", "", POLICY, count=1))),
        {"Content-Security-Policy"},
    ),
    "a page's policy on data": (at("/ping", set_to("Content-Security-Policy", POLICY)), {"Content-Security-Policy"}),
    "scripts without integrity": (on_page(drop("Integrity-Policy")), {"Integrity-Policy"}),
    "another import map": (
        on_page(lambda exchange: exchange.replace('{"integrity":{', '{"imports":{"/a":"/b"},"integrity":{')),
        {"pages", "page /welcome"},
    ),
    "a weakened policy on errors only": (
        weaken_errors,
        {"Content-Security-Policy"},
    ),
    "a duplicate policy": (
        add("Content-Security-Policy", HEADERS["Content-Security-Policy"]),
        {"Content-Security-Policy"},
    ),
    **{f"no {name}": (drop(name), {name}) for name in (*HEADERS, "Cache-Control")},
    "uncached files": (at("js/boot.js", set_to("Cache-Control", "no-cache")), {"Cache-Control"}),
    "a cached page": (at("/", set_to("Cache-Control", "max-age=600")), {"Cache-Control"}),
    "a banner": (add("Server", "hypercorn-h11"), {"banner"}),
    "a language banner": (add("X-Powered-By", "Python"), {"banner"}),
    "a redirect to another host": (at("/", lead_elsewhere), {"pages", PAGE, "redirects", *NO_PAGE}),
    "Vary without the language": (on_page(set_to("Vary", "Accept, Cookie")), {"Vary"}),
    "a second Vary header": (on_page(add("Vary", "User-Agent")), {"Vary"}),
    "no Vary": (on_page(drop("Vary")), {"Vary"}),
    "Alt-Svc to another host": (add("Alt-Svc", 'h2="evil.example:443"'), {"Alt-Svc"}),
    "a second Alt-Svc header": (
        both(add("Alt-Svc", "clear"), add("Alt-Svc", 'h2="evil.example:443"')),
        {"Alt-Svc"},
    ),
    "HSTS with max-age=0": (add("Strict-Transport-Security", "max-age=0"), {"Strict-Transport-Security"}),
    "another 404 page": (
        when(lambda exchange: exchange.status == 404, lambda exchange: exchange.replace("", "<script></script>")),
        {"kinds"},
    ),
    "another script without digest": (at("/static/js/boot.js", whole(flip)), {"kinds"}),
    "a script without digest with another charset": (
        at("/static/js/boot.js", set_to("Content-Type", "text/javascript; charset=utf-7")),
        {"kinds"},
    ),
    "a script with another type on revalidation": (
        at("/static/js/boot.js", asking("If-None-Match", '"', set_to("Content-Type", "text/html"))),
        {"kinds"},
    ),
    "a script that never gets a 304": (
        at("/static/js/boot.js", asking("If-None-Match", '"', send_again)),
        {"kinds"},
    ),
    "a JSON answer as HTML": (at("/ping", set_to("Content-Type", "text/html")), {"kinds"}),
    "the deployment answer as HTML": (at("/deployment", set_to("Content-Type", "text/html")), {"kinds"}),
    "a JSON answer with two types": (at("/ping", add("Content-Type", "text/html")), {"kinds"}),
    "a cached refusal": (at("/ws", set_to("Cache-Control", "max-age=600")), {"Cache-Control"}),
    "an account without a session": (at("/me", found), {"kinds"}),
    "sessions without a session": (
        at("/sessions", when(lambda exchange: exchange.status == 401, found)),
        {"kinds", "Cache-Control", "Content-Security-Policy", "Integrity-Policy", "Vary"},
    ),
    "another error code": (at("/me", lambda exchange: exchange.replace("no_session", "sorry")), {"kinds"}),
    "a login without a PIN": (at("/login", when(lambda exchange: exchange.status == 400, found)), {"kinds"}),
    "a code without a login": (at("/login_second", found), {"second login"}),
    "a cookie for a code without a login": (at("/login_second", give_cookie), {"second login", "other headers"}),
    "a socket for another origin": (at("/ws", accept_foreign), {"foreign socket"}),
    "a socket without a session": (at("/ws", Exchange.accept_socket), {"foreign socket", "socket"}),
    "cross-site posts": (at("/login", post_from_elsewhere), {"foreign post"}),
    "a cookie for a wrong login": (at("/login", give_cookie), {"login", "other headers"}),
    "a cookie on a page": (at("/protection", add("Set-Cookie", "track=1")), {"other headers"}),
    "a truncated answer": (at("js/boot.js", cut_short), {"files", "file js/boot.js"}),
    "an oversized answer": (
        at("js/boot.js", make_huge),
        {"files", "file js/boot.js"},
    ),
    "a gzip bomb": (at("css/base.css", make_bomb), {"files", "file css/base.css"}),
}


async def test_an_unchanged_server_passes(proxy: Misbehaving) -> None:
    honest = await verify(proxy.url, register=True)
    assert (honest.verdict, names(honest, FAILED)) == ("passed", set())
    assert names(honest, WARNING) == {"tls"}


# Found over real connections. For all others, the server is asked each question once, and its answers are changed.
OVER_THE_WIRE = (
    "one byte of JavaScript",
    "another page for one browser",
    "a 304 with another ETag",
    "a socket without a session",
    "a truncated answer",
    "an oversized answer",
    "a gzip bomb",
)


@pytest.mark.parametrize("case", list(CASES))
async def test_verify_finds_the_change(proxy: Misbehaving, request: pytest.FixtureRequest, case: str) -> None:
    if case not in OVER_THE_WIRE:
        request.getfixturevalue("recalled")
    change, expected = CASES[case]
    proxy.change = in_english(change)
    report = await verify(proxy.url)
    assert report.verdict == "failed"
    assert names(report, FAILED) == expected


async def test_a_change_of_the_pages_in_one_language_is_found(recalled: Misbehaving) -> None:
    recalled.change = when(lambda exchange: b'<html lang="es"' in exchange.body, flip)
    assert names(await verify(recalled.url), FAILED) == {"pages in es"}


async def test_a_finding_says_what_was_expected_and_what_was_received(recalled: Misbehaving) -> None:
    added = f'<img src="{EVIL}/p.png">'
    recalled.change = in_english(in_page(FRONT, added + FRONT))
    report = await verify(recalled.url)
    sizes = re.search(r"release's (\d+) bytes, SHA-256 [0-9a-f]{16}…, got (\d+) bytes", said(report, PAGE))
    assert sizes is not None
    assert int(sizes[2]) - int(sizes[1]) == len(added)
    assert said(report, PAGE).endswith(f"Added: {added}")
    assert said(report, "loads") == f"Expected only the release's files, but / loads {EVIL}/p.png."
    recalled.change = at("/account", asking("If-None-Match", '"', send_again))
    expected = "/account: expected 304 for the release's ETag, got 200."
    assert said(await verify(recalled.url), "revalidation") == expected
    recalled.change = drop("Referrer-Policy")
    assert "Expected “no-referrer” once, got nothing at GET /deployment and" in said(
        await verify(recalled.url), "Referrer-Policy"
    )


async def test_control_characters_from_a_server_cannot_overwrite_the_verdict(recalled: Misbehaving) -> None:
    recalled.change = in_english(in_page(FRONT, '<h1 class="\x1b[2J\u202e\x9b"></h1>'))
    report = await verify(recalled.url)
    assert names(report, FAILED) == {"pages", PAGE}
    assert all(finding.sentence.isprintable() for finding in report.findings)
    assert "\N{REPLACEMENT CHARACTER}[2J" in said(report, PAGE)
    assert len(shown("a" * 100_000)) == 600


async def test_another_version_fails_without_comparing_files(recalled: Misbehaving) -> None:
    def be_newer(exchange: Exchange) -> None:
        if exchange.path == "/deployment":
            exchange.replace(f'"{__version__}"', '"99.0.0"')

    recalled.change = be_newer
    report = await verify(recalled.url)
    assert (report.verdict, names(report, FAILED)) == ("failed", {"version"})
    assert "its bytes cannot be compared. Install 99.0.0 here, or use its manifest" in said(report, "version")
    assert not {finding.name for finding in report.findings} & {"files", PAGE}
    assert {"loads", "login", "foreign socket", *HEADERS} <= names(report, OK)


async def test_a_cookie_without_one_of_its_flags_is_found(recalled: Misbehaving) -> None:
    for flag in ("HttpOnly; ", "Path=/; ", "; SameSite=Lax"):

        def weaken(exchange: Exchange, flag: str = flag) -> None:
            for cookie in [value for name, value in exchange.headers if name.lower() == "set-cookie"]:
                if exchange.path == "/register":
                    assert flag.strip("; ") in cookie
                    exchange.set("Set-Cookie", re.sub(f"; {flag.strip('; ')}", "", cookie))

        recalled.change = weaken
        report = await verify(recalled.url, register=True)
        assert names(report, FAILED) == {"cookie"}, flag
        assert "account" in names(report, OK)


async def test_a_socket_that_accepts_another_origin_is_found(proxy: Misbehaving) -> None:
    def accept(exchange: Exchange) -> None:
        if exchange.path == "/ws" and "authorization" in exchange.asked:
            exchange.accept_socket()

    proxy.change = accept
    report = await verify(proxy.url, register=True)
    assert names(report, FAILED) == {"foreign socket with a session"}


async def test_a_different_page_for_logged_in_users_is_found(proxy: Misbehaving) -> None:
    living: list[str] = []

    def target(exchange: Exchange) -> None:
        if exchange.path == "/register" and exchange.status == 201:
            living.append(json.loads(exchange.body)["token"])
        elif living and living[0] in exchange.asked.get("cookie", ""):
            changed(exchange)

    proxy.change = target
    report = await verify(proxy.url, register=True)
    assert names(report, FAILED) == {"pages with a session"}
    assert "/welcome: expected the same page for someone who is logged in, got" in said(report, "pages with a session")
    assert "account" in names(report, OK)
    assert living[0] not in str(report)
