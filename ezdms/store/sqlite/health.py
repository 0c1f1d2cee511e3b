"""Whether what is written now will still be there after a restart."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

from ezdms.store.database import STALLED
from ezdms.store.sqlite import integrity

REPLACED = "The database file was removed or replaced while the server was running. Put it back, or restore a backup."
DAMAGED = f"A part of the database is damaged. {integrity.RESTORE}"
HELD = "Another program is holding the database, or the disk does not respond."


class Health:
    """Watches the files of one database, the errors of its queries, and how long its writer takes."""

    def __init__(self, path: Path) -> None:
        self._files = (path, path.with_name(f"{path.name}-wal"))
        self._known: dict[Path, tuple[int, int]] = {}
        self._is_damaged = False
        self._is_held = False  # the last batch of writes failed because of a lock
        self._began: float | None = None

    def are_files_kept(self) -> bool:
        """True if the database and its write-ahead log are the files that were opened. Otherwise SQLite keeps writing
        to files that no restart would find."""
        for path in self._files:
            try:
                found = path.stat()
            except OSError:
                if path in self._known:
                    return False
            else:
                identity = found.st_dev, found.st_ino
                if self._known.setdefault(path, identity) != identity:
                    return False
        return True

    def note(self, error: Exception) -> None:
        """Remember an error of a query, if it means damage or a lock."""
        self._is_damaged |= isinstance(error, sqlite3.Error) and integrity.is_damage(error)
        self._is_held |= isinstance(error, sqlite3.Error) and integrity.is_lock(error)

    def note_commit(self) -> None:
        """A batch of writes was committed."""
        self._is_held = False

    def begin(self) -> float:
        """The writer begins a batch. Returns the time, by a monotonic clock."""
        self._began = time.monotonic()
        return self._began

    def end(self) -> None:
        """It has finished."""
        self._began = None

    @property
    def fault(self) -> str:
        """What is wrong, for the operator; "" if nothing is."""
        if not self.are_files_kept():
            return REPLACED
        if self._is_damaged:
            return DAMAGED
        return HELD if self.is_stuck(STALLED) else ""

    def is_stuck(self, seconds: float) -> bool:
        """True if the writer has been at one batch for longer than this, or could not begin the last one."""
        return self._is_held or (self._began is not None and time.monotonic() - self._began > seconds)
