"""hypercorn's HTTP/1.1 and WebSocket mended: bounds that hold, and ends that are one (docs/decisions)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

import hypercorn.asyncio.run
import hypercorn.asyncio.tcp_server
import hypercorn.protocol
from h11 import Request as H11Request
from hypercorn.asyncio.task_group import TaskGroup
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.protocol import h11
from hypercorn.protocol.events import Event, Request, StreamClosed
from hypercorn.protocol.ws_stream import WSStream
from wsproto.events import CloseConnection
from wsproto.events import Event as WSProtoEvent
from wsproto.frame_protocol import CloseReason

from ezdms.http2 import Http2

Send = Callable[[Any], Awaitable[None]]
Put = Callable[[Any], Awaitable[None]]

LAST_BYTES = 30.0  # seconds for a peer to take what is left of an answer
LAST_WORDS = 3.0  # seconds for a peer to take the end of a socket, so that it learns why
LAST_WORDS_OF_SESSION = 0.5  # seconds, when its session has ended
WAITING_BYTES = 64 * 1024  # that a write may leave to be sent; with TLS it would be 512 KiB

_transport: ContextVar[asyncio.WriteTransport] = ContextVar("transport of the connection that this task belongs to")


class Connection(TCPServer):
    """A connection that ends, also with a peer that does not take what was sent last: hypercorn waits for ever."""

    _cut: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Streams and app run in tasks that start here and know the transport."""
        _transport.set(self.writer.transport)
        self.writer.transport.set_write_buffer_limits(WAITING_BYTES)
        try:
            await super().run()
        finally:
            if self._cut is not None:
                self._cut.cancel()

    async def _read_data(self) -> None:
        """hypercorn keeps a connection that its peer has ended for as long as an idle one."""
        try:
            await super()._read_data()
        except asyncio.CancelledError:  # the server stops, and has waited long enough
            self.writer.transport.abort()
            raise
        await self.idle_task.stop()

    async def _close(self) -> None:
        cut = self.loop.call_later(LAST_BYTES, self.writer.transport.abort)
        try:
            await super()._close()
        finally:
            cut.cancel()

    async def _initiate_server_close(self) -> None:
        """Nobody asked for anything for a while. Of bytes that TLS has written, the transport does not tell."""
        self._cut = self.loop.call_later(LAST_BYTES, self.writer.transport.abort)
        await super()._initiate_server_close()


class Tasks(TaskGroup):
    """The tasks of a connection, none of which waits for ever for the app to take what the peer sent."""

    async def spawn_app(self, app: Any, config: Any, scope: Any, send: Send) -> Put:
        """hypercorn hands ten messages over and waits for the app to take the next: for ever once the app has ended,

        or while the app itself waits for a write that is telling it that the peer is gone.
        """
        has_ended = False

        def drop_what_waits() -> None:
            while not waiting.empty():
                waiting.get_nowait()  # lets in whoever waits to put

        async def send_or_end(message: Any) -> None:
            nonlocal has_ended
            if message is None:
                has_ended = True
                drop_what_waits()
            await send(message)

        async def put_without_hanging(message: Any) -> None:
            if has_ended:
                return
            if message["type"] in ("http.disconnect", "websocket.disconnect"):
                drop_what_waits()
            await put(message)

        put: Put = await super().spawn_app(app, config, scope, send_or_end)
        waiting: asyncio.Queue[Any] = put.__self__  # type: ignore[attr-defined]
        return put_without_hanging


class Http1(h11.H11Protocol):
    """HTTP/1.1 that stays HTTP/1.1."""

    async def _check_protocol(self, event: H11Request) -> None:
        """Neither the preface of HTTP/2 nor an Upgrade to it leads anywhere."""


class SocketStream(WSStream):
    """A WebSocket without compression, whose bounds hold and whose end is one."""

    _pinging: asyncio.Task[None] | None = None

    async def handle(self, event: Event) -> None:
        """Drop the offer of permessage-deflate (a bomb of 300 KB takes 500 MB), and stop pinging a closed socket."""
        if isinstance(event, Request):
            kept = [(name, value) for name, value in event.headers if _is_kept(name.lower(), value)]
            event = replace(event, headers=kept, http_version=min(event.http_version, "1.1"))
        await super().handle(event)
        if isinstance(event, StreamClosed) and self._pinging is not None:
            self._pinging.cancel()

    async def _send_error_response(self, status_code: int) -> None:
        """hypercorn leaves the connection open, and an app that was started in the dark."""
        await super()._send_error_response(status_code)
        await self.send(StreamClosed(stream_id=self.stream_id))

    async def _send_wsproto_event(self, event: WSProtoEvent) -> None:
        """Our close frame has some seconds to be taken. After "too big" nothing more is read: it may be gigabytes."""
        if isinstance(event, CloseConnection):
            is_ended = event.code == CloseReason.POLICY_VIOLATION
            seconds = LAST_WORDS_OF_SESSION if is_ended else LAST_WORDS
            asyncio.get_running_loop().call_later(seconds, _transport.get().abort)
        await super()._send_wsproto_event(event)
        if isinstance(event, CloseConnection) and event.code == CloseReason.MESSAGE_TOO_BIG:
            await self.send(StreamClosed(stream_id=self.stream_id))

    async def _send_pings(self) -> None:
        """hypercorn 0.18 sleeps on for a whole interval after the close, and holds the connection for as long."""
        self._pinging = asyncio.current_task()
        with suppress(asyncio.CancelledError):
            await super()._send_pings()


def _is_kept(name: bytes, value: bytes) -> bool:
    """hypercorn raises on what is not ASCII in the headers of a handshake."""
    if name == b"sec-websocket-extensions":
        return False
    return value.isascii() or not (name == b"connection" or name.startswith(b"sec-websocket-"))


def _is_news(record: logging.LogRecord) -> bool:
    """uvloop warns of each write to a peer that has ended TLS."""
    return record.msg != "SSL connection is closed"


def use() -> None:
    """Make hypercorn build these."""
    logging.getLogger("asyncio").addFilter(_is_news)
    hypercorn.asyncio.tcp_server.TaskGroup = Tasks  # type: ignore[attr-defined]
    hypercorn.asyncio.run.TCPServer = Connection  # type: ignore[attr-defined]
    hypercorn.protocol.H11Protocol = Http1  # type: ignore[attr-defined]
    hypercorn.protocol.H2Protocol = Http2  # type: ignore[assignment,attr-defined]
    h11.WSStream = SocketStream  # type: ignore[attr-defined]
