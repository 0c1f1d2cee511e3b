"""Connections to PostgreSQL, each with its own thread, for queries written as for SQLite."""

from __future__ import annotations

import asyncio
import os
import re
import select
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache
from typing import Any, ParamSpec, TypeVar

import psycopg
from psycopg.rows import RowMaker
from psycopg.types.numeric import Int8Dumper
from psycopg.types.string import StrDumper

from ezdms.store.errors import Conflict

P = ParamSpec("P")
T = TypeVar("T")

LEAD = 0x657A6C656164  # "ezlead"
TAKE_LEAD = "SELECT pg_try_advisory_lock(:key)"
NAMED = "ezdms "  # how a connection is named that says something
SAID_FOR = 3  # seconds: a process that hangs, or whose connection is left over, says nothing
SAY = "SELECT set_config('application_name', :name, false)"
SAID = """SELECT application_name FROM pg_stat_activity WHERE datname = current_database()
    AND application_name LIKE :named AND state_change > clock_timestamp() - make_interval(secs => :seconds)"""
CONNECT_WITHIN = 3  # seconds
LONGEST = 15.0  # seconds without an answer, although PostgreSQL ends what takes longer than its limits
LOOK_EVERY = 1.0  # seconds
LIMITS = {"lock_timeout": 3_000, "statement_timeout": 10_000, "idle_in_transaction_session_timeout": 10_000}  # ms
NOTICED = {"tcp_keepalives_idle": 10, "tcp_keepalives_interval": 5, "tcp_keepalives_count": 3}  # by PostgreSQL; s
BY_INDEX = {"enable_seqscan": 0, "jit": 0}  # a plan made while a table was empty would read all of it, until ANALYZE
KEEPALIVES: dict[str, Any] = {  # of ours
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
LOCK_CONVERSATIONS = """SELECT 1 FROM conversations WHERE conversation_id = ANY (:ids)
    ORDER BY conversation_id FOR NO KEY UPDATE"""
LOCK_FOUND = """SELECT 1 FROM conversations WHERE conversation_id IN ({sql})
    ORDER BY conversation_id FOR NO KEY UPDATE"""
LOCK_USERS = "SELECT 1 FROM usage WHERE user_id = ANY (:ids) ORDER BY user_id FOR NO KEY UPDATE"
PARAMETER = re.compile(r"('[^']*'|::)|:([a-z_][a-z0-9_]*)|\?([0-9]*)|(%)")


class Row(tuple[Any, ...]):
    """A row as sqlite3.Row is one: values by position or by the name of the column."""

    __slots__ = ()
    places: dict[str, int]

    def __getitem__(self, key: Any) -> Any:
        """The value at a position, or in the column with this name."""
        return tuple.__getitem__(self, self.places[key] if isinstance(key, str) else key)

    def keys(self) -> list[str]:
        """The names of the columns."""
        return list(self.places)


@lru_cache(1000)
def _row_of(names: tuple[bytes, ...]) -> type[Row]:
    places = {name.decode(): place for place, name in enumerate(names)}
    return type("Row", (Row,), {"__slots__": (), "places": places})


def _rows(cursor: psycopg.Cursor[Any]) -> RowMaker[Any]:
    """The row factory of a cursor. Its `description` would cost more than the row."""
    found = cursor.pgresult
    return _row_of(tuple(found.fname(place) or b"" for place in range(found.nfields)) if found else ())


@lru_cache(1000)
def translated(sql: str) -> tuple[bytes, tuple[int, ...]]:
    """SQL with the driver's parameters for `:name`, `?` and `?1`; and which value each `?` is, by position."""
    places: list[int] = []

    def change(found: re.Match[str]) -> str:
        literal, name, place, percent = found.groups()
        if literal or percent:
            return found[0].replace("%", "%%")
        if name:
            return f"%({name})s"
        places.append(int(place) - 1 if place else len(places))
        return "%s"

    return PARAMETER.sub(change, sql).encode(), tuple(places)


class Result:
    """The result of a statement; without rows if it has none."""

    def __init__(self, cursor: psycopg.Cursor[Any]) -> None:
        self._cursor = cursor

    @property
    def rowcount(self) -> int:
        """How many rows it changed or found."""
        return self._cursor.rowcount

    def fetchall(self) -> list[Any]:
        """All rows."""
        return self._cursor.fetchall() if self._has_rows else []

    def fetchone(self) -> Any:
        """The next row, or None."""
        return self._cursor.fetchone() if self._has_rows else None

    @property
    def _has_rows(self) -> bool:
        return self._cursor.pgresult is not None and self._cursor.pgresult.nfields > 0

    def __iter__(self) -> Iterator[Any]:
        return iter(self.fetchall())


class Connection:
    """What a query gets."""

    def __init__(self, driver: psycopg.Connection[Any]) -> None:
        self.driver = driver
        self.asked = time.monotonic()  # the last statement
        self._socket = os.fstat(driver.fileno()).st_ino

    def cut(self) -> None:
        """End the connection, whatever its thread waits for; called on another thread."""
        with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(self.driver.fileno())) as same:
            if os.fstat(same.fileno()).st_ino == self._socket:  # else it was closed at this very moment
                same.shutdown(socket.SHUT_RDWR)

    def execute(self, sql: str, parameters: Sequence[Any] | dict[str, Any] = (), /) -> Result:
        """Run a statement. Raises Conflict, or an error of the driver."""
        try:
            return Result(self.send(sql, parameters))
        except psycopg.IntegrityError as error:  # its text has values
            raise Conflict(error.diag.constraint_name or "conflict") from None

    def lock(self, conversations: set[str], users: set[str]) -> None:
        """Lock these conversations and users until the end of the transaction, always in the same order."""
        if conversations:
            self.send(LOCK_CONVERSATIONS, {"ids": sorted(conversations)})
        if users:
            self.send(LOCK_USERS, {"ids": sorted(users)})

    def lock_found(self, sql: str, values: dict[str, Any]) -> None:
        """Lock the conversations whose ids this finds."""
        self.send(LOCK_FOUND.format(sql=sql), values)

    def send(self, sql: str, parameters: Sequence[Any] | dict[str, Any] = ()) -> psycopg.Cursor[Any]:
        """Run a statement; in a pipeline, without waiting for its result."""
        self.asked = time.monotonic()
        changed, places = translated(sql)
        values = parameters if isinstance(parameters, dict) else [parameters[place] for place in places]
        try:
            return self.driver.execute(changed, values)
        except psycopg.DataError as error:
            if error.sqlstate:
                raise
        return self.driver.execute(changed, _without_nul(values))

    def send_all(self, sql: str, values: list[dict[str, Any]]) -> list[list[Row]]:
        """Run one statement with each of these values, in a pipeline. Returns the rows of each."""
        self.asked = time.monotonic()
        changed, _ = translated(sql)
        cursor = self.driver.cursor()
        cursor.executemany(changed, values, returning=True)
        return [found.fetchall() for found in cursor.results()]


def _without_nul(values: dict[str, Any] | list[Any]) -> dict[str, Any] | list[Any]:
    """The same with what PostgreSQL can take: no text there has a NUL, so that nothing is found with one."""

    def change(value: Any) -> Any:
        if isinstance(value, list):
            return [change(one) for one in value]
        return value.replace("\0", "\N{REPLACEMENT CHARACTER}") if isinstance(value, str) else value

    if isinstance(values, dict):
        return {name: change(value) for name, value in values.items()}
    return [change(value) for value in values]


class Session:
    """One thread with one connection, which is opened again when it was lost."""

    def __init__(self, address: str, *, reads_only: bool, **options: int) -> None:
        self._address = address
        self._options = LIMITS | NOTICED | options
        self._reads_only = reads_only
        self._thread = ThreadPoolExecutor(1, "postgresql")
        self._connection: Connection | None = None
        self._acts_since: float | None = None
        self._looking: asyncio.TimerHandle | None = None
        if self._options["statement_timeout"]:  # else an answer may take as long as it wants
            self._look()

    def _look(self) -> None:
        """Cut a connection that answers no more: the network has lost it, or PostgreSQL hangs."""
        self._looking = asyncio.get_running_loop().call_later(LOOK_EVERY, self._look)
        since, connection = self._acts_since, self._connection
        if since is not None and connection is not None and time.monotonic() - max(since, connection.asked) > LONGEST:
            connection.cut()

    async def run(self, act: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call on the session's thread."""

        def call() -> T:
            self._acts_since = time.monotonic()
            try:
                return act(*args, **kwargs)
            finally:
                self._acts_since = None

        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    def connection(self) -> Connection:
        """The connection; called on the session's thread. Raises psycopg.OperationalError."""
        if self._connection is None or self._connection.driver.closed:
            options = " ".join(f"-c {name}={value}" for name, value in self._options.items())
            driver: psycopg.Connection[Any] = psycopg.connect(
                self._address,
                autocommit=True,
                row_factory=_rows,
                connect_timeout=CONNECT_WITHIN,
                options=options,
                application_name="ezdms",
                **KEEPALIVES,
            )
            if self._reads_only:  # not among the options: target_session_attrs=read-write would find no server then
                driver.execute("SET default_transaction_read_only = on")
            driver.adapters.register_dumper(str, StrDumper)  # by default, types are guessed from the statement
            driver.adapters.register_dumper(int, Int8Dumper)
            self._connection = Connection(driver)
        return self._connection

    def is_stale(self) -> bool:
        """True unless there is a connection about which PostgreSQL has said nothing, such as that it stops."""
        if self._connection is None or self._connection.driver.closed:
            return True
        poll = select.poll()
        poll.register(self._connection.driver, select.POLLIN)
        return bool(poll.poll(0))

    def is_lost(self) -> bool:
        """True if there was a connection, and it is closed."""
        return self._connection is not None and self._connection.driver.closed

    def drop(self) -> None:
        """Close the connection; called on the session's thread."""
        if self._connection is not None:
            self._connection.driver.close()
            self._connection = None

    async def close(self) -> None:
        """Close the connection, and end the thread."""
        await self.run(self.drop)
        if self._looking is not None:
            self._looking.cancel()
        self._thread.shutdown()


def take_lead(session: Session) -> bool:
    """True if this session has the lock of the one process that leads, which ends with the connection. Called on the
    session's thread."""
    return bool(_ask(session, TAKE_LEAD, {"key": LEAD})[0][0])


def say(session: Session, words: str) -> None:
    """Name the session's connection after them. Called on its thread."""
    _ask(session, SAY, {"name": NAMED + words})


def said(session: Session) -> list[str]:
    """What connections to this database are named after. Called on the session's thread."""
    return [row[0].removeprefix(NAMED) for row in _ask(session, SAID, {"named": NAMED + "%", "seconds": SAID_FOR})]


def _ask(session: Session, sql: str, values: dict[str, Any]) -> list[Any]:
    try:
        return session.connection().execute(sql, values).fetchall()
    except psycopg.Error:
        if not session.is_lost():
            raise
        return session.connection().execute(sql, values).fetchall()  # on a new one
