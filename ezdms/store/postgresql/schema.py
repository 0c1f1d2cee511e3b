"""The schema on PostgreSQL: the migrations that SQLite has, and after each what only PostgreSQL has."""

from __future__ import annotations

from ezdms.store.postgresql.session import Connection, Session
from ezdms.store.schema import APPLIED, DatabaseError, is_applied, record, statements

OLDEST = 140_000  # PostgreSQL 14
LOCK = 0x657A646D73  # "ezdms": held while one process migrates


def make_ready(
    session: Session,
    steps: list[tuple[int, str, str]],
    additions: dict[int, list[str]],
    *,
    may_be_moving: bool = False,
) -> None:
    """Check that this is a database for us, and apply missing migrations, each in one transaction. Safe when several
    processes start at once. Called on the session's thread. Raises DatabaseError."""
    connection = session.connection()
    _check(connection, may_be_moving)
    for number, name, sql in steps:
        with connection.driver.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(:key)", {"key": LOCK})
            connection.execute(APPLIED)
            if is_applied(connection, number, newest=steps[-1][0]):
                continue
            for statement in statements(sql):
                if not statement.startswith("CREATE TRIGGER"):  # each engine writes its own
                    connection.driver.execute(statement.encode())
            for script in additions.get(number, []):
                connection.driver.execute(script.encode())  # all its statements
            record(connection, number, name)


def _check(connection: Connection, may_be_moving: bool) -> None:
    if connection.driver.info.server_version < OLDEST:
        version = connection.driver.info.server_version // 10_000
        raise DatabaseError(f"EZ-DMS needs PostgreSQL {OLDEST // 10_000} or newer, but this is {version}.")
    if connection.execute("SELECT pg_is_in_recovery()").fetchone()[0]:
        raise DatabaseError("This PostgreSQL is a standby. Use the address of the primary.")
    tables = {
        row[0]
        for row in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()").fetchall()
    }
    if "moving" in tables and not may_be_moving:
        raise DatabaseError("A move into this PostgreSQL database is not finished. Run `ezdms move` again.")
    if tables and not {"migrations", "deployment", "conversations"} <= tables:
        raise DatabaseError("This PostgreSQL database belongs to another program. Use an empty one.")
