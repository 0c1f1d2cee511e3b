"""The schema on PostgreSQL: the migrations that SQLite has, and after each what only PostgreSQL has."""

from __future__ import annotations

import time

from ezdms.store.postgresql.session import Connection, Session
from ezdms.store.schema import DatabaseError, statements, too_new

OLDEST = 140_000  # PostgreSQL 14
LOCK = 0x657A646D73  # "ezdms": held while one process migrates


def make_ready(session: Session, steps: list[tuple[int, str, str]], additions: dict[int, list[str]]) -> None:
    """Check that this is a database for us, and apply missing migrations, each in one transaction. Safe when several
    processes start at once. Called on the session's thread. Raises DatabaseError."""
    connection = session.connection()
    _check(connection)
    for number, name, sql in steps:
        with connection.driver.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(:key)", {"key": LOCK})
            connection.execute(
                "CREATE TABLE IF NOT EXISTS migrations "
                "(number INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL, applied_at BIGINT NOT NULL)"
            )
            applied = [row["number"] for row in connection.execute("SELECT number FROM migrations").fetchall()]
            if applied and max(applied) > steps[-1][0]:
                raise DatabaseError(too_new(max(applied), steps[-1][0]))
            if number in applied:
                continue
            for statement in statements(sql):
                if not statement.startswith("CREATE TRIGGER"):  # each engine writes its own
                    connection.driver.execute(statement.encode())
            for script in additions.get(number, []):
                connection.driver.execute(script.encode())  # all its statements
            connection.execute(
                "INSERT INTO migrations (number, name, applied_at) VALUES (:number, :name, :applied_at)",
                {"number": number, "name": name, "applied_at": time.time_ns() // 1_000_000},
            )


def _check(connection: Connection) -> None:
    if connection.driver.info.server_version < OLDEST:
        version = connection.driver.info.server_version // 10_000
        raise DatabaseError(f"EZ-DMS needs PostgreSQL {OLDEST // 10_000} or newer, but this is {version}.")
    if connection.execute("SELECT pg_is_in_recovery()").fetchone()[0]:
        raise DatabaseError("This PostgreSQL is a standby. Use the address of the primary.")
    tables = {
        row[0]
        for row in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()").fetchall()
    }
    if tables and not {"migrations", "deployment", "conversations"} <= tables:
        raise DatabaseError("This PostgreSQL database belongs to another program. Use an empty one.")
