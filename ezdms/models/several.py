"""What several processes on one PostgreSQL database share beside the data (migrations/postgresql/0011)."""

from __future__ import annotations

from ezdms.db import Connection, fetch_all, fetch_one, keeps_sessions


@keeps_sessions
def insert_mark(connection: Connection, *, mark: str) -> str:
    """Store the mark of the shared key unless there is one. Returns the stored one."""
    fetch_all(connection, "INSERT INTO shared_key (mark) VALUES (:mark) ON CONFLICT DO NOTHING", mark=mark)
    row = fetch_one(connection, "SELECT mark FROM shared_key")
    return "" if row is None else str(row["mark"])


def select_ended(connection: Connection) -> set[str]:
    """The sessions that ended in the last minute, by SHA-256 (hex) of their id. The newest are left out: the bus tells
    of them, and why."""
    rows = fetch_all(
        connection,
        """SELECT session_hash FROM ended_sessions
           WHERE ended_at > clock_timestamp() - INTERVAL '60 seconds'
             AND ended_at < clock_timestamp() - INTERVAL '0.2 seconds'""",
    )
    return {row["session_hash"] for row in rows}


def select_alive(connection: Connection, *, session_ids: list[str]) -> set[str]:
    """Those of these sessions that have not ended."""
    rows = fetch_all(
        connection, "SELECT session_id FROM sessions WHERE session_id = ANY (:session_ids)", session_ids=session_ids
    )
    return {row["session_id"] for row in rows}


@keeps_sessions
def delete_ended(connection: Connection) -> None:
    """Delete what no process looks for any more."""
    fetch_all(connection, "DELETE FROM ended_sessions WHERE ended_at < clock_timestamp() - INTERVAL '2 minutes'")
