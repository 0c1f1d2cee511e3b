"""What every database engine shares: one writer with a queue and group commit. Each engine is a package beside this."""

from __future__ import annotations

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Concatenate, NamedTuple, ParamSpec, Protocol, TypeVar

from ezdms import logs
from ezdms.store.errors import Busy, Unavailable
from ezdms.store.timing import Commits

P = ParamSpec("P")
T = TypeVar("T")

LARGEST_BATCH = 256  # writes that share one COMMIT
MOST_WAITING = 1024  # writes; more are refused at once, to limit memory
SOON = 1.0  # seconds that a reader waits for what is written on the side
STALLED = 2.0  # seconds that a batch of writes may take


class Row(Protocol):
    """One row: values by position or by the name of the column."""

    def __getitem__(self, key: Any, /) -> Any: ...
    def __iter__(self) -> Iterator[Any]: ...
    def __len__(self) -> int: ...
    def keys(self) -> Iterable[str]: ...


class Result(Protocol):
    """The result of a statement."""

    @property
    def rowcount(self) -> int: ...
    def fetchall(self) -> list[Any]: ...
    def fetchone(self) -> Any: ...
    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    """What a query gets. Parameters in SQL are `:name`, or `?`."""

    def execute(self, sql: str, parameters: Any = ..., /) -> Result: ...


Query = Callable[Concatenate[Connection, P], T]


class Statement(NamedTuple):
    """A query as one statement, for engines where each one costs a trip. `fits`, `values`, `read` get the query's
    arguments; `read` also gets the rows. Without a row, the statement has done nothing, and the query itself is run."""

    sql: str
    fits: Callable[..., bool]
    values: Callable[..., dict[str, Any]]
    read: Callable[..., Any]


class Health(Protocol):
    """Whether what is written now will still be there after a restart. `fault`: what is wrong, for the operator; "" if
    nothing is."""

    @property
    def fault(self) -> str: ...
    def begin(self) -> float: ...
    def end(self) -> None: ...
    def is_stuck(self, seconds: float) -> bool: ...


@dataclass(slots=True)
class Write:
    """A queued write."""

    run: Callable[[Connection], Any]
    done: asyncio.Future[Any]
    keeps_sessions: bool = True


def _probe(connection: Connection) -> None:
    """A write that changes nothing, and costs no access to the disk. Fails if another program holds the database."""


_probe.keeps_sessions = True  # type: ignore[attr-defined]


class Database(ABC):
    """One writer with group commit, and readers that never wait for it.

    `revision` is incremented by every write, before its caller returns, except by those marked keeps_sessions.
    """

    probe: Query[[], None] = staticmethod(_probe)  # what examine() writes
    held = "The database does not respond."  # the fault while nothing can be written

    def __init__(self, health: Health) -> None:
        self._loop = asyncio.get_running_loop()  # looking it up costs a system call in Python 3.11
        self._health = health
        self.revision = 0
        self.on_change: Callable[[], None] = lambda: None  # called when a write here has incremented it
        self._waiting: deque[Write] = deque()
        self._news: asyncio.Future[None] | None = None  # the writer waits for it
        self._is_closing = False
        self._probe: asyncio.Future[None] | None = None
        self._cannot_store = logs.Seldom("cannot store")
        self.commits = Commits()
        self._task = asyncio.create_task(self._write_forever())

    @staticmethod
    async def open(place: Path | str) -> Database:
        """Open or create the SQLite database at a path (mode 0600), or open the PostgreSQL database at an address, and
        migrate it to the newest schema. Raises DatabaseError, or OSError if the file cannot be created.
        """
        if isinstance(place, Path):
            from ezdms.store.sqlite.database import open_sqlite  # no other engine is loaded

            return await open_sqlite(place)
        from ezdms.store.postgresql.database import open_postgresql

        return await open_postgresql(place)

    async def close(self) -> None:
        """Finish pending writes, then close every connection."""
        self._is_closing = True
        self._wake()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._disconnect()

    @abstractmethod
    async def read(self, query: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `query(connection, …)` on a connection that cannot write. Raises Unavailable."""

    async def write(self, query: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `query(connection, …)` in a transaction. Returns once it is durable, or raises what it raised.

        The writer's own task does the work, so a canceled caller leaves no open transaction, but its write may still be
        stored. Raises Busy if too many are waiting, Unavailable if nothing can be stored now.
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
        self._waiting.append(Write(lambda connection: query(connection, *args, **kwargs), done, keeps_sessions))
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
                self._probe = self.submit(self.probe)
            done, _ = await asyncio.wait([self._probe], timeout=STALLED)
            for probe in done:
                probe.exception()  # the fault says it better
            if not done:
                return self._health.fault or self.held  # the writer may have begun a moment after this wait
        return self._health.fault

    @abstractmethod
    async def forget(self) -> None:
        """Remove what was deleted from the disk, where the engine can; returns once that is done or was postponed."""

    def note_change(self) -> None:
        """Another process has written what this one may have cached."""
        self.revision += 1

    async def leads(self) -> bool:
        """True if this process does what one of all processes on the database does."""
        return True

    async def say(self, words: str) -> None:  # noqa: B027  # nobody is there
        """Tell the other processes on the database; they hear it for a few seconds. Raises Unavailable."""

    async def said(self) -> list[str]:
        """What all processes say, this one too. Raises Unavailable."""
        return []

    def _wake(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    async def _write_forever(self) -> None:
        while self._waiting or not self._is_closing:
            if not self._waiting:
                await self._wait_for_news()
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), LARGEST_BATCH))]
            await self._take(batch)

    async def _take(self, writes: list[Write]) -> None:
        """Commit a batch, and tell its callers."""
        if writes:
            began = self._health.begin()
            self._tell(writes, await self._commit(writes))
            self._health.end()
            self.commits.count(len(writes), time.monotonic() - began)

    async def _wait_for_news(self) -> None:
        """Wait until there is something to do."""
        self._news = self._loop.create_future()
        await self._news

    @abstractmethod
    async def _commit(self, writes: list[Write]) -> list[Any]:
        """One COMMIT for all writes; a failed one does not affect the others. Returns what each returned or raised."""

    @abstractmethod
    async def _disconnect(self) -> None:
        """Close every connection."""

    def _tell(self, writes: list[Write], outcomes: list[Any]) -> None:
        failed = [outcome for outcome in outcomes if isinstance(outcome, Unavailable)]
        if failed:
            self._cannot_store.event(logging.ERROR, len(failed), why=str(failed[0]))
        if not all(write.keeps_sessions for write in writes):
            self.revision += 1
            self.on_change()
        for write, outcome in zip(writes, outcomes, strict=True):
            if write.done.cancelled():
                continue
            if isinstance(outcome, Exception):
                write.done.set_exception(outcome)
            else:
                write.done.set_result(outcome)
