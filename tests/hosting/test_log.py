"""The log of a server process after an internal error."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import Server
from tests.support.served import Program


@pytest.mark.parametrize("as_json", [True, False])
def test_an_internal_error_is_one_log_line_with_its_route_and_place_and_no_user(tmp_path: Path, as_json: bool) -> None:
    with Server(tmp_path, log_json="on" if as_json else "off") as server:
        alice, bob = Program(server, "alice"), Program(server, "bob")
        conversation = alice.start(bob)
        with closing(sqlite3.connect(server.data_dir / "ezdms.db")) as connection:
            connection.execute("ALTER TABLE messages RENAME TO elsewhere")  # stands for a bug
        status, body = alice.exchange(f"/messages/{conversation}")
        assert (status, json.loads(body)["code"]) == (500, "internal_server_error")
        fields = alice.seal(bob, "the text")
        assert alice.exchange("/send_message", fields)[0] == 500
        assert server.stop() == 0
        log = server.log.read_text()
        lines = log.splitlines()
        assert len(lines) == 5  # started, two errors, stopping, stopped
        for secret in (conversation, alice.token, alice.search_pin, "alice", *map(str, fields.values())):
            assert secret not in log or len(secret) < 3
        failed = (("/messages/<conversation_id>", "conversation.py:"), ("/send_message", "message.py:"))
        for line, (route, place) in zip(lines[1:3], failed, strict=True):
            assert f"{route}" in line
            assert "OperationalError" in line
            assert "no such table" in line
            assert place in line
        if as_json:
            said = [json.loads(line) for line in lines]
            assert [one["event"] for one in said] == ["started", "error", "error", "stopping", "stopped"]
            assert (said[1]["level"], said[1]["method"], said[1]["route"]) == (
                "ERROR",
                "GET",
                "/messages/<conversation_id>",
            )
        for program in (alice, bob):
            program.close()
