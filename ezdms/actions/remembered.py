"""Living sessions, remembered so that not every request asks the database. What ends one is known at once."""

from __future__ import annotations

import time

from ezdms.db import Database, now
from ezdms.models.session import Session, select_session, touch_session

MOST_REMEMBERED = 1024  # sessions of about 2 KiB
LONGEST = 1.0  # seconds: whoever edits the database with another program need not wait for longer


class Sessions:
    """The sessions that asked lately, by the hash of their token.

    All are forgotten with the next write of any kind but those marked db.keeps_sessions: a session that was ended,
    or a name, PIN or vault that was changed, is never remembered for longer than its change takes to be answered.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._revision = database.revision
        self._known: dict[str, tuple[Session, float]] = {}

    async def find(self, token_hash: str) -> Session | None:
        """The living session of this token, or None."""
        if self._revision != self._database.revision:
            self._known.clear()
            self._revision = self._database.revision
        session, since = self._known.get(token_hash, (None, 0.0))
        if session is None or time.monotonic() - since > LONGEST:
            session = await self._read(token_hash)
        return session if session is not None and session.expires_at > now() else None

    async def touch(self, token_hash: str, session: Session, *, browser: str, address: str) -> None:
        """Note that the session is in use. Raises db.Unavailable."""
        await self._database.write(touch_session, session_id=session.session_id, browser=browser, address=address)
        self._known.pop(token_hash, None)

    async def _read(self, token_hash: str) -> Session | None:
        revision = self._database.revision
        session = await self._database.read(select_session, token_hash=token_hash)
        self._known.pop(token_hash, None)
        if session is not None and revision == self._database.revision:  # or it was read before it ended
            if len(self._known) >= MOST_REMEMBERED:
                self._known.pop(next(iter(self._known)))
            self._known[token_hash] = session, time.monotonic()
        return session

    def __len__(self) -> int:
        return len(self._known)
