"""hypercorn's connection mended: it ends, whatever the peer takes or does not take (docs/decisions/sockets.md)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from hypercorn.asyncio.task_group import TaskGroup
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.asyncio.worker_context import WorkerContext
from hypercorn.config import Config
from hypercorn.events import Closed, RawData

from ezdms.edge.addresses import address_of
from ezdms.edge.idle import IdleConnections, Spell

Send = Callable[[Any], Awaitable[None]]
Put = Callable[[Any], Awaitable[None]]

MOST_CONNECTIONS = "most_connections"  # the name of what is added to hypercorn's Config: of one client address
LAST_BYTES = 30.0  # seconds for a peer to take what is left of an answer
LONGEST_WRITE = 60.0  # seconds for a peer to take what is more than waits for it
LARGEST_READ = 64 * 1024  # bytes
WAITING_BYTES = 64 * 1024  # that a write may leave to be sent; with TLS it would be 512 KiB

current: ContextVar[Connection] = ContextVar("the connection that this task belongs to")


class OpenConnections:
    """How many connections each client address has open, of one worker. `most` of None is no limit."""

    def __init__(self, most: int | None) -> None:
        self._most = most
        self._open: dict[str, int] = {}

    @classmethod
    def of(cls, context: WorkerContext, config: Config) -> OpenConnections:
        """The one of this worker."""
        if "open_connections" not in context.__dict__:
            context.__dict__["open_connections"] = cls(getattr(config, MOST_CONNECTIONS, None))
        found: OpenConnections = context.__dict__["open_connections"]
        return found

    @contextmanager
    def entered(self, address: str) -> Iterator[bool]:
        """Counted while it lasts; False if this one is too many."""
        count = self._open.get(address, 0)
        if self._most is not None and count >= self._most:
            yield False
            return
        self._open[address] = count + 1
        try:
            yield True
        finally:
            self._open[address] -= 1
            if not self._open[address]:
                del self._open[address]


class Connection(TCPServer):
    """A connection that ends, also with a peer that does not take what was sent last: hypercorn waits for ever."""

    _cut: asyncio.TimerHandle | None = None

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._others = OpenConnections.of(self.context, self.config)
        self.idle_task = Spell(IdleConnections.of(self.context, self.config), self._initiate_server_close)  # type: ignore[assignment]

    async def run(self) -> None:
        """Unless its address has too many, when it ends without a word."""
        host, *_ = self.writer.get_extra_info("peername") or ("",)
        with self._others.entered(address_of(host)) as may_stay:
            if may_stay:
                await self._run()
            else:
                self.writer.transport.abort()

    async def _run(self) -> None:
        """Streams and app run in tasks that start here and know the connection."""
        current.set(self)
        self.writer.transport.set_write_buffer_limits(WAITING_BYTES)
        try:
            await super().run()
        finally:
            if self._cut is not None:
                self._cut.cancel()
            self.__dict__.clear()  # its parts refer to each other in circles: after a storm they were 74,000 objects

    async def protocol_send(self, event: Any) -> None:
        """Bytes go out here, everything else is hypercorn's."""
        if isinstance(event, RawData):
            await self.write(event.data)
        else:
            await super().protocol_send(event)

    async def write(self, octets: bytes) -> None:
        """Returns once so little waits for the peer that more may be written; a peer that takes nothing is given up."""
        if self.send_lock.locked():
            async with self.send_lock:
                pass  # others write first
        try:
            self.writer.write(octets)
            if self.writer.transport.get_write_buffer_size() > WAITING_BYTES:
                await self._drain()
        except (ConnectionError, RuntimeError):
            await self.protocol.handle(Closed())

    async def _drain(self) -> None:
        async with self.send_lock:
            cut = self.loop.call_later(LONGEST_WRITE, self.writer.transport.abort)
            try:
                await self.writer.drain()
            finally:
                cut.cancel()

    async def _read_data(self) -> None:
        """hypercorn keeps a connection that its peer has ended for as long as an idle one."""
        try:
            while octets := await self.reader.read(LARGEST_READ):
                await self.protocol.handle(RawData(octets))
        except asyncio.CancelledError:  # the server stops, and has waited long enough
            self.writer.transport.abort()
            raise
        except OSError:
            pass
        await self.protocol.handle(Closed())
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
