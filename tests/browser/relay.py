"""A wire between a browser and the server that can be cut and mended: real connections that really break."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from tests.conftest import Server


class Relay:
    """Forwards bytes from a port of its own to the server's."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.port = 0
        self._listener: asyncio.Server | None = None
        self._ends: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        """Where a browser finds the server through this wire."""
        return f"http://127.0.0.1:{self.port}"

    async def mend(self) -> None:
        """Let connections through, on the same port as before."""
        self._listener = await asyncio.start_server(self._forward, "127.0.0.1", self.port)
        self.port = int(self._listener.sockets[0].getsockname()[1])

    async def cut(self) -> None:
        """Break every connection and refuse new ones."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for end in tuple(self._ends):
            end.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        self._ends |= {writer, far_writer}
        with suppress(OSError):
            await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
        self._ends -= {writer, far_writer}


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while octets := await reader.read(65536):
        writer.write(octets)
        await writer.drain()
    writer.close()
