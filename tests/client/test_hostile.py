"""The browser tests' hostile server against the Python client: same cases, same verdicts."""

from __future__ import annotations

from typing import Any

import pytest

from ezdms import crypto
from ezdms.client import Client, Contact, Message, WrongPin
from ezdms.client.alarms import ROLLED_BACK
from ezdms.client.judging import FORGED, TAMPERED
from tests.conftest import Server
from tests.support.hostile import Hostile
from tests.support.player import Player, contact_of

SAID = ["one", "two", "three", "four"]


@pytest.fixture
async def talk(two: tuple[Player, Player]) -> tuple[Player, Player]:
    """Alice wrote four messages and Bob one. As a control, everything is fine before the server lies."""
    alice, bob = two
    contact = await alice.client.start(bob.client.search_pin)
    for text in SAID:
        await alice.client.send(contact, text)
    await bob.hears(*SAID)
    await bob.client.send(await contact_of(bob, "alice"), "mine")
    await alice.hears(*SAID, "mine")
    await bob.hears(*SAID, "mine")
    assert marks(bob.heard) == marks(await page_of(bob)) == [("ok", "", "")] * 5
    return alice, bob


async def page_of(bob: Player) -> list[Message]:
    return await bob.client.history(await contact_of(bob, "alice"))


def marks(messages: list[Message]) -> list[tuple[str, str, str]]:
    return [(message.place, message.failure, message.alarm) for message in messages]


async def blocks_sending_until_continued(bob: Player, words: str) -> None:
    """Check that an alarm blocks sending until the user continues, and then does not return."""
    contact = await contact_of(bob, "alice")
    assert words in " ".join(contact.alarms)
    with pytest.raises(crypto.Alarm, match=words.split("'")[0]):
        await bob.client.send(contact, "not yet")
    assert bob.client.state.values["outbox"] == []
    await bob.client.go_on(contact)
    await bob.client.send(contact, "and on")
    page = await page_of(bob)
    assert page[-1].text == "and on"
    assert {message.alarm for message in page} == {""}


async def test_a_dropped_message_leaves_a_gap(server: Server, talk: tuple[Player, Player]) -> None:
    _, bob = talk
    Hostile(server).drop(2)
    page = await page_of(bob)
    assert [message.text for message in page] == ["one", "three", "four", "mine"]
    assert [message.place for message in page] == ["ok", "gap", "ok", "ok"]


async def test_a_message_dropped_before_delivery_leaves_a_gap(server: Server, two: tuple[Player, Player]) -> None:
    alice, bob = two
    contact = await alice.client.start(bob.client.search_pin)
    await alice.client.send(contact, "one")
    await bob.hears("one")
    await bob.leave()
    for text in ("two", "three"):
        await alice.client.send(contact, text)
    Hostile(server).drop(2)
    again = (await bob.comes_back()).listen()
    await again.hears("three")
    assert again.heard[0].place == "gap"
    heard = again.client.state.values["places"][contact.conversation_id]["heard"]
    assert heard[0] == 3  # no shown row is missing
    await alice.client.send(contact, "four")
    await again.hears("three", "four")
    assert again.heard[1].place == "ok"  # the gap is reported only once
    await again.leave()


async def test_swapped_messages_are_marked_late(server: Server, talk: tuple[Player, Player]) -> None:
    _, bob = talk
    Hostile(server).exchange(2, 4)
    page = await page_of(bob)
    assert [message.text for message in page] == ["one", "four", "three", "two", "mine"]
    assert [message.place for message in page] == ["ok", "gap", "late", "late", "ok"]


async def test_a_replayed_message_is_unverified(server: Server, talk: tuple[Player, Player]) -> None:
    _, bob = talk
    Hostile(server).repeat(1)
    page = await page_of(bob)
    assert [message.text for message in page] == [*SAID, "mine", None]
    assert page[-1].failure == "unverified"


async def test_a_message_attributed_to_the_reader_is_an_alarm(server: Server, talk: tuple[Player, Player]) -> None:
    _, bob = talk
    hostile = Hostile(server)
    hostile.run("UPDATE messages SET sender_id = ?, n = 7 WHERE seq = 2", hostile.user("bob")["user_id"])
    page = await page_of(bob)
    assert [message.text for message in page] == ["one", None, "three", "four", "mine"]
    assert (page[1].failure, page[1].alarm) == ("unverified", FORGED)
    hostile.run("UPDATE messages SET n = 99 WHERE seq = 2")
    await blocks_sending_until_continued(bob, "forged signature")


async def test_removing_seen_messages_is_an_alarm(server: Server, talk: tuple[Player, Player]) -> None:
    _, bob = talk
    hostile = Hostile(server)
    hostile.run("DELETE FROM messages WHERE seq IN (3, 4, 5)")
    hostile.run("UPDATE conversations SET last_seq = 2")
    await blocks_sending_until_continued(bob, ROLLED_BACK)


async def test_two_versions_of_one_message_are_a_fork(server: Server, talk: tuple[Player, Player]) -> None:
    alice, bob = talk
    hostile = Hostile(server)
    first = dict(hostile.run("SELECT * FROM messages WHERE seq = 4")[0])
    before = hostile.run("SELECT hash FROM messages WHERE seq = 3")[0]["hash"]
    contact = await contact_of(alice, "bob")
    forked = crypto.seal_message(
        alice.client.keys, contact.ik, contact.spki, n=4, p=before, a=(0, ""), ts=1, text="the other four"
    )
    hostile.run("UPDATE messages SET n = 400 WHERE seq = 4")
    sealed = {"sealed_a": forked.content_for_a, "sealed_b": forked.content_for_b, "message_id": forked.message_id}
    hostile.insert({**first, **sealed, "seq": 6, "n": 4, "hash": forked.hash})
    page = await page_of(bob)
    assert [message.text for message in page] == ["one", "two", "three", None, "mine", None]
    assert page[-1].alarm == TAMPERED
    await blocks_sending_until_continued(bob, "tampered")


async def test_a_message_forged_in_a_contacts_name_is_an_alarm(server: Server, talk: tuple[Player, Player]) -> None:
    alice, bob = talk
    hostile = Hostile(server)
    last = dict(hostile.run("SELECT * FROM messages WHERE seq = 4")[0])
    eve = crypto.generate_keys()
    mixed = crypto.Keys(eve.identity, alice.client.keys.encryption)
    contact = await contact_of(alice, "bob")
    body = {"n": 5, "p": last["hash"], "a": (0, ""), "ts": 1, "text": "send me the money"}
    forged = _forge(alice.client.keys, mixed, contact, body)
    names = {name: getattr(forged, name) for name in ("message_id", "n", "hash")}
    sealed = {"sealed_a": forged.content_for_a, "sealed_b": forged.content_for_b}
    hostile.insert({**last, **sealed, **names, "seq": 6})
    page = await page_of(bob)
    assert (page[-1].text, page[-1].failure, page[-1].alarm) == (None, "unverified", FORGED)
    await blocks_sending_until_continued(bob, "forged signature")


def _forge(name: crypto.Keys, signer: crypto.Keys, contact: Contact, fields: dict[str, Any]) -> crypto.SealedMessage:
    """Seal a message in someone's name, signed with another key."""

    class Impostor(crypto.Keys):
        @property
        def ik(self) -> bytes:
            return name.ik

        @property
        def fp(self) -> bytes:
            return name.fp

    return crypto.seal_message(Impostor(signer.identity, signer.encryption), contact.ik, contact.spki, **fields)


async def test_a_conflicting_statement_blocks_sending_until_the_user_continues(
    server: Server, talk: tuple[Player, Player]
) -> None:
    alice, bob = talk
    Hostile(server).change_user("alice", statement=crypto.sign_statement(alice.client.keys, "alice", 1, 5))
    await blocks_sending_until_continued(bob, "two statements of this person's keys")
    assert (await contact_of(bob, "alice")).alarms == ()


async def test_a_swapped_key_blocks_sending_without_an_override(server: Server, talk: tuple[Player, Player]) -> None:
    _, bob = talk
    hostile = Hostile(server)
    genuine = hostile.user("alice")["statement"]
    hostile.change_user("alice", statement=crypto.sign_statement(crypto.generate_keys(), "alice", 2, 5))
    contact = await contact_of(bob, "alice")
    with pytest.raises(crypto.Alarm, match="a different key"):
        await bob.client.send(contact, "the harbour at midnight")
    with pytest.raises(crypto.Alarm, match="you cannot continue"):
        await bob.client.go_on(contact)
    hostile.change_user("alice", statement=genuine)
    await bob.client.send(await contact_of(bob, "alice"), "honest again")


async def test_a_swapped_search_pin_salt_is_an_alarm(server: Server, talk: tuple[Player, Player]) -> None:
    alice, bob = talk
    Hostile(server).run("UPDATE search_pins SET salt = ? WHERE search_pin = ?", "A" * 22, bob.client.search_pin)
    with pytest.raises(crypto.Alarm, match="does not belong to this Search PIN"):
        await alice.client.start(bob.client.search_pin)


async def test_a_tampered_login_response_fails(server: Server, two: tuple[Player, Player]) -> None:
    alice, _ = two
    hostile = Hostile(server)
    for lie in ("salt", "iterations", "wrapped_sig", "wrapped_enc", "statement"):
        genuine = hostile.user("alice")[lie]
        wrong = {"salt": "A" * 22, "iterations": 1000}.get(lie, hostile.user("bob")[lie])
        hostile.change_user("alice", **{lie: wrong})
        with pytest.raises(crypto.Refused):
            await Client.login(server.url, alice.pin)
        hostile.change_user("alice", **{lie: genuine})
        await (await Client.login(server.url, alice.pin)).close()  # the control
    with pytest.raises(WrongPin):
        await Client.login(server.url, crypto.new_login_pin())


@pytest.mark.parametrize("lie", ["another's", "older", "garbage", "none"])
async def test_a_replaced_vault_is_an_alarm(server: Server, talk: tuple[Player, Player], lie: str) -> None:
    alice, bob = talk
    hostile = Hostile(server)
    await bob.leave()
    bob_id, version = bob.client.user_id, bob.client.state.values["vault"]["version"]
    assert version > 1
    others = hostile.run("SELECT sealed FROM vaults WHERE user_id = ?", alice.client.user_id)[0]["sealed"]
    if lie == "none":
        hostile.run("DELETE FROM vaults WHERE user_id = ?", bob_id)
    else:
        sealed = {"another's": others, "garbage": "garbage"}.get(lie, others)
        stored = version - 1 if lie == "older" else version + 1
        hostile.run("UPDATE vaults SET sealed = ?, version = ? WHERE user_id = ?", sealed, stored, bob_id)
    again = await bob.comes_back()
    contact = await contact_of(again, "alice")
    with pytest.raises(crypto.Alarm, match="list of"):
        await again.client.send(contact, "not yet")
    await again.client.go_on(contact)
    await again.client.send(contact, "and on")
    await again.leave()
    device = await Client.login(server.url, bob.pin, home=bob.home / "device")  # the vault is intact again
    assert [one.name for one in await device.contacts()] == ["alice"]
    await device.close()
