"""Where a Login PIN is used: nothing derived from it is sent to a server that is not the expected one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.client.hostile.conftest import World
from tests.client.hostile.people import Someone, changed, instead
from tests.client.hostile.wire import Wire


@pytest.fixture
def elsewhere(world: World) -> Iterator[Wire]:
    """Another address, which forwards everything to the server that Alice knows."""
    with Wire(world.wire.url) as wire:
        yield wire


@pytest.mark.parametrize("command", [("login",), ("register", "alice")], ids=["login", "register"])
def test_no_login_is_sent_to_an_address_that_claims_to_be_a_known_server(
    alice: Someone, elsewhere: Wire, command: tuple[str, ...]
) -> None:
    said = alice.at(elsewhere).run(*command)
    assert said.code == 1
    assert f"claims to be the one you know as {alice.wire.url}" in said.err
    assert [one.path for one in elsewhere.asked] == ["/deployment"]
    assert alice.run("login").code == 0  # the control: the known address


def test_trusting_a_server_is_remembered(alice: Someone, elsewhere: Wire) -> None:
    there = alice.at(elsewhere)
    assert there.run("login", EZDMS_TRUST_SERVER="http://127.0.0.1:1").code == 1
    assert there.run("login", EZDMS_TRUST_SERVER=elsewhere.url).code == 0
    assert there.run("login").code == 0


@pytest.mark.parametrize(("typed", "code"), [("y\n", 0), ("n\n", 1)], ids=["yes", "no"])
def test_a_terminal_user_is_asked_before_trusting_a_server(
    alice: Someone, elsewhere: Wire, terminal: None, typed: str, code: int
) -> None:
    said = alice.at(elsewhere).run("login", typed=typed)
    assert (said.code, "claims to be the one you know as" in said.err) == (code, True)
    assert bool(elsewhere.posted("/login")) == (code == 0)


def test_trust_server_is_also_a_flag(alice: Someone, elsewhere: Wire) -> None:
    assert alice.at(elsewhere).run("login", "--trust-server").code == 0


def test_no_login_is_sent_if_a_known_address_is_a_different_server(alice: Someone, wire: Wire) -> None:
    with wire.telling("GET /deployment", changed(deployment_id="A" * 22)):
        for command in (("login",), ("register", "dave")):
            wire.forget()
            said = alice.run(*command)
            assert (said.code, "A different server than before" in said.err) == (1, True)
            assert [one.path for one in wire.asked] == ["/deployment"]
        with alice.state.change() as values:
            values["token"] = "A" * 43  # an ended session is renewed only at its own server
        wire.forget()
        said = alice.run("contacts")
        assert (said.code, "A different server than before" in said.err) == (1, True)
        assert wire.posted("/login") == []


@pytest.mark.parametrize(
    "lie",
    [
        changed(deployment_id=["A" * 22]),
        changed(deployment_id="A" * 20),
        changed(deployment_id="A" * 1_000_000),
        changed(deployment_id="../../../etc"),
        changed(deployment_id=...),
        instead([1]),
    ],
    ids=["list", "short", "endless", "path", "missing", "not an object"],
)
def test_invalid_deployment_responses_are_errors(alice: Someone, wire: Wire, lie: Any) -> None:
    wire.forget()
    with wire.telling("GET /deployment", lie):
        said = alice.run("login")
    assert (said.code, "Error: The server's response" in said.err) == (1, True)
    assert wire.posted("/login") == []


def test_the_known_servers_file_is_owner_only(alice: Someone) -> None:
    (known,) = (alice.home / "known_servers").read_text().splitlines()
    assert known.split()[0] == alice.wire.url
    assert (alice.home / "known_servers").stat().st_mode & 0o777 == 0o600
