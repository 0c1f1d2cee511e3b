"""`ezdms accept`, `block`, `unblock`, `organize`, `delete-conversation` and `report`, as people use them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ezdms.client.account import now
from ezdms.commands.client.printing import as_argument
from tests.client.test_commands import Terminal, registered
from tests.conftest import Server
from tests.support import requests
from tests.support.hostile import Hostile


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server, where nobody accepts by themselves."""
    with Server(tmp_path_factory.mktemp("server")) as running:
        requests.accept_none(running.data_dir)
        yield running


@pytest.fixture
def pair(server: Server, tmp_path: Path) -> tuple[Terminal, Terminal]:
    """Bob has written to Alice."""
    alice, bob = (registered(server, tmp_path / name, name) for name in ("alice", "bob"))
    bob.run("add", str(alice.json("whoami")[0]["search_pin"]))
    bob.run("send", "alice", "hello")
    return alice, bob


def state_of(terminal: Terminal) -> list[object]:
    return [one["state"] for one in terminal.json("contacts")]


def test_a_request_is_accepted_or_answered(pair: tuple[Terminal, Terminal]) -> None:
    alice, bob = pair
    assert "  request  1 unread  " in alice.run("contacts")
    assert "bob: hello" in alice.run("read", "bob")
    for text in ("two", "three"):
        bob.run("send", "alice", text)
    assert "You can send more once this person has accepted your request" in bob.run("send", "alice", "four", code=1)
    assert alice.run("accept", "bob") == "bob: accepted.\n"
    assert (state_of(alice), state_of(bob)) == (["accepted"], ["accepted"])
    assert bob.run("outbox") == ""  # every command sends what waits
    assert alice.run("read", "bob").count("bob: ") == 4
    assert "request" not in alice.run("contacts")


def test_blocking_and_unblocking(pair: tuple[Terminal, Terminal]) -> None:
    alice, bob = pair
    assert alice.run("block", "bob") == "bob: blocked. They are not told.\n"
    assert (state_of(alice), "  blocked  " in alice.run("contacts")) == (["blocked"], True)
    bob.run("send", "alice", "meanwhile")
    assert "Unblock them first" in alice.run("send", "bob", "no", code=1)
    assert alice.run("unblock", "bob") == "bob: no longer blocked.\n"
    shown = alice.run("read", "bob")
    assert "bob: hello" in shown
    assert "meanwhile" not in shown
    assert state_of(alice) == ["request"]  # it was never accepted


def test_what_is_noted_about_a_contact(pair: tuple[Terminal, Terminal]) -> None:
    alice, _ = pair
    assert alice.run("organize", "bob") == "Nickname: none\nMuted: off\nPinned: off\nArchived: off\n"
    options = ("--nickname", "Bobby", "--mute", "8h", "--pin", "on", "--archive", "on")
    [contact] = alice.json("organize", "bob", *options)
    assert (contact["nickname"], contact["is_pinned"], contact["is_archived"]) == ("Bobby", True, True)
    assert isinstance(contact["muted_until"], int)
    assert 7 * 3_600_000 < contact["muted_until"] - now() <= 8 * 3_600_000
    assert "bob (Bobby)  " in alice.run("contacts")
    assert "Muted: always\n" in alice.run("organize", "bob", "--mute", "always")
    assert "Muted: off\n" in alice.run("organize", "bob", "--mute", "off")
    assert "--mute: write a time" in alice.run("organize", "bob", "--mute", "soon", code=2)
    assert "at most 50 characters" in alice.run("organize", "bob", "--nickname", "x" * 51, code=1)


def test_a_conversation_is_deleted_after_a_question(pair: tuple[Terminal, Terminal]) -> None:
    alice, bob = pair
    assert "This cannot be undone" in alice.run("delete-conversation", "bob", typed="n\n", code=1)
    assert "hello" in alice.run("read", "bob")
    assert "was deleted" in alice.run("delete-conversation", "bob", "--yes")
    assert alice.json("contacts") == []
    bob.run("send", "alice", "again")
    shown = alice.run("read", "bob")
    assert "bob: again" in shown
    assert "hello" not in shown


def test_messages_are_reported_after_they_were_shown(pair: tuple[Terminal, Terminal], server: Server) -> None:
    alice, bob = pair
    bob.run("send", "alice", "insult")
    count = "SELECT COUNT(*) AS count FROM reports"
    before = Hostile(server).run(count)[0]["count"]
    asked = alice.run("report", "bob", "--last", "1", "--reason", "why", code=2)
    assert "insult" in asked
    assert f"go to whoever runs {server.url}" in " ".join(asked.split())
    assert "hello" not in asked
    assert Hostile(server).run(count)[0]["count"] == before
    assert alice.run("report", "bob", "--last", "1", "--reason", "why", "--yes") == "Reported: 1 message of bob.\n"
    [insult] = [str(one["message_id"]) for one in alice.json("read", "bob") if one["text"] == "insult"]
    assert alice.run("report", "bob", insult, "--yes") == "Reported: 1 message of bob.\n"
    [*_, newest] = Hostile(server).run("SELECT message_id FROM reported_messages")
    assert newest["message_id"] == insult
    for unknown in ("A" * 22, "-g" + "A" * 20, "--last-of-these-ids-AA"):  # an id, as every 64th begins
        assert "Not all of these" in alice.run("report", "bob", insult, unknown, "--yes", code=1)
    for wrong in ((), (insult, "--last", "1"), ("--last", "21")):
        alice.run("report", "bob", *wrong, "--yes", code=2)
    assert Hostile(server).run(count)[0]["count"] == before + 2


def test_a_command_to_copy_takes_any_id() -> None:
    assert as_argument("A" * 22) == "A" * 22
    assert as_argument("-g" + "A" * 20) == "-- -g" + "A" * 20
