"""Messages queued by an earlier run: the next run sends them, and the account opens even if it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from ezdms import crypto
from ezdms.client import Client, Unreachable
from ezdms.client.state import State
from tests.conftest import Server
from tests.support.hostile import Hostile
from tests.support.player import Player


async def queue_a_message(server: Server, home: Path, pin: str, search_pin: str) -> str:
    """Alice sends "one", queues "two" while the server is down, and quits. Returns the conversation id."""
    async with await Client.register(server.url, "alice", pin, home=home, patience=0.1) as alice:
        contact = await alice.start(search_pin)
        await alice.send(contact, "one")
        server.stop()
        with pytest.raises(Unreachable):
            await alice.send(contact, "two")
        assert len(alice.state.values["outbox"]) == 1
    server.start()
    return contact.conversation_id


async def test_logging_in_again_sends_queued_messages(server: Server, tmp_path: Path) -> None:
    bob, pin = (await Player.register(server, "bob", tmp_path)).listen(), crypto.new_login_pin()
    await queue_a_message(server, tmp_path, pin, bob.client.search_pin)
    async with await Client.login(server.url, pin, home=tmp_path) as alice:
        assert alice.state.values["outbox"] == []
    await bob.hears("one", "two")
    await bob.leave()


async def test_an_alarm_keeps_messages_queued_without_locking_the_account(server: Server, tmp_path: Path) -> None:
    bob, pin = await Player.register(server, "bob", tmp_path), crypto.new_login_pin()
    where = await queue_a_message(server, tmp_path, pin, bob.client.search_pin)
    older = crypto.sign_statement(bob.client.keys, "bob", 1, 5)
    Hostile(server).change_user("bob", statement=older)
    async with await Client.open(State.find(tmp_path), pin) as alice:
        (contact,) = await alice.contacts()
        assert "two statements" in contact.alarms[0]
        assert len(alice.state.values["outbox"]) == 1
        assert [message.text for message in await alice.history(where)] == ["one"]
        await alice.go_on(contact)
        await alice.flush(contact)
        assert [message.text for message in await alice.history(where)] == ["one", "two"]
    await bob.leave()


async def test_listing_known_contacts_writes_nothing_to_disk(two: tuple[Player, Player]) -> None:
    alice, bob = two
    await alice.client.start(bob.client.search_pin)
    await alice.client.contacts()
    written = []
    for _ in range(20):  # the new conversation may not be saved yet
        before = alice.client.state.path.stat()
        (contact,) = await alice.client.contacts()
        assert contact.search_pin == bob.client.search_pin
        after = alice.client.state.path.stat()
        written.append((before.st_ino, before.st_mtime_ns) != (after.st_ino, after.st_mtime_ns))
    assert not any(written[-5:])


async def test_a_message_is_queued_although_nobody_can_be_asked_whether_a_timer_was_set(
    server: Server, tmp_path: Path
) -> None:
    pins = [crypto.new_login_pin() for _ in range(2)]
    async with (
        await Client.register(server.url, "alice", pins[0], home=tmp_path / "a", patience=0.1) as alice,
        await Client.register(server.url, "bob", pins[1], home=tmp_path / "b") as bob,
    ):
        with_bob = await alice.start(bob.search_pin)
        await bob.send((await bob.contacts())[0], "not seen yet")
        assert [one.last_seq for one in await alice.contacts()] == [1]
        server.stop()
        with pytest.raises(Unreachable):
            await alice.send(with_bob, "kept")
        assert [one.text for one in alice.waiting()] == ["kept"]
