"""hypercorn's connection, fixed: it always closes, even if the peer stops reading (docs/decisions/sockets.md)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from hypercorn.asyncio.task_group import TaskGroup
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.config import Config
from hypercorn.events import Closed, RawData

from ezdms.edge.addresses import address_of
from ezdms.edge.idle import IdleConnections, Spell

Send = Callable[[Any], Awaitable[None]]
Put = Callable[[Any], Awaitable[None]]

MOST_CONNECTIONS = "most_connections"  # attribute added to hypercorn's Config: the limit per client address
LAST_BYTES = 30.0  # seconds for a peer to receive the rest of a response
LONGEST_WRITE = 60.0  # seconds for a peer to receive what exceeds WAITING_BYTES
LARGEST_READ = 64 * 1024  # bytes
WAITING_BYTES = 64 * 1024  # that may stay buffered after a write; with TLS the default is 512 KiB

current: ContextVar[Connection] = ContextVar("the connection that this task belongs to")


class OpenConnections:
    """Counts one server's open connections per client address. `most`: the limit, or None."""

    def __init__(self, most: int | None) -> None:
        self._most = most
        self._open: dict[str, int] = {}

    @classmethod
    def of(cls, config: Config) -> OpenConnections:
        """This server's instance."""
        if "open_connections" not in config.__dict__:
            config.__dict__["open_connections"] = cls(getattr(config, MOST_CONNECTIONS, None))
        found: OpenConnections = config.__dict__["open_connections"]
        return found

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._open)

    @contextmanager
    def entered(self, address: str) -> Iterator[bool]:
        """Count a connection while this is open. Yields False if it exceeds the limit."""
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
    """A connection that always ends, even if the peer does not receive the last bytes. hypercorn would wait forever."""

    _cut: asyncio.TimerHandle | None = None

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._others = OpenConnections.of(self.config)
        self.idle_task = Spell(IdleConnections.of(self.context, self.config), self._initiate_server_close)  # type: ignore[assignment]

    async def run(self) -> None:
        """Run the connection, or abort it if its address has too many."""
        host, *_ = self.writer.get_extra_info("peername") or ("",)
        with self._others.entered(address_of(host)) as may_stay:
            if may_stay:
                await self._run()
            else:
                self.writer.transport.abort()

    async def _run(self) -> None:
        """Set the context variable for the streams' and the app's tasks, and run."""
        current.set(self)
        self.writer.transport.set_write_buffer_limits(WAITING_BYTES)
        try:
            await super().run()
        finally:
            if self._cut is not None:
                self._cut.cancel()
            self.__dict__.clear()  # breaks reference cycles: after a load peak they were 74,000 objects

    async def protocol_send(self, event: Any) -> None:
        """Write bytes here; hypercorn handles everything else."""
        if isinstance(event, RawData):
            await self.write(event.data)
        else:
            await super().protocol_send(event)

    async def write(self, octets: bytes) -> None:
        """Write, and wait until the buffer is small enough for more. Aborts if the peer does not receive anything."""
        if self.send_lock.locked():
            async with self.send_lock:
                pass  # let others write first
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
        """Read until the peer ends the connection. hypercorn would keep it as long as an idle one."""
        try:
            while octets := await self.reader.read(LARGEST_READ):
                await self.protocol.handle(RawData(octets))
        except asyncio.CancelledError:  # the server is stopping, and has waited long enough
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
        """Close an idle connection. The transport does not report bytes buffered by TLS, so a timer aborts it."""
        self._cut = self.loop.call_later(LAST_BYTES, self.writer.transport.abort)
        await super()._initiate_server_close()


class Tasks(TaskGroup):
    """The tasks of a connection. None of them waits forever for the app to read what the peer sent."""

    async def spawn_app(self, app: Any, config: Any, scope: Any, send: Send) -> Put:
        """Fix a deadlock: hypercorn queues ten messages, then waits for the app to take the next. That is forever once

        the app has ended, or while it waits for a write that is reporting that the peer is gone.
        """
        has_ended = False

        def drop_what_waits() -> None:
            while not waiting.empty():
                waiting.get_nowait()  # lets waiting puts proceed

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
