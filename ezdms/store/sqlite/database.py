"""The database in one SQLite file."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any

from ezdms.store.database import Connection, Database, P, Query, T, Write
from ezdms.store.schema import DatabaseError, migrate
from ezdms.store.sqlite import integrity, wal
from ezdms.store.sqlite.commit import commit_together, told
from ezdms.store.sqlite.health import HELD, Health
from ezdms.store.sqlite.thread import Thread, connect, forbid_writing

LONG_LOG = 50  # writes (some 500 pages) after which a quiet moment is used to write the log back, in a few ms
QUIET = 0.002  # seconds without a write, while the event loop is responsive
WRITERS_CACHE = 8000  # KiB, four times SQLite's default: room for the pages that a batch changes
READERS = 2
FORGET_WITHIN = 5.0  # seconds that a caller of forget() waits; retries continue after that
FORGET_AGAIN = 0.2  # seconds


def _nothing(connection: Connection) -> None:
    """A queue entry that requests emptying the write-ahead log."""


async def open_sqlite(path: Path) -> Database:
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
    return SQLite(connections[0], connections[1:], Health(path))


class SQLite(Database):
    """One writer, and readers that never wait for it (WAL).

    Only the writer writes and checkpoints: SQLite before 3.51.3 can lose pages when two connections do so at once.
    """

    held = HELD

    def __init__(self, writer: Thread, readers: list[Thread], health: Health) -> None:
        super().__init__(health)
        self._files = health
        self._writer = writer
        self._readers = readers
        self._turn = 0
        self._to_forget: list[Write] = []
        self._in_log = 0  # writes since the last checkpoint

    async def _disconnect(self) -> None:
        for connection in [*self._readers, self._writer]:
            await connection.close()

    async def read(self, query: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `query(connection, …)` on a connection that cannot write. Raises Unavailable if the disk fails, or what
        it reads is damaged."""
        self._turn = (self._turn + 1) % len(self._readers)
        try:
            return await self._readers[self._turn].run(query, *args, **kwargs)
        except sqlite3.Error as error:
            self._files.note(error)
            raise told(error) from error

    async def forget(self) -> None:
        """Empty the write-ahead log, so that deleted data is gone from the disk (secure_delete does the rest).

        Otherwise old pages stay in the log until they are overwritten. A reader in another process (a backup) blocks
        this: after FORGET_WITHIN this returns, and the writer keeps trying.
        """
        write = Write(_nothing, self._loop.create_future())
        self._waiting.append(write)
        self._wake()
        with suppress(TimeoutError):
            async with asyncio.timeout(FORGET_WITHIN):
                await write.done

    async def _take(self, writes: list[Write]) -> None:
        await super()._take([write for write in writes if write.run is not _nothing])
        self._to_forget += [write for write in writes if write.run is _nothing]
        if self._to_forget:
            await self._forget_all()

    async def _commit(self, writes: list[Write]) -> list[Any]:
        self._in_log += len(writes)
        return await self._writer.run(commit_together, [write.run for write in writes], self._files)

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

    async def _forget_all(self) -> None:
        """Run one checkpoint for all waiting callers of forget()."""
        if not await self._writer.run(wal.empty_log):
            return
        for write in self._to_forget:
            if not write.done.cancelled():
                write.done.set_result(None)
        self._to_forget.clear()


def _make_ready(connection: sqlite3.Connection, path: Path) -> None:
    integrity.check(connection, path)
    connection.execute(f"PRAGMA cache_size = -{WRITERS_CACHE}")
    wal.use(connection)
    migrate(connection)
