"""A proxy in front of a server that modifies answers."""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from types import TracebackType

import httpx

from ezdms.verify.wire import LARGEST_ANSWER
from tests.conftest import Server

EVIL = "https://evil.example"
ACCEPT = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3


@dataclass
class Exchange:
    """One request and the server's answer, before it is passed on."""

    method: str
    path: str
    asked: dict[str, str]
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def replace(self, old: str, new: str) -> None:
        """Replace text in the body, which must contain it."""
        assert old.encode() in self.body, (self.path, old)
        self.body = self.body.replace(old.encode(), new.encode(), 1)

    def drop(self, name: str) -> None:
        """Remove the header."""
        self.headers = [(one, value) for one, value in self.headers if one.lower() != name.lower()]

    def set(self, name: str, value: str) -> None:
        """Replace the value of the header."""
        self.drop(name)
        self.headers.append((name, value))

    def add(self, name: str, value: str) -> None:
        """Add the header, even if it is already there."""
        self.headers.append((name, value))

    def accept_socket(self) -> None:
        """Accept the WebSocket regardless of the server's answer."""
        digest = hashlib.sha1(self.asked["sec-websocket-key"].encode() + ACCEPT, usedforsecurity=False).digest()
        self.status = 101
        self.headers = [
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Accept", base64.b64encode(digest).decode()),
        ]


Change = Callable[[Exchange], None]


class Misbehaving:
    """A proxy on its own port. It passes everything on unchanged until `change` is set."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.change: Change | None = None
        self.url = ""

    async def __aenter__(self) -> Misbehaving:
        self._listener = await asyncio.start_server(self._pass_on, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._listener.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()
        await self._listener.wait_closed()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            asked, headers, body = await _read(reader)
            exchange = await self.ask(asked, headers, body)
            if self.change is not None:
                self.change(exchange)
            writer.write(_written(exchange))
            await writer.drain()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    async def ask(self, asked: str, headers: list[tuple[str, str]], body: bytes) -> Exchange:
        """Ask over a new connection, because a refusal may close it, and for bodies that can be changed."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        forwarded = [(name, value) for name, value in headers if name.lower() != "accept-encoding"]
        writer.write(_head(asked, forwarded) + body)
        answered, given, content = await _read(reader)
        writer.close()
        method, path, _ = asked.split(" ")
        kept = [(name, value) for name, value in given if name not in ("content-length", "connection")]
        return Exchange(method, path, dict(headers), int(answered.split(" ")[1]), kept, content)


class Remembering(httpx.AsyncBaseTransport):
    """Takes the proxy's place for an HTTP client, without sockets: the server is asked each question only once.

    What it is asked with POST it is asked anew. Every answer is changed anew, as the proxy would.
    """

    def __init__(self, proxy: Misbehaving, answers: dict[object, Exchange]) -> None:
        self._proxy, self._answers = proxy, answers

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        asked = f"{request.method} {request.url.raw_path.decode()} HTTP/1.1"
        headers = [(name.decode().lower(), value.decode()) for name, value in request.headers.raw]
        # The address differs with the proxy, and the session of nobody with every run.
        known = asked, *((name, "" if name == "host" or "_session=" in value else value) for name, value in headers)
        if request.method == "POST" or known not in self._answers:
            self._answers[known] = await self._proxy.ask(asked, headers, await request.aread())
        kept = self._answers[known]
        exchange = replace(kept, headers=list(kept.headers))
        if self._proxy.change is not None:
            self._proxy.change(exchange)
        return httpx.Response(exchange.status, headers=exchange.headers, stream=httpx.ByteStream(exchange.body))


async def _read(reader: asyncio.StreamReader) -> tuple[str, list[tuple[str, str]], bytes]:
    """The first line, headers with lower-case names, and body of a request or answer; nothing is chunked."""
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").rstrip("\r\n").split("\r\n")
    headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    assert "transfer-encoding" not in dict(headers)
    return first, headers, await reader.readexactly(int(dict(headers).get("content-length", 0)))


def _head(first: str, headers: list[tuple[str, str]]) -> bytes:
    return "\r\n".join([first, *(f"{name}: {value}" for name, value in headers), "", ""]).encode("latin-1")


def _written(exchange: Exchange) -> bytes:
    first = f"HTTP/1.1 {exchange.status} -"
    if exchange.status == 101:
        return _head(first, exchange.headers)
    own = [("Content-Length", str(len(exchange.body))), ("Connection", "close")]
    if exchange.status == 304:  # has no body and no length
        return _head(first, exchange.headers + own[1:])
    return _head(first, exchange.headers + own) + exchange.body


def at(path: str, change: Change) -> Change:
    """Change only answers at this path; a digest in the path is ignored."""

    def narrowed(exchange: Exchange) -> None:
        if re.sub(r"^/static/[0-9a-f]{12}/", "", exchange.path) == path:
            change(exchange)

    return narrowed


def whole(change: Change) -> Change:
    """Change only answers with status 200, which have a body."""
    return when(lambda exchange: exchange.status == 200, change)


def when(is_meant: Callable[[Exchange], bool], change: Change) -> Change:
    """Change only answers that the condition holds for."""

    def narrowed(exchange: Exchange) -> None:
        if is_meant(exchange):
            change(exchange)

    return narrowed


def asking(name: str, part: str, change: Change) -> Change:
    """Change only answers to requests whose header contains this."""
    return when(lambda exchange: part in exchange.asked.get(name.lower(), ""), change)


def in_page(old: str, new: str) -> Change:
    """Replace text in the page at / whenever it is sent."""
    return at("/", whole(lambda exchange: exchange.replace(old, new)))


def add(name: str, value: str) -> Change:
    """Add a header to every answer."""
    return lambda exchange: exchange.add(name, value)


def set_to(name: str, value: str) -> Change:
    """Replace a header's value on every answer."""
    return lambda exchange: exchange.set(name, value)


def drop(name: str) -> Change:
    """Remove a header from every answer."""
    return lambda exchange: exchange.drop(name)


def flip(exchange: Exchange) -> None:
    """Flip one bit in the middle."""
    half = len(exchange.body) // 2
    exchange.body = exchange.body[:half] + bytes([exchange.body[half] ^ 1]) + exchange.body[half + 1 :]


def lead_elsewhere(exchange: Exchange) -> None:
    exchange.status = 302
    exchange.set("Location", EVIL)


def accept_foreign(exchange: Exchange) -> None:
    if exchange.asked.get("origin") == "https://elsewhere.invalid":
        exchange.accept_socket()


def post_from_elsewhere(exchange: Exchange) -> None:
    if exchange.status == 403:
        exchange.status = 401


def give_cookie(exchange: Exchange) -> None:
    if exchange.status == 401:
        exchange.add("Set-Cookie", "track=1")


def weaken_errors(exchange: Exchange) -> None:
    if exchange.status == 401:
        exchange.set("Content-Security-Policy", "default-src *")


def make_huge(exchange: Exchange) -> None:
    exchange.body = bytes(LARGEST_ANSWER + 1)


def make_bomb(exchange: Exchange) -> None:
    exchange.add("Content-Encoding", "gzip")
    exchange.body = gzip.compress(bytes(LARGEST_ANSWER * 20))


def lose(exchange: Exchange) -> None:
    exchange.status = 404


def cut_short(exchange: Exchange) -> None:
    exchange.add("Content-Encoding", "gzip")
    exchange.body = gzip.compress(exchange.body)[:-4]


def weaken_etag(exchange: Exchange) -> None:
    exchange.set("ETag", "W/" + dict(exchange.headers)["etag"])


def confirm(exchange: Exchange) -> None:
    """Answer 304 to any cached page."""
    known = exchange.asked["if-none-match"]
    exchange.status, exchange.body = 304, b""
    exchange.set("ETag", known)


def send_again(exchange: Exchange) -> None:
    """Never answer 304, so that every page is fetched each time."""
    exchange.status = 200
