"""Conversations whose two people are at different processes, and both write."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from bench.filled import Pair
from bench.load import SOON, Socket, Wire, as_program, request, wish


class Side:
    """One of the two: a connection for requests and a socket, at this process."""

    def __init__(self, pair: Pair, port: int) -> None:
        """`pair`: what this one sends, with its own counter."""
        self.pair, self.port = pair, port
        self.other: Side = self
        self._waiting: dict[str, asyncio.Future[float]] = {}
        self._turn = asyncio.Lock()
        self._pong = asyncio.get_running_loop().create_future()

    async def open(self) -> None:
        """Connect, and wait until the socket has the conversation open."""
        self.wire = await Wire.to(self.port)
        self.socket = await Socket.to(self.port, "/ws", self._hear, as_program(self.pair.sender.token))
        self.socket.send(wish("join", conversation_id=self.pair.conversation_id))
        self.socket.send(wish("ping"))
        await asyncio.wait_for(self._pong, SOON)

    def _hear(self, frame: bytes) -> None:
        at, event = time.perf_counter(), json.loads(frame)
        if event["event"] == "new_message":
            heard = self._waiting.pop(event["message_id"], None)
            if heard is not None and not heard.done():
                heard.set_result(at)
        elif event["event"] == "error":
            raise RuntimeError(f"expected sent, got {frame!r}")
        elif event["event"] == "pong":
            self._pong.set_result(None)

    def _expect(self, message_id: str) -> asyncio.Future[float]:
        self._waiting[message_id] = asyncio.get_running_loop().create_future()
        return self._waiting[message_id]

    async def post(self) -> float:
        """Send a message, and wait until it is acknowledged and the other has it. Returns the seconds until then."""
        began = time.perf_counter()
        async with self._turn:  # the connection takes one request at a time
            fields = self.pair.fields()
            heard = self.other._expect(str(fields["message_id"]))
            body = json.dumps(fields).encode()
            status, answer = await self.wire.ask(request("POST", "/send_message", self.pair.sender.token, body))
            if status != 201:
                raise RuntimeError(f"expected 201, got {status}: {answer[:200]!r}")
        return await asyncio.wait_for(heard, SOON) - began

    async def send(self) -> float:
        """The same over the socket."""
        fields = self.pair.fields()
        heard = self.other._expect(str(fields["message_id"]))
        began = time.perf_counter()
        self.socket.send(wish("send_message", **fields))
        return await asyncio.wait_for(heard, SOON) - began

    def close(self) -> None:
        self.wire.close()
        self.socket.close()


class Both:
    """Both directions of a conversation. Each person's counter goes on from one use to the next."""

    def __init__(self, pair: Pair) -> None:
        self.there = replace(pair)
        self.back = replace(pair, sender=pair.reader, reader=pair.sender)


@asynccontextmanager
async def facing(conversations: list[Both], ports: list[tuple[int, int]]) -> AsyncIterator[list[Side]]:
    """Connect both people of each conversation: the first at the one port, the second at the other. Ports are used in
    turn. Yields the sides, the two of a conversation one after the other."""
    sides: list[Side] = []
    for number, both in enumerate(conversations):
        ours, theirs = ports[number % len(ports)]
        one, other = Side(both.there, ours), Side(both.back, theirs)
        one.other, other.other = other, one
        sides += [one, other]
    await asyncio.gather(*(side.open() for side in sides))
    try:
        yield sides
    finally:
        for side in sides:
            side.close()


async def at_a_rate(sides: list[Side], rate: float, seconds: float, *, by_socket: bool = False) -> list[float]:
    """So many messages per second, of each side in turn. Returns the seconds that each took to arrive."""
    took: list[float] = []

    async def one(side: Side) -> None:
        took.append(await (side.send() if by_socket else side.post()))

    async with asyncio.TaskGroup() as tasks:
        began = time.perf_counter()
        for number in range(int(seconds * rate)):
            await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
            tasks.create_task(one(sides[number % len(sides)]))
    return took
