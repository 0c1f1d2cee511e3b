"""Copies an SQLite database into an empty PostgreSQL one, in slices, and compares every row of both afterwards."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import zip_longest
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from ezdms.store import schema
from ezdms.store.postgresql.errors import sentence
from ezdms.store.postgresql.schema import LOCK, make_ready
from ezdms.store.postgresql.session import Session
from ezdms.store.schema import DatabaseError

SLICE = 2000  # rows in one transaction, after which an interrupted move continues
NOT_COPIED = ("migrations",)
Progress = Callable[[str, int, int], None]  # what, of how many rows how many


async def move(source: Path, address: str, progress: Progress) -> dict[str, int]:
    """Copy everything, or go on with what an interrupted move has begun. Returns the number of rows of each table.

    The target refuses to be served until this has returned. Raises DatabaseError.
    """
    session = Session(address, reads_only=False, statement_timeout=0, idle_in_transaction_session_timeout=0)
    try:
        return await session.run(_move, session, source, progress)
    except psycopg.Error as error:
        raise DatabaseError(f"The move stopped, and can be continued. {sentence(error)}") from None
    except sqlite3.Error as error:
        raise DatabaseError(f"The SQLite database cannot be read: {error}.") from None
    finally:
        await session.close()


def _move(session: Session, source: Path, progress: Progress) -> dict[str, int]:
    with closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as old:
        steps = schema.migrations()
        found = old.execute("SELECT MAX(number) FROM migrations").fetchone()[0]
        if found != steps[-1][0]:
            raise DatabaseError("Start this version once with the SQLite database before you move it: it is migrated.")
        deployment_id = old.execute("SELECT deployment_id FROM deployment").fetchone()
        if deployment_id is None:
            raise DatabaseError("The SQLite database is empty: start with PostgreSQL directly.")
        make_ready(session, steps, schema.additions(), may_be_moving=True)
        new = session.connection().driver
        new.execute("SELECT pg_advisory_lock(%s)", (LOCK + 1,))  # one move at a time
        _begin(new, deployment_id[0])
        tables = _tables(old)
        counts = {table: old.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0] for table in tables}  # noqa: S608
        for table in tables:
            _copy(old, new, table, counts[table], progress)
        for table in tables:
            _compare(old, new, table, counts[table], progress)
        new.execute("DROP TABLE moving")
        return counts


def _begin(new: psycopg.Connection[Any], deployment_id: str) -> None:
    """Mark the target as one that is being filled. Raises DatabaseError if it has anything else in it."""
    if new.execute("SELECT to_regclass('moving')").fetchone() == (None,):
        if new.execute("SELECT 1 FROM deployment").fetchone() is not None:
            raise DatabaseError("This PostgreSQL database is already in use. Move into an empty one.")
        with new.transaction():
            new.execute("CREATE TABLE moving (deployment_id TEXT NOT NULL, name TEXT NOT NULL, last BIGINT NOT NULL)")
            new.execute("INSERT INTO moving VALUES (%s, '', 0)", (deployment_id,))
    if new.execute("SELECT 1 FROM moving WHERE deployment_id <> %s", (deployment_id,)).fetchone() is not None:
        raise DatabaseError("Another database is being moved into this PostgreSQL database. Use an empty one.")


def _tables(old: sqlite3.Connection) -> list[str]:
    """All tables, each after those that it refers to."""
    found = old.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'").fetchall()
    waiting = {
        name: {row[2] for row in old.execute(f"PRAGMA foreign_key_list({name})")} - {name}
        for (name,) in found
        if name not in NOT_COPIED
    }
    ordered: list[str] = []
    while waiting:
        ready = sorted(name for name, others in waiting.items() if others <= set(ordered))
        ordered += ready
        for name in ready:
            del waiting[name]
    return ordered


def _columns(old: sqlite3.Connection, table: str) -> tuple[list[str], list[str]]:
    """The names of all columns, and those by which rows have an order."""
    rows = old.execute(f"PRAGMA table_info({table})").fetchall()
    names = [row[1] for row in rows]
    return names, [row[1] for row in sorted(rows, key=lambda row: int(row[5])) if row[5]] or names


def _copy(old: sqlite3.Connection, new: psycopg.Connection[Any], table: str, count: int, progress: Progress) -> None:
    names, _ = _columns(old, table)
    row = new.execute("SELECT MAX(last) FROM moving WHERE name = %s", (table,)).fetchone()
    last = -(2**63) if row is None or row[0] is None else row[0]
    chosen = f"SELECT rowid, {', '.join(names)} FROM {table} WHERE rowid > ? ORDER BY rowid LIMIT ?"  # noqa: S608
    into = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, names))
    )
    done = old.execute(f"SELECT COUNT(*) FROM {table} WHERE rowid <= ?", (last,)).fetchone()[0]  # noqa: S608
    while found := old.execute(chosen, (last, SLICE)).fetchall():
        last = found[-1][0]
        with new.transaction():
            with new.cursor() as cursor, cursor.copy(into) as copying:
                for one in found:
                    copying.write_row(one[1:])
            new.execute("DELETE FROM moving WHERE name = %s", (table,))
            new.execute("INSERT INTO moving SELECT deployment_id, %s, %s FROM moving WHERE name = ''", (table, last))
        done += len(found)
        progress(f"copying {table}", done, count)


def _compare(old: sqlite3.Connection, new: psycopg.Connection[Any], table: str, count: int, progress: Progress) -> None:
    """Raises DatabaseError unless both have the same rows."""
    same = 0
    for one, other in zip_longest(_rows_of_old(old, table), _rows_of_new(old, new, table)):
        if one != other:
            raise DatabaseError(
                f"The table {table} differs at row {same + 1}. Empty the PostgreSQL database, then repeat."
            )
        same += 1
        if same % SLICE == 0 or same == count:
            progress(f"checking {table}", same, count)
    if same != count:
        raise DatabaseError(f"The table {table} has {same} rows instead of {count}. The server must be stopped.")


def _rows_of_old(old: sqlite3.Connection, table: str) -> Iterator[tuple[Any, ...]]:
    names, order = _columns(old, table)
    yield from old.execute(f"SELECT {', '.join(names)} FROM {table} ORDER BY {', '.join(order)}")  # noqa: S608


def _rows_of_new(old: sqlite3.Connection, new: psycopg.Connection[Any], table: str) -> Iterator[tuple[Any, ...]]:
    """In the same order: texts by their bytes."""
    names, order = _columns(old, table)
    types = {row[1]: str(row[2]).upper() for row in old.execute(f"PRAGMA table_info({table})")}
    by = [f'{name} COLLATE "C"' if types[name] == "TEXT" else name for name in order]
    nulls = [f"{one} NULLS FIRST" for one in by]
    query = f"SELECT {', '.join(names)} FROM {table} ORDER BY {', '.join(nulls)}"  # noqa: S608
    with new.transaction(), new.cursor(name="compared") as cursor:
        cursor.itersize = SLICE
        for row in cursor.execute(query.encode()):
            yield tuple(row)
