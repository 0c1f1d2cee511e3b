"""Continuing after an alarm: it applies to the user's other devices, and the next alarm blocks again."""

from __future__ import annotations

from pathlib import Path

import pytest

from ezdms import crypto
from ezdms.client import Client
from ezdms.client.state import State
from tests.conftest import Server
from tests.support.hostile import Hostile
from tests.support.player import Player, contact_of


async def test_continuing_after_an_alarm_applies_to_other_devices(
    server: Server, two: tuple[Player, Player], tmp_path: Path
) -> None:
    alice, bob = two
    contact = await alice.client.start(bob.client.search_pin)
    await alice.client.send(contact, "one")
    await bob.hears("one")
    second = await Client.login(server.url, bob.pin, home=tmp_path / "second")
    forge(server, crypto.generate_keys(), bob.client.keys)
    for client in (bob.client, second):
        assert (await client.history(contact.conversation_id))[-1].alarm
        with pytest.raises(crypto.Alarm, match="forged signature"):
            await client.send(contact.conversation_id, "not yet")
    await second.go_on((await second.contacts())[0])
    await second.close()
    async with await Client.open(State.find(bob.home), bob.pin) as again:
        await again.send(contact.conversation_id, "and on")
    await alice.hears("one", None, "and on")


def forge(server: Server, eve: crypto.Keys, reader: crypto.Keys, n: int = 2) -> None:
    """Add a last message that the reader can decrypt, in their contact's name but signed by Eve."""
    forged = crypto.seal_message(eve, reader.ik, reader.spki, n=1, p="", a=(0, ""), ts=5, text="send me the money")
    is_for_b = crypto.in_order(eve.fp, reader.fp)[0] == eve.fp
    sealed = forged.content_for_b if is_for_b else forged.content_for_a
    hostile = Hostile(server)
    hostile.repeat(1, n=n, hash=forged.hash, message_id=forged.message_id, sealed_a=sealed, sealed_b=sealed)
    whose = "(conversation_id, user_id) IN (SELECT conversation_id, sender_id FROM messages WHERE hash = ?)"
    hostile.run(f"UPDATE participants SET last_n = ? WHERE {whose}", n, forged.hash)  # noqa: S608


async def test_safety_numbers_that_differ_lock_the_conversation_on_every_device(
    server: Server, two: tuple[Player, Player], tmp_path: Path
) -> None:
    alice, bob = two
    contact = await alice.client.start(bob.client.search_pin)
    await alice.client.deny_safety_number(contact)
    async with await Client.login(server.url, alice.pin, home=tmp_path / "second") as second:
        for client in (alice.client, second):
            assert "safety numbers differ" in " ".join((await client.contacts())[0].alarms)
            with pytest.raises(crypto.Alarm, match="safety numbers differ"):
                await client.send(contact, "not yet")
        await second.go_on(contact, second.alarms(contact))
        await second.send(contact, "one")
        await second.contacts()
        assert second.alarms(contact) == {}
    again = await alice.comes_back()
    assert (await contact_of(again, "bob")).alarms == ()
    await again.client.send(contact, "two")
    await bob.hears("one", "two")
    await again.leave()


async def test_a_second_conflicting_statement_raises_another_alarm(server: Server, two: tuple[Player, Player]) -> None:
    alice, bob = two
    contact = await alice.client.start(bob.client.search_pin)
    for moment in (5, 6):
        other = crypto.sign_statement(bob.client.keys, "bob", 1, moment)
        Hostile(server).change_user("bob", statement=other)
        assert "two statements" in " ".join((await contact_of(alice, "bob")).alarms)
        with pytest.raises(crypto.Alarm, match="two statements"):
            await alice.client.send(contact, "not yet")
        await alice.client.go_on(contact)
        await alice.client.send(contact, f"after {moment}")
    await bob.hears("after 5", "after 6")


async def test_a_rollback_accepted_on_another_device_is_accepted_here_and_the_next_messages_arrive(
    server: Server, two: tuple[Player, Player], tmp_path: Path
) -> None:
    alice, bob = two
    contact = await alice.client.start(bob.client.search_pin)
    where = contact.conversation_id
    await bob.client.accept(where)  # from now on, his devices know what he has seen
    for text in ("one", "two", "three"):
        await alice.client.send(contact, text)
    await bob.hears("one", "two", "three")
    await bob.leave()
    hostile = Hostile(server)
    hostile.run("DELETE FROM messages WHERE seq = 3")
    hostile.run("UPDATE conversations SET last_seq = 2")
    second = await Client.login(server.url, bob.pin, home=tmp_path / "second")
    await second.history(where)
    assert [name.split()[0] for name in second.alarms(where)] == ["rollback"]
    await second.go_on((await second.contacts())[0], second.alarms(where))
    await second.close()
    again = await bob.comes_back()
    assert (await contact_of(again, "alice")).alarms == ()
    again.listen()
    await alice.client.send(contact, "four")
    await again.hears("four")
    await again.leave()
