"""Two users with Python clients."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ezdms import crypto
from tests.conftest import Server
from tests.support.once import cheap_login_pin
from tests.support.player import Player
from tests.support.talking import Talk


@pytest.fixture(autouse=True)
def pins(monkeypatch: pytest.MonkeyPatch) -> None:
    """New Login PINs are cheap ones."""
    monkeypatch.setattr(crypto, "new_login_pin", cheap_login_pin)


@pytest.fixture
async def two(server: Server, tmp_path: Path) -> AsyncIterator[tuple[Player, Player]]:
    """Alice and Bob, both listening."""
    players = await asyncio.gather(*(Player.register(server, name, tmp_path) for name in ("alice", "bob")))
    for player in players:
        player.listen()
    yield players[0], players[1]
    for player in players:
        await player.leave()


@pytest.fixture
async def talk(server: Server, tmp_path: Path) -> AsyncIterator[Talk]:
    """Alice with two devices, and Bob."""
    talk = await Talk.begin(server, tmp_path)
    yield talk
    await talk.leave()
