"""Group commit: many writes share one COMMIT, and one that fails leaves the others alone."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from ezdms.store.errors import Unavailable
from ezdms.store.sqlite import integrity
from ezdms.store.sqlite.health import REPLACED, Health


def commit_together(
    connection: sqlite3.Connection, writes: list[Callable[[sqlite3.Connection], Any]], health: Health
) -> list[Any]:
    """Group commit: one COMMIT for all writes. A failed write does not affect the others.

    Returns what each write returned or raised; if nothing could be stored where a restart finds it, the error for each.
    """
    try:
        outcomes = _commit(connection, writes)
    except Exception as error:  # nothing of this batch was stored
        health.note(error)
        if not integrity.is_damage(error):
            return [told(error)] * len(writes)
        # Only what needs the damaged page fails. After that, SQLite needs a whole ROLLBACK; a savepoint is not enough.
        outcomes = [_commit_alone(connection, write, health) for write in writes]
    health.note_commit()
    # Asked after the COMMIT: it may have gone into a file that is no longer there.
    return outcomes if health.are_files_kept() else [Unavailable(REPLACED)] * len(writes)


def _commit_alone(connection: sqlite3.Connection, write: Callable[[sqlite3.Connection], Any], health: Health) -> Any:
    """A transaction for one write. Returns its result, or its error."""
    try:
        return _transact(connection, [write])[0]
    except Exception as error:  # passed to the caller
        health.note(error)
        return told(error)


def _commit(connection: sqlite3.Connection, writes: list[Callable[[sqlite3.Connection], Any]]) -> list[Any]:
    try:
        return _transact(connection, writes)
    except Exception as error:
        if integrity.is_out_of_reach(error):
            raise
        return _transact(connection, [partial(_keep_or_leave, write) for write in writes])


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


def told(error: Exception) -> Exception:
    """The error for the callers: Unavailable if the disk failed, or what is on it."""
    if not integrity.is_out_of_reach(error):
        return error
    unavailable = Unavailable(str(error))
    unavailable.__cause__ = error
    return unavailable
