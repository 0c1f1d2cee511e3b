"""The write-ahead log: switched on, written back, emptied (https://sqlite.org/wal.html)."""

from __future__ import annotations

import sqlite3
import time
from contextlib import suppress

BUSY_TIMEOUT = 3_000  # ms that a write waits for another program
LARGEST_LOG = 8000  # pages (32 MB) of the write-ahead log, after which a COMMIT writes them back: 40 ms and more

PRAGMAS = f"""
PRAGMA busy_timeout = {BUSY_TIMEOUT};
PRAGMA synchronous = FULL;
PRAGMA wal_autocheckpoint = {LARGEST_LOG};
PRAGMA foreign_keys = ON;
PRAGMA secure_delete = ON;
"""


def write_back(connection: sqlite3.Connection) -> None:
    """Write the log back as far as readers elsewhere do not need it. Does not wait."""
    with suppress(sqlite3.Error):  # the disk is full or fails: the data stays in the log
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


def empty_log(connection: sqlite3.Connection) -> bool:
    """Try to empty the log; True on success. Does not wait for readers elsewhere, since writes would wait, too."""
    is_busy = True
    connection.execute("PRAGMA busy_timeout = 0")
    with suppress(sqlite3.Error):  # the disk is full or fails
        is_busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT}")
    return not is_busy


def use(connection: sqlite3.Connection) -> None:
    """Set WAL mode. On a new file this ignores busy_timeout, so several processes that start at once must retry."""
    for attempt in range(100):
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchall()
        except sqlite3.OperationalError:
            if attempt == 99:
                raise
            time.sleep(0.05)
        else:
            return
