"""A proxy between clients and a real server that records every request and can change any response.

It runs in its own thread, so that commands can run in the test's thread. WebSockets are forwarded byte by byte, and
frames can be injected.
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

import h11
import httpx

from ezdms.client.transport import POLICY

OURS = f"{POLICY}sandbox"  # an answer without it counts as no connection, and is retried for a minute
HOP_BY_HOP = {b"connection", b"transfer-encoding", b"content-length", b"date", b"host", b"accept-encoding"}


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
        plain = {"Accept-Encoding": "identity"}  # bodies that can be changed
        self._http = httpx.AsyncClient(base_url=self._server, timeout=60, trust_env=False, headers=plain)
        self._tasks: set[asyncio.Task[None]] = set()
        listener = await asyncio.start_server(self._begin, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        self._ready.set()
        await self._stop.wait()
        listener.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._http.aclose()
        await asyncio.sleep(0.01)  # lets the loop close connections

    async def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with suppress(OSError, h11.RemoteProtocolError):
                await self._talk(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h11.Connection(h11.SERVER)
        while (asked := await _read(connection, reader)) is not None:
            with self._heard:
                self.asked.append(asked)
                self._heard.notify_all()
            if asked.path == "/ws" and not await self._refuse_socket(asked, writer):
                return await self._tunnel(asked, reader, writer)
            if asked.path == "/ws":
                return None
            answer = self._changed(asked, await self._pass_on(asked))
            answer.headers.setdefault("content-length", str(len(answer.body)))
            headers = list(answer.headers.items())
            writer.write(connection.send(h11.Response(status_code=answer.status, headers=headers)) or b"")
            for event in (h11.Data(data=answer.body), h11.EndOfMessage()):
                writer.write(connection.send(event) or b"")
            await writer.drain()
            connection.start_next_cycle()
        return None

    async def _pass_on(self, asked: Asked) -> Answer:
        if not all(passes_on for path, _, passes_on in self._lies if path.fullmatch(f"{asked.method} {asked.path}")):
            return Answer(500, {"content-security-policy": OURS}, b"{}")
        response = await self._http.request(
            asked.method,
            asked.target,
            content=asked.body,
            headers={name: value for name, value in asked.headers.items() if name.encode() not in HOP_BY_HOP},
        )
        kept = {name.decode().lower(): value.decode() for name, value in response.headers.raw}
        kept = {name: value for name, value in kept.items() if name.encode() not in HOP_BY_HOP}
        return Answer(response.status_code, kept, response.content)

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
        head = [f"HTTP/1.1 {answer.status} No", *(f"{name}: {value}" for name, value in answer.headers.items())]
        writer.write("\r\n".join([*head, "Content-Length: 0", "", ""]).encode())
        await writer.drain()
        return True

    async def _tunnel(self, asked: Asked, near: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port = urlsplit(self._server).hostname, urlsplit(self._server).port
        far, far_writer = await asyncio.open_connection(host, port)
        try:
            head = [f"GET {asked.target} HTTP/1.1", *(f"{name}: {value}" for name, value in asked.headers.items())]
            far_writer.write("\r\n".join([*head, "", ""]).encode())
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


async def _read(connection: h11.Connection, reader: asyncio.StreamReader) -> Asked | None:
    asked: Asked | None = None
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(65536))
        elif isinstance(event, h11.Request):
            headers = {name.decode(): value.decode() for name, value in event.headers}
            asked = Asked(event.method.decode(), event.target.decode(), headers, b"")
            if "upgrade" in headers:
                return asked
        elif isinstance(event, h11.Data) and asked is not None:
            asked.body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            return asked
        else:
            return None


def _frame(text: str) -> bytes:
    """A complete text frame from a server (RFC 6455, 5.2)."""
    octets = text.encode()
    size = len(octets)
    if size < 126:
        return bytes([0x81, size]) + octets
    if size < 65536:
        return bytes([0x81, 126]) + size.to_bytes(2, "big") + octets
    return bytes([0x81, 127]) + size.to_bytes(8, "big") + octets
