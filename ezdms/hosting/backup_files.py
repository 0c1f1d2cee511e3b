"""Files in a backup: in a table of the backup, so that it stays one file that is checked as a whole.

Files never change once they are whole, so those that the copied database names can be read while the server goes on. A
file that is deleted meanwhile is left out, with its row.
"""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from sqlite3 import Connection

from ezdms.store.file_folder import FILES, FileFolder

BLOCK = 256 * 1024  # bytes
NAME = re.compile(r"[0-9a-f]{32}")
FRESH = f"{FILES}.part"
OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
NEW_FILE = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
Progress = Callable[[str, int, int], None]


def put_in(copy: Path, data_dir: Path, progress: Progress, *, with_files: bool) -> int:
    """Put the files of the data folder into the copy of its database, and take out of that what is not there. Returns
    how many. Raises sqlite3.Error or OSError."""
    with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
        if not _has_table(connection, "files"):
            return 0
        connection.execute("BEGIN")
        connection.execute("CREATE TABLE backup_files (name TEXT NOT NULL PRIMARY KEY, bytes BLOB NOT NULL)")
        sql = "SELECT name, size FROM files WHERE is_whole = 1 AND is_gone = 0"
        found = connection.execute(sql).fetchall() if with_files else []
        folder = FileFolder(data_dir)
        for done, (name, size) in enumerate(found):
            progress("Copying files", done, len(found))
            with suppress(FileNotFoundError):
                _put(connection, folder, name, size)
        if found:
            progress("Copying files", len(found), len(found))
        connection.execute("DELETE FROM files WHERE name NOT IN (SELECT name FROM backup_files)")
        connection.execute(
            """UPDATE usage SET file_bytes =
                 COALESCE((SELECT SUM(f.size) FROM files f WHERE f.user_id = usage.user_id), 0)"""
        )
        [[count]] = connection.execute("SELECT COUNT(*) FROM backup_files").fetchall()
        connection.execute("COMMIT")
    return int(count)


def _put(connection: Connection, folder: FileFolder, name: str, size: int) -> None:
    with folder.opened(name) as file:
        if os.fstat(file.fileno()).st_size != size:
            return
        sql = "INSERT INTO backup_files (name, bytes) VALUES (?, ZEROBLOB(?))"
        row = connection.execute(sql, (name, size)).lastrowid or 0
        with connection.blobopen("backup_files", "bytes", row) as blob:
            while block := file.read(BLOCK):
                blob.write(block)


def has_table(copy: Path, name: str) -> bool:
    """True if a backup has this table. Raises sqlite3.Error."""
    with closing(sqlite3.connect(copy)) as connection:
        return _has_table(connection, name)


@contextmanager
def taken_out(copy: Path, data_dir: Path, progress: Progress, *, with_files: bool) -> Iterator[Path]:
    """Take the files out of the copy of a backup, into a new folder, which is deleted on exit unless it was renamed.
    The copy is then a database as any. Raises sqlite3.Error, OSError, or ValueError for a name that is none."""
    fresh = data_dir / FRESH
    shutil.rmtree(fresh, ignore_errors=True)  # left by a killed process
    os.mkdir(fresh, 0o700)
    try:
        with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
            base = os.open(fresh, OPEN_FOLDER)
            try:
                _take_all(connection, base, data_dir, progress, with_files=with_files)
            finally:
                os.close(base)
            if not with_files:
                connection.execute("DELETE FROM files")
                connection.execute("UPDATE usage SET file_bytes = 0")
            connection.execute("DROP TABLE backup_files")
            connection.execute("VACUUM")
        yield fresh
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _take_all(connection: Connection, base: int, data_dir: Path, progress: Progress, *, with_files: bool) -> None:
    owner = data_dir.stat()
    found = connection.execute("SELECT rowid, name FROM backup_files").fetchall() if with_files else []
    for done, (row, name) in enumerate(found):
        progress("Restoring files", done, len(found))
        if not NAME.fullmatch(name):
            raise ValueError(f"a file in it has the name {name!r}")
        with suppress(FileExistsError):
            os.mkdir(name[:2], 0o700, dir_fd=base)
        folder = os.open(name[:2], OPEN_FOLDER, dir_fd=base)
        try:
            _take(connection, row, os.open(name, NEW_FILE, 0o600, dir_fd=folder), owner)
            _settle(folder, owner)
        finally:
            os.close(folder)
    _settle(base, owner)
    if found:
        progress("Restoring files", len(found), len(found))


def _take(connection: Connection, row: int, descriptor: int, owner: os.stat_result) -> None:
    blobs = connection.blobopen("backup_files", "bytes", row, readonly=True)
    with open(descriptor, "wb", buffering=0) as file, blobs as blob:
        while block := blob.read(BLOCK):
            file.write(block)
        _settle(file.fileno(), owner)


def _settle(descriptor: int, owner: os.stat_result) -> None:
    """Give a new file or folder to the owner of the data folder, if root made it, and return once it is durable."""
    if os.geteuid() == 0:
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
    os.fsync(descriptor)


def _has_table(connection: Connection, name: str) -> bool:
    sql = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
    return connection.execute(sql, (name,)).fetchone() is not None


def look_up(database: Path) -> tuple[str, dict[str, int]]:
    """The id of the deployment, and the sizes of its whole files by name. Raises sqlite3.Error."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        [[deployment_id]] = connection.execute("SELECT deployment_id FROM deployment").fetchall()
        if not _has_table(connection, "files"):
            return deployment_id, {}
        return deployment_id, dict(
            connection.execute("SELECT name, size FROM files WHERE is_whole = 1 AND is_gone = 0")
        )


def look(database: Path, data_dir: Path) -> tuple[int, int, int, int]:
    """(whole files, their bytes, how many of them are not on the disk, files there that belong to nothing). Raises
    sqlite3.Error."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        if not _has_table(connection, "files"):
            return 0, 0, 0, 0
        folder = FileFolder(data_dir)
        there = set(folder.names())
        known = {name for (name,) in connection.execute("SELECT name FROM files")}
        whole = connection.execute("SELECT name, size FROM files WHERE is_whole = 1 AND is_gone = 0").fetchall()
    missing = sum(folder.size(name) != size for name, size in whole)
    return len(whole), sum(size for _, size in whole), missing, len(there - known)
