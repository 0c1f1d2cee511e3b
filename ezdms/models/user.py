"""A user: a name, public keys, and private keys that only their Login PIN can decrypt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from ezdms.db import Connection, fetch_all, fetch_one, lock_conversations, now
from ezdms.models.erasure import THEIRS, insert_erasure
from ezdms.models.file import drop_files_of
from ezdms.models.usage import forget_usage, insert_usage
from ezdms.protocol import envelope
from ezdms.protocol.encoding import EnvelopeError


@dataclass(frozen=True, slots=True)
class Locks:
    """What a Login PIN unlocks: the account (login_id, auth_hash) and the private keys wrapped under it (b64u)."""

    login_id: str
    auth_hash: str
    salt: str
    iterations: int
    wrapped_sig: str
    wrapped_enc: str


@dataclass(frozen=True, slots=True)
class User:
    """Binary values are b64u. `auth_hash` is werkzeug's scrypt of the auth_key. Nothing here can decrypt a message."""

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


@dataclass(frozen=True, slots=True)
class Listed:
    """A user as the operator sees them, without messages or contacts. Times in ms."""

    user_id: str
    username: str
    created_at: int
    used_at: int | None
    sessions: int


class Act(NamedTuple):
    """A signed request of an account's owner: `jws`, and what it must be for (docs/protocol.md, Acts)."""

    jws: str
    ik: bytes
    deployment_id: str
    act: str
    purpose: str


COLUMNS = """user_id, username, login_id, auth_hash, salt, iterations,
    wrapped_sig, wrapped_enc, statement, fingerprint, key_id"""


UNUSED = """(u.left_at IS NULL AND u.created_at < :before
    AND NOT EXISTS (SELECT 1 FROM sessions s WHERE s.user_id = u.user_id AND s.used_at >= :before)
    AND NOT EXISTS (SELECT 1 FROM participants p JOIN conversations c ON c.conversation_id = p.conversation_id
                    WHERE p.user_id = u.user_id AND c.last_seq > 0))"""


def insert_user(connection: Connection, user: User) -> None:
    """Add a user. Raises db.Conflict if the login_id or the identity key exists."""
    fetch_all(
        connection,
        f"""INSERT INTO users ({COLUMNS}, created_at)
            VALUES (:user_id, :username, :login_id, :auth_hash, :salt, :iterations,
                :wrapped_sig, :wrapped_enc, :statement, :fingerprint, :key_id, :created_at)""",
        **{name: getattr(user, name) for name in User.__slots__},
        created_at=now(),
    )
    insert_usage(connection, user_id=user.user_id)


def select_user_by_login_id(connection: Connection, *, login_id: str) -> User | None:
    """The user with this login_id, from a unique index."""
    row = fetch_one(
        connection,
        f"SELECT {COLUMNS} FROM users WHERE login_id = :login_id",
        login_id=login_id,
    )
    return None if row is None else User(**dict(row))


def select_user(connection: Connection, *, user_id: str) -> User | None:
    """The user with this id; None if the account was deleted."""
    row = fetch_one(
        connection, f"SELECT {COLUMNS} FROM users WHERE user_id = :user_id AND left_at IS NULL", user_id=user_id
    )
    return None if row is None else User(**dict(row))


def select_listed(connection: Connection) -> list[Listed]:
    """All users, oldest first. `used_at` is that of the most recently used active session."""
    rows = fetch_all(
        connection,
        """SELECT u.user_id, u.username, u.created_at, MAX(s.used_at) AS used_at, COUNT(s.session_id) AS sessions
           FROM users u LEFT JOIN sessions s ON s.user_id = u.user_id AND s.expires_at > :moment
           WHERE u.left_at IS NULL GROUP BY u.user_id ORDER BY u.created_at, u.user_id""",
        moment=now(),
    )
    return [Listed(**dict(row)) for row in rows]


def select_user_by_search_pin(connection: Connection, *, search_pin: str) -> tuple[User, str, int] | None:
    """The owner of this Search PIN (shown form), the PIN's salt, and when it was made (ms)."""
    row = fetch_one(
        connection,
        f"""SELECT {COLUMNS}, pin_salt, pin_created_at FROM users
            JOIN (SELECT user_id AS pin_user, salt AS pin_salt, created_at AS pin_created_at FROM search_pins
                  WHERE search_pin = :search_pin) AS pin
              ON pin_user = user_id""",
        search_pin=search_pin,
    )
    if row is None:
        return None
    columns = dict(row)
    pin_salt, pin_created_at = str(columns.pop("pin_salt")), int(columns.pop("pin_created_at"))
    return User(**columns), pin_salt, pin_created_at


def replace_locks(connection: Connection, locks: Locks, *, user_id: str, login_id: str) -> bool:
    """Change the Login PIN. False if `login_id` is no longer the user's. Raises db.Conflict if the new one is taken."""
    row = fetch_one(
        connection,
        """UPDATE users SET login_id = :new_login_id, auth_hash = :auth_hash, salt = :salt, iterations = :iterations,
               wrapped_sig = :wrapped_sig, wrapped_enc = :wrapped_enc
           WHERE user_id = :user_id AND login_id = :login_id RETURNING user_id""",
        user_id=user_id,
        login_id=login_id,
        new_login_id=locks.login_id,
        **{name: getattr(locks, name) for name in Locks.__slots__ if name != "login_id"},
    )
    return row is not None


def take_act(connection: Connection, act: Act, *, user_id: str) -> None:
    """Check an act and store its time, in the transaction of what it authorizes, so that no act can be used twice.

    Raises envelope.ClockError or encoding.EnvelopeError.
    """
    row = fetch_one(
        connection, "SELECT acted_at FROM users WHERE user_id = :user_id AND left_at IS NULL", user_id=user_id
    )
    if row is None:
        raise EnvelopeError("Expected an act by someone who has an account.")
    acted_at = envelope.check_act(**act._asdict(), now=now(), last_ts=row["acted_at"])
    fetch_all(
        connection, "UPDATE users SET acted_at = :acted_at WHERE user_id = :user_id", user_id=user_id, acted_at=acted_at
    )


def select_slice(connection: Connection, *, after: str, before: int, limit: int) -> list[tuple[str, bool]]:
    """The next `limit` user ids after `after`, each with whether the account is unused (see is_unused)."""
    rows = fetch_all(
        connection,
        f"""SELECT u.user_id, {UNUSED} AS is_unused FROM users u
            WHERE u.user_id > :after ORDER BY u.user_id LIMIT :limit""",
        after=after,
        before=before,
        limit=limit,
    )
    return [(row["user_id"], bool(row["is_unused"])) for row in rows]


def is_unused(connection: Connection, *, user_id: str, before: int) -> bool:
    """True if the account was created before this time, has no messages in its conversations, and no recent session."""
    row = fetch_one(
        connection,
        f"SELECT {UNUSED} AS is_unused FROM users u WHERE user_id = :user_id",
        user_id=user_id,
        before=before,
    )
    return row is not None and bool(row["is_unused"])


def delete_user(connection: Connection, *, user_id: str) -> None:
    """Delete an account's name, keys, sessions, PINs and vault, give up its files, and begin the erasure of its copies
    of messages."""
    lock_conversations(connection, THEIRS, user_id=user_id)  # what is sent to them now is there before, or refused
    for table in (
        *("sessions", "search_pins", "vaults", "second_steps", "recovery_codes", "trusted_devices", "passkeys"),
        "clearings",
    ):
        fetch_all(connection, f"DELETE FROM {table} WHERE user_id = :user_id", user_id=user_id)
    fetch_all(
        connection,
        """UPDATE users SET username = '', login_id = user_id, auth_hash = '', salt = '', wrapped_sig = '',
               wrapped_enc = '', statement = '', fingerprint = user_id, key_id = '', acted_at = 0,
               left_at = :moment
           WHERE user_id = :user_id""",
        user_id=user_id,
        moment=now(),
    )
    forget_usage(connection, user_id=user_id)
    drop_files_of(connection, user_id=user_id)
    insert_erasure(connection, user_id=user_id)
