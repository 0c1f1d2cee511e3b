"""Files on their way out, sealed: kept next to the account's file until the server has their message.

A key seals one file once. After a lost connection or a restart, the bytes that were kept are sent, never new ones.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISREG

from ezdms import crypto
from ezdms.client.errors import ClientError

BLOCK = 256 * 1024  # bytes
LEFT_BEHIND = 24 * 60 * 60  # seconds after which a sealed file that no queued message names is deleted
NOT_A_FILE = "{} is not a file."
EMPTY = "{} is empty, so there is nothing to send."
TOO_LARGE = "{} is too large: a file has at most {:g} {} on this server."
GONE = "The encrypted copy of this file is no longer there. Discard the message, then send the file again."


@dataclass(frozen=True, slots=True)
class Sealed:
    """A sealed file in the folder: its name there, and what its message says."""

    kept: str
    size: int
    key: bytes = field(repr=False)
    hash: str


class SealedFiles:
    """The folder of one account (0700)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def seal(self, path: Path, largest: int) -> Sealed:
        """Seal a file of at most `largest` bytes, chunk by chunk. It is on disk when this returns. Raises ClientError
        for what cannot be sent, crypto.Refused if it changes meanwhile, OSError."""
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb", buffering=0) as plain:
            seen = os.fstat(plain.fileno())
            if not S_ISREG(seen.st_mode):
                raise ClientError(NOT_A_FILE.format(path))
            if not seen.st_size:
                raise ClientError(EMPTY.format(path))
            if seen.st_size > largest:
                size, unit = (largest / 2**20, "MiB") if largest >= 2**20 else (largest / 2**10, "KiB")
                raise ClientError(TOO_LARGE.format(path, size, unit))
            self._folder.mkdir(mode=0o700, exist_ok=True)
            sealer, kept = crypto.FileSealer(seen.st_size), secrets.token_hex(16)
            target = self._folder / kept
            try:
                with open(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb", buffering=0) as sealed:
                    while block := plain.read(BLOCK):
                        for chunk in sealer.feed(block):
                            sealed.write(chunk)
                    for chunk in sealer.finish():
                        sealed.write(chunk)
                    os.fsync(sealed.fileno())
            except BaseException:
                target.unlink(missing_ok=True)
                raise
        return Sealed(kept, seen.st_size, sealer.key, sealer.hash)

    def size(self, kept: str) -> int:
        """Sealed bytes. Raises ClientError if the file is not there any more."""
        try:
            return (self._folder / kept).stat().st_size
        except OSError as error:
            raise ClientError(GONE) from error

    def part(self, kept: str, offset: int, most: int) -> bytes:
        """The next bytes. Raises ClientError if the file is not there any more."""
        try:
            with (self._folder / kept).open("rb", buffering=0) as sealed:
                sealed.seek(offset)
                return sealed.read(most)
        except OSError as error:
            raise ClientError(GONE) from error

    def remove(self, kept: str) -> None:
        """The server has its message, or it was discarded."""
        (self._folder / kept).unlink(missing_ok=True)

    def sweep(self, named: Collection[str]) -> None:
        """Delete what a killed process left: old files that no queued message names."""
        with suppress(OSError):
            for path in self._folder.iterdir():
                if path.name not in named and time.time() - path.stat().st_mtime > LEFT_BEHIND:
                    path.unlink(missing_ok=True)
