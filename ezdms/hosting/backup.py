"""Backup and restore: makes a consistent copy while the server runs, and restores it. Checks every page."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from urllib.parse import quote

from ezdms.hosting import backup_files
from ezdms.models.deployment import NEWEST
from ezdms.store import data_folder, schema
from ezdms.store.file_folder import FILES
from ezdms.store.sqlite.integrity import RESTORE

STAMP = "%Y%m%d-%H%M%S"
STEP = 256  # pages between two progress reports
Progress = Callable[[str, int, int], None]  # current step, pages done, total pages


class BackupError(Exception):
    """Backup or restore failed; the message says why. Nothing was changed."""


def back_up(
    data_dir: Path,
    target: Path,
    progress: Progress,
    *,
    replace: bool = False,
    with_files: bool = True,
    in_bucket: bool = False,
) -> tuple[int, int]:
    """Copy the current database and its files to `target` (0600), check the copy, and return its size in bytes and how
    many files it has. `in_bucket`: the files are in a bucket, and stay there; the copy still knows them.

    One read transaction: the copy has nothing that the server writes meanwhile. Raises BackupError.
    """
    source = data_dir / data_folder.DATABASE
    if not source.exists():
        raise BackupError(
            f"There is no EZ-DMS in {data_dir}: no {data_folder.DATABASE}. Set the right folder with --data-dir."
        )
    _refuse_live(source, target)
    if target.exists() and not replace:
        raise BackupError(f"{target} already exists. Choose another name, or use --replace.")
    with _partly(target) as part:
        _copy(source, part, progress)
        try:
            stay = in_bucket and with_files
            files = 0 if stay else backup_files.put_in(part, data_dir, progress, with_files=with_files)
        except (sqlite3.Error, OSError) as error:
            raise BackupError(f"The files in {data_dir} cannot be copied to {part.parent}: {error}.") from error
        check(part, progress, advice=f"It is a copy of {source}, which is also damaged. {RESTORE}")
        _keep(part, target)
    _note(data_dir, target)
    return target.stat().st_size, files


def restore(
    source: Path,
    data_dir: Path,
    progress: Progress,
    *,
    replace: bool = False,
    with_files: bool = True,
    in_bucket: bool = False,
) -> Path | None:
    """Replace the database and its files with the backup `source`. Returns the new path of the old database, if there
    was one; its files are next to it then. A plain copy of a database that has files leaves those of the folder there.
    `in_bucket`: the files are in a bucket.

    The folder must be locked. Raises BackupError before anything is changed.
    """
    target = data_dir / data_folder.DATABASE
    if _is_same(source, target):
        raise BackupError(f"{source} is this server's own database, not a backup. Nothing was changed.")
    if _is_same(source, _part_of(target)):
        raise BackupError(f"{source} would be deleted before it is read. Move it out of {data_dir} first.")
    check(source, progress, advice="Restore another backup.")
    if in_bucket and with_files and backup_files.has_table(source, "backup_files"):
        raise BackupError(
            f"{source} has files in it, but here they are in a bucket (EZDMS_FILES_URL). Restore it without that "
            "setting and run `ezdms move-files`, or leave out the files with --without-files."
        )
    if target.exists() and not replace:
        raise BackupError(
            f"There is already a database in {data_dir}. To replace it with the backup, use --replace. "
            "The old one is kept next to it."
        )
    with _partly(target, given_to=data_dir) as part:
        _copy(source, part, progress)
        with ExitStack() as stack:
            fresh = None
            try:
                if backup_files.has_table(part, "backup_files"):
                    taking = backup_files.taken_out(part, data_dir, progress, with_files=with_files)
                    fresh = stack.enter_context(taking)
            except (sqlite3.Error, OSError, ValueError) as error:
                raise BackupError(f"The files in {source} cannot be restored to {data_dir}: {error}.") from error
            check(part, progress, advice="Restore another backup.")
            old = _set_aside(target) if target.exists() else None
            if fresh is not None or not backup_files.has_table(part, "files"):
                _replace_files(data_dir, fresh)
            _keep(part, target)
    return old


def _replace_files(data_dir: Path, fresh: Path | None) -> None:
    """Put the restored files, if any, in the place of the old ones, which are set aside."""
    files = data_dir / FILES
    if files.exists():
        files.rename(files.with_name(f"{FILES}.replaced-{time.strftime(STAMP)}"))
    if fresh is not None:
        fresh.rename(files)


def check(path: Path, progress: Progress, *, advice: str = "") -> None:
    """Check every page and index of the file, and that this version of EZ-DMS knows its schema. Raises BackupError.

    `advice`: what to do if the file is damaged.
    """
    if not path.is_file():
        raise BackupError(f"There is no file {path}.")
    progress("Checking", 0, 1)
    try:
        with closing(_open(path)) as connection:
            found = [" ".join(row[0].split()) for row in connection.execute("PRAGMA integrity_check(3)")]
            if found != ["ok"]:
                raise BackupError(f"{path} is damaged: {'; '.join(found)}. {advice}".rstrip())
            rows = connection.execute("SELECT MAX(number) FROM migrations").fetchall()
            connection.execute("SELECT deployment_id FROM deployment").fetchall()
    except sqlite3.Error as error:
        raise BackupError(f"{path} is not an EZ-DMS database, or is damaged: {error}.") from error
    newest = schema.migrations()[-1][0]
    if rows[0][0] is None or rows[0][0] > newest:
        raise BackupError(
            f"{path} has schema {rows[0][0]}, but this version of EZ-DMS only knows schemas up to {newest}. "
            "Use a version of EZ-DMS that is at least as new as the one that wrote it."
        )
    progress("Checking", 1, 1)


def last_backup(data_dir: Path) -> float | None:
    """When the last backup was made (seconds since 1970); None if unknown."""
    try:
        return float(json.loads((data_dir / data_folder.LAST_BACKUP).read_text("utf-8"))["at"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def newest_time(path: Path) -> int | None:
    """The latest stored time (ms since 1970); None for an empty database."""
    with closing(_open(path)) as connection:
        [[newest]] = connection.execute(NEWEST).fetchall()
    return None if newest is None else int(newest)


def _refuse_live(source: Path, target: Path) -> None:
    """Refuse targets that would overwrite the live database, its log or its lock. Raises BackupError."""
    if _is_same(source, target):
        raise BackupError(f"{target} is the database itself. Choose a path outside {source.parent}.")
    for beside in (target.absolute().parent, target.resolve().parent):
        if _is_same(beside, source.parent) or (beside / data_folder.LOCK).exists():
            raise BackupError(
                f"{beside} is a server's data folder: if it is lost, the backup is lost too. Choose another folder, "
                "ideally on another disk."
            )


def _is_same(one: Path, other: Path) -> bool:
    """True for the same file, also through symbolic and hard links."""
    try:
        return one.samefile(other)
    except OSError:  # one of them does not exist
        return one.resolve() == other.resolve()


def _open(path: Path) -> sqlite3.Connection:
    """Open read-only: this connection never writes or checkpoints, whatever the server does meanwhile."""
    connection = sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True, isolation_level=None)
    connection.execute("PRAGMA busy_timeout = 10000")
    return connection


def _copy(source: Path, part: Path, progress: Progress) -> None:
    try:
        with closing(_open(source)) as reader, closing(sqlite3.connect(part)) as writer:
            reader.execute("BEGIN")
            reader.execute("SELECT COUNT(*) FROM sqlite_master").fetchall()  # fixes the state that is copied
            reader.backup(
                writer, pages=STEP, progress=lambda status, left, total: progress("Copying", total - left, total)
            )
            writer.execute("PRAGMA journal_mode = DELETE")  # a single file, no log next to it
    except sqlite3.Error as error:
        raise BackupError(f"{source} cannot be copied to {part.parent}: {error}.") from error


def _part_of(target: Path) -> Path:
    return target.with_name(f"{target.name}.part")


class _partly:  # noqa: N801 - a context manager, used as a verb
    """A temporary file next to `target` (0600), removed on exit unless kept.

    `given_to`: the data folder whose owner gets it.
    """

    def __init__(self, target: Path, *, given_to: Path | None = None) -> None:
        self.part = _part_of(target)
        self._given_to = given_to

    def __enter__(self) -> Path:
        try:
            self.part.unlink(missing_ok=True)  # left by a killed process
            descriptor = os.open(self.part, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
            try:
                if self._given_to is not None:
                    data_folder.give(descriptor, self._given_to)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise BackupError(f"Cannot write {self.part}: {error.strerror}.") from error
        return self.part

    def __exit__(self, *ignored: object) -> None:
        for name in (self.part.name, f"{self.part.name}-journal", f"{self.part.name}-wal", f"{self.part.name}-shm"):
            self.part.with_name(name).unlink(missing_ok=True)


def _keep(part: Path, target: Path) -> None:
    """Move the file to its final name, durably and atomically."""
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(target)
    descriptor = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _set_aside(target: Path) -> Path:
    """Rename the old database and its write-ahead log, which would corrupt the new one. Returns the new path."""
    aside = target.with_name(f"{target.name}.replaced-{time.strftime(STAMP)}")
    try:
        with closing(sqlite3.connect(target)) as connection:  # merges the log, if it is intact
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error:
        pass
    for suffix in ("-wal", "-shm"):
        log = target.with_name(target.name + suffix)
        if log.exists():
            log.rename(aside.with_name(aside.name + suffix))
    os.link(target, aside)
    return aside


def _note(data_dir: Path, target: Path) -> None:
    """Record the time for `ezdms doctor`. A failure here does not spoil the backup."""
    with suppress(OSError, BackupError), _partly(data_dir / data_folder.LAST_BACKUP, given_to=data_dir) as part:
        part.write_text(json.dumps({"at": time.time(), "file": str(target.absolute())}), "utf-8")
        _keep(part, data_dir / data_folder.LAST_BACKUP)
