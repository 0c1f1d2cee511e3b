"""The deployment: 16 public random bytes that tie every Login PIN to this database (docs/protocol.md, 4)."""

from __future__ import annotations

from ezdms.db import Connection, fetch_all, fetch_one, now


async def insert_deployment(connection: Connection, *, deployment_id: str) -> str:
    """Keep `deployment_id` unless there is one already; return the one that stands."""
    row = await fetch_one(connection, "SELECT deployment_id FROM deployment")
    if row is not None:
        return str(row["deployment_id"])
    await fetch_all(
        connection,
        "INSERT INTO deployment (deployment_id, created_at) VALUES (:deployment_id, :created_at)",
        deployment_id=deployment_id,
        created_at=now(),
    )
    return deployment_id
