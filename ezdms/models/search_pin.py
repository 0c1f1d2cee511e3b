"""A Search PIN: a code that users share so that others can find, and at the same time verify, their identity key."""

from __future__ import annotations

from ezdms.db import Connection, fetch_all, fetch_one, now


def insert_search_pin(connection: Connection, *, search_pin: str, user_id: str, salt: str) -> None:
    """Store a Search PIN (shown form) and its `salt` (b64u of 16 bytes). Raises db.Conflict if it is taken.

    Does nothing if the account was deleted in the meantime.
    """
    fetch_all(
        connection,
        """INSERT INTO search_pins (search_pin, user_id, salt, created_at)
           SELECT :search_pin, user_id, :salt, :created_at FROM users
           WHERE user_id = :user_id AND left_at IS NULL""",
        search_pin=search_pin,
        user_id=user_id,
        salt=salt,
        created_at=now(),
    )


def replace_search_pin(connection: Connection, *, search_pin: str, user_id: str, salt: str) -> None:
    """Replace the user's Search PIN; the old one stops working."""
    fetch_all(connection, "DELETE FROM search_pins WHERE user_id = :user_id", user_id=user_id)
    insert_search_pin(connection, search_pin=search_pin, user_id=user_id, salt=salt)


def select_search_pin(connection: Connection, *, user_id: str) -> tuple[str, str]:
    """The user's newest Search PIN and its salt; both empty if there is none."""
    row = fetch_one(
        connection,
        "SELECT search_pin, salt FROM search_pins WHERE user_id = :user_id ORDER BY created_at DESC LIMIT 1",
        user_id=user_id,
    )
    return ("", "") if row is None else (str(row["search_pin"]), str(row["salt"]))
