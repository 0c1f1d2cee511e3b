"""What counts toward the quota of an account."""

from __future__ import annotations

from typing import Any

from quart import Quart

from ezdms.db import Connection, Database, fetch_all
from ezdms.models.usage import Usage, select_usage
from tests.support.people import Person

ROOM = 8000  # bytes: room for two short messages, but not three
COUNTED = "SELECT user_id, message_bytes AS size FROM usage JOIN users USING (user_id) WHERE left_at IS NULL"
STORED = """SELECT u.user_id,
        COALESCE(SUM(COALESCE(LENGTH(m.sealed_a), 0) + COALESCE(LENGTH(m.sealed_b), 0)), 0) AS size
    FROM users u LEFT JOIN messages m ON m.sender_id = u.user_id WHERE u.left_at IS NULL GROUP BY u.user_id"""


async def usage(app: Quart, person: Person) -> Usage:
    """What is counted for the person; for every user, it must equal what is stored."""

    def query(connection: Connection) -> tuple[list[tuple[str, int]], ...]:
        return tuple(sorted(tuple(row) for row in fetch_all(connection, sql)) for sql in (COUNTED, STORED))

    database: Database = app.extensions["ezdms.database"]
    counted, stored = await database.read(query)
    assert counted == stored
    found = await database.read(select_usage, user_id=person.user_id)
    assert found is not None
    return found


def size(fields: dict[str, Any]) -> int:
    """The size of both copies in bytes."""
    return len(fields["content_for_a"]) + len(fields["content_for_b"])
