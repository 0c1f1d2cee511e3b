"""The database: open, migrate, read, write. The only module that knows which SQL engine stands below."""

from __future__ import annotations

import asyncio
import os
import re
import sqlite3
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import aiosqlite

P = ParamSpec("P")
T = TypeVar("T")
Connection = aiosqlite.Connection
Row = sqlite3.Row
Query = Callable[Concatenate[Connection, P], Awaitable[T]]

BUSY_TIMEOUT = 10_000  # ms
READERS = 2
LARGEST_BATCH = 256  # writes that share one COMMIT

PRAGMAS = f"""
PRAGMA busy_timeout = {BUSY_TIMEOUT};
PRAGMA synchronous = FULL;
PRAGMA foreign_keys = ON;
PRAGMA secure_delete = ON;
"""


# A UNIQUE, CHECK or FOREIGN KEY that a write would have broken.
Conflict = sqlite3.IntegrityError


class DatabaseError(Exception):
    """The database cannot be used as it is; the sentence says what the operator can do."""


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


class Database:
    """One writer whose waiting callers share a COMMIT, and readers that never wait for it (WAL)."""

    def __init__(self, path: Path, writer: Connection, readers: list[Connection]) -> None:
        self._path = path
        self._writer = writer
        self._readers = readers
        self._turn = 0
        self._waiting: asyncio.Queue[_Write] = asyncio.Queue()
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
            await _use_write_ahead_log(connections[0])
            await migrate(connections[0])
            for _ in range(READERS):
                connections.append(await _connect(path))
                await connections[-1].execute_fetchall("PRAGMA query_only = ON")
        except BaseException as error:
            for connection in connections:  # or their threads would keep the process alive
                await connection.close()
            if isinstance(error, sqlite3.Error):
                raise DatabaseError(f"Cannot use the database {path}: {error}.") from error
            raise
        return cls(path, connections[0], connections[1:])

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

        Old pages would otherwise stay in the log until it is written over. Waits for readers and the writer, at most
        BUSY_TIMEOUT; if they are busy for longer, the next checkpoint does it.
        """
        connection = await _connect(self._path)
        try:
            await connection.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            await connection.close()

    async def _write_forever(self) -> None:
        while True:
            batch = [await self._waiting.get()]
            while len(batch) < LARGEST_BATCH and not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            await self._commit_together(batch)
            for _ in batch:
                self._waiting.task_done()

    async def _commit_together(self, batch: list[_Write]) -> None:
        """Group commit: one COMMIT for all, a SAVEPOINT for each, so that one that fails spoils no other."""
        outcomes: list[Any] = []
        try:
            await self._writer.execute_fetchall("BEGIN IMMEDIATE")
            for write in batch:
                outcomes.append(await self._run(write))
            await self._writer.execute_fetchall("COMMIT")
        except Exception as error:  # nothing of this batch is stored: each caller is told
            if self._writer.in_transaction:
                await self._writer.execute_fetchall("ROLLBACK")
            outcomes = [error] * len(batch)
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
            await self._writer.execute_fetchall("ROLLBACK TO caller")
            outcome = error
        await self._writer.execute_fetchall("RELEASE caller")
        return outcome


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


def migrations() -> list[tuple[int, str, str]]:
    """(number, name, SQL) of every migration: beside the package in a checkout, inside it in a wheel."""
    here = Path(__file__).parent
    folder = next(path for path in (here / "migrations", here.parent / "migrations") if path.is_dir())
    found = []
    for path in sorted(folder.glob("*.sql")):
        match = re.fullmatch(r"([0-9]{4})_[a-z0-9_]+", path.stem)
        if match is None:
            raise DatabaseError(f"Expected a migration named 0001_what_it_does.sql, got {path.name}.")
        found.append((int(match[1]), path.stem, path.read_text("utf-8")))
    return found


async def migrate(connection: Connection) -> None:
    """Apply what is missing, each migration in one transaction; safe when several processes start at once."""
    steps = migrations()
    await connection.execute_fetchall(
        "CREATE TABLE IF NOT EXISTS migrations "
        "(number INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL, applied_at BIGINT NOT NULL)"
    )
    for number, name, sql in steps:
        await connection.execute_fetchall("BEGIN IMMEDIATE")
        try:
            await _apply(connection, steps[-1][0], number, name, sql)
            await connection.execute_fetchall("COMMIT")
        except BaseException:
            if connection.in_transaction:
                await connection.execute_fetchall("ROLLBACK")
            raise


async def _apply(connection: Connection, newest: int, number: int, name: str, sql: str) -> None:
    applied = [row["number"] for row in await connection.execute_fetchall("SELECT number FROM migrations")]
    if applied and max(applied) > newest:
        raise DatabaseError(
            f"This database has schema {max(applied)}, this version of EZ-DMS knows schemas up to {newest}. "
            "Start a version of EZ-DMS that is at least as new as the one that wrote it."
        )
    if number in applied:
        return
    for statement in _statements(sql):
        await connection.execute_fetchall(statement)
    await fetch_all(
        connection,
        "INSERT INTO migrations (number, name, applied_at) VALUES (:number, :name, :applied_at)",
        number=number,
        name=name,
        applied_at=now(),
    )


def _statements(sql: str) -> list[str]:
    """The single statements of a script: executescript would commit the transaction around it."""
    found, current = [], ""
    for line in sql.splitlines():
        if line.strip() and not line.lstrip().startswith("--"):
            current += line + "\n"
        if current and sqlite3.complete_statement(current):
            found.append(current)
            current = ""
    if current:
        raise DatabaseError(f"A migration ends in the middle of a statement: {current[:60]!r}.")
    return found
