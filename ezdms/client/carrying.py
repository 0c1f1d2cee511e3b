"""Carries sealed files to the server and back: in parts, continuing after lost connections.

Nothing that the server says is believed: what arrives is opened with the key in the message, or refused.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from ezdms import crypto
from ezdms.client.errors import BadAnswer, ClientError, ServerError, Unreachable
from ezdms.client.members import Members
from ezdms.client.message import SharedFile
from ezdms.client.naming import safe_name
from ezdms.client.sealed_files import SealedFiles
from ezdms.client.transport import Transport, pause
from ezdms.protocol.encoding import is_integer
from ezdms.protocol.envelope import sealed_size

PART = 1024 * 1024  # bytes of an upload in one request, the most that a server takes
MOST_JUMPS = 100  # times that an upload may be elsewhere than expected
SLOWEST = 8 * 1024  # bytes per second of a download; what takes longer does not end
LEAST_TIME = 120.0  # seconds that any download may take
MOST_NAMES = 1000  # numbers tried for a name that is taken
NO_FILES = "This server does not take files. Nothing was sent."
EXISTS = "{} already exists. Choose another name."
ENDED = "The server ends this file too early."
WRONG_PLACE = "The server says that the upload continues where it cannot."


def largest_file(deployment: Any) -> int:
    """The most bytes that a file may have here, before it is sealed. Raises ClientError if the server takes none."""
    members = Members(deployment)
    most = members.number("max_file", 0) if members.has("max_file") else 0
    if not most:
        raise ClientError(NO_FILES)
    return min(most, crypto.LARGEST_FILE)


async def begin(transport: Transport, where: str, size: int) -> str:
    """Begin an upload for a conversation. Returns its id."""
    answer = await transport.post("/files", {"conversation_id": where, "size": size}, again=True)
    return Members(answer).octets("file_id", 16)


async def upload(transport: Transport, files: SealedFiles, file_id: str, kept: str) -> None:
    """Upload a sealed file, from wherever the server is. Raises ServerError, with the code "no_file" if the upload is
    no longer there; ClientError, BadAnswer or Unreachable."""
    size, offset, part = files.size(kept), 0, b""  # an empty part asks where the upload is
    for _ in range(size // PART + 2 + MOST_JUMPS):
        try:
            await transport.patch(f"/files/{file_id}", part, offset)
            offset += len(part)
        except ServerError as error:
            if error.code != "offset":
                raise
            if not is_integer(error.offset, 0, size) or error.offset == offset:
                raise BadAnswer(WRONG_PLACE) from error
            offset = error.offset
        if offset == size:
            return
        part = await asyncio.to_thread(files.part, kept, offset, PART)
    raise BadAnswer(WRONG_PLACE)


async def save(transport: Transport, file: SharedFile, to: Path) -> Path:
    """Download a file, open it, and only then give it its name: `to`, or in the folder `to` the name that its sender
    gave it, made safe. Returns the path. Raises ClientError, ServerError, Unreachable, or crypto.Refused if it is not
    the file of the message."""
    target = _Target(to)
    try:
        async with asyncio.timeout(LEAST_TIME + file.size / SLOWEST):
            async for plain in _opened(transport, file):
                await asyncio.to_thread(target.write, plain)
        return await asyncio.to_thread(target.finish, file.name)
    except TimeoutError as error:
        raise Unreachable("The server sends this file too slowly.") from error
    finally:
        target.close()


class _Target:
    """Where a file is saved. Until it is finished, it is a hidden file that is deleted on close."""

    def __init__(self, to: Path) -> None:
        """Raises ClientError if there is something else already, OSError."""
        self._to, self._is_folder = to, to.is_dir()
        if not self._is_folder and os.path.lexists(to):
            raise ClientError(EXISTS.format(to))
        self._part = (to if self._is_folder else to.parent) / f".{secrets.token_hex(8)}.part"
        self._descriptor = os.open(self._part, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)

    def write(self, plain: bytes) -> None:
        """Write the next bytes."""
        rest = memoryview(plain)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]

    def finish(self, name: str) -> Path:
        """Give the file its name, once all of it is on the disk, without replacing another. Raises ClientError."""
        os.fsync(self._descriptor)
        to = self._to / safe_name(name) if self._is_folder else self._to
        return _named(self._part, to, self._is_folder)

    def close(self) -> None:
        """Delete what is left."""
        os.close(self._descriptor)
        self._part.unlink(missing_ok=True)


def _named(part: Path, to: Path, may_choose: bool) -> Path:
    """Give the file its name, without replacing another one. Raises ClientError."""
    for number in range(1, MOST_NAMES if may_choose else 2):
        path = to if number == 1 else to.with_name(f"{to.stem} ({number}){to.suffix}")
        with suppress(FileExistsError):
            try:
                os.link(part, path)
            except PermissionError:  # a file system without links
                if os.path.lexists(path):
                    continue
                part.rename(path)
            return path
    raise ClientError(EXISTS.format(to))


async def _opened(transport: Transport, file: SharedFile) -> AsyncIterator[bytes]:
    """The plain bytes. The file counts only once this has ended. Raises Unreachable if nothing more arrives for as long
    as other requests are retried."""
    opener, size = crypto.FileOpener(file.key, file.size, file.hash), sealed_size(file.size)
    at, attempt, loop = 0, 0, asyncio.get_running_loop()
    until = loop.time() + transport.patience
    while at < size:
        try:
            async for block in transport.stream(f"/files/{file.id}", at, size):
                at, attempt, until = at + len(block), 0, loop.time() + transport.patience
                for plain in opener.feed(block):
                    yield plain
        except Unreachable:
            if loop.time() > until:
                raise
        if at < size:
            if loop.time() > until:
                raise Unreachable(ENDED)
            await asyncio.sleep(pause(attempt))
            attempt += 1
    opener.finish()
