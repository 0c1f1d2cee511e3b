"""A user: a name, public keys, and private keys that only their Login PIN opens."""

from __future__ import annotations

from dataclasses import dataclass

from ezdms.db import Connection, fetch_all, fetch_one, now


@dataclass(frozen=True, slots=True)
class User:
    """Binary values are b64u. `auth_hash` is werkzeug's scrypt of the auth_key; nothing here opens a message."""

    user_id: str
    username: str
    login_id: str
    auth_hash: str
    salt: str
    iterations: int
    wrapped_sig: str
    wrapped_enc: str
    statement: str
    fingerprint: str
    key_id: str


COLUMNS = """user_id, username, login_id, auth_hash, salt, iterations,
    wrapped_sig, wrapped_enc, statement, fingerprint, key_id"""


async def insert_user(connection: Connection, user: User) -> None:
    """Raises db.Conflict if the login_id or the identity key is known already."""
    await fetch_all(
        connection,
        f"""INSERT INTO users ({COLUMNS}, created_at)
            VALUES (:user_id, :username, :login_id, :auth_hash, :salt, :iterations,
                :wrapped_sig, :wrapped_enc, :statement, :fingerprint, :key_id, :created_at)""",
        **{name: getattr(user, name) for name in User.__slots__},
        created_at=now(),
    )


async def select_user_by_login_id(connection: Connection, *, login_id: str) -> User | None:
    """One look-up in a unique index, however many users there are."""
    row = await fetch_one(
        connection,
        f"SELECT {COLUMNS} FROM users WHERE login_id = :login_id",
        login_id=login_id,
    )
    return None if row is None else User(**dict(row))


async def select_user_by_search_pin(connection: Connection, *, search_pin: str) -> tuple[User, str] | None:
    """The user whom this Search PIN (shown form) finds, and the PIN's salt."""
    row = await fetch_one(
        connection,
        f"""SELECT {COLUMNS}, pin_salt FROM users
            JOIN (SELECT user_id AS pin_user, salt AS pin_salt FROM search_pins WHERE search_pin = :search_pin)
              ON pin_user = user_id""",
        search_pin=search_pin,
    )
    if row is None:
        return None
    columns = dict(row)
    pin_salt = str(columns.pop("pin_salt"))
    return User(**columns), pin_salt
