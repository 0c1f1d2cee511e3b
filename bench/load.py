"""The load generator: cheap HTTP connections and WebSockets, counters for received frames, and percentiles."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import picows

SOON = 20.0  # seconds to wait for something that must arrive


class Wire(asyncio.Protocol):
    """One keep-alive connection with one request at a time. Reconnects if the server closed it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.gone = asyncio.Event()
        self._is_last = False
        self._taken = bytearray()
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None

    @classmethod
    async def to(cls, port: int) -> Wire:
        """Open a connection to this port."""
        wire = cls(port)
        await wire._connect()
        return wire

    async def _connect(self) -> None:
        await asyncio.get_running_loop().create_connection(lambda: self, "127.0.0.1", self.port)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self._is_last = False
        self.gone.clear()

    def data_received(self, data: bytes) -> None:
        self._taken += data
        head = self._taken.find(b"\r\n\r\n")
        if head < 0 or self._answer is None:
            return
        lower = bytes(self._taken[:head]).lower()
        start = lower.find(b"content-length: ")
        length = int(lower[start + 16 :].split(b"\r\n", 1)[0]) if start > 0 else 0
        self._is_last = b"connection: close" in lower
        if len(self._taken) >= head + 4 + length:
            answer = int(self._taken[9:12]), bytes(self._taken[head + 4 : head + 4 + length])
            self._taken.clear()
            self._answer.set_result(answer)
            self._answer = None

    def connection_lost(self, error: Exception | None) -> None:
        self.gone.set()
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError("the server closed the connection"))

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Send a request and return the status and body of the response."""
        if self._is_last or self.gone.is_set():
            await self.gone.wait()
            await self._connect()
        self._answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return await self._answer

    def close(self) -> None:
        self.transport.close()


def request(method: str, path: str, token: str = "", body: bytes = b"", **headers: str) -> bytes:
    """The bytes of a request. By default it has the headers of a program; `headers` overrides them."""
    given = {"Host": "127.0.0.1", "Accept": "application/json", "Content-Type": "application/json"}
    given |= bearer(token) if token else {}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    given |= {"Content-Length": str(len(body))} if body else {}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items()), "", ""]
    return "\r\n".join(lines).encode() + body


def bearer(token: str) -> dict[str, str]:
    """The header that authenticates a logged-in user."""
    return {"Authorization": f"Bearer {token}"}


def as_program(token: str) -> dict[str, str]:
    """The headers for a program's WebSocket, which uses JSON."""
    return {**bearer(token), "Sec-WebSocket-Protocol": "ezdms.json"}


class Socket(picows.WSListener):
    """A WebSocket. `hear` is called with each text frame."""

    def __init__(self, hear: Callable[[bytes], None]) -> None:
        self.hear = hear

    @classmethod
    async def to(
        cls, port: int, path: str, hear: Callable[[bytes], None], headers: dict[str, str] | None = None
    ) -> Socket:
        """Open a WebSocket."""
        _, socket = await picows.ws_connect(
            lambda: cls(hear), f"ws://127.0.0.1:{port}{path}", extra_headers=headers, websocket_handshake_timeout=SOON
        )
        return socket  # type: ignore[return-value]

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        self.transport = transport

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        if frame.msg_type == picows.WSMsgType.TEXT:
            self.hear(frame.get_payload_as_bytes())
        elif frame.msg_type == picows.WSMsgType.PING:
            transport.send_pong(frame.get_payload_as_bytes())
        elif frame.msg_type == picows.WSMsgType.CLOSE:
            transport.disconnect()

    def send(self, text: bytes) -> None:
        """Send one text frame."""
        self.transport.send(picows.WSMsgType.TEXT, text)

    def close(self) -> None:
        self.transport.send_close(picows.WSCloseCode.OK)
        self.transport.disconnect()


@dataclass(slots=True)
class Heard:
    """Counts the frames that both sockets of a pair receive."""

    count: int = 0
    waiting: deque[tuple[int, asyncio.Future[None]]] = field(default_factory=deque)

    def add(self) -> None:
        """Count one more frame."""
        self.count += 1
        while self.waiting and self.waiting[0][0] <= self.count:
            _, future = self.waiting.popleft()
            if not future.done():
                future.set_result(None)

    async def until(self, count: int) -> None:
        """Wait until `count` frames have arrived in total."""
        if self.count < count:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self.waiting.append((count, future))
            await asyncio.wait_for(future, SOON)


def percentile(values: list[float], percent: int) -> float:
    """This percentile of the values, interpolated."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1] if len(values) > 1 else values[0]


async def at_full_speed(calls: list[Callable[[], Any]], seconds: float, warm_up: float = 0.5) -> float:
    """Repeat all calls concurrently until the time is up. Returns the calls per second, not counting the warm-up."""
    began = time.perf_counter() + warm_up
    count = 0

    async def repeat(call: Callable[[], Any]) -> None:
        nonlocal count
        while (start := time.perf_counter()) < began + seconds:
            await call()
            count += start >= began and time.perf_counter() <= began + seconds

    await asyncio.gather(*map(repeat, calls))
    return count / seconds


def wish(event: str, **more: Any) -> bytes:
    """A frame to send to EZ-DMS."""
    return json.dumps({"event": event, **more}).encode()
