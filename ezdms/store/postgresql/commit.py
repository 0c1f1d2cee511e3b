"""Group commit on PostgreSQL: many writes share one transaction, whose locks are taken first, in one order."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import psycopg

from ezdms.store.database import Statement, Write
from ezdms.store.errors import Unavailable
from ezdms.store.postgresql.errors import AGAIN, is_out_of_reach, told
from ezdms.store.postgresql.session import Connection, Row, Session

ATTEMPTS = 5  # of one write, each after a deadlock
UNCERTAIN = "PostgreSQL was lost during a COMMIT, which may or may not have happened."
FEW = 8  # statements that go to PostgreSQL with their COMMIT, in one trip; for a larger batch, another trip is little


@dataclass(slots=True)
class KnownWrite(Write):
    """A write whose query and arguments are known: they say what it locks."""

    query: Callable[..., Any] = field(kw_only=True)
    args: tuple[Any, ...] = field(kw_only=True)
    kwargs: dict[str, Any] = field(kw_only=True)


class OutOfTurn(Exception):
    """A sender's statement was done, although an earlier one was not: what that is answered depends on their order."""


class Uncertain(Unavailable):
    """The connection was lost during a COMMIT."""


def commit_together(session: Session, writes: list[KnownWrite]) -> list[Any]:
    """One COMMIT for all writes, but one of its own for each that is alone. A failed write does not affect the others.

    Returns what each write returned or raised. Called on the session's thread.
    """
    outcomes: list[Any] = []
    for is_alone, group in groupby(writes, _is_alone):
        some = list(group)
        for together in [[write] for write in some] if is_alone else [some]:
            outcomes += _commit(session, together)
    return outcomes


def _commit(session: Session, writes: list[KnownWrite]) -> list[Any]:
    """Try all writes at once; after an error, each alone. After a lost connection, once more on a new one, unless the
    COMMIT may have happened: then a repeat by the client decides."""
    try:
        if (statement := _statement_of_few(writes)) and not session.is_stale():
            return _transact_at_once(session, writes, statement)
        return _transact(session, writes, _run_fast)
    except Exception as error:
        if isinstance(error, Uncertain):
            return [error] * len(writes)
        if is_out_of_reach(error) and not isinstance(error, AGAIN) and not session.is_lost():
            return [told(error)] * len(writes)
    return [_commit_alone(session, write) for write in writes]


def _commit_alone(session: Session, write: KnownWrite) -> Any:
    """A transaction for one write. Returns its result, or its error."""
    for attempt in range(ATTEMPTS):
        try:
            return _transact(session, [write], _run_plainly)[0]
        except AGAIN as error:
            if attempt == ATTEMPTS - 1:
                return told(error)
        except Exception as error:  # passed to the caller
            return told(error)
    raise AssertionError


def _transact(
    session: Session, writes: list[KnownWrite], run: Callable[[Connection, list[KnownWrite]], list[Any]]
) -> list[Any]:
    """Run all writes in one transaction, or none. Raises Uncertain if that is unknown.

    If they are one statement, and all is well, that takes two trips to PostgreSQL: one for everything until there are
    rows, and one for the COMMIT.
    """
    connection = session.connection()
    statement = _statement_of_all(writes) if run is _run_fast else None
    is_committing = False
    try:
        with connection.driver.pipeline():
            connection.send("BEGIN")
            connection.lock(*_keys(writes))
            found = [] if statement is None else _send_all(connection, statement, writes)
            if found and all(found):
                is_committing = True
                connection.send("COMMIT")
        outcomes = run(connection, writes) if statement is None else _settle(connection, statement, writes, found)
        if not is_committing:
            is_committing = True
            connection.driver.execute("COMMIT")
    except BaseException as error:
        if is_committing and connection.driver.closed:
            raise Uncertain(UNCERTAIN) from error
        with suppress(psycopg.Error):
            connection.driver.rollback()  # and prepare anew: after an error, PostgreSQL has skipped what came next
        raise
    return outcomes


def _transact_at_once(session: Session, writes: list[KnownWrite], statement: Statement) -> list[Any]:
    """The same in one trip. Those without a row, which have done nothing, are decided afterwards."""
    connection = session.connection()
    try:
        with connection.driver.pipeline():
            connection.send("BEGIN")
            connection.lock(*_keys(writes))
            sent = [connection.send(statement.sql, statement.values(*write.args, **write.kwargs)) for write in writes]
            connection.send("COMMIT")
    except BaseException as error:
        if connection.driver.closed:
            raise Uncertain(UNCERTAIN) from error
        with suppress(psycopg.Error):
            connection.driver.rollback()  # and prepare anew: after an error, PostgreSQL has skipped what came next
        raise
    found = [cursor.fetchall() for cursor in sent]
    return [
        statement.read(rows, *write.args, **write.kwargs) if rows else _commit_alone(session, write)
        for write, rows in zip(writes, found, strict=True)
    ]


def _is_alone(write: KnownWrite) -> bool:
    return getattr(write.query, "is_alone", False)


def _keys(writes: list[KnownWrite]) -> tuple[set[str], set[str]]:
    """The conversations and users that these writes are for."""
    conversations: set[str] = set()
    users: set[str] = set()
    for write in writes:
        if _is_alone(write):  # it locks what it needs
            continue
        given = (*write.args, write.kwargs.get("session"))
        conversations.update(getattr(one, "conversation_id", "") for one in given)
        conversations.add(write.kwargs.get("conversation_id", ""))
        users.update(getattr(one, "user_id", "") for one in given)
        users.update(write.kwargs.get(name, "") for name in ("user_id", "sender_id"))
    return conversations - {""}, users - {""}


def _run_plainly(connection: Connection, writes: list[KnownWrite]) -> list[Any]:
    return [write.run(connection) for write in writes]


def _run_fast(connection: Connection, writes: list[KnownWrite]) -> list[Any]:
    """Run all in order. Consecutive ones that are one statement are sent without waiting for each other."""
    outcomes: list[Any] = []
    for statement, group in groupby(writes, _statement_of):
        some = list(group)
        outcomes += _run_plainly(connection, some) if statement is None else _run_as(connection, statement, some)
    return outcomes


def _statement_of(write: KnownWrite) -> Statement | None:
    statement: Statement | None = getattr(write.query, "statement", None)
    return statement if statement is not None and statement.fits(*write.args, **write.kwargs) else None


def _statement_of_all(writes: list[KnownWrite]) -> Statement | None:
    """The statement that all of them are, if there is one."""
    first, *others = map(_statement_of, writes)
    return first if all(one is first for one in others) else None


def _statement_of_few(writes: list[KnownWrite]) -> Statement | None:
    """The same if they are few, each of another sender: what one is answered does not depend on the others."""
    senders = {write.kwargs.get("sender_id") for write in writes}
    return _statement_of_all(writes) if len(writes) <= FEW and len(senders) == len(writes) else None


def _run_as(connection: Connection, statement: Statement, writes: list[KnownWrite]) -> list[Any]:
    return _settle(connection, statement, writes, _send_all(connection, statement, writes))


def _send_all(connection: Connection, statement: Statement, writes: list[KnownWrite]) -> list[list[Row]]:
    return connection.send_all(statement.sql, [statement.values(*write.args, **write.kwargs) for write in writes])


def _settle(
    connection: Connection, statement: Statement, writes: list[KnownWrite], found: list[list[Row]]
) -> list[Any]:
    """What each has returned. If a statement has no row, it has done nothing, and the query itself says why."""
    outcomes = []
    refused: set[str] = set()
    for write, rows in zip(writes, found, strict=True):
        sender_id = write.kwargs["sender_id"]
        if rows and sender_id in refused:
            raise OutOfTurn
        if not rows:
            refused.add(sender_id)
        outcomes.append(statement.read(rows, *write.args, **write.kwargs) if rows else write.run(connection))
    return outcomes
