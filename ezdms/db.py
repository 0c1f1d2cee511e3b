"""The database: open, migrate, read, write. The only module that knows which SQL engine stands below."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

import aiosqlite

from ezdms.store import integrity
from ezdms.store.schema import DatabaseError, migrate

P = ParamSpec("P")
T = TypeVar("T")
Connection = sqlite3.Connection
Row = sqlite3.Row
Query = Callable[Concatenate[Connection, P], T]

BUSY_TIMEOUT = 10_000  # ms
LARGEST_LOG = 8000  # pages (32 MB) of the write-ahead log, then a COMMIT writes them back: 40 ms and more
LONG_LOG = 50  # writes (some 500 pages) that are written back in a few milliseconds, once nobody has written for
QUIET = 0.002  # seconds, and the event loop has had time to notice
WRITERS_CACHE = 8000  # KiB, four times SQLite's own: pages that a batch has changed have room in it
READERS = 2
LARGEST_BATCH = 256  # writes that share one COMMIT
MOST_WAITING = 1024  # writes; the next is refused at once, so that a storm takes no memory without end
FORGET_WITHIN = 5.0  # seconds that a caller of forget() waits; it is tried on afterwards
FORGET_AGAIN = 0.2  # seconds

PRAGMAS = f"""
PRAGMA busy_timeout = {BUSY_TIMEOUT};
PRAGMA synchronous = FULL;
PRAGMA wal_autocheckpoint = {LARGEST_LOG};
PRAGMA foreign_keys = ON;
PRAGMA secure_delete = ON;
"""


# A UNIQUE, CHECK or FOREIGN KEY that a write would have broken.
Conflict = sqlite3.IntegrityError


class Unavailable(Exception):
    """Nothing can be stored at present: the disk is full or fails. The write left nothing, and may be repeated."""


class Busy(Unavailable):
    """MOST_WAITING writes wait already. This one was not taken, and may be repeated in a second."""


def keeps_sessions(query: Query[P, T]) -> Query[P, T]:
    """Mark a query that changes nothing of accounts, sessions, PINs and vaults: what is remembered of them stays."""
    query.keeps_sessions = True  # type: ignore[attr-defined]
    return query


def now() -> int:
    """Milliseconds since 1970, UTC: the unit of every stored time."""
    return time.time_ns() // 1_000_000


def fetch_all(connection: Connection, sql: str, **values: Any) -> list[Row]:
    """Every row that the statement gives."""
    return connection.execute(sql, values).fetchall()


def fetch_one(connection: Connection, sql: str, **values: Any) -> Row | None:
    """The first row that the statement gives, or None."""
    rows = fetch_all(connection, sql, **values)
    return rows[0] if rows else None


class _Thread(aiosqlite.Connection):
    """A connection whose thread runs a whole query, or a whole batch of writes, at one go.

    Each call of aiosqlite's own methods goes to the thread and back, which costs more than most statements.
    """

    async def run(self, query: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """`query(connection, …)` on the connection's thread."""
        return cast(T, await self._execute(lambda: query(self._conn, *args, **kwargs)))  # type: ignore[no-untyped-call]


@dataclass(slots=True)
class _Write:
    run: Callable[[Connection], Any]
    done: asyncio.Future[Any]
    keeps_sessions: bool = True


def _nothing(connection: Connection) -> None:
    """Stands in the queue for a wish to empty the write-ahead log."""


class Database:
    """One writer whose waiting callers share a COMMIT, and readers that never wait for it (WAL).

    The writer alone writes and checkpoints: SQLite before 3.51.3 can lose pages when two connections do so at once.
    `revision` rises with every write, before its caller is told, but for those marked keeps_sessions.
    """

    def __init__(self, writer: _Thread, readers: list[_Thread]) -> None:
        self._loop = asyncio.get_running_loop()  # to ask for it costs a system call in Python 3.11
        self._writer = writer
        self._readers = readers
        self._turn = 0
        self.revision = 0
        self._waiting: deque[_Write] = deque()
        self._news: asyncio.Future[None] | None = None  # the writer waits for it
        self._is_closing = False
        self._to_forget: list[_Write] = []
        self._in_log = 0  # writes since the log was written back
        self._task = asyncio.create_task(self._write_forever())

    @classmethod
    async def open(cls, path: Path) -> Database:
        """Open or create the database at `path` (mode 0600) and bring it to the newest schema.

        Raises DatabaseError, or OSError if the file cannot be made.
        """
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        connections: list[_Thread] = []
        try:
            connections.append(await _connect(path))
            await connections[0].run(_make_ready, path)
            for _ in range(READERS):
                connections.append(await _connect(path))
                await connections[-1].run(_forbid_writing)
        except BaseException as error:
            for connection in connections:  # or their threads would keep the process alive
                await connection.close()
            if isinstance(error, sqlite3.Error):
                raise DatabaseError(f"Cannot use the database {path}: {error}.{integrity.advice(error)}") from error
            raise
        return cls(connections[0], connections[1:])

    async def close(self) -> None:
        """Finish the writes that wait, then close every connection."""
        self._is_closing = True
        self._wake()
        await asyncio.gather(self._task, return_exceptions=True)
        for connection in [*self._readers, self._writer]:
            await connection.close()

    async def read(self, query: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `query(connection, …)` on a connection that cannot write."""
        self._turn = (self._turn + 1) % len(self._readers)
        return await self._readers[self._turn].run(query, *args, **kwargs)

    async def write(self, query: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `query(connection, …)` in a transaction; return once it is durable, or raise what it raised.

        The work is done by the writer's own task, so a caller that is cancelled leaves no open transaction behind;
        its write may be stored all the same. Raises Busy if too many wait, Unavailable if the disk is full or fails.
        """
        return await self.submit(query, *args, **kwargs)

    def submit(self, query: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[T]:
        """The same for who does not wait: what it will return or raise. Raises Busy."""
        if len(self._waiting) >= MOST_WAITING:
            raise Busy
        done: asyncio.Future[T] = self._loop.create_future()
        keeps_sessions = getattr(query, "keeps_sessions", False)
        self._waiting.append(_Write(lambda connection: query(connection, *args, **kwargs), done, keeps_sessions))
        self._wake()
        return done

    async def forget(self) -> None:
        """Empty the write-ahead log, so that what was deleted is on the disk no more (secure_delete does the rest).

        Old pages would otherwise stay in the log until it is written over. A reader in another process (a backup) is
        in the way: after FORGET_WITHIN this returns, and the writer goes on trying.
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
                self._tell(writes, await self._writer.run(_commit_together, [write.run for write in writes]))
                self._in_log += len(writes)
            self._to_forget += [write for write in batch if write.run is _nothing]
            if self._to_forget:
                await self._forget_all()

    async def _wait_for_news(self) -> None:
        """Until there is something to do. A quiet moment is used to write a long log back, so that no write has to.

        It is not quiet if the event loop comes late: it is busy with those who are about to write.
        """
        is_long = self._in_log >= LONG_LOG
        self._news = self._loop.create_future()
        patience = QUIET if is_long else FORGET_AGAIN if self._to_forget else None
        began = self._loop.time()
        await asyncio.wait([self._news], timeout=patience)
        is_late = self._loop.time() - began > 2 * QUIET
        if is_long and not is_late and not self._news.done():
            await self._writer.run(_write_back)
            self._in_log = 0

    def _tell(self, writes: list[_Write], outcomes: list[Any]) -> None:
        for write, outcome in zip(writes, outcomes, strict=True):
            self.revision += not write.keeps_sessions
            if write.done.cancelled():
                continue
            if isinstance(outcome, Exception):
                write.done.set_exception(outcome)
            else:
                write.done.set_result(outcome)

    async def _forget_all(self) -> None:
        """One checkpoint for all who wait for it."""
        if not await self._writer.run(_empty_log):
            return
        for write in self._to_forget:
            if not write.done.cancelled():
                write.done.set_result(None)
        self._to_forget.clear()


def _commit_together(connection: Connection, writes: list[Callable[[Connection], Any]]) -> list[Any]:
    """Group commit: one COMMIT for all; one that fails spoils no other.

    Returns what each returned or raised; if nothing could be stored, what each is to be told.
    """
    try:
        try:
            return _transact(connection, writes)
        except Exception as error:
            if integrity.is_out_of_reach(error):
                raise
            return _transact(connection, [partial(_keep_or_leave, write) for write in writes])
    except Exception as error:  # nothing of this batch is stored: each caller is told
        return [_told(error)] * len(writes)


def _transact(connection: Connection, writes: list[Callable[[Connection], Any]]) -> list[Any]:
    """All of it or nothing."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        outcomes = [write(connection) for write in writes]
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        raise
    return outcomes


def _keep_or_leave(write: Callable[[Connection], Any], connection: Connection) -> Any:
    """What the write returned, or what it raised, and then nothing of it is left."""
    connection.execute("SAVEPOINT caller")
    try:
        outcome = write(connection)
    except Exception as error:  # handed to the caller
        if integrity.is_out_of_reach(error):  # SQLite may have rolled all of it back by itself
            raise
        connection.execute("ROLLBACK TO caller")
        outcome = error
    connection.execute("RELEASE caller")
    return outcome


def _told(error: Exception) -> Exception:
    """What the callers of a batch that failed are told: a failing disk under its own name."""
    if not integrity.is_out_of_reach(error):
        return error
    unavailable = Unavailable(str(error))
    unavailable.__cause__ = error
    return unavailable


def _write_back(connection: Connection) -> None:
    """Into the database what readers elsewhere do not still need in the log. Waits for nobody."""
    with suppress(sqlite3.Error):  # the disk is full or fails: the log keeps it
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


def _empty_log(connection: Connection) -> bool:
    """True if the log is empty now. Waits for no reader elsewhere, as every write would wait for it."""
    is_busy = True
    connection.execute("PRAGMA busy_timeout = 0")
    with suppress(sqlite3.Error):  # the disk is full or fails
        is_busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT}")
    return not is_busy


async def _connect(path: Path) -> _Thread:
    thread = _Thread(partial(sqlite3.connect, path, isolation_level=None), iter_chunk_size=64)
    await thread
    try:
        await thread.run(_set_up)
    except BaseException:
        await thread.close()
        raise
    return thread


def _set_up(connection: Connection) -> None:
    connection.row_factory = Row
    connection.executescript(PRAGMAS)


def _forbid_writing(connection: Connection) -> None:
    connection.execute("PRAGMA query_only = ON")


def _make_ready(connection: Connection, path: Path) -> None:
    integrity.check(connection, path)
    connection.execute(f"PRAGMA cache_size = -{WRITERS_CACHE}")
    _use_write_ahead_log(connection)
    migrate(connection)


def _use_write_ahead_log(connection: Connection) -> None:
    """On a new file this statement ignores busy_timeout, so several processes that start at once must retry."""
    for attempt in range(100):
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchall()
        except sqlite3.OperationalError:
            if attempt == 99:
                raise
            time.sleep(0.05)
        else:
            return
