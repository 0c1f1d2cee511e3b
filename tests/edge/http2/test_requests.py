"""HTTP/2 as served by `ezdms serve` with TLS: pages, bodies, invalid requests, and stopping."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest
from h2.errors import ErrorCodes
from h2.settings import SettingCodes
from playwright.async_api import async_playwright

from ezdms.edge.connection_close import SaysWhenItCloses
from ezdms.views.assets import digest
from ezdms.web.bodies import LARGER_BODIES, LARGEST_BODY
from tests.conftest import CHROMIUM, CHROMIUM_FLAGS, Server, skip_or_fail
from tests.edge.http2.streams import (
    DATA,
    END_STREAM,
    PADDED,
    PREFACE,
    Header,
    Peer,
    dial,
    frame,
)
from tests.support import junk
from tests.support.nginx import Certificate
from tests.support.people import PEOPLE, registration
from tests.support.served import take
from tests.support.someone import Someone

MEBIBYTE = 1024 * 1024
FORM = (b"content-type", b"application/x-www-form-urlencoded")
JSON = (b"content-type", b"application/json")


# ---- Basics ----


async def test_a_browser_loads_the_page_over_http2_and_a_message_reaches_it_over_its_socket(
    server: Server,
) -> None:
    if CHROMIUM is None:
        skip_or_fail("Chromium is missing (Debian: apt install chromium-headless-shell, or chromium)")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        how: dict[str, Any] = {"recorded": True, "ignore_https_errors": True}
        alice, bob = [await Someone.is_in(browser, server, name, **how) for name in ("alice", "bob")]
        await alice.starts_with(bob.search_pin)
        await bob.opens("alice")
        await alice.writes("over two versions at once")
        await bob.sees("over two versions at once")
        for one in (alice, bob):
            entries = "performance.getEntries().flatMap((entry) => entry.nextHopProtocol || [])"
            assert set(await one.page.evaluate(entries)) == {"h2"}
            assert any(line.startswith("received ") for line in one.traffic)
            assert not one.errors
        await browser.close()
    assert server.complaints() == ""


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [(["h2", "http/1.1"], "h2"), (["http/1.1", "h2"], "h2"), (["http/1.1"], "http/1.1"), (["h2c"], None), ([], None)],
)
def test_tls_prefers_http2_and_falls_back_to_http_1_1(
    server: Server, certificate: Certificate, offered: list[str], chosen: str | None
) -> None:
    with dial(server.port, certificate.certfile, *offered) as raw:
        assert raw.selected_alpn_protocol() == chosen
        if chosen != "h2":
            raw.sendall(b"GET /ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert take(raw).startswith(b"HTTP/1.1 200 ")


def test_neither_http_version_can_be_upgraded_to_the_other(
    server: Server, certificate: Certificate, dialler: Callable[..., Peer]
) -> None:
    asked = b"GET /ping HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\n"
    for content, status in ((asked + b"HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n", 200), (PREFACE + bytes(9), 400)):
        with dial(server.port, certificate.certfile, "http/1.1") as raw:
            raw.sendall(content)
            assert take(raw).startswith(b"HTTP/1.1 %d " % status)
    with dial(server.port, certificate.certfile, "h2") as raw:
        raw.sendall(b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"HTTP/1" not in take(raw)
    peer = dialler()
    assert peer.ask().status == 200
    assert SettingCodes.ENABLE_CONNECT_PROTOCOL not in peer.settings


def test_over_http2_the_cookie_requires_tls_and_the_session_has_the_client_address(
    dialler: Callable[..., Peer],
) -> None:
    peer = dialler(source="127.0.0.2")
    fields = registration(PEOPLE["alice"], "alice")
    answer = peer.ask(b"POST", b"/register", [JSON], json.dumps(fields).encode())
    assert answer.status == 201
    assert answer.headers["set-cookie"].startswith("__Host-ezdms_session=")
    token = json.loads(answer.body)["token"].encode()
    answer = peer.ask(
        path=b"/sessions", more=[(b"authorization", b"Bearer " + token), (b"x-forwarded-for", b"6.6.6.6")]
    )
    assert [session["address"] for session in json.loads(answer.body)] == ["127.0.0.2"]


async def test_http2_answers_have_no_connection_header() -> None:
    for version, said in (("1.1", [(b"connection", b"close")]), ("2", [])):
        sent: list[Any] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 401, "headers": []})

        async def keep(message: Any, sent: list[Any] = sent) -> None:
            sent.append(message)

        scope = {"type": "http", "http_version": version, "headers": [(b"content-length", b"1")]}
        await SaysWhenItCloses(app)(scope, None, keep)
        assert sent[0]["headers"] == said


# ---- Bodies ----


def test_body_data_after_the_answer_is_discarded_harmlessly(peer: Peer) -> None:
    for path, size, status in ((b"/login", LARGEST_BODY + 1, 413), (b"/nowhere", 0, 404), (b"/ping", 1, 405)) * 5:
        stream_id = peer.open(peer.fields(b"POST", path, [FORM]), end=False)
        peer.send(stream_id, b"A" * size)
        answer = peer.wait(stream_id)
        assert (answer.status, answer.is_whole) == (status, True)
        while answer.reset is None:  # the peer is told to stop sending
            assert peer.read()
        assert answer.reset == ErrorCodes.NO_ERROR
        peer.write(frame(DATA, stream_id, b"A" * 16_000) * 4)  # data that was in flight
        peer.h2.outbound_flow_control_window -= 64_000
        assert peer.ask().status == 200
    for _ in range(3):  # discarded data was credited to the window, or this would block
        assert peer.ask(b"POST", b"/login", [FORM], b"A" * LARGEST_BODY).status == 400


@pytest.mark.parametrize(("path", "limit"), [(b"/login", LARGEST_BODY), (b"/vault", LARGER_BODIES["/vault"])])
def test_an_http2_body_over_the_limit_is_refused_by_length_or_at_the_first_byte_over(
    peer: Peer, path: bytes, limit: int
) -> None:
    method = b"POST" if path == b"/login" else b"PUT"
    fields = registration(PEOPLE["bob" if path == b"/login" else "eve"], "somebody")
    answer = peer.ask(b"POST", b"/register", [JSON], json.dumps(fields).encode())
    token = (b"authorization", b"Bearer " + json.loads(answer.body)["token"].encode())
    for length in (limit + 1, 10**15):
        stream_id = peer.open(peer.fields(method, path, [FORM, token, (b"content-length", b"%d" % length)]), end=False)
        assert peer.wait(stream_id).status == 413
    assert peer.ask(method, path, [FORM, token], b"A" * limit).status == 400
    stream_id = peer.open(peer.fields(method, path, [FORM, token]), end=False)
    peer.send(stream_id, b"A" * limit)
    assert peer.answers[stream_id].status == 0
    peer.send(stream_id, b"A")
    assert peer.wait(stream_id).status == 413


def test_trailers_and_padding_are_not_part_of_the_body(peer: Peer) -> None:
    stream_id = peer.open(peer.fields(b"POST", b"/login", [JSON]), end=False)
    peer.write(frame(DATA, stream_id, b"\x09" + b"{}" + bytes(9), PADDED) + frame(DATA, stream_id))
    peer.h2.send_headers(stream_id, [(b"content-length", b"77"), (b"x-trailer", b"\xff")], end_stream=True)
    peer.flush()
    assert json.loads(peer.wait(stream_id).body)["code"] == "missing_field"


# ---- Invalid requests ----


@pytest.mark.parametrize(
    ("method", "path"),
    [
        (b"GET", b"/\xff"),
        (b"GET", b"/ping?\xc3\xa9"),
        (b"GET", b"/a b"),
        (b"G\xc9T", b"/"),
        (b"", b"/"),
        (b"G T", b"/"),
    ],
)
def test_a_malformed_method_or_path_is_refused_and_the_connection_stays_open(
    peer: Peer, method: bytes, path: bytes
) -> None:
    for _ in range(90):
        stream_id = peer.h2.get_next_available_stream_id()
        peer.open(peer.fields(method, path), end=False, and_then=frame(DATA, stream_id, b"A" * 800))
        peer.h2.outbound_flow_control_window -= 800
        answer = peer.wait(stream_id)
        while answer.reset is None:
            assert peer.read()
        assert (answer.status, answer.is_whole, answer.reset) == (400, True, ErrorCodes.NO_ERROR)
    assert peer.ask(b"POST", b"/login", [FORM], b"A" * LARGEST_BODY).status == 400  # the window was reopened


@pytest.mark.parametrize("method", [b"CONNECT", b"connect"])
@pytest.mark.parametrize("more", [[], [(b":protocol", b"websocket")]])
def test_a_stream_cannot_become_a_tunnel_or_a_socket(
    peer: Peer, dialler: Callable[..., Peer], method: bytes, more: list[tuple[bytes, bytes]]
) -> None:
    whole = peer.fields(method, b"/ws", [(b"sec-websocket-version", b"13")])
    for fields in (whole, [(name, value) for name, value in whole if name not in (b":path", b":scheme")]):
        peer = dialler()
        stream_id = peer.open([*more, *fields], end=False)
        while not peer.answers[stream_id].is_over and peer.read():
            pass
        assert peer.answers[stream_id].status == 400 or peer.goodbye is not None


def test_malformed_headers_close_only_their_own_connection(peer: Peer, dialler: Callable[..., Peer]) -> None:
    own = dict(peer.fields())
    host = peer.authority
    for fields in (
        *([(name, value) for name, value in own.items() if name != missing] for missing in own if missing != b"accept"),
        *([(name, own[name]), *own.items()] for name in own if name.startswith(b":")),
        [*own.items(), (b":path", b"/")],
        [(b"x", b"y"), *own.items()],
        *([*own.items(), (name, b"x")] for name in (b"", b":", b":x", b":status", b":protocol", b"X", b"\xff", b"a b")),
        *([*own.items(), (b"x", value)] for value in (b"a\r\nb: c", b"\0", b" x", b"x\t")),
        [*own.items(), (b"connection", b"close")],
        [*own.items(), (b"transfer-encoding", b"chunked")],
        [*own.items(), (b"upgrade", b"h2c")],
        [*own.items(), (b"te", b"gzip")],
        [*own.items(), (b"content-length", b"x")],
        [*own.items(), (b"content-length", b"9" * 5000)],
        [*own.items(), (b"content-length", b"1"), (b"content-length", b"2")],
        [*own.items(), (b"host", b"elsewhere.example")],
        [*own.items(), (b"host", host), (b"host", host)],
        [*own.items(), *((b"x", b"y" * 1_000) for _ in range(17))],
        [*own.items(), *((b"x", b"") for _ in range(500))],
        *([*(own | {b":path": path}).items()] for path in (b"",)),
    ):
        broken = dialler()
        assert broken.ask().status == 200
        stream_id = broken.open(fields)
        assert broken.end() in (ErrorCodes.PROTOCOL_ERROR, ErrorCodes.ENHANCE_YOUR_CALM), fields
        assert broken.answers[stream_id].status == 0, fields
    assert peer.ask().status == 200


def test_a_body_that_does_not_match_its_content_length_is_refused(dialler: Callable[..., Peer]) -> None:
    for length, body in ((b"5", b"{}"), (b"1", b"{}"), (b"0", b"{}")):
        peer = dialler()
        stream_id = peer.open(peer.fields(b"POST", b"/login", [JSON, (b"content-length", length)]), end=False)
        peer.write(frame(DATA, stream_id, body, END_STREAM))
        assert peer.end() == ErrorCodes.PROTOCOL_ERROR
        assert peer.answers[stream_id].status == 0


def test_the_host_is_the_authority_and_must_be_unambiguous(dialler: Callable[..., Peer]) -> None:
    def status_of(origin: bytes, authority: bytes | None, host: bytes | None) -> int:
        peer = dialler()
        fields = [(name, value) for name, value in peer.fields(b"POST", b"/login") if name != b":authority"]
        fields[:0] = [(b":authority", authority)] if authority is not None else []
        fields += [(b"host", host)] if host is not None else []
        stream_id = peer.open([*fields, JSON, (b"origin", origin)])
        while not peer.answers[stream_id].is_over and peer.read():
            pass
        return peer.answers[stream_id].status

    here, there = b"https://here.example", b"https://there.example"
    for authority, host in ((b"here.example", None), (None, b"here.example"), (b"here.example", b"here.example")):
        assert status_of(here, authority, host) == 400  # the app answers
        assert status_of(there, authority, host) == 403
    for origin in (here, there):
        assert status_of(origin, b"here.example", b"there.example") == 0  # no answer
        assert status_of(origin, None, None) == 0
        assert status_of(origin, b"", None) == 403


def test_odd_http2_targets_and_headers(dialler: Callable[..., Peer]) -> None:
    cases: list[tuple[bytes, tuple[Header, ...]]] = [(target, ()) for target in junk.TARGETS if len(target) < 16_000]
    cases += [(b"/login", ((name, value),)) for name, values in junk.ODD.items() for value in values]
    peer = dialler()
    for method in (b"GET", b"POST"):
        for target, more in cases:
            stream_id = peer.open(peer.fields(method, target, more), end=True)
            while not peer.answers[stream_id].is_over and peer.read():
                pass
            assert peer.answers[stream_id].status < 500, (target, more)
            if peer.is_closed or peer.goodbye is not None:
                peer = dialler()


# ---- Stopping ----


def test_a_stop_finishes_requests_in_flight_and_sends_goaway(own_server: Server, certificate: Certificate) -> None:
    with ExitStack() as stack:
        idle, busy = [stack.enter_context(Peer(own_server.port, certificate.certfile)) for _ in range(2)]
        assert idle.ask().status == 200
        stream_id = busy.open(busy.fields(b"POST", b"/login", [JSON]), end=False)
        busy.send(stream_id, b"{")
        assert busy.ask().status == 200
        began = time.monotonic()
        with ThreadPoolExecutor() as pool:
            stopped = pool.submit(own_server.stop)
            assert idle.end() == ErrorCodes.NO_ERROR
            late = busy.open(busy.fields())
            assert busy.wait(late).reset == ErrorCodes.REFUSED_STREAM
            busy.send(stream_id, b"}", end=True)
            assert busy.wait(stream_id).status == 400
            assert busy.end() == ErrorCodes.NO_ERROR
            for peer in (idle, busy):
                peer.raw.close()
            assert stopped.result() == 0
        assert time.monotonic() - began < 3.5  # hypercorn would wait 4 s for a leftover task
    assert own_server.complaints() == ""


def test_a_stop_does_not_wait_for_peers_that_do_not_read(own_server: Server, certificate: Certificate) -> None:
    with ExitStack() as stack:
        stuck = stack.enter_context(Peer(own_server.port, certificate.certfile, window=0))
        stream_id = stuck.open(stuck.fields())
        stuck.until(lambda: stuck.answers[stream_id].status == 200)
        deaf = stack.enter_context(Peer(own_server.port, certificate.certfile, window=2**31 - 1, receive_buffer=4096))
        deaf.h2.increment_flow_control_window(2**31 - 1 - 65_535)
        deaf.flush()
        font = f"/static/{digest()}/fonts/inter-latin-ext-wght-normal.woff2".encode()
        for _ in range(20):
            deaf.open(deaf.fields(path=font))
        deaf.until(lambda: any(answer.body for answer in deaf.answers.values()))
        began = time.monotonic()
        assert own_server.stop() == 0
        assert time.monotonic() - began < 6
    assert own_server.complaints() == ""
