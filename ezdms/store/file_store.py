"""Where uploaded files are stored: sealed bytes by random names, in the data folder or in a bucket (bucket.py)."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Protocol

from ezdms.store import data_folder
from ezdms.store.file_folder import FileFolder

BLOCK = 256 * 1024  # bytes that are read at once
SLICE = 100  # names
NEEDS = "EZDMS_FILES_URL needs more packages: pip install 'ezdms[several]' (docs/scaling.md)."


class StoreError(Exception):
    """Files cannot be stored there; the message says what the operator can do."""


def new_name() -> str:
    """A random name for a new file: the same for all stores, and unrelated to its id."""
    return secrets.token_hex(16)


class FileStore(Protocol):
    """Files by name. Each method raises OSError if the disk fails or the bucket cannot be used."""

    async def size(self, name: str) -> int:
        """Bytes stored so far; 0 if there is no such file."""

    async def append(self, name: str, offset: int, part: bytes, size: int) -> int:
        """Store `part` at the end, which must be at `offset`. Returns the new end; if that is `size`, all of the file
        would survive a power failure. Raises WrongOffset."""

    def read(self, name: str, size: int, start: int, end: int) -> AsyncIterator[bytes]:
        """The bytes from `start` up to `end` of a file that has `size`, in blocks."""

    async def remove(self, name: str) -> None:
        """Delete the file if there is one."""

    def names(self) -> AsyncIterator[list[str]]:
        """The names of all files, in slices."""

    async def sizes(self, names: Sequence[str]) -> dict[str, int]:
        """The sizes of those of these files that are there. `names`: sorted."""

    def is_short_of_room(self, floor: int) -> bool:
        """True if less than `floor` percent is free."""


class FolderStore:
    """The folder in the data folder. It is used in threads, since a disk may be slow."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = FileFolder(data_dir)

    async def size(self, name: str) -> int:
        """Bytes stored so far."""
        return await asyncio.to_thread(self._folder.size, name)

    async def append(self, name: str, offset: int, part: bytes, size: int) -> int:
        """Store `part`. If it cannot be stored, the file is as before."""
        return await asyncio.to_thread(self._append, name, offset, part, size)

    def _append(self, name: str, offset: int, part: bytes, size: int) -> int:
        end = self._folder.append(name, offset, part)
        if end == size:
            self._folder.settle(name)
        return end

    async def read(self, name: str, size: int, start: int, end: int) -> AsyncIterator[bytes]:
        """The bytes, in blocks. Raises OSError also if the file was deleted or cut off meanwhile."""
        with ExitStack() as stack:
            file = await asyncio.to_thread(stack.enter_context, self._folder.opened(name))
            file.seek(start)
            while start < end:
                block = await asyncio.to_thread(file.read, min(BLOCK, end - start))
                if not block:
                    raise OSError("a file ended early")
                start += len(block)
                yield block

    async def remove(self, name: str) -> None:
        """Delete the file if there is one."""
        await asyncio.to_thread(self._folder.remove, name)

    async def names(self) -> AsyncIterator[list[str]]:
        """The names of all files."""
        names = self._folder.names()
        while found := await asyncio.to_thread(lambda: list(islice(names, SLICE))):
            yield found

    async def sizes(self, names: Sequence[str]) -> dict[str, int]:
        """The sizes of those that are there."""
        return await asyncio.to_thread(lambda: {name: size for name in names if (size := self._folder.size(name))})

    def is_short_of_room(self, floor: int) -> bool:
        """Of the disk."""
        return data_folder.is_short_of_room(self._folder.path.parent, floor)


def has_files(data_dir: Path) -> bool:
    """True if there are files in the data folder."""
    return next(FileFolder(data_dir).names(), None) is not None
