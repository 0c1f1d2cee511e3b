"""Questions to the bus: many at once on one connection, which answers in their order."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from typing import Any

from redis import exceptions
from redis.asyncio import Connection

from ezdms.hub.shared import WITHIN

FAILED = (OSError, exceptions.RedisError)


class Asking:
    """A connection until it fails: then every question that waits fails, too, and a new one takes its place."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._unsent: list[tuple[Any, ...]] = []
        self._asked: deque[asyncio.Future[Any]] = deque()
        self._sending: asyncio.Task[None] | None = None
        self._reading: asyncio.Task[None] | None = None
        self.is_open = True

    def ask(self, *command: Any) -> asyncio.Future[Any]:
        """What the bus answers. The future raises an error of FAILED."""
        answer: asyncio.Future[Any] = self._loop.create_future()
        self._unsent.append(command)
        self._asked.append(answer)
        if self._sending is None or self._sending.done():
            self._sending = self._loop.create_task(self._send())
        if self._reading is None or self._reading.done():
            self._reading = self._loop.create_task(self._read())
        return answer

    async def close(self) -> None:
        """Disconnect; what waits fails."""
        self._fail(ConnectionError("The connection was closed."))
        tasks = [task for task in (self._sending, self._reading) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._connection.disconnect(nowait=True)

    async def _send(self) -> None:
        try:
            while self._unsent:
                commands, self._unsent = self._unsent, []
                await self._connection.send_packed_command(self._connection.pack_commands(commands), check_health=False)
        except FAILED as error:
            self._fail(error)

    async def _read(self) -> None:
        try:
            while self._asked:
                async with asyncio.timeout(WITHIN):  # one for all that was asked
                    for _ in range(len(self._asked)):
                        await self._read_one()
        except FAILED as error:
            self._fail(error)

    async def _read_one(self) -> None:
        try:
            answer = await self._connection.read_response(disable_decoding=True, timeout=math.inf)
        except exceptions.ResponseError as error:  # an answer, too
            self._settle(error)
        else:
            self._settle(answer)

    def _settle(self, answer: Any) -> None:
        asked = self._asked.popleft()
        if asked.done():  # who asked has gone
            return
        if isinstance(answer, Exception):
            asked.set_exception(answer)
        else:
            asked.set_result(answer)

    def _fail(self, error: Exception) -> None:
        self.is_open = False
        while self._asked:
            self._settle(error)
