"""The WebSocket, used as a bell: it only tells which conversation has news. The news is fetched separately, so a lost
frame loses nothing. After every connect, the bell rings for all conversations."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import websockets
from websockets.asyncio.client import connect

from ezdms.client.errors import SessionEnded
from ezdms.client.members import CONVERSATION
from ezdms.client.transport import LONGEST_PAUSE, Transport
from ezdms.protocol.encoding import is_integer

ENDED = 1008
PING_EVERY = 10.0  # seconds; a connection can be dead without being closed
ANSWER_WITHIN = 10.0  # seconds
CLOSE_WITHIN = 1.0  # seconds; nobody may be there to answer
FIRST_PAUSE = 4.0  # seconds: the longest one for the first tries, since a restart takes only seconds
FIRST_TRIES = 3
SHORTEST_PAUSE = 0.1
LARGEST_FRAME = 64 * 1024  # bytes
SOON = 0.3  # seconds until the vault is fetched, once
LARGEST_VERSION = 2**52  # of a vault
MOST = 1000  # conversations; more news than that becomes one ring for all


def pause(attempt: int) -> float:
    """Seconds to wait before connecting again: random, since a restarted server loses all its connections at once, and
    doubled with each attempt that failed after the first ones."""
    doubled = 2.0 ** max(attempt + 1 - FIRST_TRIES, 0)
    return random.uniform(SHORTEST_PAUSE, min(LONGEST_PAUSE, FIRST_PAUSE * doubled))  # noqa: S311


class Straight(connect):
    """A connection that follows no redirects, and uses no proxy for this machine."""

    def __init__(self, address: str, **more: Any) -> None:
        super().__init__(address, proxy=True if address.startswith("wss:") else None, **more)

    def process_redirect(self, exc: Exception) -> Exception | str:
        """Do not follow it."""
        return exc


@dataclass(frozen=True, slots=True)
class Frame:
    """A signal as the server relays it, not opened yet (client/signals.py)."""

    where: str
    slot: str
    sealed: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class VaultStored:
    """Another client of the user has stored the vault, or so the server says (`Bell.claimed`)."""


VAULT_STORED = VaultStored()
News = str | Frame | VaultStored | None


class Bell:
    """Iterate over it to get conversation ids, or None for "any conversation may have news"; signals; and that the
    vault was stored."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._news: dict[News, None] = {}  # each once, in order
        self._later: dict[News, asyncio.TimerHandle] = {}  # scheduled rings
        self.claimed = 0  # the highest version of the vault that the server spoke of
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

    async def __aiter__(self) -> AsyncIterator[News]:
        while True:
            await self._rings.wait()
            if self._ended is not None:
                raise self._ended
            where = next(iter(self._news))
            del self._news[where]
            if not self._news:
                self._rings.clear()
            yield where

    def ring(self, where: News) -> None:
        """Announce news: in a conversation, or in any with None."""
        if len(self._news) >= MOST:
            self._news, where = {}, None
        self._news[where] = None
        self._rings.set()

    def ring_later(self, where: News, seconds: float) -> None:
        """Ring again later, to retry a failed fetch; once, however often this is called until then."""
        if where not in self._later:
            self._later[where] = asyncio.get_running_loop().call_later(seconds, self._ring_again, where)

    def _ring_again(self, where: News) -> None:
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
                    ping_interval=PING_EVERY,
                    ping_timeout=ANSWER_WITHIN,
                    close_timeout=CLOSE_WITHIN,
                ) as socket:
                    self.ring(None)
                    async for frame in socket:
                        self._hear(frame)
            except websockets.InvalidStatus as refused:
                if refused.response.status_code == 401:
                    self.ring(None)  # a request finds out if the session has ended: networks answer 401, too
            except websockets.ConnectionClosed as closed:
                if closed.rcvd is not None and closed.rcvd.code == ENDED:
                    return self._end()
            except (OSError, websockets.WebSocketException):
                pass  # unreachable: retried below
            if now() - began > LONGEST_PAUSE:
                attempt = 0  # the connection lasted a while
            await asyncio.sleep(pause(attempt))
            attempt += 1

    def _hear(self, frame: str | bytes) -> None:
        try:
            event = json.loads(frame)
            kind, where, version = event["event"], event.get("conversation_id"), event.get("version")
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return  # from a different version
        if kind == "vault" and is_integer(version, 1, LARGEST_VERSION):
            self.claimed = max(self.claimed, version)
            self.ring_later(VAULT_STORED, SOON)  # however often the server says so
        if not isinstance(where, str) or not CONVERSATION.fullmatch(where):
            return
        if kind in ("conversation", "new_message"):
            self.ring(where)
        elif kind == "signal" and len(self._news) < MOST:
            slot, sealed = event.get("slot"), event.get("sealed")
            if isinstance(slot, str) and isinstance(sealed, str):
                self._news[Frame(where, slot, sealed)] = None
                self._rings.set()

    def _stop(self, task: asyncio.Task[None]) -> None:
        """Pass unexpected errors on to the iterator."""
        if not task.cancelled() and task.exception() is not None:
            self._ended = task.exception()
            self._rings.set()

    def _end(self) -> None:
        self._ended = SessionEnded(401, "no_session", "This session was ended, here or elsewhere.")
        self._rings.set()
