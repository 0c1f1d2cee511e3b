"""The database: open, migrate, read, write. The only module above the engines, which are in store."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ezdms.store.database import Connection, Database, P, Query, Row, Statement, T
from ezdms.store.errors import Busy, Conflict, Unavailable

__all__ = [
    "Busy",
    "Conflict",
    "Connection",
    "Database",
    "Row",
    "Statement",
    "Unavailable",
    "alone",
    "fetch_all",
    "fetch_one",
    "keeps_sessions",
    "lock_conversations",
    "lock_users",
    "now",
    "one_statement",
]


def keeps_sessions(query: Query[P, T]) -> Query[P, T]:
    """Mark a query that changes no accounts, sessions, PINs or vaults, so that cached sessions stay valid."""
    query.keeps_sessions = True  # type: ignore[attr-defined]
    return query


def one_statement(statement: Statement) -> Callable[[Query[P, T]], Query[P, T]]:
    """Mark a query that is also one statement, which PostgreSQL runs many of without waiting for each."""

    def mark(query: Query[P, T]) -> Query[P, T]:
        query.statement = statement  # type: ignore[attr-defined]
        return query

    return mark


def alone(query: Query[P, T]) -> Query[P, T]:
    """Mark a query that locks more conversations than the one that it is for (lock_conversations), and therefore shares
    no transaction on PostgreSQL. Others are for the conversation_id, user_id and sender_id among their arguments."""
    query.is_alone = True  # type: ignore[attr-defined]
    return query


def lock_conversations(connection: Connection, sql: str, **values: Any) -> None:
    """Let nobody else write to the conversations whose ids this SQL finds, until the end of the transaction. SQLite has
    one writer."""
    lock_found = getattr(connection, "lock_found", None)
    if lock_found is not None:
        lock_found(sql, values)


def lock_users(connection: Connection, *user_ids: str) -> bool:
    """Let nobody else write for these users until the end of the transaction; True if what was read before may be old.
    SQLite has one writer."""
    lock = getattr(connection, "lock", None)
    if lock is None:
        return False
    lock(set(), set(user_ids))
    return True


def now() -> int:
    """Milliseconds since 1970, UTC: the unit of every stored time."""
    return time.time_ns() // 1_000_000


def fetch_all(connection: Connection, sql: str, **values: Any) -> list[Row]:
    """All rows of the result."""
    return connection.execute(sql, values).fetchall()


def fetch_one(connection: Connection, sql: str, **values: Any) -> Row | None:
    """The first row of the result, or None."""
    rows = fetch_all(connection, sql, **values)
    return rows[0] if rows else None
