"""`ezdms backup` and `ezdms restore`: complete, consistent, private, and never overwriting by accident."""

from __future__ import annotations

import os
import pty
import sqlite3
import stat
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import Server
from tests.support.forked import environment
from tests.support.operated import operate, refused, said
from tests.support.served import Program


def rows(path: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


def test_a_backup_during_writes_is_complete_consistent_and_private(server: Server, tmp_path: Path) -> None:
    alice, bob = Program(server, "alice"), Program(server, "bob")
    alice.start(bob)
    for i in range(20):
        alice.send(bob, f"before {i}")
    stop = threading.Event()

    def write_on() -> None:
        while not stop.is_set():
            alice.send(bob, "meanwhile")

    writing = threading.Thread(target=write_on)
    writing.start()
    copies = [tmp_path / f"backup {i}.db" for i in range(3)]
    try:
        for copy in copies:
            assert "checked." in said(operate(server.data_dir, "backup", str(copy)))
    finally:
        stop.set()
        writing.join(timeout=30)
    for copy in copies:
        assert stat.S_IMODE(copy.stat().st_mode) == 0o600
        assert rows(copy, "PRAGMA integrity_check") == [("ok",)]
        [(count,)] = rows(copy, "SELECT COUNT(*) FROM messages")
        assert [(count,)] == rows(copy, "SELECT last_seq FROM conversations")  # no partial transaction
        assert isinstance(count, int)
        assert count >= 20
    assert sorted(path.name for path in tmp_path.glob("backup*")) == [copy.name for copy in copies]  # no extra files
    for program in (alice, bob):
        program.close()


def test_a_backup_restored_elsewhere_has_the_state_of_its_time(server: Server, tmp_path: Path) -> None:
    alice, bob = Program(server, "alice"), Program(server, "bob")
    conversation = alice.start(bob)
    alice.send(bob, "kept")
    said(operate(server.data_dir, "backup", str(tmp_path / "b.db")))
    alice.send(bob, "too late")
    elsewhere = Server(tmp_path / "elsewhere")
    elsewhere.log.parent.mkdir()
    said(operate(elsewhere.data_dir, "restore", str(tmp_path / "b.db")))
    assert stat.S_IMODE((elsewhere.data_dir / "ezdms.db").stat().st_mode) == 0o600
    elsewhere.start()
    try:
        there = Program.of(elsewhere, alice)
        assert [one["seq"] for one in there.ask(f"/messages/{conversation}")] == [1]
        assert there.ask("/deployment") == alice.ask("/deployment")
        there.close()
    finally:
        elsewhere.kill()
    for program in (alice, bob):
        program.close()


def test_files_are_overwritten_only_with_replace_and_a_replaced_database_is_kept(
    server: Server, tmp_path: Path
) -> None:
    Program(server, "alice").close()
    copy = tmp_path / "b.db"
    said(operate(server.data_dir, "backup", str(copy)))
    before = copy.read_bytes()
    assert "already exists" in refused(operate(server.data_dir, "backup", str(copy)))
    assert copy.read_bytes() == before
    said(operate(server.data_dir, "backup", str(copy), "--replace"))
    assert "Another EZ-DMS (process" in refused(operate(server.data_dir, "restore", str(copy), "--replace"))
    Program(server, "bob").close()
    server.kill()  # leaves a write-ahead log, which must not be applied to the restored database
    assert (server.data_dir / "ezdms.db-wal").stat().st_size > 0
    assert "There is already a database in" in refused(operate(server.data_dir, "restore", str(copy)))
    told = said(operate(server.data_dir, "restore", str(copy), "--replace"))
    [old] = server.data_dir.glob("ezdms.db.replaced-*")
    assert str(old) in told
    assert rows(old, "SELECT username FROM users ORDER BY username") == [("alice",), ("bob",)]
    assert rows(server.data_dir / "ezdms.db", "SELECT username FROM users") == [("alice",)]
    server.start()
    assert server.stop() == 0


@pytest.mark.parametrize("damage", ["text", "cut", "page", "empty", "foreign", "newer", "missing"])
def test_an_invalid_backup_is_refused_before_anything_changes(server: Server, tmp_path: Path, damage: str) -> None:
    Program(server, "alice").close()
    copy = tmp_path / "b.db"
    said(operate(server.data_dir, "backup", str(copy)))
    assert server.stop() == 0
    standing = (server.data_dir / "ezdms.db").read_bytes()
    whole = copy.read_bytes()
    if damage == "text":
        copy.write_text("Dear diary")
    elif damage == "cut":
        copy.write_bytes(whole[: len(whole) // 2])
    elif damage == "page":
        copy.write_bytes(whole[:4096] + os.urandom(4096) + whole[8192:])
    elif damage == "empty":
        copy.write_bytes(b"")
    elif damage == "foreign":
        copy.unlink()
        with closing(sqlite3.connect(copy)) as connection:
            connection.execute("CREATE TABLE recipes (cake TEXT)")
    elif damage == "newer":
        with closing(sqlite3.connect(copy)) as connection, connection:
            connection.execute("INSERT INTO migrations VALUES (9999, '9999_future', 0)")
    else:
        copy.unlink()
    sentence = refused(operate(server.data_dir, "restore", str(copy), "--replace"))
    expected = {"newer": "has schema 9999", "missing": "There is no file"}
    assert expected.get(damage, "damaged") in sentence
    assert (server.data_dir / "ezdms.db").read_bytes() == standing
    assert list(server.data_dir.glob("*.part*")) == list(server.data_dir.glob("*replaced*")) == []


def test_a_damaged_database_stops_the_start_and_the_backup_with_a_next_step(server: Server, tmp_path: Path) -> None:
    alice, bob = Program(server, "alice"), Program(server, "bob")
    alice.start(bob)
    for i in range(40):
        alice.send(bob, f"message {i}")
    for program in (alice, bob):
        program.close()
    assert server.stop() == 0
    path = server.data_dir / "ezdms.db"
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 8192] = os.urandom(8192)
    path.write_bytes(content)
    sentence = refused(operate(server.data_dir, "serve", "--port", "0"))
    assert "is damaged" in sentence
    assert "ezdms restore FILE" in sentence
    assert "is damaged" in refused(operate(server.data_dir, "backup", str(tmp_path / "b.db")))
    assert not (tmp_path / "b.db").exists()


@pytest.mark.parametrize("target", ["missing/b.db", "/proc/b.db"])
def test_an_unwritable_target_is_reported(server: Server, tmp_path: Path, target: str) -> None:
    assert "Cannot write" in refused(operate(server.data_dir, "backup", str(tmp_path / target)))


@pytest.mark.parametrize("flags", [(), ("--replace",)], ids=["plain", "replace"])
def test_a_backup_never_overwrites_the_servers_own_files(
    server: Server, tmp_path: Path, flags: tuple[str, ...]
) -> None:
    Program(server, "alice").close()
    folder, database = server.data_dir, server.data_dir / "ezdms.db"
    (tmp_path / "symbolic.db").symlink_to(database)
    (tmp_path / "hard.db").hardlink_to(database)
    (tmp_path / "folder").symlink_to(folder)
    (tmp_path / "dangling.db").symlink_to(folder / "not yet.db")
    (tmp_path / "another").mkdir()
    (tmp_path / "another" / "ezdms.lock").touch()  # another server's folder
    inode = database.stat().st_ino
    before = {path.name for path in folder.iterdir()}
    names = ("ezdms.db", "ezdms.db-wal", "ezdms.db-shm", "ezdms.lock", "operator.sock", "last_backup.json", "new.db")
    targets = [*(folder / name for name in names), tmp_path / "folder" / "ezdms.db", tmp_path / "another" / "ezdms.db"]
    targets += [tmp_path / name for name in ("symbolic.db", "hard.db", "dangling.db")]
    for target in targets:
        sentence = refused(operate(folder, "backup", str(target), *flags))
        assert "is the database itself" in sentence or "is a server's data folder" in sentence, target
    assert "is the database itself" in refused(operate(folder, "backup", *flags, str(tmp_path / "hard.db")))
    assert {path.name for path in folder.iterdir()} == before
    assert (database.stat().st_ino, (tmp_path / "symbolic.db").is_symlink()) == (inode, True)
    Program(server, "bob").close()  # the server continues with its open file
    assert rows(database, "SELECT username FROM users ORDER BY username") == [("alice",), ("bob",)]


def test_a_backup_can_be_written_to_a_subfolder_of_the_data_folder(server: Server) -> None:
    """In a container, no other folder is writable (docs/self-hosting.md)."""
    (server.data_dir / "backups").mkdir()
    assert "checked." in said(operate(server.data_dir, "backup", str(server.data_dir / "backups" / "b.db")))


def test_the_database_itself_and_a_partial_restore_cannot_be_restored(server: Server, tmp_path: Path) -> None:
    Program(server, "alice").close()
    half = server.data_dir / "ezdms.db.part"
    said(operate(server.data_dir, "backup", str(tmp_path / "b.db")))
    assert server.stop() == 0
    (tmp_path / "b.db").rename(half)
    (tmp_path / "link.db").symlink_to(server.data_dir / "ezdms.db")
    for source, words in ((half, "Move it out of"), (tmp_path / "link.db", "this server's own database")):
        assert words in refused(operate(server.data_dir, "restore", str(source), "--replace"))
    assert rows(half, "SELECT username FROM users") == [("alice",)]
    assert list(server.data_dir.glob("*replaced*")) == []


def test_progress_is_shown_in_a_terminal(server: Server, tmp_path: Path) -> None:
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "ezdms", "backup", str(tmp_path / "b.db")],
        env=environment(EZDMS_DATA_DIR=str(server.data_dir)),
        stdout=subprocess.DEVNULL,
        stderr=slave,
    )
    os.close(slave)
    shown = b""
    try:
        while piece := os.read(master, 1000):
            shown += piece
    except OSError:  # the terminal was closed
        pass
    os.close(master)
    assert process.wait(timeout=30) == 0
    assert b"Copying" in shown
    assert b"Checking" in shown
    assert b"100 %" in shown


def test_a_backup_of_a_server_that_was_killed_holds_what_was_acknowledged(server: Server, tmp_path: Path) -> None:
    Program(server, "alice").close()
    server.kill()
    said(operate(server.data_dir, "backup", str(tmp_path / "b.db")))
    assert rows(tmp_path / "b.db", "SELECT username FROM users") == [("alice",)]
