"""The data folder: accessible only to its owner, and used by one server at a time.

Root may use the folder of the server's user; whatever root creates in it belongs to that user (give).
"""

from __future__ import annotations

import fcntl
import os
import pwd
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

DATABASE = "ezdms.db"
LOCK = "ezdms.lock"
CHANNEL = "operator.sock"
LAST_BACKUP = "last_backup.json"
AUDIT = "audit.log"
KEY = "ezdms.key"
MOVED = "ezdms.moved"  # the database was copied to PostgreSQL, which has newer messages


class FolderError(Exception):
    """The data folder cannot be used; the message says what the operator can do."""


class InUse(FolderError):
    """Another process has locked the folder."""


def make(folder: Path, *, by_root: bool = False) -> None:
    """Create the folder if missing (mode 0700). Raises FolderError if it cannot be made or has another owner.

    `by_root`: root may use the folder of another user. Not to run a server: who owns the folder should do that.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except FileExistsError as error:
        raise FolderError(f"The data folder {folder} is a file. Choose another with --data-dir.") from error
    except OSError as error:
        raise FolderError(
            f"The data folder {folder} cannot be created: {error.strerror}. Choose another with --data-dir."
        ) from error
    owner = folder.stat().st_uid
    if owner != os.geteuid() and not (by_root and os.geteuid() == 0):
        raise FolderError(
            f"The data folder {folder} belongs to {_user(owner)}, but you are {_user(os.geteuid())}. "
            f"Start EZ-DMS as {_user(owner)}, or choose another folder with --data-dir."
        )


def check_not_moved(folder: Path) -> None:
    """Raises FolderError if the folder's database was moved to PostgreSQL."""
    if (folder / MOVED).exists():
        raise FolderError(
            f"The database in {folder} was moved to PostgreSQL: set EZDMS_DATABASE_URL and EZDMS_BUS_URL. To use the "
            f"old one again, without what was written since, delete {folder / MOVED}."
        )


def give(descriptor: int, folder: Path) -> None:
    """Make a file that root created in the folder belong to its owner: otherwise the server could not use it.

    Open it with O_NOFOLLOW or O_EXCL, so that a link cannot make root give away another file.
    """
    file, owner = os.fstat(descriptor), folder.stat()
    if os.geteuid() == 0 and file.st_uid != owner.st_uid and file.st_nlink == 1:
        os.fchown(descriptor, owner.st_uid, owner.st_gid)


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
def held(folder: Path, *, shared: bool = False) -> Iterator[None]:
    """Lock the folder for this process; `shared`: for one of several on one database. Raises InUse if another has
    locked it, FolderError if it cannot be written.

    The locks (flock) end with the process, however that ends. The lock file names the process, and stays. The folder
    itself is locked, too, because the lock file can be deleted. Never lock or open the database file for this: closing
    it would end SQLite's own locks.
    """
    with ExitStack() as opened:
        try:
            file = _opened(opened, folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW)
            itself = _opened(opened, folder, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise FolderError(
                f"The data folder {folder} cannot be written: {error.strerror}. "
                "Make it writable for the user who runs EZ-DMS, or choose another with --data-dir."
            ) from error
        give(file, folder)
        try:
            how = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
            fcntl.flock(file, how | fcntl.LOCK_NB)
            _lock_folder(itself, how)
        except OSError as error:
            holder = os.pread(file, 20, 0).decode("ascii", "replace").strip()
            raise InUse(
                f"Another EZ-DMS (process {holder or 'unknown'}) is using the data folder {folder}. "
                "Stop it first, or choose another folder with --data-dir."
            ) from error
        os.truncate(file, 0)
        os.pwrite(file, f"{os.getpid()}\n".encode(), 0)  # of several, the last one
        yield


def _opened(stack: ExitStack, path: Path, flags: int) -> int:
    """A descriptor that is closed with the stack, and in programs that this process starts."""
    descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)
    stack.callback(os.close, descriptor)
    return descriptor


def _lock_folder(descriptor: int, how: int) -> None:
    """Raises BlockingIOError if another process has locked it. Network file systems may not lock folders."""
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        pass
