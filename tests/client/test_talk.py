"""The Python client exchanges messages: with another user, across devices, and through failures."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from ezdms import crypto
from ezdms.client import Client, ServerError, SessionEnded, WrongPin
from ezdms.client.state import State
from tests.conftest import Server
from tests.support.player import Player, contact_of


async def test_two_clients_exchange_live_messages(two: tuple[Player, Player]) -> None:
    alice, bob = two
    contact = await alice.client.start(bob.client.search_pin)
    assert (contact.name, contact.verified) == ("bob", "search-pin")
    await alice.client.send(contact, "hello")
    await bob.hears("hello")
    other = await contact_of(bob, "alice")
    assert (other.verified, bob.heard[0].contact, bob.heard[0].is_own) == ("", "alice", False)
    await bob.client.send(other, "hi 👋")
    await alice.hears("hello", "hi 👋")
    assert [message.is_own for message in alice.heard] == [True, False]
    assert alice.client.safety_number(contact) == bob.client.safety_number(other)
    await bob.client.confirm_safety_number(other)
    assert (await contact_of(bob, "alice")).verified == "safety-number"


async def test_messages_missed_during_an_outage_arrive_once_and_in_order(
    server: Server, two: tuple[Player, Player]
) -> None:
    alice, bob = two
    contact = await alice.client.start(bob.client.search_pin)
    await alice.client.send(contact, "one")
    await bob.hears("one")
    server.stop()
    sending = asyncio.create_task(alice.client.send(contact, "two"))
    await asyncio.sleep(0)
    server.start()
    await sending
    await alice.client.send(contact, "three")
    await bob.hears("one", "two", "three")
    await alice.hears("one", "two", "three")


async def test_a_reopened_client_resumes_where_it_stopped(server: Server, two: tuple[Player, Player]) -> None:
    alice, bob = two
    contact = await alice.client.start(bob.client.search_pin)
    await alice.client.send(contact, "one")
    await bob.hears("one")
    await bob.leave()
    await alice.client.send(contact, "two")
    state = State.find(bob.home)
    with pytest.raises(WrongPin):
        await Client.open(state, crypto.new_login_pin())
    again = Player(await Client.open(state, bob.pin), bob.pin, bob.home).listen()
    await again.hears("two")
    page = await again.client.history(await contact_of(again, "alice"))
    assert [message.text for message in page] == ["one", "two"]
    await again.leave()


async def test_a_second_device_knows_the_contacts_and_uses_the_next_number(
    server: Server, two: tuple[Player, Player], tmp_path: Path
) -> None:
    alice, bob = two
    contact = await alice.client.start(bob.client.search_pin)
    await alice.client.send(contact, "one")
    second = Player(await Client.login(server.url, alice.pin, home=tmp_path / "second"), alice.pin, tmp_path).listen()
    known = await contact_of(second, "bob")
    assert known.verified == "search-pin"
    for i in range(3):
        await second.client.send(known, f"second {i}")
        await alice.client.send(contact, f"first {i}")
    everything = ["one", *(f"{which} {i}" for i in range(3) for which in ("second", "first"))]
    await bob.hears(*everything)
    assert {message.place for message in bob.heard} == {"ok"}
    assert {message.alarm for message in bob.heard} == {""}
    await second.leave()


async def test_concurrent_sends_lose_and_duplicate_nothing(
    server: Server, two: tuple[Player, Player], tmp_path: Path
) -> None:
    alice, bob = two
    contact = await alice.client.start(bob.client.search_pin)
    second = await Client.login(server.url, alice.pin, home=tmp_path / "second")
    known = (await second.contacts())[0]
    await asyncio.gather(
        *(alice.client.send(contact, f"a{i}") for i in range(12)), *(second.send(known, f"b{i}") for i in range(12))
    )
    expected = {f"{mark}{i}" for mark in "ab" for i in range(12)}
    page = await bob.client.history(await contact_of(bob, "alice"))
    assert sorted(str(message.text) for message in page) == sorted(expected)
    assert {(message.place, message.failure, message.alarm) for message in page} == {("ok", "", "")}
    await second.close()


async def test_messages_end_when_the_session_is_ended_elsewhere(two: tuple[Player, Player]) -> None:
    alice, _ = two
    listening = alice.client.messages()
    waiting = asyncio.ensure_future(anext(listening))
    await alice.client._transport.post("/logout")
    with pytest.raises(SessionEnded):
        await asyncio.wait_for(waiting, 10)
    with pytest.raises(SessionEnded):
        await alice.client.contacts()
    again = await Client.open(State.find(alice.home), alice.pin)  # the PIN starts a new session
    assert await again.contacts() == []
    await again.close()


async def test_the_client_waits_for_rate_limits(tmp_path: Path) -> None:
    with Server(tmp_path, limit_send="2/second") as server:
        alice, bob = [await Player.register(server, name, tmp_path) for name in ("alice", "bob")]
        contact = await alice.client.start(bob.client.search_pin)
        for i in range(4):
            await alice.client.send(contact, str(i))
        await bob.listen().hears("0", "1", "2", "3")
        for player in (alice, bob):
            await player.leave()


@pytest.mark.parametrize("text", ["", "x" * 501, "\0", "\ud800"])
async def test_invalid_text_is_refused_and_not_queued(two: tuple[Player, Player], text: str) -> None:
    alice, bob = two
    contact = await alice.client.start(bob.client.search_pin)
    with pytest.raises(crypto.Refused):
        await alice.client.send(contact, text)
    assert alice.client.state.values["outbox"] == []


async def test_each_kind_of_wrong_pin_has_its_own_error(server: Server, two: tuple[Player, Player]) -> None:
    alice, bob = two
    for pin, words in (
        (bob.client.search_pin, "Search PIN"),
        ("x", "16 letters"),
        (crypto.new_login_pin(), "No account"),
    ):
        with pytest.raises(WrongPin, match=words):
            await Client.login(server.url, pin)
    with pytest.raises(crypto.PinError, match="Login PIN"):
        await alice.client.start(bob.pin)
    with pytest.raises(ServerError, match="Nobody"):
        await alice.client.start(crypto.search_pin(bytes(32), bytes(16)))


async def test_the_account_file_is_owner_only_and_the_token_is_its_only_secret(two: tuple[Player, Player]) -> None:
    alice, bob = two
    contact = await alice.client.start(bob.client.search_pin)
    await alice.client.send(contact, "a secret text")
    for path in alice.home.iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
        content = path.read_text("utf-8")
        assert "a secret text" not in content
        assert alice.pin not in content
    assert alice.home.stat().st_mode & 0o777 == 0o700
