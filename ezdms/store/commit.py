"""Group commit: many writes share one COMMIT, and one that fails leaves the others alone."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from ezdms.store import integrity
from ezdms.store.errors import Unavailable


def commit_together(connection: sqlite3.Connection, writes: list[Callable[[sqlite3.Connection], Any]]) -> list[Any]:
    """Group commit: one COMMIT for all writes. A failed write does not affect the others.

    Returns what each write returned or raised; if nothing could be stored, the error for each.
    """
    try:
        try:
            return _transact(connection, writes)
        except Exception as error:
            if integrity.is_out_of_reach(error):
                raise
            return _transact(connection, [partial(_keep_or_leave, write) for write in writes])
    except Exception as error:  # nothing of this batch was stored: each caller gets the error
        return [_told(error)] * len(writes)


def _transact(connection: sqlite3.Connection, writes: list[Callable[[sqlite3.Connection], Any]]) -> list[Any]:
    """Run all writes in one transaction, or none."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        outcomes = [write(connection) for write in writes]
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        raise
    return outcomes


def _keep_or_leave(write: Callable[[sqlite3.Connection], Any], connection: sqlite3.Connection) -> Any:
    """Run a write in a savepoint. Returns its result, or its error after rolling it back."""
    connection.execute("SAVEPOINT caller")
    try:
        outcome = write(connection)
    except Exception as error:  # passed to the caller
        if integrity.is_out_of_reach(error):  # SQLite may have rolled everything back
            raise
        connection.execute("ROLLBACK TO caller")
        outcome = error
    connection.execute("RELEASE caller")
    return outcome


def _told(error: Exception) -> Exception:
    """The error for the callers of a failed batch: Unavailable if the disk failed."""
    if not integrity.is_out_of_reach(error):
        return error
    unavailable = Unavailable(str(error))
    unavailable.__cause__ = error
    return unavailable
