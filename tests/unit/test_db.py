"""The database: group commit, migrations, crashes and cancelled callers."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
import threading
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import closing, suppress
from pathlib import Path

import pytest

from ezdms.db import Busy, Conflict, Connection, Database, Unavailable, fetch_all, fetch_one, keeps_sessions
from ezdms.store import database as queue
from ezdms.store import schema
from ezdms.store.schema import DatabaseError
from ezdms.store.sqlite import database as sqlite
from ezdms.store.sqlite import integrity
from ezdms.store.sqlite.database import LONG_LOG, QUIET, SQLite
from tests.websocket.test_live import until


@pytest.fixture
async def database(tmp_path: Path, request: pytest.FixtureRequest, engine: str) -> AsyncIterator[Database]:
    """A database with one table of unique numbers."""
    place: Path | str = tmp_path / "test.db"
    if engine == "postgresql":
        place = request.getfixturevalue("postgresql").create(request.getfixturevalue("migrated"))
    opened = await Database.open(place)
    await opened.write(make_numbers)
    yield opened
    await opened.close()


def make_numbers(connection: Connection) -> None:
    fetch_all(connection, "CREATE TABLE numbers (number INTEGER PRIMARY KEY)")


def insert(connection: Connection, number: int) -> int:
    fetch_all(connection, "INSERT INTO numbers (number) VALUES (:number)", number=number)
    return number


def select(connection: Connection) -> list[int]:
    return [row["number"] for row in fetch_all(connection, "SELECT number FROM numbers ORDER BY number")]


def pragma(connection: Connection, name: str) -> object:
    row = fetch_one(connection, f"PRAGMA {name}")
    return None if row is None else row[0]


def tables(connection: Connection, name: str) -> list[str]:
    rows = fetch_all(connection, "SELECT name FROM sqlite_master WHERE name = :name", name=name)
    return [row["name"] for row in rows]


async def test_a_write_can_be_read_back(database: Database) -> None:
    assert await database.write(insert, 1) == 1
    assert await database.read(select) == [1]


async def test_one_failing_write_does_not_affect_concurrent_ones(database: Database) -> None:
    await database.write(insert, 50)
    outcomes = await asyncio.gather(*(database.write(insert, i) for i in range(100)), return_exceptions=True)
    assert [i for i, outcome in enumerate(outcomes) if isinstance(outcome, Conflict)] == [50]
    assert await database.read(select) == list(range(100))


@pytest.mark.sqlite_only
async def test_a_write_to_a_damaged_page_fails_alone(database: Database, tmp_path: Path) -> None:
    await database.write(lambda connection: fetch_all(connection, "CREATE TABLE others AS SELECT 1 AS number"))
    await database.forget()
    [page, size] = await database.read(
        lambda connection: [
            connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'others'").fetchone()[0],
            pragma(connection, "page_size"),
        ]
    )
    with (tmp_path / "test.db").open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    assert isinstance(database, SQLite)
    await database._writer.run(lambda connection: connection.execute("PRAGMA shrink_memory").fetchall())
    sql = "INSERT INTO others VALUES (2)"
    writes: list[Awaitable[object]] = [database.write(insert, number) for number in range(5)]
    writes.insert(2, database.write(lambda connection: fetch_all(connection, sql)))
    *outcomes, fault = await asyncio.gather(*writes, database.examine(), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [int, int, Unavailable, int, int, int]
    assert "damaged" in str(fault)
    assert await database.read(select) == [0, 1, 2, 3, 4]


@pytest.mark.sqlite_only
async def test_concurrent_writes_share_a_commit(database: Database) -> None:
    commits = 0

    def count(sql: str) -> None:
        nonlocal commits
        commits += sql == "COMMIT"

    assert isinstance(database, SQLite)
    await database._writer.set_trace_callback(count)
    await asyncio.gather(*(database.write(insert, i) for i in range(100)))
    assert 1 <= commits <= 2
    assert len(await database.read(select)) == 100


def without_the_log(folder: Path) -> int:
    """How many numbers the database file has without its write-ahead log; -1 while the log is being written back."""
    with (
        closing(sqlite3.connect(f"file:{folder / 'test.db'}?immutable=1", uri=True)) as connection,
        suppress(sqlite3.DatabaseError),
    ):
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'numbers'").fetchall():
            return 0
        return int(connection.execute("SELECT count(*) FROM numbers").fetchone()[0])
    return -1


@pytest.mark.sqlite_only
async def test_a_long_log_is_checkpointed_when_the_server_is_idle(database: Database, tmp_path: Path) -> None:
    for i in range(LONG_LOG // 2):
        await database.write(insert, i)
    await asyncio.sleep(20 * QUIET)
    assert without_the_log(tmp_path) == 0  # too few writes for a checkpoint
    for i in range(LONG_LOG // 2, LONG_LOG):
        await database.write(insert, i)
    await until(lambda: without_the_log(tmp_path) == LONG_LOG)
    await database.write(insert, LONG_LOG)
    assert len(await database.read(select)) == LONG_LOG + 1


@pytest.mark.sqlite_only
async def test_a_busy_event_loop_does_not_count_as_idle(database: Database, tmp_path: Path) -> None:
    for i in range(LONG_LOG):
        await database.write(insert, i)
    for _ in range(20):
        time.sleep(5 * QUIET)  # noqa: ASYNC251  # requests are being handled; their writes come later
        await asyncio.sleep(0)
    assert without_the_log(tmp_path) == 0
    await until(lambda: without_the_log(tmp_path) == LONG_LOG)


async def test_a_write_that_raises_is_rolled_back(database: Database) -> None:
    def half(connection: Connection) -> None:
        insert(connection, 1)
        raise LookupError("in the middle")

    with pytest.raises(LookupError):
        await database.write(half)
    assert await database.read(select) == []


async def test_a_cancelled_write_leaves_no_open_transaction(database: Database) -> None:
    started, may_go_on = threading.Event(), threading.Event()

    def slow(connection: Connection) -> None:
        started.set()
        may_go_on.wait(5)
        insert(connection, 1)

    caller = asyncio.create_task(database.write(slow))
    await asyncio.to_thread(started.wait, 5)
    caller.cancel()
    may_go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await caller
    await database.write(insert, 2)
    assert 2 in await database.read(select)


async def test_writes_beyond_the_queue_limit_are_refused_and_queued_ones_are_stored(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "MOST_WAITING", 8)
    may_go_on = threading.Event()
    held = asyncio.create_task(database.write(lambda connection: may_go_on.wait(5)))
    await asyncio.sleep(0.05)  # the writer has taken this one only
    waiting = [asyncio.create_task(database.write(insert, number)) for number in range(8)]
    await asyncio.sleep(0)
    with pytest.raises(Busy):
        await database.write(insert, 99)
    may_go_on.set()
    assert await held
    assert await asyncio.gather(*waiting) == list(range(8))
    assert await database.write(insert, 99) == 99  # as fast as before
    assert await database.read(select) == [*range(8), 99]


async def test_every_write_raises_the_revision_unless_it_keeps_sessions(database: Database) -> None:
    before = database.revision
    await database.write(keeps_sessions(lambda connection: insert(connection, 1)))
    assert database.revision == before
    await database.write(insert, 2)
    assert database.revision == before + 1


async def test_a_reader_cannot_write(database: Database) -> None:
    with pytest.raises(Unavailable, match=r"read-?only"):
        await database.read(insert, 1)


@pytest.mark.sqlite_only
async def test_every_connection_is_durable_and_erases_deleted_data(database: Database) -> None:
    for run in (database.read, database.read, database.write):
        assert await run(pragma, "synchronous") == 2  # FULL
        assert await run(pragma, "foreign_keys") == 1
        assert await run(pragma, "secure_delete") == 1
        assert await run(pragma, "journal_mode") == "wal"
        assert await run(pragma, "busy_timeout") == 3_000


@pytest.mark.sqlite_only
async def test_other_users_cannot_read_the_files(database: Database, tmp_path: Path) -> None:
    files = list(tmp_path.glob("test.db*"))
    assert len(files) == 3
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


@pytest.mark.sqlite_only
async def test_many_processes_can_start_at_once(tmp_path: Path) -> None:
    path = tmp_path / "together.db"
    opened = await asyncio.gather(*(Database.open(path) for _ in range(8)))
    for database in opened:
        await database.close()
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT COUNT(*) FROM migrations").fetchone()[0] == len(schema.migrations())
    connection.close()


@pytest.mark.sqlite_only
async def test_a_newer_database_is_refused_with_a_clear_message(tmp_path: Path) -> None:
    path = tmp_path / "newer.db"
    await (await Database.open(path)).close()
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("INSERT INTO migrations VALUES (9999, '9999_future', 0)")
    connection.close()
    with pytest.raises(DatabaseError, match="has schema 9999"):
        await Database.open(path)


@pytest.mark.sqlite_only
async def test_a_file_that_is_not_a_database_is_an_error_and_does_not_hang_the_process(tmp_path: Path) -> None:
    path = tmp_path / "text.db"
    path.write_text("This is no database. " * 100)
    with pytest.raises(DatabaseError, match="not a database"):
        await Database.open(path)
    assert path.read_text().startswith("This is no database.")


@pytest.mark.sqlite_only
@pytest.mark.parametrize("smallest", [0, integrity.SMALL])
async def test_a_truncated_database_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, smallest: int) -> None:
    monkeypatch.setattr(integrity, "SMALL", smallest)
    path = tmp_path / "cut.db"
    await (await Database.open(path)).close()
    path.write_bytes(path.read_bytes()[: 4096 * 3])
    with pytest.raises(DatabaseError, match=r"Restore a backup with: ezdms restore FILE"):
        await Database.open(path)


@pytest.mark.sqlite_only
async def test_a_long_running_reader_blocks_neither_writes_nor_erasure(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "FORGET_WITHIN", 0.3)
    reader = sqlite3.connect(tmp_path / "test.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM numbers").fetchall()  # such as a slow backup
    await database.write(insert, 1)
    await asyncio.wait_for(database.forget(), 5)  # postponed, without waiting
    assert await asyncio.wait_for(database.write(insert, 2), 5) == 2
    log = tmp_path / "test.db-wal"
    assert log.stat().st_size > 0
    reader.close()
    await until(lambda: log.stat().st_size == 0)


@pytest.mark.sqlite_only
async def test_a_failed_migration_leaves_the_schema_unchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "halfway.db"
    steps = [
        *schema.migrations(),
        (9000, "9000_breaks", "CREATE TABLE half (x INTEGER);\nCREATE TABLE half (x INTEGER);\n"),
    ]
    with monkeypatch.context() as patch:
        patch.setattr(schema, "migrations", lambda: steps)
        with pytest.raises(DatabaseError, match="half already exists"):
            await Database.open(path)
    database = await Database.open(path)
    assert await database.read(tables, "half") == []
    assert await database.read(tables, "users") == ["users"]
    await database.close()


def test_migration_numbers_have_no_gaps() -> None:
    numbers = [number for number, _, _ in schema.migrations()]
    assert numbers == list(range(1, len(numbers) + 1))
