"""The database: open, migrate, read, write. The only module above the engines, which are in store."""

from __future__ import annotations

import time
from typing import Any

from ezdms.store.database import Connection, Database, P, Query, Row, T
from ezdms.store.errors import Busy, Conflict, Unavailable

__all__ = [
    "Busy",
    "Conflict",
    "Connection",
    "Database",
    "Row",
    "Unavailable",
    "fetch_all",
    "fetch_one",
    "keeps_sessions",
    "now",
]


def keeps_sessions(query: Query[P, T]) -> Query[P, T]:
    """Mark a query that changes no accounts, sessions, PINs or vaults, so that cached sessions stay valid."""
    query.keeps_sessions = True  # type: ignore[attr-defined]
    return query


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
