"""The database in PostgreSQL."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Concatenate

import psycopg

from ezdms.store import schema
from ezdms.store.database import STALLED, Connection, Database, P, Query, T, Write
from ezdms.store.errors import Unavailable
from ezdms.store.postgresql.commit import KnownWrite, commit_together
from ezdms.store.postgresql.errors import sentence, told
from ezdms.store.postgresql.schema import make_ready
from ezdms.store.postgresql.session import BY_INDEX, Session, said, say, take_lead
from ezdms.store.schema import DatabaseError

READERS = 4
LEADS_FOR = 30_000  # ms; a process that is stopped for longer leads no more
PROBE = """SELECT pg_logical_emit_message(true, 'ezdms', '') WHERE current_setting('synchronous_standby_names') <> ''"""
AWAY = "PostgreSQL cannot be reached, or does not respond."


async def open_postgresql(address: str) -> Database:
    """Open the database at this address, and migrate it to the newest schema. Raises DatabaseError."""
    migrating = Session(address, reads_only=False, statement_timeout=0, idle_in_transaction_session_timeout=0)
    try:
        await migrating.run(make_ready, migrating, schema.migrations(), schema.additions())
    except psycopg.Error as error:
        raise DatabaseError(f"Cannot use the PostgreSQL database. {sentence(error)}") from None
    finally:
        await migrating.close()
    writer = Session(address, reads_only=False, **BY_INDEX)
    readers = [Session(address, reads_only=True, **BY_INDEX) for _ in range(READERS)]
    leader = Session(address, reads_only=True, idle_session_timeout=LEADS_FOR)
    return PostgreSQL(writer, readers, leader, Health())


class Health:
    """How long the writer takes, and whether its last batch failed."""

    def __init__(self) -> None:
        self._began: float | None = None
        self.is_away = False

    @property
    def fault(self) -> str:
        """What is wrong, for the operator; "" if nothing is."""
        return AWAY if self.is_stuck(STALLED) else ""

    def begin(self) -> float:
        """The writer begins a batch. Returns the time, by a monotonic clock."""
        self._began = time.monotonic()
        return self._began

    def end(self) -> None:
        """It has finished."""
        self._began = None

    def is_stuck(self, seconds: float) -> bool:
        """True if the writer has been at one batch for longer than this, or could not store the last one."""
        return self.is_away or (self._began is not None and time.monotonic() - self._began > seconds)


def _probe(connection: Connection) -> None:
    """A write that changes nothing; with a synchronous standby, one whose COMMIT waits for it like any other."""
    connection.execute(PROBE)


_probe.keeps_sessions = True  # type: ignore[attr-defined]


class PostgreSQL(Database):
    """One writer with group commit, and readers; other processes have theirs."""

    probe = staticmethod(_probe)
    held = AWAY

    def __init__(self, writer: Session, readers: list[Session], leader: Session, health: Health) -> None:
        super().__init__(health)
        self._server = health
        self._writer = writer
        self._readers = readers
        self._leader = leader
        self._turn = 0

    async def _disconnect(self) -> None:
        for session in [*self._readers, self._leader, self._writer]:
            await session.close()

    async def read(self, query: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `query(connection, …)` on a connection that cannot write. Raises Unavailable if PostgreSQL cannot be
        reached."""
        self._turn = (self._turn + 1) % len(self._readers)
        session = self._readers[self._turn]

        def act() -> T:
            try:
                return query(session.connection(), *args, **kwargs)
            except psycopg.Error:
                if not session.is_lost():
                    raise
                return query(session.connection(), *args, **kwargs)  # PostgreSQL was restarted, for example

        try:
            return await session.run(act)
        except psycopg.Error as error:
            raise told(error) from error

    def submit(self, query: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> Any:
        """Like write(), without waiting: returns a future of the result. Raises Busy."""
        done = super().submit(query, *args, **kwargs)
        last = self._waiting[-1]
        self._waiting[-1] = KnownWrite(last.run, done, last.keeps_sessions, query=query, args=args, kwargs=kwargs)
        return done

    async def leads(self) -> bool:
        """True if this process does what one does for all. It does until it ends or loses PostgreSQL; then another."""
        try:
            return await self._ask_leader(take_lead)
        except Unavailable:
            return False

    async def say(self, words: str) -> None:
        """Name a connection after it: nothing is written."""
        await self._ask_leader(say, words)

    async def said(self) -> list[str]:
        """What connections are named after, if they were used a moment ago."""
        return await self._ask_leader(said)

    async def _ask_leader(self, act: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await self._leader.run(act, self._leader, *args, **kwargs)
        except psycopg.Error as error:
            raise Unavailable(sentence(error)) from error

    async def forget(self) -> None:
        """Nothing: PostgreSQL cannot overwrite what was deleted (docs/threat-model.md)."""

    async def _commit(self, writes: list[Write]) -> list[Any]:
        known = [write for write in writes if isinstance(write, KnownWrite)]
        outcomes = await self._writer.run(commit_together, self._writer, known)
        self._server.is_away = isinstance(outcomes[-1], Unavailable)
        return outcomes
