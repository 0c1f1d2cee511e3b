"""An invitation: a random token that creates one account. Who used it is not stored."""

from __future__ import annotations

from collections.abc import Sequence

from ezdms.db import Connection, fetch_all, fetch_one, now


def insert_invitations(connection: Connection, token_hashes: Sequence[str], *, lifetime: int) -> None:
    """Add invitations valid for `lifetime` ms from now, and delete expired ones."""
    moment = now()
    fetch_all(connection, "DELETE FROM invitations WHERE expires_at <= :moment", moment=moment)
    for token_hash in token_hashes:
        fetch_all(
            connection,
            """INSERT INTO invitations (token_hash, created_at, expires_at)
               VALUES (:token_hash, :created_at, :expires_at)""",
            token_hash=token_hash,
            created_at=moment,
            expires_at=moment + lifetime,
        )


def is_invited(connection: Connection, *, token_hash: str) -> bool:
    """True if this invitation is valid."""
    row = fetch_one(
        connection,
        "SELECT 1 FROM invitations WHERE token_hash = :token_hash AND expires_at > :moment",
        token_hash=token_hash,
        moment=now(),
    )
    return row is not None


def use_invitation(connection: Connection, *, token_hash: str) -> bool:
    """Use an invitation. False if it is not valid, or already used."""
    row = fetch_one(
        connection,
        "DELETE FROM invitations WHERE token_hash = :token_hash AND expires_at > :moment RETURNING token_hash",
        token_hash=token_hash,
        moment=now(),
    )
    return row is not None


def count_invitations(connection: Connection) -> int:
    """How many are valid and unused."""
    row = fetch_one(connection, "SELECT COUNT(*) AS open FROM invitations WHERE expires_at > :moment", moment=now())
    return 0 if row is None else int(row["open"])


def delete_invitations(connection: Connection) -> int:
    """Delete all unused invitations. Returns how many were valid."""
    count = count_invitations(connection)
    fetch_all(connection, "DELETE FROM invitations")
    return count
