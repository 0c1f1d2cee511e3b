"""The socket, as a bell: it says in which conversation something happened. What it was is fetched, so no lost frame
loses anything, and after every connect the bell rings for all."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from types import TracebackType

import websockets
from websockets.asyncio.client import connect

from ezdms.client.errors import SessionEnded
from ezdms.client.transport import Transport, pause

ENDED = 1008
LARGEST_FRAME = 64 * 1024  # bytes


class Bell:
    """Iterate over it: conversation ids, or None for "anything may have happened"."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._news: asyncio.Queue[str | SessionEnded | None] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Bell:
        self._task = asyncio.create_task(self._listen())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def __aiter__(self) -> AsyncIterator[str | None]:
        while True:
            news = await self._news.get()
            if isinstance(news, SessionEnded):
                raise news
            yield news

    async def _listen(self) -> None:
        address = self._transport.server.replace("http", "ws", 1) + "/ws"
        attempt = 0
        while True:
            try:
                async with connect(
                    address,
                    additional_headers=self._transport.headers,
                    subprotocols=[websockets.Subprotocol("ezdms.json")],
                    compression=None,
                    max_size=LARGEST_FRAME,
                    user_agent_header=None,
                ) as socket:
                    attempt = 0
                    await self._news.put(None)
                    async for frame in socket:
                        await self._hear(frame)
            except websockets.InvalidStatus as refused:
                if refused.response.status_code == 401:
                    return await self._end()
            except websockets.ConnectionClosed as closed:
                if closed.rcvd is not None and closed.rcvd.code == ENDED:
                    return await self._end()
            except (OSError, websockets.WebSocketException):
                pass  # not there now: tried again below
            await asyncio.sleep(pause(attempt))
            attempt += 1

    async def _hear(self, frame: str | bytes) -> None:
        try:
            event = json.loads(frame)
            where = event["conversation_id"] if event["event"] in ("conversation", "new_message") else None
        except (ValueError, TypeError, KeyError):
            return  # not of this version
        if isinstance(where, str):
            await self._news.put(where)

    async def _end(self) -> None:
        await self._news.put(SessionEnded(401, "no_session", "This session was ended, here or elsewhere.", {}))
