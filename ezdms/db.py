"""The database: open, migrate, read, write. The only module that knows which SQL engine stands below."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import aiosqlite

from ezdms import damage
from ezdms.schema import DatabaseError, migrate

P = ParamSpec("P")
T = TypeVar("T")
Connection = aiosqlite.Connection
Row = sqlite3.Row
Query = Callable[Concatenate[Connection, P], Awaitable[T]]

BUSY_TIMEOUT = 10_000  # ms
READERS = 2
LARGEST_BATCH = 256  # writes that share one COMMIT
FORGET_WITHIN = 5.0  # seconds that a caller of forget() waits; it is tried on afterwards
FORGET_AGAIN = 0.2  # seconds

PRAGMAS = f"""
PRAGMA busy_timeout = {BUSY_TIMEOUT};
PRAGMA synchronous = FULL;
PRAGMA foreign_keys = ON;
PRAGMA secure_delete = ON;
"""


# A UNIQUE, CHECK or FOREIGN KEY that a write would have broken.
Conflict = sqlite3.IntegrityError


class Unavailable(Exception):
    """Nothing can be stored at present: the disk is full or fails. The write left nothing, and may be repeated."""


def now() -> int:
    """Milliseconds since 1970, UTC: the unit of every stored time."""
    return time.time_ns() // 1_000_000


async def fetch_all(connection: Connection, sql: str, **values: Any) -> list[Row]:
    """Every row that the statement gives, in one trip to the connection's thread."""
    return list(await connection.execute_fetchall(sql, values))


async def fetch_one(connection: Connection, sql: str, **values: Any) -> Row | None:
    """The first row that the statement gives, or None."""
    rows = await fetch_all(connection, sql, **values)
    return rows[0] if rows else None


@dataclass(slots=True)
class _Write:
    run: Callable[[Connection], Awaitable[Any]]
    done: asyncio.Future[Any]


async def _nothing(connection: Connection) -> None:
    """Stands in the queue for a wish to empty the write-ahead log."""


class Database:
    """One writer whose waiting callers share a COMMIT, and readers that never wait for it (WAL).

    The writer alone writes and checkpoints: SQLite before 3.51.3 can lose pages when two connections do so at once.
    """

    def __init__(self, writer: Connection, readers: list[Connection]) -> None:
        self._writer = writer
        self._readers = readers
        self._turn = 0
        self._waiting: asyncio.Queue[_Write] = asyncio.Queue()
        self._to_forget: list[_Write] = []
        self._task = asyncio.create_task(self._write_forever())

    @classmethod
    async def open(cls, path: Path) -> Database:
        """Open or create the database at `path` (mode 0600) and bring it to the newest schema.

        Raises DatabaseError, or OSError if the file cannot be made.
        """
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        connections: list[Connection] = []
        try:
            connections.append(await _connect(path))
            await damage.check(connections[0], path)
            await _use_write_ahead_log(connections[0])
            await migrate(connections[0])
            for _ in range(READERS):
                connections.append(await _connect(path))
                await connections[-1].execute_fetchall("PRAGMA query_only = ON")
        except BaseException as error:
            for connection in connections:  # or their threads would keep the process alive
                await connection.close()
            if isinstance(error, sqlite3.Error):
                raise DatabaseError(f"Cannot use the database {path}: {error}.{damage.advice(error)}") from error
            raise
        return cls(connections[0], connections[1:])

    async def close(self) -> None:
        """Finish the writes that wait, then close every connection."""
        await self._waiting.join()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        for connection in [*self._readers, self._writer]:
            await connection.close()

    async def read(self, query: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `query(connection, …)` on a connection that cannot write."""
        self._turn = (self._turn + 1) % len(self._readers)
        return await query(self._readers[self._turn], *args, **kwargs)

    async def write(self, query: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `query(connection, …)` in a transaction; return once it is durable, or raise what it raised.

        The work is done by the writer's own task, so a caller that is cancelled leaves no open transaction behind;
        its write may be stored all the same.
        """
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.put_nowait(_Write(lambda connection: query(connection, *args, **kwargs), done))
        return await done

    async def forget(self) -> None:
        """Empty the write-ahead log, so that what was deleted is on the disk no more (secure_delete does the rest).

        Old pages would otherwise stay in the log until it is written over. A reader in another process (a backup) is
        in the way: after FORGET_WITHIN this returns, and the writer goes on trying.
        """
        write = _Write(_nothing, asyncio.get_running_loop().create_future())
        self._waiting.put_nowait(write)
        with suppress(TimeoutError):
            async with asyncio.timeout(FORGET_WITHIN):
                await write.done

    async def _write_forever(self) -> None:
        while True:
            try:
                async with asyncio.timeout(FORGET_AGAIN if self._to_forget else None):
                    batch = [await self._waiting.get()]
            except TimeoutError:
                await self._forget_all()
                continue
            while len(batch) < LARGEST_BATCH and not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            writes = [write for write in batch if write.run is not _nothing]
            if writes:
                await self._commit_together(writes)
            if len(writes) < len(batch):
                self._to_forget += [write for write in batch if write.run is _nothing]
                await self._forget_all()
            for _ in batch:
                self._waiting.task_done()

    async def _forget_all(self) -> None:
        """One checkpoint for all who wait for it; not one that waits for others, as every write would wait for it."""
        try:
            await self._writer.execute_fetchall("PRAGMA busy_timeout = 0")
            [result] = await self._writer.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")
            is_busy = bool(result[0])
        except sqlite3.Error:  # the disk is full or fails
            is_busy = True
        finally:
            await self._writer.execute_fetchall(f"PRAGMA busy_timeout = {BUSY_TIMEOUT}")
        if is_busy:
            return
        for write in self._to_forget:
            if not write.done.cancelled():
                write.done.set_result(None)
        self._to_forget.clear()

    async def _commit_together(self, batch: list[_Write]) -> None:
        """Group commit: one COMMIT for all, a SAVEPOINT for each, so that one that fails spoils no other."""
        outcomes: list[Any] = []
        try:
            await self._writer.execute_fetchall("BEGIN IMMEDIATE")
            for write in batch:
                outcomes.append(await self._run(write))
            await self._writer.execute_fetchall("COMMIT")
        except Exception as error:  # nothing of this batch is stored: each caller is told
            with suppress(sqlite3.Error):
                if self._writer.in_transaction:
                    await self._writer.execute_fetchall("ROLLBACK")
            outcomes = [_told(error)] * len(batch)
        for write, outcome in zip(batch, outcomes, strict=True):
            if write.done.cancelled():
                continue
            if isinstance(outcome, Exception):
                write.done.set_exception(outcome)
            else:
                write.done.set_result(outcome)

    async def _run(self, write: _Write) -> Any:
        await self._writer.execute_fetchall("SAVEPOINT caller")
        try:
            outcome = await write.run(self._writer)
        except Exception as error:  # handed to the caller by _commit_together
            if damage.is_out_of_reach(error):  # SQLite may have rolled all of it back by itself
                raise
            await self._writer.execute_fetchall("ROLLBACK TO caller")
            outcome = error
        await self._writer.execute_fetchall("RELEASE caller")
        return outcome


def _told(error: Exception) -> Exception:
    """What the callers of a batch that failed are told: a failing disk under its own name."""
    if not damage.is_out_of_reach(error):
        return error
    unavailable = Unavailable(str(error))
    unavailable.__cause__ = error
    return unavailable


async def _connect(path: Path) -> Connection:
    connection = await aiosqlite.connect(path, isolation_level=None)
    try:
        connection.row_factory = sqlite3.Row
        await connection.executescript(PRAGMAS)
    except BaseException:
        await connection.close()
        raise
    return connection


async def _use_write_ahead_log(connection: Connection) -> None:
    """On a new file this statement ignores busy_timeout, so several processes that start at once must retry."""
    for attempt in range(100):
        try:
            await connection.execute_fetchall("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if attempt == 99:
                raise
            await asyncio.sleep(0.05)
        else:
            return
