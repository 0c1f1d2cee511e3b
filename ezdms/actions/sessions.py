"""Sessions: start, find, end. Active ones are cached, so that not every request queries the database."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Sequence

from ezdms.actions.event import Event
from ezdms.db import Connection, Database, now
from ezdms.hub import Hub
from ezdms.models import second_step
from ezdms.models.second_step import Proof, Refusal
from ezdms.models.session import (
    Session,
    delete_other_sessions,
    delete_session,
    delete_sessions,
    insert_session,
    select_session,
    touch_session,
)
from ezdms.models.user import User
from ezdms.protocol.encoding import b64u_encode

MOST_REMEMBERED = 1024  # sessions of about 2 KiB
LONGEST = 1.0  # seconds until a change by another program takes effect

# Why a session ended, as told to its sockets (docs/http.md).
HERE = "logged_out"  # by itself
ELSEWHERE = "elsewhere"  # from another of the user's devices
HOST = "host"  # by the operator
PIN_CHANGED = "pin_changed"
DELETED = "deleted"  # the account
EXPIRED = "expired"


def random_id(size: int) -> str:
    """b64u of `size` random bytes."""
    return b64u_encode(secrets.token_bytes(size))


def hash_token(token: str) -> str:
    """The stored hash of a token: SHA-256, hex. The token has 256 random bits, so no slow hash is needed."""
    return hashlib.sha256(token.encode()).hexdigest()


class PinChanged(Exception):
    """The Login PIN was changed, or the account deleted, since it was checked."""


class CodeNeeded(Exception):
    """The account has a second step, and the device is not trusted."""


async def start(database: Database, user: User, *, browser: str, address: str, trusted: Sequence[str] = ()) -> str:
    """Start a session. Returns its token, which is not stored. Raises PinChanged, or CodeNeeded unless one of the
    token hashes `trusted` is of a trusted device."""
    token = random_id(32)
    await database.write(_start, trusted, **values_of(user, token, browser, address))
    return token


async def start_with_code(
    database: Database, user: User, proof: Proof, *, browser: str, address: str, trust: bool
) -> tuple[str, str] | Refusal:
    """Start a session with a code. Returns its token, and with `trust` another one that stands for a code the next
    time, else "". Raises PinChanged; then the code is not used up."""
    token, trust_token = random_id(32), random_id(32) if trust else ""
    trust_hash = hash_token(trust_token) if trust else ""
    values = values_of(user, token, browser, address)
    refused = await database.write(_start_with_code, proof, trust_hash, **values)
    return refused or (token, trust_token)


def values_of(user: User, token: str, browser: str, address: str) -> dict[str, str]:
    """The arguments of insert_session."""
    return {
        "session_id": random_id(16),
        "token_hash": hash_token(token),
        "user_id": user.user_id,
        "login_id": user.login_id,
        "browser": browser,
        "address": address,
    }


def _start(connection: Connection, /, trusted: Sequence[str], **values: str) -> None:
    user_id, session_id = values["user_id"], values["session_id"]
    if second_step.is_asked(connection, user_id=user_id, trusted=trusted):
        raise CodeNeeded
    if not insert_session(connection, **values):
        raise PinChanged
    second_step.note_session(connection, user_id=user_id, trusted=trusted, session_id=session_id)


def _start_with_code(connection: Connection, /, proof: Proof, trust_hash: str, **values: str) -> Refusal | None:
    user_id, session_id = values["user_id"], values["session_id"]
    refused = second_step.take_code(connection, proof, user_id=user_id)
    if refused is not None:
        return refused
    if not insert_session(connection, **values):
        raise PinChanged
    if trust_hash:
        second_step.insert_trusted_device(connection, token_hash=trust_hash, user_id=user_id, session_id=session_id)
    return None


async def end(database: Database, hub: Hub[Event], user_id: str, *, reason: str, only: str = "", but: str = "") -> int:
    """End this user's sessions: all, `only` that one, or all `but` that one. Returns how many. `reason`: as below.

    When this returns, their tokens are invalid, their sockets closed, and the write-ahead log has no trace of them.
    Their devices are not trusted any more, unless they logged out themselves.
    """
    count = await database.write(_end, user_id=user_id, only=only, but=but, distrusts=reason != HERE)
    if only:
        hub.end_session(user_id, only, reason)
    else:
        hub.end_sessions(user_id, but=but, reason=reason)
    if count:
        await database.forget()
    return count


def _end(connection: Connection, *, user_id: str, only: str, but: str, distrusts: bool) -> int:
    if only:
        count = int(delete_session(connection, session_id=only, user_id=user_id))
    elif but:
        count = delete_other_sessions(connection, session_id=but, user_id=user_id)
    else:
        count = delete_sessions(connection, user_id=user_id)
    if distrusts:
        second_step.distrust(connection, user_id=user_id, only=only, but=but)
    return count


async def cut_off(database: Database, hub: Hub[Event], user_id: str, *, reason: str, but: str = "") -> None:
    """Close the sockets and empty the log, after sessions were ended in another transaction."""
    hub.end_sessions(user_id, but=but, reason=reason)
    await database.forget()


class Sessions:
    """A cache of recently used sessions, by the hash of their token.

    It is cleared by every write except those marked db.keeps_sessions, so an ended session, or a changed name, PIN or
    vault, is never cached once its change is confirmed.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._revision = database.revision
        self._known: dict[str, tuple[Session, float]] = {}

    async def find(self, token_hash: str) -> Session | None:
        """The active session with this token, or None."""
        if self._revision != self._database.revision:
            self._known.clear()
            self._revision = self._database.revision
        session, since = self._known.get(token_hash, (None, 0.0))
        if session is None or time.monotonic() - since > LONGEST:
            session = await self._read(token_hash)
        return session if session is not None and session.expires_at > now() else None

    async def touch(
        self, token_hash: str, session: Session, *, browser: str, address: str, until: int | None = None
    ) -> None:
        """Note that the session is in use, and valid `until` then if that is given. Raises db.Unavailable."""
        await self._database.write_soon(
            touch_session, session_id=session.session_id, browser=browser, address=address, until=until
        )
        self._known.pop(token_hash, None)

    async def _read(self, token_hash: str) -> Session | None:
        revision = self._database.revision
        session = await self._database.read(select_session, token_hash=token_hash)
        self._known.pop(token_hash, None)
        if session is not None and revision == self._database.revision:  # otherwise it may have ended since it was read
            if len(self._known) >= MOST_REMEMBERED:
                self._known.pop(next(iter(self._known)))
            self._known[token_hash] = session, time.monotonic()
        return session

    def __len__(self) -> int:
        return len(self._known)
