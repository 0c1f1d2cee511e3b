"""`ezdms verify` checks that every kind of answer has the release's headers and no other effective ones."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace

import pytest

from ezdms.edge.headers import FENCE
from ezdms.release.manifest import installed
from ezdms.verify import FAILED, OK, WARNING, Finding, Report, verify
from ezdms.verify.headers import check_headers
from ezdms.verify.place import Place, parse_address
from ezdms.verify.release import Release
from ezdms.verify.wire import Answer
from tests.conftest import Server
from tests.support.misbehaving import EVIL, Exchange, Misbehaving
from tests.support.reports import names, said

PLACE = parse_address("https://chat.example")
RELEASE = Release(installed(), {"name": "EZ-DMS", "notice": "", "registration": "open", "retention": "0"})


def judged(*more: tuple[str, str], may_set_cookie: bool = False) -> Report:
    """The report on one answer with the release's headers and these."""
    headers = tuple((name.lower(), value) for name, value in (*FENCE, ("Content-Type", "application/json"), *more))
    answer = Answer("GET", "/ping", 200, headers, b"{}", may_set_cookie)
    return Report(PLACE.origin, "", tuple(check_headers([answer], PLACE, RELEASE)))


# ---- Header names ----


def test_the_headers_of_the_release_pass() -> None:
    assert names(judged(), FAILED) | names(judged(), WARNING) == set()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Link", f"<{EVIL}/x.js>; rel=preload; as=script"),
        ("Refresh", f"0; url={EVIL}"),
        ("Content-Location", "/other"),
        ("Service-Worker-Allowed", "/"),
        ("SourceMap", f"{EVIL}/boot.map"),
        ("X-SourceMap", f"{EVIL}/boot.map"),
        ("Report-To", '{"endpoints":[]}'),
        ("NEL", '{"report_to":"a"}'),
        ("Reporting-Endpoints", f'a="{EVIL}"'),
        ("Clear-Site-Data", '"storage"'),
        ("Access-Control-Allow-Origin", "*"),
        ("Access-Control-Allow-Credentials", "true"),
        ("Access-Control-Anything", "1"),
        ("Speculation-Rules", f'"{EVIL}/rules.json"'),
        ("No-Vary-Search", "params"),
        ("Supports-Loading-Mode", "credentialed-prerender"),
        ("Origin-Trial", "token"),
        ("HX-Redirect", EVIL),
        ("HX-Trigger", "steal"),
        ("HX-Location", "/steal"),
        ("Content-Disposition", "attachment"),
        ("Set-Cookie", "track=1"),
        ("Set-Cookie2", "track=1"),
        ("Content-Security-Policy-Report-Only", "default-src *"),
        ("Feature-Policy", "camera *"),
        ("X-Content-Security-Policy", "default-src *"),
        ("X-WebKit-CSP", "default-src *"),
        ("Accept-CH", "Sec-CH-UA-Model"),
        ("Critical-CH", "Sec-CH-UA-Model"),
        ("Document-Policy", "force-load-at-top"),
        ("Integrity-Policy", "blocked-destinations=()"),
        ("Set-Login", "logged-in"),
        ("Attribution-Reporting-Register-Source", "{}"),
        ("Activate-Storage-Access", "load"),
        ("Expect-CT", f'report-uri="{EVIL}"'),
        ("Public-Key-Pins", 'pin-sha256="x"; max-age=1'),
        ("Use-As-Dictionary", 'match="/*"'),
        ("WWW-Authenticate", 'Basic realm="your Login PIN, as the password"'),
        ("Default-Style", "x"),
        ("Something-New", "1"),
    ],
)  # fmt: skip
def test_a_header_that_can_change_behavior_is_found_by_name(name: str, value: str) -> None:
    report = judged((name, value))
    assert names(report, FAILED) == {"other headers"}
    assert f"“{name.lower()}: {value}” at GET /ping" in said(report, "other headers")


@pytest.mark.parametrize("name", ["X-Cache", "X-Served-By", "X-Robots-Tag", "CF-Ray", "CF-Cache-Status", "Upgrade"])
def test_a_header_that_reveals_a_proxy_is_a_warning(name: str) -> None:
    report = judged((name, "word"))
    assert (names(report, FAILED), names(report, WARNING)) == (set(), {"other headers"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Date", "Thu, 01 Jan 2026 00:00:00 GMT"),
        ("Via", "1.1 Caddy"),
        ("Connection", "keep-alive"),
        ("Keep-Alive", "timeout=5"),
        ("Transfer-Encoding", "chunked"),
        ("Content-Encoding", "gzip"),
        ("Content-Length", "2"),
        ("ETag", '"x"'),
        ("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT"),
        ("Age", "1"),
        ("Vary", "Accept"),
        ("RateLimit-Remaining", "9"),
        ("Retry-After", "9"),
        ("Allow", "GET"),
        ("Alt-Svc", 'h3=":443"; ma=2592000'),
        ("Strict-Transport-Security", "max-age=31536000"),
    ],
)
def test_a_harmless_proxy_header_is_accepted(name: str, value: str) -> None:
    report = judged((name, value))
    assert names(report, FAILED) | names(report, WARNING) == set()


@pytest.mark.parametrize(
    ("name", "value", "finding"),
    [
        ("Location", EVIL, "redirects"),
        ("Server", "nginx/1.22.1", "banner"),
        ("Alt-Svc", 'h3="evil.example:443"', "Alt-Svc"),
        ("Alt-Svc", 'h3=":8443"', "Alt-Svc"),
        ("Alt-Svc", "h3=:443", "Alt-Svc"),
        ("Strict-Transport-Security", "max-age=0", "Strict-Transport-Security"),
        ("Strict-Transport-Security", "max-age", "Strict-Transport-Security"),
        ("Cache-Control", "max-age=600", "Cache-Control"),
        ("Referrer-Policy", "unsafe-url", "Referrer-Policy"),
    ],
)
def test_headers_are_checked_by_value_too(name: str, value: str, finding: str) -> None:
    assert names(judged((name, value)), FAILED) == {finding}


def test_a_cookie_is_accepted_only_where_a_session_starts_or_ends() -> None:
    assert names(judged(("Set-Cookie", "session=1"), may_set_cookie=True), OK) >= {"other headers"}
    assert names(judged(("Set-Cookie", "session=1")), FAILED) == {"other headers"}


# ---- Kinds of answers ----


@pytest.fixture
async def proxy(shared_server: Server) -> AsyncIterator[Misbehaving]:
    """A proxy between verify and an unmodified server."""
    async with Misbehaving(shared_server) as between:
        yield between


def answers(path: str, status: int, kind: str = "") -> Callable[[Answer], bool]:
    """Answers at this path (a prefix if it ends in …) with this status and type."""

    def is_meant(answer: Answer) -> bool:
        here = answer.path.startswith(path[:-1]) if path.endswith("…") else answer.path == path
        return here and answer.status == status and kind in " ".join(answer.all("Content-Type"))

    return is_meant


KINDS = {
    "a page": answers("/account", 200),
    "the page of a conversation": answers("/c/…", 200),
    "an unchanged page": answers("/protection", 304),
    "an immutable file": answers("/static/…", 200, "font/woff2"),
    "a file without a digest": answers("/static/js/boot.js", 200),
    "an unchanged file": answers("/static/js/boot.js", 304),
    "a 404 page": answers("/…", 404, "text/html"),
    "a JSON 404": answers("/…", 404, "application/json"),
    "an account without a session": answers("/me", 401),
    "ping": answers("/ping", 200),
    "deployment": answers("/deployment", 200),
    "a login without a PIN": answers("/login", 400),
    "a wrong login": answers("/login", 401),
    "a cross-site login": answers("/login", 403),
    "a malformed registration": answers("/register", 400),
    "a WebSocket without a session": answers("/ws", 401),
    "a cross-site WebSocket": answers("/ws", 403),
    "a new account": answers("/register", 201),
    "a deleted account": answers("/delete_account", 204),
}


ADDED = ("link", f"<{EVIL}/x.js>; rel=preload; as=script")


async def test_an_added_or_missing_header_is_found_on_every_answer(
    proxy: Misbehaving, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[Sequence[Answer], Place, Release]] = []

    def judge(answers: Sequence[Answer], place: Place, release: Release) -> list[Finding]:
        given.append((answers, place, release))
        return check_headers(answers, place, release)

    monkeypatch.setattr("ezdms.verify.visit.check_headers", judge)
    assert (await verify(proxy.url, register=True)).verdict == "passed"
    [(received, place, release)] = given
    for kind, is_meant in KINDS.items():
        assert any(is_meant(answer) for answer in received), kind
    for answer in received:
        is_page = answer.path in release.pages and answer.status in (200, 304)
        more = replace(answer, headers=(*answer.headers, ADDED))
        report = Report(place.origin, "", tuple(check_headers([more], place, release)))
        assert names(report, FAILED) == {"other headers"}, answer
        assert answer.path in said(report, "other headers")
        for name in release.fences(is_page=is_page):
            less = replace(answer, headers=tuple(one for one in answer.headers if one[0] != name.lower()))
            report = Report(place.origin, "", tuple(check_headers([less], place, release)))
            assert names(report, FAILED) == {name}, answer


@pytest.mark.parametrize(("path", "status"), [("/protection", 304), ("/delete_account", 204)])
async def test_one_changed_answer_is_found_among_all(proxy: Misbehaving, path: str, status: int) -> None:
    def change(exchange: Exchange) -> None:
        if (exchange.path, exchange.status) == (path, status):
            exchange.add(*ADDED)
            exchange.drop("Referrer-Policy")

    proxy.change = change
    report = await verify(proxy.url, register=True)
    assert names(report, FAILED) == {"other headers", "Referrer-Policy"}
    assert path in said(report, "other headers")
