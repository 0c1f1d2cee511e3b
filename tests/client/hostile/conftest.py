"""One real server behind one wire, and four users, shared by all tests; each test works on a copy of a user's home."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ezdms import crypto
from tests.client.hostile.people import Someone, all_new, where
from tests.client.hostile.script import Script
from tests.client.hostile.wire import Wire
from tests.conftest import Server


@dataclass(frozen=True)
class World:
    """Alice has verified Bob and Carol and exchanged messages with them. `twin` is another Bob, who is not verified."""

    wire: Wire
    alice: Someone
    bob: Someone
    carol: Someone
    twin: Someone


@pytest.fixture(scope="package", autouse=True)
def logins_are_cheap() -> Iterator[None]:
    """The rounds of a login cost more than everything else here. The vectors check their number."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crypto, "LOGIN_ITER", 1_000)
        yield


@pytest.fixture(scope="package")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("world")
    with Server(folder) as server, Wire(server.url) as wire:
        alice, bob, carol, twin = (
            Someone.register(wire, name, folder / home)
            for name, home in (("alice", "alice"), ("bob", "bob"), ("carol", "carol"), ("bob", "twin"))
        )
        for other in (bob, carol):
            assert alice.run("add", other.search_pin).code == 0
            assert alice.run("send", other.name, "hello").code == 0
        assert bob.run("send", "alice", "one").code == 0
        assert carol.run("send", "alice", "hi").code == 0
        for other in (bob, carol):
            alice.do(lambda client, other=other: all_new(client, where(alice, other)))  # type: ignore[misc]
        yield World(wire, alice, bob, carol, twin)


@pytest.fixture
def wire(world: World) -> Iterator[Wire]:
    """The wire, with no requests recorded."""
    world.wire.forget()
    yield world.wire
    world.wire.slip()


@pytest.fixture
def alice(world: World, wire: Wire, tmp_path: Path) -> Someone:
    """Alice, with her own home directory for this test."""
    return world.alice.copy(tmp_path)


@pytest.fixture
def anna(world: World, wire: Wire, tmp_path: Path) -> Someone:
    """A new user who has verified Bob and Carol. What she is told ends up in no other test's vault."""
    anna = Someone.register(wire, "anna", tmp_path / "anna")
    for other in (world.bob, world.carol):
        assert anna.run("add", other.search_pin).code == 0
    wire.forget()
    return anna


@pytest.fixture(scope="module")
def judy_at_home(world: World, tmp_path_factory: pytest.TempPathFactory) -> Someone:
    """Judy has verified Bob; they have no messages yet."""
    judy = Someone.register(world.wire, "judy", tmp_path_factory.mktemp("judy") / "judy")
    assert judy.run("add", world.bob.search_pin).code == 0
    return judy


@pytest.fixture
def script(world: World, judy_at_home: Someone, tmp_path: Path) -> Script:
    return Script(judy_at_home.copy(tmp_path), world.bob)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands believe that they run in a terminal."""
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda self: True, raising=False)
