"""A session: a browser or program that is logged in. Only the token's SHA-256 is stored."""

from __future__ import annotations

from dataclasses import dataclass

from ezdms.db import Connection, fetch_all, fetch_one, keeps_sessions, now

LIFETIME = 90 * 24 * 60 * 60 * 1000  # ms
RENEWED = 24 * 60 * 60 * 1000  # ms; a session in use is renewed after this time, so that not every request does it
USED_AGAIN = 60 * 1000  # ms; precision of "last used", so that not every request writes
MOST = 500  # sessions per account; the one unused for longest ends when there are more
AT_ONCE = 100  # sessions that a login deletes, of those that expired and of those that are too many


@dataclass(frozen=True, slots=True)
class Session:
    """The session of a request, with what each of the user's pages shows."""

    session_id: str
    user_id: str
    username: str
    statement: str
    search_pin: str
    search_salt: str
    vault_version: int
    expires_at: int
    used_at: int


@dataclass(frozen=True, slots=True)
class Device:
    """A session in the user's list of devices: browser, address, times in ms."""

    session_id: str
    browser: str
    address: str
    created_at: int
    used_at: int


def insert_session(
    connection: Connection,
    *,
    session_id: str,
    token_hash: str,
    user_id: str,
    login_id: str,
    browser: str,
    address: str,
) -> bool:
    """Add a session, and delete some expired ones and those above MOST. False if `login_id` is no longer the user's.

    Otherwise a login in flight could survive a change of the PIN or the deletion of the account.
    """
    moment = now()
    _delete_some(connection, "SELECT session_id FROM sessions WHERE expires_at <= :moment", moment=moment)
    row = fetch_one(
        connection,
        """INSERT INTO sessions (session_id, token_hash, user_id, created_at, expires_at, browser, address, used_at)
           SELECT :session_id, :token_hash, user_id, :created_at, :expires_at, :browser, :address, :created_at
           FROM users WHERE user_id = :user_id AND login_id = :login_id RETURNING session_id""",
        session_id=session_id,
        token_hash=token_hash,
        user_id=user_id,
        login_id=login_id,
        created_at=moment,
        expires_at=moment + LIFETIME,
        browser=browser,
        address=address,
    )
    oldest = "SELECT session_id FROM sessions WHERE user_id = :user_id ORDER BY used_at DESC"
    _delete_some(connection, oldest, user_id=user_id, offset=MOST)
    return row is not None


def _delete_some(connection: Connection, select: str, *, offset: int = 0, **values: str | int) -> None:
    """Delete AT_ONCE of these sessions: no write may take long."""
    sql = f"DELETE FROM sessions WHERE session_id IN ({select} LIMIT :limit OFFSET :offset)"
    fetch_all(connection, sql, limit=AT_ONCE, offset=offset, **values)


def select_session(connection: Connection, *, token_hash: str) -> Session | None:
    """The active session with this token; None if it has expired."""
    row = fetch_one(
        connection,
        """SELECT s.session_id, s.user_id, u.username, u.statement, p.search_pin, p.salt AS search_salt,
               COALESCE(v.version, 0) AS vault_version, s.expires_at, s.used_at
           FROM sessions s JOIN users u ON u.user_id = s.user_id JOIN search_pins p ON p.user_id = s.user_id
           LEFT JOIN vaults v ON v.user_id = s.user_id
           WHERE s.token_hash = :token_hash AND s.expires_at > :moment
           ORDER BY p.created_at DESC LIMIT 1""",
        token_hash=token_hash,
        moment=now(),
    )
    return None if row is None else Session(**dict(row))


def select_devices(connection: Connection, *, user_id: str) -> list[Device]:
    """The user's active sessions, last used first."""
    rows = fetch_all(
        connection,
        """SELECT session_id, browser, address, created_at, used_at FROM sessions
           WHERE user_id = :user_id AND expires_at > :moment ORDER BY used_at DESC, created_at DESC""",
        user_id=user_id,
        moment=now(),
    )
    return [Device(**dict(row)) for row in rows]


@keeps_sessions
def touch_session(
    connection: Connection, *, session_id: str, browser: str, address: str, until: int | None = None
) -> None:
    """Record when and by which browser and address the session was last used. `until`: its new expiry, if any."""
    fetch_all(
        connection,
        """UPDATE sessions SET used_at = :moment, browser = :browser, address = :address,
               expires_at = COALESCE(:until, expires_at) WHERE session_id = :session_id""",
        session_id=session_id,
        browser=browser,
        address=address,
        moment=now(),
        until=until,
    )


def delete_session(connection: Connection, *, session_id: str, user_id: str) -> bool:
    """End a session of this user; its token is invalid from this commit on. False if the user has no such session."""
    row = fetch_one(
        connection,
        "DELETE FROM sessions WHERE session_id = :session_id AND user_id = :user_id RETURNING session_id",
        session_id=session_id,
        user_id=user_id,
    )
    return row is not None


def delete_other_sessions(connection: Connection, *, session_id: str, user_id: str) -> int:
    """End all sessions of this user but one. Returns how many."""
    rows = fetch_all(
        connection,
        "DELETE FROM sessions WHERE user_id = :user_id AND session_id <> :session_id RETURNING session_id",
        session_id=session_id,
        user_id=user_id,
    )
    return len(rows)


def delete_sessions(connection: Connection, *, user_id: str) -> int:
    """End all sessions of this user. Returns how many."""
    rows = fetch_all(connection, "DELETE FROM sessions WHERE user_id = :user_id RETURNING session_id", user_id=user_id)
    return len(rows)
