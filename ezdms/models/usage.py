"""How much an account stores: a running count of bytes, changed in the transaction of whatever changes it."""

from __future__ import annotations

from typing import NamedTuple

from ezdms.db import Connection, fetch_all, fetch_one


class Usage(NamedTuple):
    """Bytes that are stored in an account's name: both copies of its messages, and its vault as padded."""

    message_bytes: int
    vault_bytes: int


def insert_usage(connection: Connection, *, user_id: str) -> None:
    """A new account stores nothing."""
    fetch_all(connection, "INSERT INTO usage (user_id) VALUES (:user_id)", user_id=user_id)


def select_usage(connection: Connection, *, user_id: str) -> Usage | None:
    """What this account stores; None if there is no such account."""
    row = fetch_one(
        connection, "SELECT message_bytes, vault_bytes FROM usage WHERE user_id = :user_id", user_id=user_id
    )
    return None if row is None else Usage(*row)


def take_room(connection: Connection, *, user_id: str, size: int, quota: int | None) -> bool:
    """Count `size` bytes of a message; False, and nothing is counted, if that is more than the quota (None: off)."""
    changed = connection.execute(
        """UPDATE usage SET message_bytes = message_bytes + ?1
           WHERE user_id = ?2 AND (?3 IS NULL OR message_bytes + vault_bytes + ?1 <= ?3)""",
        (size, user_id, quota),
    )
    return changed.rowcount == 1


def give_back(connection: Connection, *, user_id: str, size: int) -> None:
    """So many bytes of this account's messages were emptied."""
    fetch_all(
        connection,
        "UPDATE usage SET message_bytes = message_bytes - :size WHERE user_id = :user_id",
        user_id=user_id,
        size=size,
    )


def set_vault_size(connection: Connection, *, user_id: str, size: int) -> None:
    """The account's vault has this padded size. It is taken whatever the quota says."""
    fetch_all(connection, "UPDATE usage SET vault_bytes = :size WHERE user_id = :user_id", user_id=user_id, size=size)


def forget_usage(connection: Connection, *, user_id: str) -> None:
    """The account is deleted: what is left of its messages belongs to others."""
    fetch_all(
        connection, "UPDATE usage SET message_bytes = 0, vault_bytes = 0 WHERE user_id = :user_id", user_id=user_id
    )
