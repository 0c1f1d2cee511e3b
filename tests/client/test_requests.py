"""Requests, blocks, deleted conversations and reports, with the Python client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ezdms import crypto
from ezdms.client import Client, ClientError, Contact, ServerError
from ezdms.client.account import now
from ezdms.protocol.envelope import MESSAGE_HEADER
from tests.conftest import Server
from tests.support import requests
from tests.support.hostile import Hostile
from tests.support.player import Player, contact_of
from tests.support.someone import until


@pytest.fixture
async def asked(server: Server, tmp_path: Path) -> AsyncIterator[tuple[Player, Player]]:
    """Alice started a conversation with Bob; it is a request."""
    requests.accept_none(server.data_dir)
    players = [await Player.register(server, name, tmp_path) for name in ("alice", "bob")]
    alice, bob = players
    await alice.client.start(bob.client.search_pin)
    yield alice, bob
    for player in players:
        await player.leave()


async def on_another_device(player: Player, server: Server, home: Path) -> Client:
    return await Client.login(server.url, player.pin, home=home / f"{player.client.username} 2")


async def texts(client: Client, contact: Contact) -> list[tuple[str, str | None]]:
    return [(one.state, one.text) for one in await client.history(contact)]


async def test_a_request_is_shown_as_such_and_not_stored_before_it_is_answered(
    asked: tuple[Player, Player], server: Server, tmp_path: Path
) -> None:
    alice, bob = asked
    await alice.client.send(await contact_of(alice, "bob"), "hello")
    bob.listen()
    await bob.hears("hello")
    contact = await contact_of(bob, "alice")
    assert (contact.state, contact.found_by, contact.unread) == ("request", "search_pin", 0)
    assert contact.pin_created_at is not None
    assert await texts(bob.client, contact) == [("text", "hello")]
    assert bob.client.state.values["contacts"] == {}
    device = await on_another_device(bob, server, tmp_path)
    assert device.state.values["contacts"] == {}
    assert [one.state for one in await device.contacts()] == ["request"]
    await bob.client.send(contact, "hi")
    assert [one.place for one in await alice.client.history(await contact_of(alice, "bob"))] == ["ok", "ok"]
    assert (await contact_of(bob, "alice")).state == "accepted"
    await device._conversations.sync()
    assert [one.state for one in await device.contacts()] == ["accepted"]
    await device.close()
    assert (await contact_of(alice, "bob")).state == "accepted"


async def test_an_answer_to_what_was_only_read_acknowledges_it(asked: tuple[Player, Player]) -> None:
    alice, bob = asked
    await alice.client.send(await contact_of(alice, "bob"), "hello")
    contact = await contact_of(bob, "alice")
    assert await texts(bob.client, contact) == [("text", "hello")]
    await bob.client.send(contact, "hi")
    assert [one.place for one in await alice.client.history(await contact_of(alice, "bob"))] == ["ok", "ok"]


async def test_events_of_a_request_say_so(asked: tuple[Player, Player]) -> None:
    alice, bob = asked
    await alice.client.send(await contact_of(alice, "bob"), "hello")
    found = []
    async for event in bob.client.events():
        found.append(event.is_request)
        if len(found) == 2:
            break
        await bob.client.accept(event.conversation_id)
        await alice.client.send(await contact_of(alice, "bob"), "again")
    assert found == [True, False]


@pytest.mark.parametrize("how", ["accept", "answer", "start", "verify"])
async def test_what_is_too_early_waits_and_is_sent_once_they_accept(asked: tuple[Player, Player], how: str) -> None:
    alice, bob = asked
    alice.listen()
    with_bob = await contact_of(alice, "bob")
    for text in ("one", "two", "three"):
        await alice.client.send(with_bob, text)
    for text in ("four", "five"):
        with pytest.raises(ServerError) as refused:
            await alice.client.send(with_bob, text)
        assert refused.value.code == "not_accepted"
    assert [one.text for one in alice.client.waiting()] == ["four", "five"]
    contact = await contact_of(bob, "alice")
    if how == "accept":
        await (await bob.client.conversation(contact)).accept()
    elif how == "answer":
        await bob.client.send(contact, "yes?")
    elif how == "start":
        await bob.client.start(alice.client.search_pin)
    else:
        await bob.client.confirm_safety_number(contact)
    assert (await contact_of(bob, "alice")).state == "accepted"
    await until(lambda: not alice.client.waiting())
    expected = ["one", "two", "three", "four", "five"]
    if how == "answer":
        expected.insert(3, "yes?")
    assert [text for _, text in await texts(bob.client, contact)] == expected


async def test_no_receipts_typing_or_timer_before_it_is_accepted(asked: tuple[Player, Player]) -> None:
    alice, bob = asked
    with_bob = await contact_of(alice, "bob")
    for player in asked:
        await player.client.set_receipts(True)
        await player.client.set_typing(True)
    await alice.client.set_timer(with_bob, 3600)
    await alice.client.send(with_bob, "hello")
    bob.listen()
    await bob.hears("hello")
    contact = await contact_of(bob, "alice")
    await bob.client.mark_read(contact)
    await bob.client.typing(contact)
    assert receipts_of(bob) == 0
    assert await bob.client.timer(contact) == 0
    await bob.client.accept(contact)
    assert await bob.client.timer(contact) == 3600
    await bob.client.mark_read(contact)
    assert receipts_of(bob) == 1


def receipts_of(player: Player) -> int:
    """How many kinds of receipts this player has sent."""
    return len([slot for where, slot in player.client._signals._sent if slot == "read"])


async def test_nothing_of_a_blocked_person_is_told_or_shown_on_any_device(
    two: tuple[Player, Player], server: Server, tmp_path: Path
) -> None:
    alice, bob = two
    await alice.client.start(bob.client.search_pin)
    with_bob, with_alice = await contact_of(alice, "bob"), await contact_of(bob, "alice")
    await bob.client.send(with_alice, "hi")
    sent = await alice.client.send(with_bob, "before")
    await bob.hears("hi", "before")
    await bob.client.block(with_alice)
    device = await on_another_device(bob, server, tmp_path)
    assert [one.state for one in await device.contacts()] == ["blocked"]
    await alice.client.send(with_bob, "meanwhile")
    [original] = [one for one in await alice.client.history(with_bob) if one.message_id == sent]
    await original.edit("edited meanwhile")
    with pytest.raises(ClientError, match="Unblock"):
        await bob.client.send(with_alice, "no")
    expected = [("text", "hi"), ("text", "before"), ("blocked", None), ("blocked", None)]
    assert await texts(bob.client, with_alice) == expected
    assert (await contact_of(bob, "alice")).unread == 0
    await bob.client.unblock(with_alice)
    await alice.client.send(with_bob, "after")
    await bob.hears("hi", "before", "after")  # and nothing of what came meanwhile
    assert await texts(bob.client, with_alice) == [*expected, ("text", "after")]
    await device._conversations.sync()
    assert await texts(device, with_alice) == [*expected, ("text", "after")]
    assert [one.text for one in await alice.client.history(with_bob)][1:] == ["edited meanwhile", "meanwhile", "after"]
    await device.close()


async def test_a_request_can_be_blocked_and_deleted(asked: tuple[Player, Player]) -> None:
    alice, bob = asked
    with_bob, where = await contact_of(alice, "bob"), (await contact_of(bob, "alice")).conversation_id
    await alice.client.send(with_bob, "hello")
    await bob.client.delete_conversation(where)
    assert await bob.client.contacts() == []
    assert bob.client.state.values["contacts"] == {}
    await alice.client.send(with_bob, "hello again")
    contact = await contact_of(bob, "alice")
    assert (contact.state, await texts(bob.client, contact)) == ("request", [("text", "hello again")])
    await bob.client.block(contact)
    await bob.client.delete_conversation(contact)
    await alice.client.send(with_bob, "a third time")
    assert await bob.client.contacts() == []
    await bob.client.unblock(where)
    assert bob.client.state.values["contacts"][where]["met"]["accepted"] is False


async def test_a_deleted_conversation_is_shown_nowhere_and_missed_by_no_device(
    two: tuple[Player, Player], server: Server, tmp_path: Path
) -> None:
    alice, bob = two
    await alice.client.start(bob.client.search_pin)
    with_bob, with_alice = await contact_of(alice, "bob"), await contact_of(bob, "alice")
    for number in range(3):
        await alice.client.send(with_bob, f"message {number}")
        await bob.client.send(with_alice, f"answer {number}")
    await bob.client.delete_conversation(with_alice)
    device = await on_another_device(bob, server, tmp_path)
    for client in (bob.client, device):
        assert await client.contacts() == []
    await alice.client.send(with_bob, "new")
    for client in (bob.client, device):
        [contact] = await client.contacts()
        assert (contact.alarms, contact.unread) == ((), 1 if client is bob.client else 0)
        assert await texts(client, contact) == [("text", "new")]
    await bob.client.send(with_alice, "newer")
    assert await texts(device, with_alice) == [("text", "new"), ("text", "newer")]
    assert len(await alice.client.history(with_bob)) == 8
    assert [one.place for one in await device.history(with_alice)] == ["ok", "ok"]
    assert device.alarms(with_alice) == bob.client.alarms(with_alice) == {}
    await device.close()


async def test_a_conversation_with_waiting_messages_is_not_deleted(asked: tuple[Player, Player]) -> None:
    alice, _ = asked
    with_bob = await contact_of(alice, "bob")
    for text in ("one", "two", "three"):
        await alice.client.send(with_bob, text)
    with pytest.raises(ServerError):
        await alice.client.send(with_bob, "four")
    with pytest.raises(ClientError, match="waiting"):
        await alice.client.delete_conversation(with_bob)
    await alice.client.discard(alice.client.waiting()[0])
    await alice.client.delete_conversation(with_bob)
    assert await alice.client.contacts() == []


async def test_what_one_notes_about_a_contact_is_on_all_devices(
    two: tuple[Player, Player], server: Server, tmp_path: Path
) -> None:
    alice, bob = two
    contact = await alice.client.start(bob.client.search_pin)
    until_then = now() + 3_600_000
    await alice.client.set_nickname(contact, "  Bobby ")
    await alice.client.mute(contact, until_then)
    await alice.client.set_pinned(contact, True)
    await alice.client.set_archived(contact, True)
    device = await on_another_device(alice, server, tmp_path)
    [there] = await device.contacts()
    assert (there.nickname, there.muted_until, there.is_pinned, there.is_archived) == ("Bobby", until_then, True, True)
    [stored] = Hostile(server).run("SELECT muted_until FROM participants WHERE user_id = ?", alice.client.user_id)
    assert stored["muted_until"] == until_then
    await device.mute(there, 0)
    await device.set_nickname(there, "")
    await alice.client._conversations.sync()
    assert ((await contact_of(alice, "bob")).muted_until, (await contact_of(alice, "bob")).nickname) == (0, "")
    for name in ("x" * 51, "two\nlines", "\x1b[2J"):
        with pytest.raises(ClientError, match="nickname"):
            await device.set_nickname(there, name)
    await device.close()


@pytest.mark.parametrize("is_muted", [False, True])
async def test_a_new_message_brings_an_archived_conversation_back_unless_it_is_muted(
    two: tuple[Player, Player], is_muted: bool
) -> None:
    alice, bob = two
    contact = await alice.client.start(bob.client.search_pin)
    await alice.client.set_archived(contact, True)
    await alice.client.mute(contact, now() + 60_000 if is_muted else 0)
    await bob.client.send(await contact_of(bob, "alice"), "hi")
    await alice.hears("hi")
    await until(lambda: _is_archived(alice, contact) is is_muted)
    assert (await contact_of(alice, "bob")).is_archived is is_muted


def _is_archived(player: Player, contact: Contact) -> bool:
    return bool(player.client.state.values["contacts"][contact.conversation_id]["prefs"]["archived"])


async def test_signed_originals_are_reported_also_if_they_were_deleted_meanwhile(
    two: tuple[Player, Player], server: Server
) -> None:
    alice, bob = two
    await alice.client.start(bob.client.search_pin)
    with_bob, with_alice = await contact_of(alice, "bob"), await contact_of(bob, "alice")
    await alice.client.send(with_bob, "insult")
    await alice.client.send(with_bob, "polite")
    await bob.hears("insult", "polite")
    mine = await alice.client.history(with_bob)
    await mine[1].edit("insult again")
    seen = await bob.client.history(with_alice)
    await mine[0].delete()
    await bob.client.report(seen, "insults")
    stored = Hostile(server).run("SELECT jws FROM reported_messages ORDER BY seq")
    ik = crypto.verify_statement(alice.client.state.values["statement"]).ik
    shown = [crypto.read_body(crypto._verified(row["jws"], MESSAGE_HEADER, ik)).text for row in stored]
    assert shown in (["insult", "insult again"], ["insult", "polite", "insult again"])
    [report] = Hostile(server).run("SELECT * FROM reports")
    assert (report["reporter_id"], report["reported_id"]) == (bob.client.user_id, alice.client.user_id)
    assert report["reason"] == "insults"
    with pytest.raises(ClientError, match="sent to you"):
        await alice.client.report(await alice.client.history(with_bob))
    gone = (await bob.client.history(with_alice))[0]
    assert gone.state == "deleted"
    fresh = await Player.comes_back(bob)
    with pytest.raises(ClientError, match="original"):
        await fresh.client.report([(await fresh.client.history(with_alice))[0]])
    await fresh.leave()
    for messages, reason in (([], ""), (seen, "a" * 501), (seen * 21, "")):
        if not messages or len(reason) > 500:
            with pytest.raises(ClientError):
                await bob.client.report(messages, reason)
