"""HTTP/1.1 with a server on this machine, for what asks thousands of times: httpx takes five times the CPU time."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

Headers = list[tuple[str, str]]
Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]
WITHOUT_BODY = (204, 304)
LARGEST_HEAD = 2**20  # bytes
PATIENCE = 30  # seconds


@dataclass(slots=True)
class Heard:
    """A response."""

    status: int
    headers: Headers  # the names in lower case
    body: bytes

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        return json.loads(self.body)


class Wire:
    """Asks one server. If `is_kept`, over connections that stay open, so that the next request can have them."""

    def __init__(self, port: int, *, is_kept: bool = False) -> None:
        self._port = port
        self._is_kept = is_kept
        self._free: list[Line] = []

    async def ask(self, method: str, path: str, headers: Headers, body: bytes = b"") -> Heard:
        """Send exactly these headers, `connection` apart, and return what the server responds."""
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
        lines += [] if self._is_kept else ["connection: close"]
        octets = "\r\n".join([*lines, "", ""]).encode("latin-1") + body
        async with asyncio.timeout(PATIENCE):
            while self._free:  # the server may have closed it in the meantime
                line = self._free.pop()
                with suppress(ConnectionError, asyncio.IncompleteReadError):
                    return await self._ask(line, method, octets)
            line = await asyncio.open_connection("127.0.0.1", self._port, limit=LARGEST_HEAD)
            return await self._ask(line, method, octets)

    async def _ask(self, line: Line, method: str, octets: bytes) -> Heard:
        reader, writer = line
        is_whole = False
        try:
            writer.write(octets)
            await writer.drain()
            heard = await _read(reader, method)
            is_whole = ("connection", "close") not in heard.headers
            return heard
        finally:
            if is_whole and self._is_kept:
                self._free.append(line)
            else:
                writer.transport.abort()

    def close(self) -> None:
        """Close the connections that were kept."""
        for _, writer in self._free:
            writer.transport.abort()
        self._free.clear()


async def _read(reader: asyncio.StreamReader, method: str) -> Heard:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.split("\r\n")[:-2]
    headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    status, known = int(first.split()[1]), dict(headers)
    if method == "HEAD" or status in WITHOUT_BODY:
        return Heard(status, headers, b"")
    if "transfer-encoding" in known:
        return Heard(status, headers, await _read_chunks(reader))
    size = known.get("content-length")
    return Heard(status, headers, await (reader.read() if size is None else reader.readexactly(int(size))))


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    chunks: list[bytes] = []
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        chunks.append(await reader.readexactly(size))
        await reader.readexactly(2)
    while await reader.readuntil(b"\r\n") != b"\r\n":
        pass
    return b"".join(chunks)
