"""The schema on PostgreSQL: the migrations that SQLite has, and after each what only PostgreSQL has."""

from __future__ import annotations

from psycopg.errors import LockNotAvailable

from ezdms.store.postgresql.errors import AGAIN
from ezdms.store.postgresql.session import LIMITS, Connection, Session
from ezdms.store.schema import APPLIED, DatabaseError, is_applied, record, statements

OLDEST = 140_000  # PostgreSQL 14
ATTEMPTS = 5  # of one migration, while others hold what it needs
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
        for attempt in range(ATTEMPTS):
            try:
                _apply(connection, number, name, [*statements(sql), *additions.get(number, [])], newest=steps[-1][0])
                break
            except (*AGAIN, LockNotAvailable):
                if attempt == ATTEMPTS - 1:
                    raise


def _apply(connection: Connection, number: int, name: str, scripts: list[str], *, newest: int) -> None:
    """Apply a migration that is missing. It waits for a table for no longer than others do: they wait behind it."""
    with connection.driver.transaction():
        connection.execute("SET LOCAL lock_timeout = 0")
        connection.execute("SELECT pg_advisory_xact_lock(:key)", {"key": LOCK})
        connection.execute(f"SET LOCAL lock_timeout = {LIMITS['lock_timeout']}")
        connection.execute(APPLIED)
        if is_applied(connection, number, newest=newest, may_be_behind=True):
            return
        for script in scripts:
            if not script.startswith("CREATE TRIGGER"):  # each engine writes its own
                connection.driver.execute(script.encode())
        record(connection, number, name)


def check_version(number: int) -> None:
    """Raises DatabaseError if the server is too old. `number`: as PostgreSQL counts, such as 140012 for 14.12."""
    if number < OLDEST:
        raise DatabaseError(f"EZ-DMS needs PostgreSQL {OLDEST // 10_000} or newer, but this is {number // 10_000}.")


def _check(connection: Connection, may_be_moving: bool) -> None:
    check_version(connection.driver.info.server_version)
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
