"""Moving a database from SQLite to PostgreSQL: every row arrives, and nobody serves the old one by mistake."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path
from sqlite3 import connect
from typing import Any

import psycopg
import pytest

from ezdms import crypto
from tests.conftest import Server
from tests.several.conftest import Site
from tests.support import buses, engines
from tests.support.operated import operate, refused, said
from tests.support.served import Program

PASSWORD = "correct-horse-battery"


def written(folder: Path) -> tuple[Server, Program, Program]:
    """A server on SQLite that was stopped, after people did this and that."""
    folder.mkdir(exist_ok=True)
    server = Server(folder)
    with server:
        alice, bob = Program(server, "alice"), Program(server, "bob")
        alice.start(bob)
        for number in range(7):
            alice.send(bob, f"text {number}")
        bob.send(alice, "an answer")
        bob.log_in()
        for person in (alice, bob):
            person.close()
        assert server.stop() == 0
    with closing(connect(server.data_dir / "ezdms.db")) as connection, connection:
        connection.execute("UPDATE sessions SET browser = ?", ("☃ %s \\ \\N \t \n",))
    return server, alice, bob


@pytest.fixture
def empty(postgresql: engines.PostgreSQL) -> str:
    """The address of an empty database."""
    return postgresql.create()


def test_everything_is_served_from_postgresql_afterwards_and_the_old_database_by_nobody(
    tmp_path: Path, empty: str, bus: buses.Redis
) -> None:
    server, alice, bob = written(tmp_path)
    before = (server.data_dir / "ezdms.db").read_bytes()
    assert "rows were copied, and are the same in both." in said(operate(server.data_dir, "move", "--to", empty))
    assert (server.data_dir / "ezdms.db").read_bytes() == before
    for words in (("serve", "--port", "0"), ("users",), ("move", "--to", empty)):
        assert "was moved to PostgreSQL" in refused(operate(server.data_dir, *words))
    site = Site(tmp_path, empty, bus)
    with site.servers[0]:
        moved = Program.of(site.servers[0], bob)
        where = crypto.conversation_id(alice.keys.fp, bob.keys.fp)
        rows = moved.ask(f"/messages/{where}?limit=200")
        assert [row["seq"] for row in rows] == list(range(1, 9))
        moved.send(alice, "from the new one")
        moved.log_in()
        moved.close()
    (server.data_dir / "ezdms.moved").unlink()
    with server:
        assert server.complaints() == ""


def test_a_move_that_was_interrupted_goes_on_and_is_not_served_before(
    tmp_path: Path, empty: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ezdms.store.postgresql import moving

    server, *_ = written(tmp_path)
    monkeypatch.setattr(moving, "SLICE", 2)
    copied: list[str] = []

    class Cut(Exception):
        pass

    def cut(what: str, done: int, total: int) -> None:
        copied.append(f"{what} {done}/{total}")
        if what == "copying messages" and done == 4:
            raise Cut

    import asyncio

    source = server.data_dir / "ezdms.db"
    with pytest.raises(Cut):
        asyncio.run(moving.move(source, empty, cut))
    settings = {"EZDMS_DATABASE_URL": empty, "EZDMS_BUS_URL": "unix:///nowhere"}
    assert "A move into this PostgreSQL database is not finished" in refused(
        operate(tmp_path / "new", "serve", "--port", "0", **settings)
    )
    other, *_ = written(tmp_path / "other")
    assert "Another database is being moved into" in refused(operate(other.data_dir, "move", "--to", empty))
    again: list[str] = []
    counts = asyncio.run(moving.move(source, empty, lambda what, done, total: again.append(f"{what} {done}/{total}")))
    assert "copying messages 6/8" in again
    assert "copying messages 4/8" not in again
    assert counts["messages"] == 8
    with closing(connect(source)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        assert sorted(counts) == sorted(set(tables) - {"migrations"})


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE messages SET hash = 'x' WHERE seq = 5",
        "DELETE FROM messages WHERE seq = 8",
        "INSERT INTO recovery_codes SELECT user_id, 'x' FROM users LIMIT 1",
    ],
)
def test_a_row_that_is_not_the_same_is_noticed(tmp_path: Path, empty: str, change: str) -> None:
    import asyncio

    from ezdms.store.postgresql import moving
    from ezdms.store.schema import DatabaseError

    server, *_ = written(tmp_path)
    changed: list[Any] = []

    def progress(what: str, done: int, total: int) -> None:
        if what.startswith("checking") and not changed:
            with psycopg.connect(empty) as connection:
                changed.append(connection.execute(change.encode()))

    with pytest.raises(DatabaseError, match=r"differs at row|rows instead of"):
        asyncio.run(moving.move(server.data_dir / "ezdms.db", empty, progress))


def test_what_cannot_be_moved_is_refused(
    tmp_path: Path, empty: str, postgresql: engines.PostgreSQL, migrated: str
) -> None:
    assert "There is no EZ-DMS" in refused(operate(tmp_path / "nothing", "move", "--to", empty))
    server, *_ = written(tmp_path)
    with server:
        assert "is using the data folder" in refused(operate(server.data_dir, "move", "--to", empty))
        assert server.stop() == 0
    used = postgresql.create(migrated)
    with psycopg.connect(used) as connection:
        connection.execute("INSERT INTO deployment VALUES ('x', 1)")
    assert "is already in use" in refused(operate(server.data_dir, "move", "--to", used))
    told = refused(operate(server.data_dir, "move", "--to", empty.replace("ezdms@", f"ezdms:{PASSWORD}@")))
    assert "Use --to-file instead" in told
    assert PASSWORD not in told
    assert "Where to?" in refused(operate(server.data_dir, "move"))
    shutil.copytree(server.data_dir, tmp_path / "older", ignore=shutil.ignore_patterns("*.sock"))
    with closing(connect(tmp_path / "older" / "ezdms.db")) as old, old:
        old.execute("DELETE FROM migrations WHERE number = (SELECT MAX(number) FROM migrations)")
    assert "Start this version once" in refused(operate(tmp_path / "older", "move", "--to", empty))
    (tmp_path / "address").write_text(empty + "\n")
    assert "are the same in both" in said(operate(server.data_dir, "move", "--to-file", str(tmp_path / "address")))
