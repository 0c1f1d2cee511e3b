"""A proxy between clients and a real server that records every request and can change any response.

It runs in its own thread, so that commands can run in the test's thread. WebSockets are forwarded byte by byte, and
frames can be injected. It reads and writes HTTP itself, since libraries take longer than client and server together.
"""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from ezdms.client.transport import POLICY
from tests.support import wire

OURS = f"{POLICY}sandbox"  # an answer without it counts as no connection, and is retried for a minute
HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "date", "host", "accept-encoding"}


@dataclass
class Asked:
    """A request, as the server received it."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def fields(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query))


@dataclass
class Answer:
    """A response on its way to the client. `json` is its parsed body."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @json.setter
    def json(self, value: Any) -> None:
        self.body = json.dumps(value).encode()


Lie = Callable[[Asked, Answer], None]


class Wire:
    """The proxy, a context manager. `url` is its address."""

    def __init__(self, server: str) -> None:
        self.url = ""
        self.asked: list[Asked] = []
        self._server = server
        self._lies: list[tuple[re.Pattern[str], Lie, bool]] = []
        self._sockets: list[asyncio.StreamWriter] = []
        self._slipped = [b""]
        self._ready = threading.Event()
        self._heard = threading.Condition()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Wire:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    @contextmanager
    def telling(self, path: str, lie: Lie | None, *, passes_on: bool = True) -> Iterator[None]:
        """In a `with` block, change responses to requests that match METHOD /path; None changes nothing. With
        `passes_on` false, the server is not asked, and the response is a 500 unless the lie changes it."""
        told = (re.compile(path), lie or (lambda asked, answer: None), passes_on)
        self._lies.append(told)
        try:
            yield
        finally:
            self._lies.remove(told)

    def posted(self, path: str) -> list[Asked]:
        """The POST requests to this path since `forget`."""
        return [one for one in self.asked if one.method == "POST" and re.fullmatch(path, one.path)]

    def waits_for(self, path: str, times: int) -> None:
        """Wait until this path was requested so many times."""
        with self._heard:
            assert self._heard.wait_for(lambda: sum(one.path == path for one in self.asked) >= times, 30)

    def forget(self) -> None:
        """Clear the recorded requests."""
        self.asked.clear()

    def slip(self, *texts: str) -> None:
        """Inject these frames into open sockets now, and into every new one right after it opens."""
        frames = b"".join(_frame(text) for text in texts)
        self._slipped[0] = frames
        for socket in self._sockets:
            self._loop.call_soon_threadsafe(socket.write, frames)

    # ---- In its own thread ----

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        self._to_server = wire.Wire(urlsplit(self._server).port or 80, is_kept=True)
        self._tasks: set[asyncio.Task[None]] = set()
        listener = await asyncio.start_server(self._begin, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        self._ready.set()
        await self._stop.wait()
        listener.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._to_server.close()
        await asyncio.sleep(0.01)  # lets the loop close connections

    async def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with suppress(OSError):
                await self._talk(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (asked := await _read(reader)) is not None:
            with self._heard:
                self.asked.append(asked)
                self._heard.notify_all()
            if asked.path == "/ws" and not await self._refuse_socket(asked, writer):
                return await self._tunnel(asked, reader, writer)
            if asked.path == "/ws":
                return None
            answer = self._changed(asked, await self._pass_on(asked))
            answer.headers.setdefault("content-length", str(len(answer.body)))
            writer.write(_head(f"HTTP/1.1 {answer.status} -", answer.headers) + answer.body)
            await writer.drain()
        return None

    async def _pass_on(self, asked: Asked) -> Answer:
        if not all(passes_on for path, _, passes_on in self._lies if path.fullmatch(f"{asked.method} {asked.path}")):
            return Answer(500, {"content-security-policy": OURS}, b"{}")
        kept = {name: value for name, value in asked.headers.items() if name not in HOP_BY_HOP}
        own = {"host": urlsplit(self._server).netloc, "content-length": str(len(asked.body))}
        plain = {"accept-encoding": "identity"}  # bodies that can be changed
        heard = await self._to_server.ask(asked.method, asked.target, [*(kept | own | plain).items()], asked.body)
        found = {name: value for name, value in heard.headers if name not in HOP_BY_HOP}
        return Answer(heard.status, found, heard.body)

    async def _dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(urlsplit(self._server).hostname, urlsplit(self._server).port)

    def _changed(self, asked: Asked, answer: Answer) -> Answer:
        for path, lie, _ in list(self._lies):
            if path.fullmatch(f"{asked.method} {asked.path}"):
                lie(asked, answer)
        return answer

    async def _refuse_socket(self, asked: Asked, writer: asyncio.StreamWriter) -> bool:
        """True if a lie about GET /ws replaced the upgrade."""
        answer = self._changed(asked, Answer(101))
        if answer.status == 101:
            return False
        writer.write(_head(f"HTTP/1.1 {answer.status} No", answer.headers | {"Content-Length": "0"}))
        await writer.drain()
        return True

    async def _tunnel(self, asked: Asked, near: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far, far_writer = await self._dial()
        try:
            far_writer.write(_head(f"GET {asked.target} HTTP/1.1", asked.headers))
            writer.write(await far.readuntil(b"\r\n\r\n"))
            writer.write(self._slipped[0])
            self._sockets.append(writer)
            await asyncio.gather(_pump(near, far_writer), _pump(far, writer))
        finally:  # also if the client disconnects before the server answers
            if writer in self._sockets:
                self._sockets.remove(writer)
            far_writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
    writer.close()


async def _read(reader: asyncio.StreamReader) -> Asked | None:
    try:
        first, headers = _parsed(await reader.readuntil(b"\r\n\r\n"))
        method, target, _ = first.split(" ")
        return Asked(method, target, headers, await _body(reader, headers))
    except asyncio.IncompleteReadError:
        return None


def _parsed(head: bytes) -> tuple[str, dict[str, str]]:
    """The first line, and the headers with names in lower case."""
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    parted = (line.partition(":") for line in lines)
    return first, {name.lower(): value.strip() for name, _, value in parted}


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    assert "transfer-encoding" not in headers
    return await reader.readexactly(int(headers.get("content-length", 0)))


def _head(first: str, headers: dict[str, str]) -> bytes:
    return "\r\n".join([first, *(f"{name}: {value}" for name, value in headers.items()), "", ""]).encode("latin-1")


def _frame(text: str) -> bytes:
    """A complete text frame from a server (RFC 6455, 5.2)."""
    octets = text.encode()
    size = len(octets)
    if size < 126:
        return bytes([0x81, size]) + octets
    if size < 65536:
        return bytes([0x81, 126]) + size.to_bytes(2, "big") + octets
    return bytes([0x81, 127]) + size.to_bytes(8, "big") + octets
