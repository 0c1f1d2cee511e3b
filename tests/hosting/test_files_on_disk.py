"""Uploads on a real disk that fills up, and through a server that is killed."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any

import httpx

from tests.conftest import Server
from tests.support.served import Program, fill
from tests.support.uploads import on_disk

PART = 300_000


def patch(server: Server, program: Program, file_id: str, offset: int, part: bytes) -> httpx.Response:
    headers = {"Authorization": f"Bearer {program.token}", "Accept": "application/json", "Upload-Offset": str(offset)}
    return httpx.patch(f"{server.url}/files/{file_id}", headers=headers, content=part, trust_env=False)


def begin(program: Program, conversation: str, size: int) -> str:
    status, body = program.exchange("/files", {"conversation_id": conversation, "size": size})
    assert status == 201, body
    return str(httpx.Response(200, content=body).json()["file_id"])


def test_an_upload_survives_a_disk_that_fills_up(small_disk: Path) -> None:
    server = Server(small_disk)
    server.log = Path(os.devnull)  # this disk is too small for it
    server.start()
    alice, bob = Program(server, "alice"), Program(server, "bob")
    whole = secrets.token_bytes(2 * PART)
    try:
        conversation = alice.start(bob)
        file_id = begin(alice, conversation, len(whole))
        assert patch(server, alice, file_id, 0, whole[:PART]).status_code == 204
        fill(small_disk / "ballast")
        answer = patch(server, alice, file_id, PART, whole[PART:])
        assert (answer.status_code, answer.json()["code"]) == (507, "disk")
        assert [path.read_bytes() == whole[:PART] for path in on_disk(server.data_dir)] == [True]
        (small_disk / "ballast").unlink()
        assert patch(server, alice, file_id, PART, whole[PART:]).status_code == 204
        fields: dict[str, Any] = alice.seal(bob, "a file") | {"file": file_id}
        assert alice.exchange("/send_message", fields)[0] == 201
        assert [path.read_bytes() == whole for path in on_disk(server.data_dir)] == [True]
    finally:
        for program in (alice, bob):
            program.close()
        server.kill()


def test_an_upload_survives_a_server_that_is_killed(server: Server) -> None:
    alice, bob = Program(server, "alice"), Program(server, "bob")
    whole = secrets.token_bytes(2 * PART)
    file_id = begin(alice, alice.start(bob), len(whole))
    assert patch(server, alice, file_id, 0, whole[:PART]).status_code == 204
    (path,) = on_disk(server.data_dir)
    orphan = path.parent.parent / "ab" / ("ab" * 16)
    orphan.parent.mkdir(mode=0o700, exist_ok=True)
    orphan.touch(mode=0o600)
    server.kill()
    server.start()
    answer = patch(server, alice, file_id, 0, b"")
    assert (answer.status_code, answer.json()["offset"]) == (409, PART)
    assert patch(server, alice, file_id, PART, whole[PART:]).status_code == 204
    for _ in range(200):
        if not orphan.exists():
            break
        patch(server, alice, file_id, 2 * PART, b"")
    assert [path.read_bytes() == whole for path in on_disk(server.data_dir)] == [True]
    for program in (alice, bob):
        program.close()
