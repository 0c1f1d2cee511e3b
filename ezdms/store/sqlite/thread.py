"""Connections to the database, each with its own thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar, cast

import aiosqlite

from ezdms.store.sqlite import wal

P = ParamSpec("P")
T = TypeVar("T")


class Thread(aiosqlite.Connection):
    """A connection whose thread runs a whole query, or a whole batch of writes, in one call.

    aiosqlite's own methods go to the thread and back for each call, which costs more than most statements.
    """

    async def run(self, query: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `query(connection, …)` on the connection's thread."""
        return cast(T, await self._execute(lambda: query(self._conn, *args, **kwargs)))  # type: ignore[no-untyped-call]


async def connect(path: Path) -> Thread:
    """Open a connection."""
    thread = Thread(partial(sqlite3.connect, path, isolation_level=None), iter_chunk_size=64)
    await thread
    try:
        await thread.run(_set_up)
    except BaseException:
        await thread.close()
        raise
    return thread


def _set_up(connection: sqlite3.Connection) -> None:
    connection.row_factory = sqlite3.Row
    connection.executescript(wal.PRAGMAS)


def forbid_writing(connection: sqlite3.Connection) -> None:
    """Make this connection one that only reads."""
    connection.execute("PRAGMA query_only = ON")
