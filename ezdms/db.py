"""The database: open, migrate, read, write. The only module that knows the SQL engine."""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from ezdms import logs
from ezdms.store import integrity, wal
from ezdms.store.commit import commit_together, told
from ezdms.store.errors import Busy as Busy
from ezdms.store.errors import Conflict as Conflict
from ezdms.store.errors import Unavailable as Unavailable
from ezdms.store.health import HELD, STALLED, Health
from ezdms.store.schema import DatabaseError, migrate
from ezdms.store.thread import Query, Thread, connect, forbid_writing
from ezdms.store.timing import Commits

P = ParamSpec("P")
T = TypeVar("T")
Connection = sqlite3.Connection
Row = sqlite3.Row

LONG_LOG = 50  # writes (some 500 pages) after which a quiet moment is used to write the log back, in a few ms
QUIET = 0.002  # seconds without a write, while the event loop is responsive
WRITERS_CACHE = 8000  # KiB, four times SQLite's default: room for the pages that a batch changes
READERS = 2
LARGEST_BATCH = 256  # writes that share one COMMIT
MOST_WAITING = 1024  # writes; more are refused at once, to limit memory
SOON = 1.0  # seconds that a reader waits for what is written on the side
FORGET_WITHIN = 5.0  # seconds that a caller of forget() waits; retries continue after that
FORGET_AGAIN = 0.2  # seconds


def keeps_sessions(query: Query[P, T]) -> Query[P, T]:
    """Mark a query that changes no accounts, sessions, PINs or vaults, so that cached sessions stay valid."""
    query.keeps_sessions = True  # type: ignore[attr-defined]
    return query


def now() -> int:
    """Milliseconds since 1970, UTC: the unit of every stored time."""
    return time.time_ns() // 1_000_000


def fetch_all(connection: Connection, sql: str, **values: Any) -> list[Row]:
    """All rows of the result."""
    return connection.execute(sql, values).fetchall()


def fetch_one(connection: Connection, sql: str, **values: Any) -> Row | None:
    """The first row of the result, or None."""
    rows = fetch_all(connection, sql, **values)
    return rows[0] if rows else None


@dataclass(slots=True)
class _Write:
    run: Callable[[Connection], Any]
    done: asyncio.Future[Any]
    keeps_sessions: bool = True


def _nothing(connection: Connection) -> None:
    """A queue entry that requests emptying the write-ahead log."""


@keeps_sessions
def _probe(connection: Connection) -> None:
    """A write that changes nothing, and costs no access to the disk. Fails if another program holds the database."""


class Database:
    """One writer with group commit, and readers that never wait for it (WAL).

    Only the writer writes and checkpoints: SQLite before 3.51.3 can lose pages when two connections do so at once.
    `revision` is incremented by every write, before its caller returns, except by those marked keeps_sessions.
    """

    def __init__(self, writer: Thread, readers: list[Thread], health: Health) -> None:
        self._loop = asyncio.get_running_loop()  # looking it up costs a system call in Python 3.11
        self._writer = writer
        self._readers = readers
        self._health = health
        self._turn = 0
        self.revision = 0
        self._waiting: deque[_Write] = deque()
        self._news: asyncio.Future[None] | None = None  # the writer waits for it
        self._is_closing = False
        self._to_forget: list[_Write] = []
        self._probe: asyncio.Future[None] | None = None
        self._cannot_store = logs.Seldom("cannot store")
        self.commits = Commits()
        self._in_log = 0  # writes since the last checkpoint
        self._task = asyncio.create_task(self._write_forever())

    @classmethod
    async def open(cls, path: Path) -> Database:
        """Open or create the database at `path` (mode 0600) and migrate it to the newest schema.

        Raises DatabaseError, or OSError if the file cannot be created.
        """
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        connections: list[Thread] = []
        try:
            connections.append(await connect(path))
            await connections[0].run(_make_ready, path)
            for _ in range(READERS):
                connections.append(await connect(path))
                await connections[-1].run(forbid_writing)
        except BaseException as error:
            for connection in connections:  # otherwise their threads would keep the process alive
                await connection.close()
            if isinstance(error, sqlite3.Error):
                raise DatabaseError(f"Cannot use the database {path}: {error}.{integrity.advice(error)}") from error
            raise
        return cls(connections[0], connections[1:], Health(path))

    async def close(self) -> None:
        """Finish pending writes, then close every connection."""
        self._is_closing = True
        self._wake()
        await asyncio.gather(self._task, return_exceptions=True)
        for connection in [*self._readers, self._writer]:
            await connection.close()

    async def read(self, query: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `query(connection, …)` on a connection that cannot write. Raises Unavailable if the disk fails, or what
        it reads is damaged."""
        self._turn = (self._turn + 1) % len(self._readers)
        try:
            return await self._readers[self._turn].run(query, *args, **kwargs)
        except sqlite3.Error as error:
            self._health.note(error)
            raise told(error) from error

    async def write(self, query: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `query(connection, …)` in a transaction. Returns once it is durable, or raises what it raised.

        The writer's own task does the work, so a canceled caller leaves no open transaction, but its write may still be
        stored. Raises Busy if too many are waiting, Unavailable if the disk is full or fails, another program holds the
        database, or its file is no longer there.
        """
        return await self.submit(query, *args, **kwargs)

    async def write_soon(self, query: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Like write(), for what may be left out: raises Unavailable if it takes longer than SOON, although it may
        still be stored. Does not wait if others already have."""
        writing = self.submit(query, *args, **kwargs)
        await asyncio.wait([writing], timeout=0 if self._health.is_stuck(SOON) else SOON)
        if not writing.done():
            writing.cancel()
            raise Unavailable("Other writes take too long.")
        return writing.result()

    def submit(self, query: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[T]:
        """Like write(), without waiting: returns a future of the result. Raises Busy."""
        if len(self._waiting) >= MOST_WAITING:
            raise Busy
        done: asyncio.Future[T] = self._loop.create_future()
        keeps_sessions = getattr(query, "keeps_sessions", False)
        self._waiting.append(_Write(lambda connection: query(connection, *args, **kwargs), done, keeps_sessions))
        self._wake()
        return done

    @property
    def waiting(self) -> int:
        """Writes that wait for a commit."""
        return len(self._waiting)

    async def examine(self) -> str:
        """Why nothing can be stored safely now, for the operator; "" if all is well. Tries to write, once for all who
        ask at the same time."""
        with suppress(Busy):
            if self._probe is None or self._probe.done():
                self._probe = self.submit(_probe)
            done, _ = await asyncio.wait([self._probe], timeout=STALLED)
            for probe in done:
                probe.exception()  # the fault says it better
            if not done:
                return self._health.fault or HELD  # the writer may have begun a moment after this wait
        return self._health.fault

    async def forget(self) -> None:
        """Empty the write-ahead log, so that deleted data is gone from the disk (secure_delete does the rest).

        Otherwise old pages stay in the log until they are overwritten. A reader in another process (a backup) blocks
        this: after FORGET_WITHIN this returns, and the writer keeps trying.
        """
        write = _Write(_nothing, self._loop.create_future())
        self._waiting.append(write)
        self._wake()
        with suppress(TimeoutError):
            async with asyncio.timeout(FORGET_WITHIN):
                await write.done

    def _wake(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    async def _write_forever(self) -> None:
        while self._waiting or not self._is_closing:
            if not self._waiting:
                await self._wait_for_news()
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), LARGEST_BATCH))]
            writes = [write for write in batch if write.run is not _nothing]
            if writes:
                began = self._health.begin()
                runs = [write.run for write in writes]
                self._tell(writes, await self._writer.run(commit_together, runs, self._health))
                self._health.end()
                self.commits.count(len(writes), time.monotonic() - began)
                self._in_log += len(writes)
            self._to_forget += [write for write in batch if write.run is _nothing]
            if self._to_forget:
                await self._forget_all()

    async def _wait_for_news(self) -> None:
        """Wait until there is something to do. Writes a long log back in a quiet moment, so that no write has to.

        A late event loop means that it is not quiet: others are about to write.
        """
        is_long = self._in_log >= LONG_LOG
        self._news = self._loop.create_future()
        patience = QUIET if is_long else FORGET_AGAIN if self._to_forget else None
        began = self._loop.time()
        await asyncio.wait([self._news], timeout=patience)
        is_late = self._loop.time() - began > 2 * QUIET
        if is_long and not is_late and not self._news.done():
            await self._writer.run(wal.write_back)
            self._in_log = 0

    def _tell(self, writes: list[_Write], outcomes: list[Any]) -> None:
        failed = [outcome for outcome in outcomes if isinstance(outcome, Unavailable)]
        if failed:
            self._cannot_store.event(logging.ERROR, len(failed), why=str(failed[0]))
        for write, outcome in zip(writes, outcomes, strict=True):
            self.revision += not write.keeps_sessions
            if write.done.cancelled():
                continue
            if isinstance(outcome, Exception):
                write.done.set_exception(outcome)
            else:
                write.done.set_result(outcome)

    async def _forget_all(self) -> None:
        """Run one checkpoint for all waiting callers of forget()."""
        if not await self._writer.run(wal.empty_log):
            return
        for write in self._to_forget:
            if not write.done.cancelled():
                write.done.set_result(None)
        self._to_forget.clear()


def _make_ready(connection: Connection, path: Path) -> None:
    integrity.check(connection, path)
    connection.execute(f"PRAGMA cache_size = -{WRITERS_CACHE}")
    wal.use(connection)
    migrate(connection)
