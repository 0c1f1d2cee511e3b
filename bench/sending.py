"""Pairs that send and receive messages: through EZ-DMS by POST or by socket, the bare route, or the bare relay."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlencode

from bench.filled import Pair
from bench.load import SOON, Heard, Socket, Wire, as_program, bearer, request, wish

FORM = {"Content_Type": "application/x-www-form-urlencoded"}
Send = Callable[[], Awaitable[None]]


class Talk:
    """A pair on a running EZ-DMS. Both have a socket that has joined; the sender also has an HTTP connection."""

    def __init__(self, pair: Pair, port: int, *, as_page: bool) -> None:
        self.pair = pair
        self.as_page = as_page
        self.heard = Heard()
        self.told = Heard()
        self._issued = self._told = 0  # messages; frames arrive in the order their messages were stored
        self._port = port

    async def open(self) -> None:
        """Connect, and wait until both sockets have joined."""
        self.wire = await Wire.to(self._port)
        self.sockets = [
            await Socket.to(self._port, "/ws", hear, (bearer if self.as_page else as_program)(person.token))
            for person, hear in ((self.pair.sender, self.hear), (self.pair.reader, self.hear_as_reader))
        ]
        for socket in self.sockets:
            socket.send(wish("join", conversation_id=self.pair.conversation_id))
        deadline = time.monotonic() + SOON
        while self.heard.count < 2:  # a message sent before both joins are processed does not reach both
            if time.monotonic() > deadline:
                raise RuntimeError("the sockets do not receive messages")
            self.heard.count = 0
            await self._post()
            await asyncio.sleep(0.05)
        self._issued = 1

    def hear(self, frame: bytes) -> None:
        """Count a message or an acknowledgment."""
        if b"message-row" in frame if self.as_page else b'"new_message"' in frame:
            self.heard.add()
        elif frame.startswith(b'{"event": "sent"'):
            self.told.add()
        elif frame.startswith(b'{"event": "error"'):
            raise RuntimeError(f"expected sent, got {frame!r}")

    def hear_as_reader(self, frame: bytes) -> None:
        """The same on the reader's socket. Also records the time."""
        self.arrived = time.perf_counter()
        self.hear(frame)

    async def send_by_post(self) -> None:
        """Send a message, and wait until it is durable, acknowledged, and on both sockets."""
        self._issued += 1
        heard = 2 * self._issued
        await self._post()
        await self.heard.until(heard)

    async def _post(self) -> None:
        body, headers = self.pair.body(), {}
        if self.as_page:
            body, headers = urlencode(self.pair.fields()).encode(), FORM
        status, answer = await self.wire.ask(request("POST", "/send_message", self.pair.sender.token, body, **headers))
        if status != 201:
            raise RuntimeError(f"expected 201, got {status}: {answer[:200]!r}")

    async def send_by_socket(self) -> None:
        """The same over the sender's socket."""
        self._issued += 1
        self._told += 1
        heard, told = 2 * self._issued, self._told
        self.sockets[0].send(wish("send_message", **self.pair.fields()))
        await self.told.until(told)
        await self.heard.until(heard)

    async def settle(self) -> None:
        """Reconnect and reset the counters, because idle connections are closed and other frames may have arrived."""
        self.wire.close()
        self.wire = await Wire.to(self._port)
        self._issued, self._told = self.heard.count // 2, self.told.count

    def close(self) -> None:
        self.wire.close()
        for socket in self.sockets:
            socket.close()


@asynccontextmanager
async def talking(pairs: list[Pair], port: int, *, as_page: bool = False) -> AsyncIterator[list[Talk]]:
    """Connect all pairs."""
    talks = [Talk(pair, port, as_page=as_page) for pair in pairs]
    await asyncio.gather(*(talk.open() for talk in talks))
    try:
        yield talks
    finally:
        for talk in talks:
            talk.close()


@asynccontextmanager
async def posting(count: int, port: int, body: bytes) -> AsyncIterator[list[Send]]:
    """Open `count` connections to a bare route."""
    wires = [await Wire.to(port) for _ in range(count)]
    asked = request("POST", "/", body=body)

    def sender(wire: Wire) -> Send:
        async def send() -> None:
            status, _ = await wire.ask(asked)
            assert status == 200

        return send

    try:
        yield [sender(wire) for wire in wires]
    finally:
        for wire in wires:
            wire.close()


@asynccontextmanager
async def relaying(count: int, port: int, frame: bytes) -> AsyncIterator[list[Send]]:
    """Connect `count` pairs to a bare relay, which sends each frame to both."""
    opened: list[Socket] = []

    async def open_pair(number: int) -> Send:
        heard = Heard()
        issued = 0
        sockets = [await Socket.to(port, f"/ws?pair={number}", lambda _: heard.add()) for _ in range(2)]
        opened.extend(sockets)

        async def send() -> None:
            nonlocal issued
            issued += 1
            expected = 2 * issued
            sockets[0].send(frame)
            await heard.until(expected)

        return send

    senders = [await open_pair(number) for number in range(count)]
    try:
        yield senders
    finally:
        for socket in opened:
            socket.close()
