"""A lying server in front of the real one: it changes responses and frames, and records all that it receives."""

from __future__ import annotations

import asyncio
import re
import struct
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from tests.conftest import Server
from tests.support.wire import Wire

TEXT, BINARY, CLOSE = 0x1, 0x2, 0x8
NOT_FORWARDED = {"connection", "accept-encoding", "if-none-match"}  # ask for whole responses, which can be changed
HOP_BY_HOP = {"connection", "content-length", "content-encoding", "transfer-encoding", "date", "server"}


@dataclass
class Answer:
    """A response on its way to the browser; a lie changes it in place."""

    request: str  # "GET /me"
    status: int
    headers: list[tuple[str, str]]
    body: bytes
    hints: list[tuple[str, str]] = field(default_factory=list)  # headers of an early 103 response
    rest: bytes = b""  # held back until `go_on` is set
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def text(self) -> str:
        return self.body.decode()

    @text.setter
    def text(self, text: str) -> None:
        self.body = text.encode()

    def set(self, name: str, value: str) -> None:
        """Set a header, replacing any with the same name."""
        self.headers = [pair for pair in self.headers if pair[0] != name.lower()] + [(name.lower(), value)]

    def octets(self) -> bytes:
        """The bytes on the wire, without `rest`."""
        hints = (
            ["HTTP/1.1 103 Early Hints", *(f"{name}: {value}" for name, value in self.hints), ""] if self.hints else []
        )
        lines = [*hints, f"HTTP/1.1 {self.status} Lie", *(f"{name}: {value}" for name, value in self.headers)]
        if self.status not in (204, 304):
            lines.append(f"content-length: {len(self.body) + len(self.rest)}")
        return "\r\n".join([*lines, "", ""]).encode() + (self.body if self.status not in (204, 304) else b"")


Change = Callable[[Answer], None]


class Liar:
    """Listens on its own port. Tells the truth unless it is given a lie."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.url = ""
        self.heard: list[str] = []  # all requests with headers and body, and all frames from browsers
        self._lies: list[tuple[re.Pattern[str], Change]] = []
        self._is_silent = False
        self._sockets: list[asyncio.StreamWriter] = []
        self._closed: weakref.WeakSet[asyncio.StreamWriter] = weakref.WeakSet()
        self._tasks: set[asyncio.Task[None]] = set()
        self._listener: asyncio.Server | None = None
        self._wire = Wire(server.port, is_kept=True)

    async def start(self) -> None:
        """Start listening."""
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._listener.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        """Stop listening and close all connections."""
        assert self._listener is not None
        self._listener.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._wire.close()
        await asyncio.sleep(0.01)  # let the loop close aborted transports

    @contextmanager
    def lying(self, request: str, change: Change) -> Iterator[None]:
        """Inside, change every response to a request that matches a pattern such as "GET /me"."""
        lie = (re.compile(request), change)
        self._lies.append(lie)
        try:
            yield
        finally:
            self._lies.remove(lie)

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Inside, drop all frames from the real server."""
        self._is_silent = True
        try:
            yield
        finally:
            self._is_silent = False

    @property
    def has_socket(self) -> bool:
        """Whether a page is connected."""
        return bool(self._sockets)

    def slip(self, frame: str | bytes) -> None:
        """Send this frame to every page as if the server had sent it."""
        octets = frame.encode() if isinstance(frame, str) else frame
        for socket in self._sockets:
            socket.write(make_frame(TEXT if isinstance(frame, str) else BINARY, octets))

    def close_sockets(self, code: int) -> None:
        """Close every socket with this code, without telling the real server."""
        for socket in self._sockets:
            socket.write(make_frame(CLOSE, struct.pack("!H", code)))
        self._closed.update(self._sockets)
        self._sockets.clear()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: writer.transport.abort())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                first, *lines = head.decode("latin-1").strip().split("\r\n")
                headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
                if dict(headers).get("upgrade") == "websocket":
                    self.heard.append(head.decode("latin-1"))
                    return await self._relay(head, reader, writer)
                body = await reader.readexactly(int(dict(headers).get("content-length", "0")))
                self.heard.append(f"{head.decode('latin-1')}{body.decode('latin-1')}")
                await self._answer(first.rsplit(" ", 1)[0], headers, body, writer)

    async def _answer(
        self, request: str, headers: list[tuple[str, str]], body: bytes, writer: asyncio.StreamWriter
    ) -> None:
        method, path = request.split(" ", 1)
        forwarded = [pair for pair in headers if pair[0] not in NOT_FORWARDED]
        true = await self._wire.ask(method, path, forwarded, body)
        kept = [pair for pair in true.headers if pair[0] not in HOP_BY_HOP]
        answer = Answer(request, true.status, kept, true.body)
        for pattern, change in self._lies:
            if pattern.fullmatch(request):
                change(answer)
        writer.write(answer.octets())
        if answer.rest:
            await writer.drain()
            await answer.go_on.wait()
            writer.write(answer.rest)
        await writer.drain()

    async def _relay(self, head: bytes, near: asyncio.StreamReader, near_writer: asyncio.StreamWriter) -> None:
        far, far_writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        try:
            far_writer.write(head)
            near_writer.write(await far.readuntil(b"\r\n\r\n"))
            self._sockets.append(near_writer)
            both = [
                asyncio.create_task(self._hear(near, near_writer, far_writer)),
                asyncio.create_task(self._speak(far, near_writer)),
            ]
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            for task in both:
                task.cancel()
            await asyncio.gather(*both, return_exceptions=True)
        finally:
            if near_writer in self._sockets:
                self._sockets.remove(near_writer)
            far_writer.transport.abort()

    async def _hear(
        self, near: asyncio.StreamReader, near_writer: asyncio.StreamWriter, far_writer: asyncio.StreamWriter
    ) -> None:
        """Forward the browser's frames to the real server, until a lie closes the socket."""
        while True:
            frame, content = await read_frame(near)
            self.heard.append(f"FRAME {content.decode('latin-1')}")
            if near_writer in self._closed:
                return
            far_writer.write(frame)
            await far_writer.drain()

    async def _speak(self, far: asyncio.StreamReader, near_writer: asyncio.StreamWriter) -> None:
        """Forward whole frames, so that others can be inserted in between."""
        while near_writer not in self._closed:
            frame, _ = await read_frame(far)
            if not self._is_silent:
                near_writer.write(frame)
                await near_writer.drain()


async def read_frame(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Return the next raw frame, and its content."""
    head = await reader.readexactly(2)
    size, is_masked = head[1] & 0x7F, head[1] & 0x80
    if size > 125:
        length = await reader.readexactly(2 if size == 126 else 8)
        head, size = head + length, int.from_bytes(length, "big")
    mask = await reader.readexactly(4) if is_masked else b""
    content = await reader.readexactly(size)
    plain = bytes(octet ^ mask[i % 4] for i, octet in enumerate(content)) if mask else content
    return head + mask + content, plain


def make_frame(opcode: int, content: bytes) -> bytes:
    """Return a complete server frame."""
    size = len(content)
    long = struct.pack("!BH", 126, size) if size < 65536 else struct.pack("!BQ", 127, size)
    length = bytes([size]) if size < 126 else long
    return bytes([0x80 | opcode]) + length + content
