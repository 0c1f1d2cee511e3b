"""Body limits: the server answers 413 as soon as the limit is exceeded, not megabytes later."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any

import pytest
from hypercorn.config import Config
from quart import Quart

from ezdms.app import create_app
from ezdms.settings import Settings
from ezdms.web.bodies import LARGER_BODIES, LARGEST_BODY
from tests.conftest import Server
from tests.support.served import Program, call, holds, memory, stops_at_once, take, wait

MEBIBYTE = 1024 * 1024
FORM = "application/x-www-form-urlencoded"
TYPES = [FORM, "application/json", "multipart/form-data; boundary=seam", "text/plain", ""]
PLACES = [("POST", "/login", LARGEST_BODY), ("PUT", "/vault", LARGER_BODIES["/vault"])]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for the whole file; the last test stops it."""
    with Server(tmp_path_factory.mktemp("bounds")) as running:
        yield running


@pytest.fixture(scope="module")
def alice(server: Server) -> Iterator[Program]:
    """Alice, registered on the server."""
    with closing(Program(server, "alice")) as alice:
        yield alice


def head(alice: Program, method: str, path: str, content_type: str, *more: str) -> bytes:
    """The head of a request that may have a body."""
    lines = [f"{method} {path} HTTP/1.1", "Host: x", f"Authorization: Bearer {alice.token}", *more]
    lines += [f"Content-Type: {content_type}"] if content_type else []
    return "\r\n".join([*lines, "", ""]).encode()


def chunk(content: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(content), content)


@pytest.mark.parametrize("content_type", TYPES)
@pytest.mark.parametrize(("method", "path", "limit"), PLACES)
def test_a_content_length_over_the_limit_is_refused_before_the_body(
    server: Server, alice: Program, method: str, path: str, limit: int, content_type: str
) -> None:
    for length in (limit + 1, 10**10, 10**15):
        with call(server) as raw:
            raw.sendall(head(alice, method, path, content_type, f"Content-Length: {length}"))
            assert take(raw).startswith(b"HTTP/1.1 413 ")  # until the connection closes: nothing more is read


@pytest.mark.parametrize("content_type", TYPES)
@pytest.mark.parametrize(("method", "path", "limit"), PLACES)
def test_a_chunked_body_is_refused_at_the_first_byte_over_the_limit(
    server: Server, alice: Program, method: str, path: str, limit: int, content_type: str
) -> None:
    with call(server) as raw:
        raw.sendall(head(alice, method, path, content_type, "Transfer-Encoding: chunked"))
        for _ in range(limit // 4096):
            raw.sendall(chunk(b"A" * 4096))
        assert not select.select([raw], [], [], 0)[0]  # a body of exactly the limit is allowed
        raw.sendall(chunk(b"A"))
        assert take(raw).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(("method", "path", "limit"), PLACES)
def test_a_body_of_exactly_the_limit_is_read(
    server: Server, alice: Program, method: str, path: str, limit: int
) -> None:
    with call(server) as raw:
        raw.sendall(head(alice, method, path, FORM, f"Content-Length: {limit}", "Connection: close") + b"A" * limit)
        assert take(raw).startswith(b"HTTP/1.1 400 ")


SMUGGLED = b"POST /logout HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize(
    ("version", "framing"),
    [
        ("1.1", ["Content-Length: 5", "Transfer-Encoding: chunked"]),
        ("1.1", ["Transfer-Encoding: chunked", "Content-Length: 5"]),
        ("1.1", ["Content-Length: 0", "transfer-encoding: CHUNKED"]),
        ("1.0", ["Transfer-Encoding: chunked"]),
        ("1.0", ["Content-Length: 5", "Transfer-Encoding: chunked"]),
        ("1.1", ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"]),
        ("1.1", ["Transfer-Encoding: chunked, chunked"]),
        ("1.1", ["Transfer-Encoding: identity", "Content-Length: 5"]),
        ("1.1", ["Transfer-Encoding: xchunked"]),
        ("1.1", ["Transfer-Encoding:\x0bchunked"]),
        ("1.1", ["Transfer-Encoding : chunked"]),
        ("1.1", ["Transfer-Encoding:\r\n chunked", "Content-Length: 5"]),
        ("1.1", ["Content-Length: 5", "Content-Length: 6"]),
        ("1.1", ["Content-Length: 5, 6"]),
        ("1.1", ["Content-Length: +5"]),
        ("1.1", ["Content-Length: 0x5"]),
        ("1.1", ["Content-Length: -5"]),
        ("1.1", ["Content-Length: 5 5"]),
    ],
    ids=repr,
)
def test_a_body_with_ambiguous_length_is_refused_and_the_connection_closed(
    server: Server, alice: Program, version: str, framing: list[str]
) -> None:
    request = head(alice, "POST", "/login", FORM, *framing).replace(b"HTTP/1.1", f"HTTP/{version}".encode())
    with call(server) as raw:
        raw.sendall(request + b"0\r\n\r\n" + SMUGGLED)
        answers = take(raw)  # until the connection closes
    assert answers.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 501 "))
    assert answers.count(b"HTTP/1.1 ") == 1
    assert server.complaints() == ""


def test_a_chunked_body_is_read_and_the_connection_stays_open(server: Server, alice: Program) -> None:
    with call(server) as raw:
        for _ in range(2):
            more = ("Accept: application/json", "Transfer-Encoding: chunked")
            raw.sendall(head(alice, "POST", "/login", FORM, *more) + chunk(b"a=b") + chunk(b""))
            assert take(raw, until=b"}").startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("path", ["/login", "/logout", "/nowhere", "/ping"])
def test_an_endless_body_is_cut_off_early_and_not_buffered(server: Server, alice: Program, path: str) -> None:
    before, sent = memory(server), 0
    with call(server) as raw, suppress(ConnectionError):
        raw.sendall(head(alice, "POST", path, "multipart/form-data; boundary=seam", "Transfer-Encoding: chunked"))
        piece = chunk(b'--seam\r\nContent-Disposition: form-data; name="a"; filename="b"\r\n\r\n' + b"A" * 4096)
        while sent < 256 * MEBIBYTE:
            raw.sendall(piece)
            sent += len(piece)
    assert sent < 64 * MEBIBYTE  # what the kernel may buffer (tcp_rmem, often 6 or 32) before it reports the end
    assert memory(server) - before < 16 * MEBIBYTE
    assert server.complaints() == ""


async def test_a_slow_body_is_408(app: Quart) -> None:
    app.config["BODY_TIMEOUT"] = 0.1
    connection: Any = app.test_client().request("/login", method="POST", headers={"Content-Type": FORM})
    async with connection:
        await connection.send(b"login_id=")  # and nothing more
    assert connection.status_code == 408
    assert create_app(Settings()).config["BODY_TIMEOUT"] == 20


def test_a_half_closed_connection_is_closed_before_the_idle_timeout(server: Server) -> None:
    with call(server) as raw:
        raw.sendall(b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
        take(raw, until=b"}")
        raw.shutdown(socket.SHUT_WR)
        wait(lambda: not holds(server, raw), within=Config.keep_alive_timeout - 1)


def test_an_answer_before_the_whole_body_was_read_closes_the_connection(server: Server) -> None:
    with call(server) as raw:  # no session, and many chunks at once, of which hypercorn queues ten
        raw.sendall(b"POST /logout HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(b"A") * 10_000)
        assert take(raw).startswith(b"HTTP/1.1 401 ")
        wait(lambda: not holds(server, raw))
    assert stops_at_once(server)
    assert server.complaints() == ""
