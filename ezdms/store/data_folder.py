"""The data folder: accessible only to its owner, and used by one server at a time."""

from __future__ import annotations

import fcntl
import os
import pwd
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DATABASE = "ezdms.db"
LOCK = "ezdms.lock"
CHANNEL = "operator.sock"
LAST_BACKUP = "last_backup.json"


class FolderError(Exception):
    """The data folder cannot be used; the message says what the operator can do."""


class InUse(FolderError):
    """Another process has locked the folder."""


def make(folder: Path) -> None:
    """Create the folder if missing (mode 0700). Raises FolderError if it cannot be made or has another owner."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except FileExistsError as error:
        raise FolderError(f"The data folder {folder} is a file. Choose another with --data-dir.") from error
    except OSError as error:
        raise FolderError(
            f"The data folder {folder} cannot be created: {error.strerror}. Choose another with --data-dir."
        ) from error
    owner = folder.stat().st_uid
    if owner != os.geteuid():
        raise FolderError(
            f"The data folder {folder} belongs to {_user(owner)}, but you are {_user(os.geteuid())}. "
            f"Start EZ-DMS as {_user(owner)}, or choose another folder with --data-dir."
        )


def is_short_of_room(folder: Path, floor: int) -> bool:
    """True if less than `floor` percent of the folder's disk is free."""
    disk = shutil.disk_usage(folder)
    return disk.free * 100 < disk.total * floor


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Lock the folder for this process. Raises InUse if another has locked it, FolderError if it cannot be written.

    The lock (flock) ends with the process, however that ends. The lock file stays.
    """
    try:
        descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise FolderError(
            f"The data folder {folder} cannot be written: {error.strerror}. "
            "Make it writable for the user who runs EZ-DMS, or choose another with --data-dir."
        ) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
            raise InUse(
                f"Another EZ-DMS (process {holder or 'unknown'}) is using the data folder {folder}. "
                "Stop it first, or choose another folder with --data-dir."
            ) from error
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)
