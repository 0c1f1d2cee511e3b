"""Requests to localhost bypass proxies from the environment, which would see the session token in plain text."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.conftest import Server
from tests.opened.opening import Opening, Visit
from tests.support.people import PEOPLE
from tests.support.player import Player

NAMES = ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "WS_PROXY", "ws_proxy")


@pytest.fixture
async def asked(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[bytes]]:
    """The requests that the proxy in the environment received."""
    asked: list[bytes] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readline())
        writer.close()

    async with await asyncio.start_server(note, "127.0.0.1", 0) as listener:
        for name in NAMES:
            monkeypatch.setenv(name, f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}")
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        yield asked


async def test_the_client_bypasses_proxies_for_localhost(server: Server, tmp_path: Path, asked: list[bytes]) -> None:
    alice, bob = [(await Player.register(server, name, tmp_path)).listen() for name in ("alice", "bob")]
    await alice.client.send(await alice.client.start(bob.client.search_pin), "hello")
    await bob.hears("hello")
    for player in (alice, bob):
        await player.leave()
    assert asked == []


async def test_the_opened_page_bypasses_proxies_for_localhost(
    server: Server, tmp_path: Path, asked: list[bytes]
) -> None:
    opening = Opening(server.url, tmp_path)
    await asyncio.to_thread(opening.start)
    async with Visit(opening) as visit:
        await visit.registers(PEOPLE["alice"], "alice")
        assert (await visit.asks("/me")).status_code == 200
    await asyncio.to_thread(opening.end)
    assert asked == []
