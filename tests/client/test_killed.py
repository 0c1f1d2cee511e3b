"""Killing a client while it sends: acknowledged messages arrive once, and the chain stays valid."""

from __future__ import annotations

import asyncio
import random
import subprocess
from pathlib import Path

from ezdms.client import Client, Message
from ezdms.client.state import State
from tests.conftest import Server
from tests.support.forked import environment, launch
from tests.support.player import Player

KILLS = 12


async def test_a_killed_client_loses_and_duplicates_no_messages(server: Server, tmp_path: Path) -> None:
    alice = await Player.register(server, "alice", tmp_path)
    bob = await Player.register(server, "bob", tmp_path)
    await alice.client.start(bob.client.search_pin)
    chance = random.Random(1)  # noqa: S311
    acknowledged: list[str] = []
    for run in range(KILLS):
        words = str(alice.home), alice.pin, str(run)
        sender = launch(*words, module="tests.support.sender", env=environment(), stdout=subprocess.PIPE)
        assert sender.stdout is not None
        for _ in range(chance.randrange(1, 4)):
            acknowledged.append((await asyncio.to_thread(sender.stdout.readline)).strip())
        await asyncio.sleep(chance.uniform(0, 0.05))  # in the middle of the next message
        sender.kill()
        acknowledged += (await asyncio.to_thread(sender.communicate))[0].split()
    last = await Client.open(State.find(alice.home), alice.pin)  # sends what is still queued
    assert last.state.values["outbox"] == []
    await last.close()

    contact = (await bob.client.contacts())[0]
    found: list[Message] = []
    before: int | None = None
    while page := await bob.client.history(contact, limit=200, before=before):
        found = page + found
        before = page[0].seq
    texts = [str(message.text) for message in found]
    assert len(acknowledged) >= KILLS
    assert [text for text in acknowledged if text not in texts] == []
    assert len(texts) == len(set(texts))
    assert {(message.place, message.failure, message.alarm) for message in found} == {("ok", "", "")}
    for player in (alice, bob):
        await player.leave()
