"""The server says when it cannot keep what it gets: its files are gone or damaged, or another program holds them."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import Server
from tests.support.operated import operate
from tests.support.served import Program


@pytest.fixture
def pair(server: Server) -> Iterator[tuple[Program, Program, str]]:
    """Alice, Bob, and their conversation."""
    alice, bob = Program(server, "alice"), Program(server, "bob")
    yield alice, bob, alice.start(bob)
    for program in (alice, bob):
        program.close()


def _moved_away(database: Path) -> None:
    database.rename(database.with_suffix(".moved"))


def _replaced(database: Path) -> None:
    copy = database.with_suffix(".copy")
    shutil.copy(database, copy)
    database.rename(database.with_suffix(".moved"))
    copy.rename(database)


def _log_moved_away(database: Path) -> None:
    log = database.with_name("ezdms.db-wal")
    log.rename(database.with_name("ezdms.db-wal.moved"))


def doctor(server: Server) -> str:
    """What `ezdms doctor` finds, as JSON."""
    return operate(server.data_dir, "doctor", "--json").stdout


@pytest.mark.parametrize("change", [_moved_away, _replaced, _log_moved_away])
def test_nothing_is_acknowledged_once_the_files_are_gone(
    server: Server, pair: tuple[Program, Program, str], change: Callable[[Path], None]
) -> None:
    alice, bob, conversation = pair
    alice.send(bob, "kept")
    change(server.data_dir / "ezdms.db")
    fields = alice.seal(bob, "not kept")
    for _ in range(2):
        status, body = alice.exchange("/send_message", fields)
        assert (status, json.loads(body)["code"]) == (503, "unavailable")
    assert alice.exchange("/ping")[0] == 503
    assert len(alice.ask(f"/messages/{conversation}")) >= 1  # what was read before can still be read
    assert "was removed or replaced" in server.complaints()
    assert "was removed or replaced" in doctor(server)
    [moved] = server.data_dir.glob("*.moved")
    moved.rename(moved.with_suffix("" if moved.name.endswith("-wal.moved") else ".db"))  # back where it was
    assert alice.exchange("/ping")[0] == 200
    assert alice.exchange("/send_message", fields)[0] in (200, 201)


def test_while_a_program_holds_the_database_reading_continues_and_senders_and_ping_get_503(
    server: Server, pair: tuple[Program, Program, str]
) -> None:
    alice, bob, conversation = pair
    alice.send(bob, "before")
    fields = alice.seal(bob, "during")
    assert alice.exchange("/ping")[0] == 200
    listed = f"/conversations/{bob.ask('/me')['user_id']}"
    with closing(sqlite3.connect(server.data_dir / "ezdms.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        status, body = alice.exchange("/ping")  # although nobody tries to send
        assert (status, json.loads(body)["code"]) == (503, "unavailable")
        for path in (f"/messages/{conversation}", f"/c/{conversation}/open", listed):
            assert bob.exchange(path)[0] == 200
        status, headers, body = bob.exchange_all("/send_message", bob.seal(alice, "during"))
        assert (status, json.loads(body)["code"]) == (503, "unavailable")
        assert int(headers["Retry-After"]) > 0
        assert "locked" in server.complaints()
        assert "Another program is holding the database" in doctor(server)
        other.execute("ROLLBACK")
    assert alice.exchange("/send_message", fields)[0] == 201
    assert alice.exchange("/ping")[0] == 200
    [before, *_] = bob.ask(listed)
    assert before["unread"] == 2
    assert len(bob.ask(f"/messages/{conversation}")) == 2
    [after] = bob.ask(listed)
    assert after["unread"] == 0


def test_a_damaged_page_is_reported_and_the_rest_still_works(
    server: Server, pair: tuple[Program, Program, str]
) -> None:
    alice, bob, conversation = pair
    for number in range(20):
        alice.send(bob, f"message {number}")
    assert server.stop() == 0
    server.start()
    path = server.data_dir / "ezdms.db"
    with closing(sqlite3.connect(path)) as reader:
        query = "SELECT pageno FROM dbstat WHERE name = 'messages' AND pagetype = 'leaf'"
        try:
            pages = [number for (number,) in reader.execute(query)]
        except sqlite3.OperationalError:
            pytest.skip("this SQLite has no dbstat")
        size = reader.execute("PRAGMA page_size").fetchone()[0]
    with path.open("r+b") as file:
        for number in pages:
            file.seek((number - 1) * size)
            file.write(b"\xff" * size)
    alice.log_in()
    status, body = alice.exchange(f"/messages/{conversation}")
    assert (status, json.loads(body)["code"]) == (503, "unavailable")
    assert alice.exchange("/ping")[0] == 503
    assert alice.exchange("/me")[0] == 200
    assert "Traceback" not in server.log.read_text()
