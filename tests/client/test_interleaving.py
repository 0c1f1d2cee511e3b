"""Two devices and a partner do everything at once, in any order: all see the same, and what the protocol says."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import given as for_any
from hypothesis import strategies as st

from ezdms import crypto
from ezdms.client import Client
from ezdms.client.state import State
from tests.conftest import Server
from tests.support.interleaved import Act, Past, a_round, view_of

HOMES = {"first": "alice", "second": "alice", "bob": "bob"}  # the first two are her devices


@dataclass
class World:
    """Three homes at one server, and everything that was ever done there."""

    server: Server
    folder: Path
    pins: dict[str, str]
    past: Past


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("interleaving")
    with pytest.MonkeyPatch.context() as patch, Server(folder, limit_send="off", limit_login="off") as server:
        patch.setattr(crypto, "LOGIN_ITER", 1_000)
        yield asyncio.run(_begin(server, folder))


async def _begin(server: Server, folder: Path) -> World:
    pins = {name: crypto.new_login_pin() for name in ("alice", "bob")}
    alice = await Client.register(server.url, "alice", pins["alice"], home=folder / "first")
    bob = await Client.register(server.url, "bob", pins["bob"], home=folder / "bob")
    contact = await alice.start(bob.search_pin)
    second = await Client.login(server.url, pins["alice"], home=folder / "second")
    for client in (alice, bob, second):
        await client.close()
    return World(server, folder, {home: pins[who] for home, who in HOMES.items()}, Past(contact.conversation_id))


async def _live(world: World, plan: list[list[Act]]) -> None:
    past = world.past
    clients = [await Client.open(State.find(world.folder / home), pin) for home, pin in world.pins.items()]
    people = list(HOMES.values())
    try:
        for one_round in plan:
            await asyncio.gather(*(past.act(clients[one], people[one], kind, at) for one, kind, at in one_round))
        order = [row.message_id for row in await clients[0].sealed(past.where, 0, 10_000)]
        for who, client in zip(people, clients, strict=True):
            assert client.waiting() == []
            found = await client.history_after(past.where, 0, 10_000)
            assert {(message.place in ("ok", "crossed"), message.alarm) for message in found} <= {(True, "")}
            assert [view_of(message) for message in found] == past.seen_by(who, order)
    finally:
        for client in clients:
            await client.close()


@settings(
    max_examples=5,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
    phases=(Phase.generate,),  # what one example leaves behind belongs to the next
)
@for_any(plan=st.lists(a_round, min_size=4, max_size=8))
def test_any_interleaving_of_two_devices_and_a_partner_ends_in_the_same_view(
    world: World, plan: list[list[Act]]
) -> None:
    asyncio.run(_live(world, plan))
