"""The socket, as a bell: it says in which conversation something happened. What it was is fetched, so no lost frame
loses anything, and after every connect the bell rings for all."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any

import websockets
from websockets.asyncio.client import connect

from ezdms.client.errors import SessionEnded
from ezdms.client.members import CONVERSATION
from ezdms.client.transport import LONGEST_PAUSE, Transport, pause

ENDED = 1008
LARGEST_FRAME = 64 * 1024  # bytes
MOST = 1000  # conversations; of more news at once it is only kept that there is some


class Straight(connect):
    """No redirect leads anywhere: the server that was asked answers, or none. Nor does a proxy to this machine."""

    def __init__(self, address: str, **more: Any) -> None:
        super().__init__(address, proxy=True if address.startswith("wss:") else None, **more)

    def process_redirect(self, exc: Exception) -> Exception | str:
        """What was refused is refused."""
        return exc


class Bell:
    """Iterate over it: conversation ids, or None for "anything may have happened"."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._news: dict[str | None, None] = {}  # each once, in the order in which it rang
        self._later: dict[str | None, asyncio.TimerHandle] = {}  # where it rings again
        self._rings = asyncio.Event()
        self._ended: BaseException | None = None
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Bell:
        self._task = asyncio.create_task(self._listen())
        self._task.add_done_callback(self._stop)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for timer in self._later.values():
            timer.cancel()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def __aiter__(self) -> AsyncIterator[str | None]:
        while True:
            await self._rings.wait()
            if self._ended is not None:
                raise self._ended
            where = next(iter(self._news))
            del self._news[where]
            if not self._news:
                self._rings.clear()
            yield where

    def ring(self, where: str | None) -> None:
        """There is news here, or anywhere."""
        if len(self._news) >= MOST:
            self._news, where = {}, None
        self._news[where] = None
        self._rings.set()

    def ring_later(self, where: str | None, seconds: float) -> None:
        """What could not be fetched now is tried again: once, however often it is asked for until then."""
        if where not in self._later:
            self._later[where] = asyncio.get_running_loop().call_later(seconds, self._ring_again, where)

    def _ring_again(self, where: str | None) -> None:
        del self._later[where]
        self.ring(where)

    async def _listen(self) -> None:
        address = self._transport.server.replace("http", "ws", 1) + "/ws"
        now = asyncio.get_running_loop().time
        attempt = 0
        while True:
            began = now()
            try:
                async with Straight(
                    address,
                    additional_headers=self._transport.headers,
                    subprotocols=[websockets.Subprotocol("ezdms.json")],
                    compression=None,
                    max_size=LARGEST_FRAME,
                    user_agent_header=None,
                ) as socket:
                    self.ring(None)
                    async for frame in socket:
                        self._hear(frame)
            except websockets.InvalidStatus as refused:
                if refused.response.status_code == 401:
                    return self._end()
            except websockets.ConnectionClosed as closed:
                if closed.rcvd is not None and closed.rcvd.code == ENDED:
                    return self._end()
            except (OSError, websockets.WebSocketException):
                pass  # not there now: tried again below
            if now() - began > LONGEST_PAUSE:
                attempt = 0  # it held for a while
            await asyncio.sleep(pause(attempt))
            attempt += 1

    def _hear(self, frame: str | bytes) -> None:
        try:
            event = json.loads(frame)
            where = event["conversation_id"] if event["event"] in ("conversation", "new_message") else None
        except (ValueError, TypeError, KeyError, RecursionError):
            return  # not of this version
        if isinstance(where, str) and CONVERSATION.fullmatch(where):
            self.ring(where)

    def _stop(self, task: asyncio.Task[None]) -> None:
        """Whoever waits for news learns of what nobody thought of, too."""
        if not task.cancelled() and task.exception() is not None:
            self._ended = task.exception()
            self._rings.set()

    def _end(self) -> None:
        self._ended = SessionEnded(401, "no_session", "This session was ended, here or elsewhere.")
        self._rings.set()
