"""Stolen hashes of Login PINs are expensive to guess, although the tests' own servers use a cheap scrypt."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from tests.conftest import Server
from tests.support import cheap
from tests.support.people import PEOPLE, registration


@pytest.mark.parametrize(("module", "method"), [("ezdms", "scrypt:32768:8:1"), ("tests.support.cheap", cheap.METHOD)])
def test_a_production_server_hashes_with_the_full_cost(tmp_path: Path, module: str, method: str) -> None:
    server = Server(tmp_path)
    server.module = module
    with server:
        fields = registration(PEOPLE["alice"], "alice")
        answer = httpx.post(f"{server.url}/register", data=fields, headers={"Accept": "application/json"})
        assert answer.status_code == 201
        with closing(sqlite3.connect(server.data_dir / "ezdms.db")) as database:
            ((stored,),) = database.execute("SELECT auth_hash FROM users")
        assert stored.startswith(f"{method}$")
        proof = {name: fields[name] for name in ("login_id", "auth_key")}
        assert httpx.post(f"{server.url}/login", data=proof).status_code == 200
