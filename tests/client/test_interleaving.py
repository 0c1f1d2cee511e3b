"""Two devices and a partner do everything at once, in any order: all see the same, and what the protocol says."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import given as for_any
from hypothesis import strategies as st

from ezdms import crypto
from ezdms.client import Client, ClientError, Message, changes
from ezdms.client.state import State
from tests.conftest import Server

HOMES = ("first", "second", "bob")  # the first two are devices of Alice
REFUSALS = {changes.NO_MESSAGE, changes.NOT_YOURS, *changes.LOST.values()}
EMOJI = ("👍", "🎉", "")

Act = tuple[int, str, int]  # who, what, and about which of the messages that they see
acts = st.tuples(
    st.integers(0, 2),
    st.sampled_from(["text", "reply", "edit", "edit", "edit", "react", "react", "react", "delete", "hide", "timer"]),
    st.integers(0, 2),
)
rounds = st.lists(st.lists(acts, min_size=1, max_size=4), min_size=4, max_size=8)  # those of a round at the same time


@dataclass
class Done:
    """Something that the server accepted, by its id."""

    who: str
    kind: str
    text: str
    target: str = ""


@dataclass
class World:
    """Three homes at one server, and everything that was ever done there."""

    server: Server
    folder: Path
    pins: dict[str, str]
    where: str
    done: dict[str, Done] = field(default_factory=dict)
    hidden: set[tuple[str, str]] = field(default_factory=set)  # who and which
    count: int = 0


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
    homes = {"first": pins["alice"], "second": pins["alice"], "bob": pins["bob"]}
    return World(server, folder, homes, contact.conversation_id)


async def _do(world: World, client: Client, name: str, kind: str, at: int) -> None:
    """Do one thing. What is refused is not done."""
    who = "bob" if name == "bob" else "alice"
    page = [one for one in await client.history(world.where, limit=200) if one.state != "timer"]
    world.count += 1
    text, message = f"{kind} {world.count}", page[-1 - at % len(page)] if page else None
    try:
        if kind == "timer":
            await client.set_timer(world.where, (0, 3600)[at % 2])
        elif kind == "text" or message is None:
            world.done[await client.send(world.where, text)] = Done(who, "text", text)
        elif kind == "reply":
            world.done[await message.reply(text)] = Done(who, "text", text, message.message_id)
        elif kind == "edit":
            world.done[await message.edit(text)] = Done(who, kind, text, message.message_id)
        elif kind == "delete":
            world.done[await message.delete()] = Done(who, kind, "", message.message_id)
        elif kind == "react":
            emoji = EMOJI[world.count % 3]
            world.done[await message.react(emoji)] = Done(who, kind, emoji, message.message_id)
        else:
            await message.hide()
            world.hidden.add((who, message.message_id))
    except ClientError as error:
        assert str(error) in REFUSALS  # noqa: PT017 - nothing was sent, and nothing waits


def expected(world: World, order: list[str], who: str) -> list[tuple[str, str | None, dict[str, str]]]:
    """What this person must see, replayed naively in the order of the server."""
    texts: dict[str, str | None] = {}
    edited, reactions = set[str](), dict[tuple[str, str], str]()
    for id in order:
        done = world.done.get(id)
        if done is None:
            continue  # a timer
        if done.kind == "text":
            texts[id] = done.text
        elif done.kind == "delete":
            texts[done.target] = None
        elif done.kind == "edit" and texts[done.target] is not None:
            texts[done.target] = done.text
            edited.add(done.target)
        elif done.kind == "react":
            reactions[done.target, done.who] = done.text
    views = list[tuple[str, str | None, dict[str, str]]]()
    for id, text in texts.items():
        sides = {
            "own" if one == who else "theirs": emoji for (at, one), emoji in reactions.items() if at == id and emoji
        }
        if text is None:
            views.append(("deleted", None, {}))
        elif (who, id) in world.hidden:
            views.append(("hidden", None, {}))
        else:
            views.append(("edited" if id in edited else "text", text, sides))
    return views


async def _live(world: World, plan: list[list[Act]]) -> None:
    clients = [await Client.open(State.find(world.folder / name), world.pins[name]) for name in HOMES]
    try:
        for one_round in plan:
            await asyncio.gather(*(_do(world, clients[who], HOMES[who], kind, at) for who, kind, at in one_round))
        order = [row.message_id for row in await clients[0].sealed(world.where, 0, 10_000)]
        for name, client in zip(HOMES, clients, strict=True):
            assert client.waiting() == []
            found = await client.history_after(world.where, 0, 10_000)
            assert {(message.place in ("ok", "crossed"), message.alarm) for message in found} <= {(True, "")}
            assert _view(found) == expected(world, order, "bob" if name == "bob" else "alice")
    finally:
        for client in clients:
            await client.close()


def _view(messages: list[Message]) -> list[tuple[str, str | None, dict[str, str]]]:
    return [(one.state, one.text, one.reactions) for one in messages if one.state != "timer"]


@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
    phases=(Phase.generate,),  # what one example leaves behind belongs to the next
)
@for_any(plan=rounds)
def test_any_interleaving_of_two_devices_and_a_partner_ends_in_the_same_view(
    world: World, plan: list[list[Act]]
) -> None:
    asyncio.run(_live(world, plan))
