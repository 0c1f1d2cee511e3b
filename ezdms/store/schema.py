"""The schema: lists the migrations, and applies missing ones, each in one transaction."""

from __future__ import annotations

import re
import sqlite3
import time
from pathlib import Path

from ezdms.store.database import Connection

APPLIED = (
    "CREATE TABLE IF NOT EXISTS migrations "
    "(number INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL, applied_at BIGINT NOT NULL)"
)
TAKES_AWAY = re.compile(r"[0-9]+_drop_")  # the name of a migration after which the version before cannot be started


class DatabaseError(Exception):
    """The database cannot be used; the message says what the operator can do."""


def migrations() -> list[tuple[int, str, str]]:
    """(number, name, SQL) of every migration: next to the package in a checkout, inside it in a wheel."""
    return [(int(match[1]), path.stem, path.read_text("utf-8")) for path, match in _found("*.sql")]


def additions() -> dict[int, list[str]]:
    """What only PostgreSQL has, by the number of the migration after which it is applied, in the same transaction."""
    scripts: dict[int, list[str]] = {}
    for path, match in _found("postgresql/*.sql"):
        scripts.setdefault(int(match[1]), []).append(path.read_text("utf-8"))
    return scripts


def _found(pattern: str) -> list[tuple[Path, re.Match[str]]]:
    here = Path(__file__).parents[1]
    folder = next(path for path in (here / "migrations", here.parent / "migrations") if path.is_dir())
    found = []
    for path in sorted(folder.glob(pattern)):
        match = re.fullmatch(r"([0-9]{4})_[a-z0-9_]+", path.stem)
        if match is None:
            raise DatabaseError(f"Expected a migration named 0001_what_it_does.sql, got {path.name}.")
        found.append((path, match))
    return found


def _too_new(schema: int, newest: int) -> str:
    """Why a database is refused whose schema is newer than all that this version knows."""
    return (
        f"This database has schema {schema}, but this version of EZ-DMS only knows schemas up to {newest}. "
        "Use a version of EZ-DMS at least as new as the one that wrote it."
    )


def migrate(connection: sqlite3.Connection) -> None:
    """Apply missing migrations, each in one transaction. Safe when several processes start at once."""
    steps = migrations()
    connection.execute(APPLIED)
    for number, name, sql in steps:
        connection.execute("BEGIN IMMEDIATE")
        try:
            if not is_applied(connection, number, newest=steps[-1][0]):
                for statement in statements(sql):
                    connection.execute(statement)
                record(connection, number, name)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def is_applied(connection: Connection, number: int, *, newest: int, may_be_behind: bool = False) -> bool:
    """True if the database has this migration. Raises DatabaseError if it has one after `newest`, but for the next one
    if this version `may_be_behind` and that one takes nothing away that this version needs."""
    rows = connection.execute("SELECT number, name FROM migrations").fetchall()
    applied = {row["number"]: row["name"] for row in rows}
    last = max(applied, default=0)
    is_compatible = may_be_behind and last == newest + 1 and not TAKES_AWAY.match(applied[last])
    if last > newest and not is_compatible:
        raise DatabaseError(_too_new(last, newest))
    return number in applied


def record(connection: Connection, number: int, name: str) -> None:
    """Note that a migration was applied."""
    connection.execute(
        "INSERT INTO migrations (number, name, applied_at) VALUES (:number, :name, :applied_at)",
        {"number": number, "name": name, "applied_at": time.time_ns() // 1_000_000},
    )


def statements(sql: str) -> list[str]:
    """Split a script into statements: executescript would commit the surrounding transaction."""
    found, current = [], ""
    for line in sql.splitlines():
        if line.strip() and not line.lstrip().startswith("--"):
            current += line + "\n"
        if current and sqlite3.complete_statement(current):
            found.append(current)
            current = ""
    if current:
        raise DatabaseError(f"A migration ends in the middle of a statement: {current[:60]!r}.")
    return found
