"""Push subscriptions: where the push service of a session's browser is told that there is a new message."""

from __future__ import annotations

from typing import NamedTuple

from ezdms.db import Connection, fetch_all, fetch_one, now


class Stored(NamedTuple):
    """A session's subscription. `p256dh`, `auth`: b64u. `origin`: the address at which its page was open."""

    session_id: str
    endpoint: str
    p256dh: str
    auth: str
    origin: str


def insert_push_key(connection: Connection, *, push_key: str) -> str:
    """Store the deployment's private key for push services unless there is one. Returns the stored one."""
    sql = "UPDATE deployment SET push_key = COALESCE(push_key, :push_key) RETURNING push_key"
    row = fetch_one(connection, sql, push_key=push_key)
    return "" if row is None else str(row["push_key"])


def replace_subscription(
    connection: Connection, *, session_id: str, user_id: str, endpoint: str, p256dh: str, auth: str, origin: str
) -> bool:
    """Store the session's only subscription. False if the session has ended."""
    row = fetch_one(
        connection,
        """INSERT INTO push_subscriptions (session_id, user_id, endpoint, p256dh, auth, origin, created_at)
           SELECT session_id, user_id, :endpoint, :p256dh, :auth, :origin, :created_at FROM sessions
           WHERE session_id = :session_id AND user_id = :user_id
           ON CONFLICT (session_id) DO UPDATE SET endpoint = excluded.endpoint, p256dh = excluded.p256dh,
             auth = excluded.auth, origin = excluded.origin, created_at = excluded.created_at
           RETURNING session_id""",
        session_id=session_id,
        user_id=user_id,
        endpoint=endpoint,
        p256dh=p256dh,
        auth=auth,
        origin=origin,
        created_at=now(),
    )
    return row is not None


def delete_subscription(connection: Connection, *, session_id: str, endpoint: str | None = None) -> None:
    """Delete the session's subscription. `endpoint`: only if it is still that one."""
    fetch_all(
        connection,
        """DELETE FROM push_subscriptions
           WHERE session_id = :session_id AND endpoint = COALESCE(:endpoint, endpoint)""",
        session_id=session_id,
        endpoint=endpoint,
    )


def select_subscription(connection: Connection, *, session_id: str) -> str | None:
    """The endpoint of the session's subscription."""
    sql = "SELECT endpoint FROM push_subscriptions WHERE session_id = :session_id"
    row = fetch_one(connection, sql, session_id=session_id)
    return None if row is None else str(row["endpoint"])


def select_subscriptions(connection: Connection, *, user_id: str) -> list[Stored]:
    """Those of the user's active sessions."""
    rows = fetch_all(
        connection,
        """SELECT p.session_id, p.endpoint, p.p256dh, p.auth, p.origin FROM push_subscriptions p
           JOIN sessions s ON s.session_id = p.session_id WHERE p.user_id = :user_id AND s.expires_at > :moment""",
        user_id=user_id,
        moment=now(),
    )
    return [Stored(*row) for row in rows]


def select_subscribers(connection: Connection) -> set[str]:
    """Every user with a subscription."""
    return {str(row["user_id"]) for row in fetch_all(connection, "SELECT user_id FROM push_subscriptions")}
