"""Storage used by an account: a running byte count, updated in the same transaction as the data."""

from __future__ import annotations

from typing import NamedTuple

from ezdms.db import Connection, fetch_all, fetch_one


class Usage(NamedTuple):
    """Bytes stored for an account: both copies of its messages, its padded vault, and its files, as declared."""

    message_bytes: int
    vault_bytes: int
    file_bytes: int = 0


def insert_usage(connection: Connection, *, user_id: str) -> None:
    """Start at zero for a new account."""
    fetch_all(connection, "INSERT INTO usage (user_id) VALUES (:user_id)", user_id=user_id)


def select_usage(connection: Connection, *, user_id: str) -> Usage | None:
    """The usage of this account; None if there is no such account."""
    row = fetch_one(
        connection,
        "SELECT message_bytes, vault_bytes, file_bytes FROM usage WHERE user_id = :user_id",
        user_id=user_id,
    )
    return None if row is None else Usage(*row)


def take_room(connection: Connection, *, user_id: str, size: int, quota: int | None) -> bool:
    """Add `size` bytes of a message (less what it frees). False, without adding, if that would exceed the quota (None:
    off)."""
    changed = connection.execute(
        """UPDATE usage SET message_bytes = message_bytes + ?1
           WHERE user_id = ?2 AND (CAST(?3 AS BIGINT) IS NULL OR message_bytes + vault_bytes + ?1 <= ?3)""",
        (size, user_id, quota),
    )
    return changed.rowcount == 1


def give_back(connection: Connection, *, user_id: str, size: int) -> None:
    """Subtract emptied bytes of this account's messages. A deleted account counts nothing any more."""
    fetch_all(
        connection,
        """UPDATE usage SET message_bytes = message_bytes - :size WHERE user_id = :user_id
           AND EXISTS (SELECT 1 FROM users u WHERE u.user_id = :user_id AND u.left_at IS NULL)""",
        user_id=user_id,
        size=size,
    )


def take_room_for_file(connection: Connection, *, user_id: str, size: int, quota: int | None) -> bool:
    """Add `size` bytes of a file. False, without adding, if that would exceed the quota of files (None: off)."""
    taken = fetch_one(
        connection,
        """UPDATE usage SET file_bytes = file_bytes + :size
           WHERE user_id = :user_id AND (CAST(:quota AS BIGINT) IS NULL OR file_bytes + :size <= :quota)
           RETURNING user_id""",
        user_id=user_id,
        size=size,
        quota=quota,
    )
    return taken is not None


def give_back_files(connection: Connection, *, user_id: str, size: int) -> None:
    """Subtract a deleted file. A deleted account counts nothing any more."""
    fetch_all(
        connection,
        """UPDATE usage SET file_bytes = file_bytes - :size WHERE user_id = :user_id
           AND EXISTS (SELECT 1 FROM users u WHERE u.user_id = :user_id AND u.left_at IS NULL)""",
        user_id=user_id,
        size=size,
    )


def set_vault_size(connection: Connection, *, user_id: str, size: int) -> None:
    """Set the padded size of the account's vault. Vaults are accepted even above the quota."""
    fetch_all(connection, "UPDATE usage SET vault_bytes = :size WHERE user_id = :user_id", user_id=user_id, size=size)


def forget_usage(connection: Connection, *, user_id: str) -> None:
    """Reset the count of a deleted account: what remains of its messages belongs to others."""
    fetch_all(
        connection,
        "UPDATE usage SET message_bytes = 0, vault_bytes = 0, file_bytes = 0 WHERE user_id = :user_id",
        user_id=user_id,
    )
