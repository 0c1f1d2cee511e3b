"""A session: proof that a browser or program showed the right PIN. Only the token's SHA-256 is stored."""

from __future__ import annotations

from dataclasses import dataclass

from ezdms.db import Connection, fetch_all, fetch_one, now

LIFETIME = 90 * 24 * 60 * 60 * 1000  # ms


@dataclass(frozen=True, slots=True)
class Session:
    """Who is asking, with what every page of theirs shows."""

    session_id: str
    user_id: str
    username: str
    statement: str
    search_pin: str
    search_salt: str
    expires_at: int


async def insert_session(connection: Connection, *, session_id: str, token_hash: str, user_id: str) -> None:
    """Start a session and forget those that have expired."""
    moment = now()
    await fetch_all(connection, "DELETE FROM sessions WHERE expires_at <= :moment", moment=moment)
    await fetch_all(
        connection,
        """INSERT INTO sessions (session_id, token_hash, user_id, created_at, expires_at)
           VALUES (:session_id, :token_hash, :user_id, :created_at, :expires_at)""",
        session_id=session_id,
        token_hash=token_hash,
        user_id=user_id,
        created_at=moment,
        expires_at=moment + LIFETIME,
    )


async def select_session(connection: Connection, *, token_hash: str) -> Session | None:
    """The living session of this token; an expired one is as good as none."""
    row = await fetch_one(
        connection,
        """SELECT s.session_id, s.user_id, u.username, u.statement, p.search_pin, p.salt AS search_salt, s.expires_at
           FROM sessions s JOIN users u ON u.user_id = s.user_id JOIN search_pins p ON p.user_id = s.user_id
           WHERE s.token_hash = :token_hash AND s.expires_at > :moment
           ORDER BY p.created_at DESC LIMIT 1""",
        token_hash=token_hash,
        moment=now(),
    )
    return None if row is None else Session(**dict(row))


async def delete_session(connection: Connection, *, session_id: str) -> None:
    """End a session: its token is dead from this commit on."""
    await fetch_all(connection, "DELETE FROM sessions WHERE session_id = :session_id", session_id=session_id)
