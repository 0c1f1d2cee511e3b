"""The folder of uploaded files, next to the database: sealed bytes under random names, which reveal nothing."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

FILES = "files"  # in the data folder
FOLDER = re.compile("[0-9a-f]{2}")


class WrongOffset(Exception):
    """The file does not have as many bytes as expected; it has `offset`."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"The file has {offset} bytes.")
        self.offset = offset


class FileFolder:
    """Files by name, each in a folder named by its first two letters (0600 in 0700). Every method may block."""

    def __init__(self, data_dir: Path) -> None:
        self.path = data_dir / FILES

    def size(self, name: str) -> int:
        """Bytes stored so far; 0 if there is no such file."""
        try:
            return self._path(name).stat().st_size
        except FileNotFoundError:
            return 0

    def append(self, name: str, offset: int, part: bytes) -> int:
        """Write `part` at the end, which must be at `offset`. Returns the new end. Raises WrongOffset, or OSError if
        the disk is full or fails; the file is then as before."""
        path = self._path(name)
        for folder in (self.path, path.parent):
            folder.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            end = os.fstat(descriptor).st_size
            if end != offset:
                raise WrongOffset(end)
            try:
                _write(descriptor, offset, part)
            except OSError:
                os.ftruncate(descriptor, offset)
                raise
            _begin_storing(descriptor, offset, len(part))
        finally:
            os.close(descriptor)
        return offset + len(part)

    def settle(self, name: str) -> None:
        """Return once the file would survive a power failure. Raises OSError."""
        path = self._path(name)
        for one in (path, path.parent, self.path, self.path.parent):
            _sync(one)

    @contextmanager
    def opened(self, name: str) -> Iterator[BinaryIO]:
        """The file, for reading. Raises OSError."""
        descriptor = os.open(self._path(name), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with open(descriptor, "rb", buffering=0) as file:
            yield file

    def remove(self, name: str) -> None:
        """Delete the file if there is one. Raises OSError."""
        path = self._path(name)
        with suppress(FileNotFoundError):
            path.unlink()
            _sync(path.parent)

    def names(self) -> Iterator[str]:
        """The names of all files."""
        with suppress(FileNotFoundError):
            for folder in sorted(self.path.iterdir()):
                if FOLDER.fullmatch(folder.name) and folder.is_dir():  # not lost+found
                    yield from sorted(path.name for path in folder.iterdir())

    def _path(self, name: str) -> Path:
        return self.path / name[:2] / name


def _write(descriptor: int, offset: int, part: bytes) -> None:
    rest = memoryview(part)
    while rest:
        count = os.pwrite(descriptor, rest, offset)
        offset, rest = offset + count, rest[count:]


def _begin_storing(descriptor: int, offset: int, size: int) -> None:
    """Have the system write these bytes to the disk already: then `settle`, and commits of the database meanwhile, do
    not wait for the whole file. Linux begins at once (posix_fadvise(2)); macOS has no such call."""
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(descriptor, offset, size, os.POSIX_FADV_DONTNEED)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
