"""Databases of earlier versions are upgraded without data loss, even if the upgrade is interrupted."""

from __future__ import annotations

import random
import re
import shutil
import sqlite3
import subprocess
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from ezdms.client import Client
from ezdms.protocol import envelope
from ezdms.store import schema
from tests.conftest import ROOT, Server
from tests.support.forked import environment, launch, run

DUMPS = sorted((ROOT / "tests" / "upgrades").glob("schema_*.sql"), key=lambda path: int(path.stem[7:]))
OPENS: dict[str, Any] = {"module": "tests.support.migrating", "env": environment()}
NEWEST = schema.migrations()[-1][0]


def restore_dump(dump: Path, folder: Path) -> dict[str, str]:
    """Restore the dump; returns the Login PINs and tokens listed at its top."""
    folder.mkdir(mode=0o700)
    text = dump.read_text("utf-8")
    with closing(sqlite3.connect(folder / "ezdms.db")) as connection:
        connection.executescript(text)
        connection.execute("PRAGMA journal_mode = WAL")
    head = text.split("BEGIN TRANSACTION")[0]
    pins = {f"{name} pin": pin for name, pin in re.findall(r"(\w+) ((?:\w{4}-){3}\w{4})", head)}
    tokens = {f"{name} token": token for name, token in re.findall(r"(\w+) ([\w-]{43})\b", head)}
    return pins | tokens


def state(path: Path) -> tuple[list[int], dict[str, int]]:
    """The applied migrations and the row count of each table, after an integrity check."""
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        applied = [number for (number,) in connection.execute("SELECT number FROM migrations ORDER BY number")]
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        counts = {
            name: connection.execute(f"SELECT COUNT(*) FROM {name}").fetchone()[0]  # noqa: S608
            for name in tables
            if name != "migrations"
        }
    return applied, counts


def counted(path: Path) -> list[tuple[object, ...]]:
    """The stored counters and sizes of each account, which must match its messages and vault."""
    with closing(sqlite3.connect(path)) as connection:
        kept = connection.execute(
            """SELECT p.last_n, g.message_bytes, g.vault_bytes, v.sealed FROM participants p
               JOIN usage g ON g.user_id = p.user_id LEFT JOIN vaults v ON v.user_id = p.user_id ORDER BY p.user_id"""
        ).fetchall()
        true = connection.execute(
            """SELECT MAX(n), SUM(LENGTH(sealed_a) + LENGTH(sealed_b)) FROM messages
               GROUP BY sender_id ORDER BY sender_id"""
        ).fetchall()
    assert [row[:2] for row in kept] == true
    for *_, vault_bytes, sealed in kept:
        assert (vault_bytes > 0) == (sealed is not None)
        assert sealed is None or vault_bytes == envelope.key_id_and_size_of_vault(sealed)[1]
    return kept


def test_there_is_a_sample_database_for_every_earlier_schema() -> None:
    assert [path.stem for path in DUMPS] == [f"schema_{number}" for number in range(1, NEWEST)]


@pytest.mark.parametrize("dump", DUMPS, ids=lambda path: path.stem)
async def test_an_upgrade_keeps_all_data(dump: Path, tmp_path: Path) -> None:
    server = Server(tmp_path)
    known = restore_dump(dump, server.data_dir)
    _, before = state(server.data_dir / "ezdms.db")
    with server:
        clients = [await Client.login(server.url, known[f"{n} pin"], home=tmp_path / n) for n in ("alice", "bob")]
        for client in clients:
            contact = (await client.contacts())[0]
            found = await client.history(contact, limit=200)
            assert [message.text for message in found] == [f"message {i}" for i in range(30)]
            assert {message.failure for message in found} == {""}
        kept = counted(server.data_dir / "ezdms.db")
        await clients[0].send((await clients[0].contacts())[0], "after the upgrade")
        assert counted(server.data_dir / "ezdms.db") != kept
        newest = (await clients[1].history((await clients[1].contacts())[0], limit=1))[0]
        assert (newest.text, newest.place) == ("after the upgrade", "ok")
        for client in clients:
            await client.close()
        headers = {"Authorization": f"Bearer {known['alice token']}", "Accept": "application/json"}
        async with httpx.AsyncClient() as http:
            still = await http.get(f"{server.url}/sessions", headers=headers)
        assert [one["current"] for one in still.json()].count(True) == 1  # existing sessions still work
        assert server.stop() == 0
    applied, after = state(server.data_dir / "ezdms.db")
    assert applied == list(range(1, NEWEST + 1))
    assert after["messages"] == before["messages"] + 1
    assert after["users"] == before["users"]


@pytest.mark.parametrize("dump", DUMPS, ids=lambda path: path.stem)
def test_an_interrupted_upgrade_is_finished_by_the_next_start(dump: Path, tmp_path: Path) -> None:
    chance = random.Random(7)  # noqa: S311
    stages = set()
    restore_dump(dump, tmp_path / "restored")
    started, before = state(tmp_path / "restored" / "ezdms.db")
    for turn in range(5):
        path = shutil.copytree(tmp_path / "restored", tmp_path / str(turn)) / "ezdms.db"
        process = launch(str(path), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, **OPENS)
        assert process.stdout is not None
        process.stdout.readline()  # imports are done: now it opens the database
        threading.Event().wait(chance.uniform(0.0, 0.02))
        process.kill()
        process.wait(timeout=10)
        process.stdout.close()
        applied, halfway = state(path)
        stages.add(len(applied))
        assert applied in [list(range(1, number + 1)) for number in range(started[-1], NEWEST + 1)]
        assert {name: halfway[name] for name in before} == before
        assert run(str(path), **OPENS).returncode == 0
        applied, whole = state(path)
        assert applied == list(range(1, NEWEST + 1))
        assert {name: whole[name] for name in before} == before
    assert min(stages) < NEWEST, "none was interrupted"
