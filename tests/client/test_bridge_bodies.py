"""Request bodies that the bridge accepts, and those that it refuses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.conftest import Server
from tests.support.bridged import Bridge


@pytest.fixture
async def bridge(server: Server, tmp_path: Path) -> AsyncIterator[Bridge]:
    """A running bridge."""
    async with Bridge(server.url, tmp_path / "bridge") as running:
        yield running


async def test_malformed_bodies_are_refused(bridge: Bridge) -> None:
    for kind, body in [
        ("application/json", b""),
        ("application/json", b"[]"),
        ("application/json", b'[["username", "x"]]'),
        ("application/json", b'{"username": {"username": "x"}}'),
        ("application/json", b'{"username": true}'),
        ("application/json", b'{"username": "\\ud800"}'),
        ("application/json", b'{"username": "x", "username": "y"}'),
        ("application/json", b"[" * 30_000),
        ("application/x-www-form-urlencoded", b"username=x&username=y"),
        ("application/x-www-form-urlencoded", b"username=%ff"),
        ("application/x-www-form-urlencoded", b"\xff"),
        ("application/x-www-form-urlencoded", b"a=b&" * 40),
        ("multipart/form-data", b"--"),
        ("multipart/form-data; boundary=x", b"--x\r\n\r\n--x--"),
        ("text/plain", b"{}"),
    ]:
        headers = {"Content-Type": kind, "Authorization": f"Bearer {bridge.token}"}
        answer = await bridge.http.post(f"{bridge.url}/register", content=body, headers=headers)
        assert (answer.status_code, list(answer.json())) == (400, ["error"]), (kind, body[:50])
    assert "Traceback" not in bridge.log.read_text()
    assert await bridge.get("/ping") == {"status": "ok"}


async def test_oversized_bodies_are_refused(bridge: Bridge) -> None:
    kinds = ("application/x-www-form-urlencoded", "application/json", "multipart/form-data; boundary=x")
    for kind in kinds:
        for size in (65_536, 4_000_000):
            headers = {"Content-Type": kind} | bridge.proof
            try:
                body = b"username=" + b"x" * size
                answer = await bridge.http.post(f"{bridge.url}/register", content=body, headers=headers)
                assert (answer.status_code, "at most 65536 bytes" in answer.json()["error"]) == (413, True)
            except httpx.TransportError:
                continue  # the bridge closed the connection before the whole body was sent
    assert await bridge.get("/ping") == {"status": "ok"}
    assert "Traceback" not in bridge.log.read_text()


async def test_multipart_forms_are_accepted(bridge: Bridge) -> None:
    answer = await bridge.http.post(
        f"{bridge.url}/register",
        files={"username": (None, "alice")},
        headers={"Authorization": f"Bearer {bridge.token}"},
    )
    assert answer.json()["username"] == "alice"
