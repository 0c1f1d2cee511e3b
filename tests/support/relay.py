"""A relay between a browser and the server that can be cut and mended, so that real connections break. It can also stop
forwarding what is said over WebSockets, while everything else goes on, or answer by itself, as networks do before one
has logged in."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from typing import Protocol


class Listening(Protocol):
    """A server on this machine."""

    port: int


class Relay:
    """Forwards bytes from its own port to the server's."""

    def __init__(self, server: Listening) -> None:
        self.server = server
        self.port = 0
        self._listener: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._speaks = asyncio.Event()  # set while WebSockets opened now are forwarded
        self._speaks.set()
        self._answer = b""
        self.captured = b""  # the requests that it has answered

    @property
    def url(self) -> str:
        """The server's address through this relay."""
        return f"http://127.0.0.1:{self.port}"

    async def mend(self) -> None:
        """Let connections through, on the same port as before."""
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = int(self._listener.sockets[0].getsockname()[1])

    async def cut(self) -> None:
        """Break every connection, even one being opened, and refuse new ones."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await asyncio.sleep(0.01)  # let the loop close aborted transports

    def silence(self, *, new: bool = True) -> None:
        """Hold back all bytes of open WebSockets, and of new ones if `new`, and leave them open."""
        self._speaks.clear()
        if not new:
            self._speaks = asyncio.Event()
            self._speaks.set()

    def speak(self) -> None:
        """Forward what was held back, and the rest."""
        self._speaks.set()

    async def capture(self, answer: bytes) -> None:
        """Break every connection. From now on, answer every request with these bytes; b"": forward them again."""
        await self.cut()
        self._answer, self.captured = answer, b""
        await self.mend()

    def _accept(self, near: asyncio.StreamReader, near_writer: asyncio.StreamWriter) -> None:
        connection = asyncio.create_task(self._forward(near, near_writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)
        # a task canceled before it starts never reaches its own cleanup
        connection.add_done_callback(lambda _: near_writer.transport.abort())
        if self._listener is None:
            connection.cancel()

    async def _forward(self, near: asyncio.StreamReader, near_writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            if self._answer:
                return await self._reply(near, near_writer)
            far, far_writer = await asyncio.open_connection("127.0.0.1", self.server.port)
            try:
                first = await near.read(65536)
                speaks = self._speaks if first.startswith(b"GET /ws ") else None
                if speaks is not None:
                    await speaks.wait()
                far_writer.write(first)
                await asyncio.gather(_pump(near, far_writer, speaks), _pump(far, near_writer, speaks))
            finally:
                far_writer.transport.abort()

    async def _reply(self, near: asyncio.StreamReader, near_writer: asyncio.StreamWriter) -> None:
        head = await near.readuntil(b"\r\n\r\n")
        size = re.search(rb"(?i)content-length: ([0-9]+)", head)
        await near.readexactly(int(size[1]) if size else 0)
        near_writer.write(self._answer)
        near_writer.close()
        await near_writer.wait_closed()
        self.captured += head


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, speaks: asyncio.Event | None) -> None:
    while octets := await reader.read(65536):
        if speaks is not None:
            await speaks.wait()
        writer.write(octets)
        await writer.drain()
    writer.close()
