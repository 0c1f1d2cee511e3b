"""The deployment: 16 public random bytes that bind every Login PIN to this database (docs/protocol.md, Two PINs)."""

from __future__ import annotations

from ezdms.db import Connection, fetch_all, fetch_one, now

# The latest stored time (ms since 1970); NULL in an empty database.
NEWEST = """SELECT MAX(moment) FROM (SELECT MAX(last_at) AS moment FROM conversations
    UNION ALL SELECT MAX(used_at) FROM sessions UNION ALL SELECT MAX(created_at) FROM users) AS newest"""


def select_ahead(connection: Connection) -> int:
    """How many ms the clock is behind the latest stored time; at most 0 if it is right."""
    row = fetch_one(connection, NEWEST)
    return 0 if row is None or row[0] is None else int(row[0]) - now()


def insert_deployment(connection: Connection, *, deployment_id: str) -> str:
    """Store `deployment_id` unless there is one. Returns the stored one."""
    fetch_all(
        connection,
        """INSERT INTO deployment (deployment_id, created_at) SELECT :deployment_id, :created_at
           WHERE NOT EXISTS (SELECT 1 FROM deployment) ON CONFLICT DO NOTHING""",
        deployment_id=deployment_id,
        created_at=now(),
    )
    row = fetch_one(connection, "SELECT deployment_id FROM deployment")
    return "" if row is None else str(row["deployment_id"])
