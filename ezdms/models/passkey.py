"""Passkeys: public keys, and the Login PIN that each of them wraps."""

from __future__ import annotations

from dataclasses import dataclass

from ezdms.db import Connection, fetch_all, fetch_one, now

MOST = 20  # passkeys of one account
COLUMNS = "credential_id, user_id, public_key, sign_count, name, wrapped, created_at, used_at, origin"


@dataclass(frozen=True, slots=True)
class Passkey:
    """One passkey. `credential_id`, `public_key` (COSE), `wrapped`: b64u. Times in ms; `used_at` None: never.
    `origin`: of the page on which it was made; "" if that is not known."""

    credential_id: str
    user_id: str
    public_key: str
    sign_count: int
    name: str
    wrapped: str
    created_at: int
    used_at: int | None
    origin: str


def insert_passkey(
    connection: Connection,
    *,
    credential_id: str,
    user_id: str,
    public_key: str,
    sign_count: int,
    name: str,
    wrapped: str,
    origin: str,
) -> bool:
    """Store a passkey. False if the user has MOST. Raises Conflict if anyone has it."""
    row = fetch_one(
        connection,
        """INSERT INTO passkeys (credential_id, user_id, public_key, sign_count, name, wrapped, created_at, origin)
           SELECT :credential_id, :user_id, :public_key, :sign_count, :name, :wrapped, :created_at, :origin
           WHERE (SELECT COUNT(*) FROM passkeys WHERE user_id = :user_id) < :most RETURNING credential_id""",
        credential_id=credential_id,
        user_id=user_id,
        public_key=public_key,
        sign_count=sign_count,
        name=name,
        wrapped=wrapped,
        created_at=now(),
        origin=origin,
        most=MOST,
    )
    return row is not None


def select_passkey(connection: Connection, *, credential_id: str) -> Passkey | None:
    """The passkey with this id."""
    row = fetch_one(
        connection,
        f"SELECT {COLUMNS} FROM passkeys WHERE credential_id = :credential_id",
        credential_id=credential_id,
    )
    return None if row is None else Passkey(**dict(row))


def select_passkeys(connection: Connection, *, user_id: str) -> list[Passkey]:
    """The user's passkeys, oldest first."""
    rows = fetch_all(
        connection,
        f"SELECT {COLUMNS} FROM passkeys WHERE user_id = :user_id ORDER BY created_at, credential_id",
        user_id=user_id,
    )
    return [Passkey(**dict(row)) for row in rows]


def rename_passkey(connection: Connection, *, credential_id: str, user_id: str, name: str) -> bool:
    """False if the user has no such passkey."""
    row = fetch_one(
        connection,
        """UPDATE passkeys SET name = :name WHERE credential_id = :credential_id AND user_id = :user_id
           RETURNING credential_id""",
        credential_id=credential_id,
        user_id=user_id,
        name=name,
    )
    return row is not None


def delete_passkey(connection: Connection, *, credential_id: str, user_id: str) -> bool:
    """False if the user has no such passkey."""
    row = fetch_one(
        connection,
        "DELETE FROM passkeys WHERE credential_id = :credential_id AND user_id = :user_id RETURNING credential_id",
        credential_id=credential_id,
        user_id=user_id,
    )
    return row is not None


def delete_passkeys(connection: Connection, *, user_id: str) -> None:
    """Delete all of this user's: what they wrap no longer opens anything."""
    fetch_all(connection, "DELETE FROM passkeys WHERE user_id = :user_id", user_id=user_id)


def use_passkey(connection: Connection, *, credential_id: str, sign_count: int, known: int, origin: str) -> bool:
    """Record a use on a page of this origin. False if it was removed, or used since its count was `known`."""
    row = fetch_one(
        connection,
        """UPDATE passkeys SET sign_count = :sign_count, used_at = :moment, origin = :origin
           WHERE credential_id = :credential_id AND sign_count = :known RETURNING credential_id""",
        credential_id=credential_id,
        sign_count=sign_count,
        known=known,
        origin=origin,
        moment=now(),
    )
    return row is not None


def answer_challenge(connection: Connection, *, challenge_hash: str, expires_at: int) -> bool:
    """Record that this challenge was answered, and forget those that have expired. False if it was before."""
    fetch_all(connection, "DELETE FROM answered_challenges WHERE expires_at <= :moment", moment=now())
    row = fetch_one(
        connection,
        """INSERT INTO answered_challenges (challenge_hash, expires_at) VALUES (:challenge_hash, :expires_at)
           ON CONFLICT DO NOTHING RETURNING challenge_hash""",
        challenge_hash=challenge_hash,
        expires_at=expires_at,
    )
    return row is not None
