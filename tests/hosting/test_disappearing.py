"""Messages that disappear while the server is stopped, or is killed: nothing of them is left on the disk."""

from __future__ import annotations

import random
import shutil
import sqlite3
import subprocess
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.conftest import ROOT, Server
from tests.http.test_changes import is_found
from tests.support.forked import environment, launch, run
from tests.support.served import Program

MANY = 2000  # messages: 20 slices
WORD = "unmistakable-and-sealed"
SWEEP = """
import asyncio, sys
from pathlib import Path
from ezdms.actions.sweeping import Sweeper
from ezdms.db import Database

async def main():
    print(flush=True)
    database = await Database.open(Path(sys.argv[1]))
    sweeper = Sweeper(database, retention=0)
    await sweeper.start()
    print(flush=True)
    await sweeper.close()
    await database.close()

asyncio.run(main())
"""


def stored(folder: Path) -> bytes:
    """All bytes of the database, its log, and everything else there."""
    return b"\n".join(path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file())


def test_what_disappeared_while_the_server_was_stopped_is_gone_before_it_listens(server: Server) -> None:
    alice, bob = Program(server, "alice"), Program(server, "bob")
    conversation = alice.start(bob)
    fields = alice.seal(bob, "disappears") | {"expires_in": 3600}
    kept = alice.seal(bob, "stays")
    for one in (fields, kept):
        alice.ask("/send_message", one)
    assert server.stop() == 0
    assert all(is_found(one["content_for_a"], stored(server.data_dir)) for one in (fields, kept))
    with closing(sqlite3.connect(server.data_dir / "ezdms.db")) as connection, connection:
        connection.execute("UPDATE messages SET created_at = created_at - 3600000")
        connection.execute("UPDATE message_facts SET expires_at = expires_at - 3600000")
    server.start()
    server.kill()  # before it could do anything but start
    found = stored(server.data_dir)
    assert is_found(kept["content_for_a"], found)
    assert not any(is_found(fields[f"content_for_{side}"], found) for side in ("a", "b"))
    server.start()
    rows = bob.ask(f"/messages/{conversation}")
    assert [(row["gone"], row["encrypted"] is None) for row in rows] == [("expired", True), (None, False)]
    for program in (alice, bob):
        program.close()


def test_what_was_replaced_just_before_a_crash_is_gone_after_the_restart(server: Server) -> None:
    alice, bob = Program(server, "alice"), Program(server, "bob")
    conversation = alice.start(bob)
    target = alice.seal(bob, "the text")
    alice.ask("/send_message", target)
    edit = alice.seal(bob, "an edit") | {"replaces": target["message_id"]}
    alice.ask("/send_message", edit)
    server.kill()
    server.start()
    found = stored(server.data_dir)
    assert is_found(edit["content_for_a"], found)
    assert not any(is_found(target[f"content_for_{side}"], found) for side in ("a", "b"))
    assert [row["gone"] for row in bob.ask(f"/messages/{conversation}")] == ["replaced", None]
    for program in (alice, bob):
        program.close()


def check(path: Path) -> int:
    """How many messages have disappeared, after a check that each did completely, and that the usage says the same."""
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        states = connection.execute(
            """SELECT m.sealed_a IS NULL, m.sealed_b IS NULL, f.expires_at IS NULL, f.gone_a, f.gone_b
               FROM messages m JOIN message_facts f USING (conversation_id, seq)"""
        ).fetchall()
        assert set(states) <= {(0, 0, 0, None, None), (1, 1, 1, "expired", "expired")}
        counted = connection.execute("SELECT SUM(message_bytes) FROM usage").fetchone()
        true = "SELECT COALESCE(SUM(LENGTH(sealed_a) + LENGTH(sealed_b)), 0) FROM messages"
        assert counted == connection.execute(true).fetchone()
    return sum(state[0] for state in states)


def test_a_server_killed_while_messages_disappear_goes_on_at_the_next_start(server: Server, tmp_path: Path) -> None:
    alice, bob = Program(server, "alice"), Program(server, "bob")
    conversation = alice.start(bob)
    alice.send(bob, "the first")
    assert server.stop() == 0
    with closing(sqlite3.connect(server.data_dir / "ezdms.db")) as connection, connection:
        (sender,) = connection.execute("SELECT sender_id FROM messages").fetchone()
        connection.execute("DELETE FROM messages")
        for i in range(1, MANY + 1):
            sealed = f"{WORD}-{i}." * 60
            connection.execute(
                "INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?, 1, ?, ?, 1)",
                (conversation, i, f"id {i}", sender, i, f"hash {i}", sealed, sealed),
            )
            connection.execute(
                "INSERT INTO message_facts (conversation_id, seq, expires_in, expires_at) VALUES (?, ?, 1, 1001)",
                (conversation, i),
            )
        size = "(SELECT SUM(LENGTH(sealed_a) + LENGTH(sealed_b)) FROM messages)"
        connection.execute(f"UPDATE usage SET message_bytes = {size} WHERE user_id = ?", (sender,))  # noqa: S608
    assert check(server.data_dir / "ezdms.db") == 0
    (tmp_path / "sweep.py").write_text(SWEEP)
    sweeps: dict[str, Any] = {"module": "sweep", "env": environment(PYTHONPATH=f"{ROOT}:{tmp_path}")}
    chance = random.Random(11)  # noqa: S311
    gone = []
    for turn in range(8):
        folder = tmp_path / str(turn)
        shutil.copytree(server.data_dir, folder, ignore=shutil.ignore_patterns("*.sock"))
        path = folder / "ezdms.db"
        process = launch(str(path), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, **sweeps)
        assert process.stdout is not None
        process.stdout.readline()  # imports are done
        threading.Event().wait(chance.uniform(0.02, 0.4))
        process.kill()
        process.wait(timeout=10)
        process.stdout.close()
        gone.append(check(path))
        assert run(str(path), **sweeps).returncode == 0
        assert check(path) == MANY
        assert WORD.encode() not in stored(folder)
    assert any(0 < count < MANY for count in gone), gone
    for program in (alice, bob):
        program.close()
