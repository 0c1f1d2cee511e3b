"""The bridge: programs that use the original's plain-text API exchange messages with each other and with clients."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote, quote_plus

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from ezdms.bridge.app import _opened
from ezdms.client import Message
from tests.conftest import Server
from tests.support.bridged import Bridge, Ear, User
from tests.support.player import Player, contact_of


@pytest.fixture
async def bridge(server: Server, tmp_path: Path) -> AsyncIterator[Bridge]:
    """A running bridge."""
    async with Bridge(server.url, tmp_path / "bridge") as running:
        yield running


@pytest.fixture
async def two(bridge: Bridge) -> tuple[User, User, str]:
    """Alice and Bob at one bridge, and the conversation that Alice started."""
    alice, bob = await asyncio.gather(bridge.user("alice"), bridge.user("bob"))
    return alice, bob, await alice.start(bob.search_pin)


async def test_programs_written_for_the_original_still_work(bridge: Bridge) -> None:
    assert await bridge.get("/ping") == {"status": "ok"}
    alice = await bridge.get("/register", {"username": "alice"})
    assert set(alice) == {"user_id", "username", "login_pin", "search_pin", "public_key"}
    assert alice["public_key"].startswith("-----BEGIN PUBLIC KEY-----\n")
    load_pem_public_key(alice["public_key"].encode())
    bob = await bridge.get("/register", {"username": "bob"}, json=True)  # JSON with the same field names
    again = await bridge.get("/login", {"login_pin": bob["login_pin"]})
    assert again == bob

    start = {"user_id": alice["user_id"], "partner_search_pin": bob["search_pin"]}
    found = await bridge.get("/start_conversation", start)
    where = found["conversation_id"]
    assert found == {"conversation_id": where, "existing": False}
    assert await bridge.get("/start_conversation", start) == {"conversation_id": where, "existing": True}

    (listed,) = await bridge.get(f"/conversations/{alice['user_id']}")
    expected = {
        "conversation_id": where,
        "partner_username": "bob",
        "partner_search_pin": bob["search_pin"],
        "partner_id": bob["user_id"],
    }
    assert listed | expected == listed
    (listed,) = await bridge.get(f"/conversations/{bob['user_id']}")
    assert (listed["partner_username"], listed["partner_search_pin"]) == ("alice", "")  # he never entered it

    hello = {"conversation_id": where, "sender_id": alice["user_id"], "content": "hello bob"}
    sent = await bridge.get("/send_message", hello)
    answer = {"conversation_id": where, "sender_id": bob["user_id"], "content": "hello alice"}
    await bridge.get("/send_message", answer, json=True)

    sealed = await bridge.get(f"/messages/{where}?user_id={bob['user_id']}")
    assert sealed[0]["message_id"] == sent["message_id"]
    assert [row["sender_id"] for row in sealed] == [alice["user_id"], bob["user_id"]]
    assert all(len(row["encrypted"].split(".")) == 5 for row in sealed)
    theirs = await bridge.get(f"/messages/{where}?user_id={alice['user_id']}")
    assert [row["encrypted"] for row in theirs] != [row["encrypted"] for row in sealed]  # each user has their own copy

    for name in ("key_password", "login_pin"):
        asked = {"conversation_id": where, "user_id": bob["user_id"], name: bob["login_pin"]}
        opened = await bridge.get("/messages_decrypted", asked)
        assert [row["content"] for row in opened] == ["hello bob", "hello alice"]
        for key in ("message_id", "sender_id", "created_at"):
            assert [row[key] for row in opened] == [row[key] for row in sealed]
    ago = datetime.now(UTC) - datetime.fromisoformat(opened[0]["created_at"])
    assert timedelta() <= ago < timedelta(minutes=1)


async def test_text_arrives_unchanged(two: tuple[User, User, str]) -> None:
    alice, bob, where = two
    texts = ["👩🏽‍🚀" * 125, "‏שלום עולם " * 50, "\t1\n2\n", "%41+&=;#?<b>\"'\\", "x"]
    for text in texts:
        await alice.send(where, text[:500])
    assert await bob.texts(where) == [text[:500] for text in texts]


async def test_the_bridge_and_the_library_exchange_messages(server: Server, bridge: Bridge, tmp_path: Path) -> None:
    alice = await bridge.user("alice")
    bob = (await Player.register(server, "bob", tmp_path)).listen()
    where = await alice.start(bob.client.search_pin)
    await alice.send(where, "from the bridge")
    await bob.hears("from the bridge")
    contact = await contact_of(bob, "alice")
    assert contact.verified == ""
    assert (await bob.client.start(alice.search_pin)).verified == "search-pin"
    await bob.client.send(contact, "from the library")
    await alice.hears(where, "from the bridge", "from the library")
    assert (await alice.contacts())[0]["verified"] == "search-pin"
    await bob.leave()


async def test_the_bridge_leaves_out_what_was_deleted_and_shows_what_was_edited(
    server: Server, bridge: Bridge, tmp_path: Path
) -> None:
    alice = await bridge.user("alice")
    bob = await Player.register(server, "bob", tmp_path)
    where = await alice.start(bob.client.search_pin)
    contact = await contact_of(bob, "alice")
    for text in ("one", "two", "three"):
        await bob.client.send(contact, text)
    one, two, three = await bob.client.history(contact)
    await one.edit("uno")
    await two.delete()
    await three.react("👍")
    await three.reply("four")
    await bob.client.set_timer(contact, 3600)
    assert await alice.texts(where) == ["uno", "three", "four"]
    await bob.leave()


async def test_two_bridges_exchange_messages_and_can_share_a_user(
    server: Server, bridge: Bridge, tmp_path: Path
) -> None:
    alice = await bridge.user("alice")
    async with Bridge(server.url, tmp_path / "other") as other:
        bob = await other.user("bob")
        where = await bob.start(alice.search_pin)
        await bob.send(where, "one")
        await alice.hears(where, "one")
        elsewhere = User(other, await other.get("/login", {"login_pin": alice.pin}))
        for i in range(3):  # each uses the next number
            await elsewhere.send(where, f"there {i}")
            await alice.send(where, f"here {i}")
        await bob.hears(where, "one", *(f"{which} {i}" for i in range(3) for which in ("there", "here")))
        first, *others = [row.get("place", "ok") for row in await bob.read(where)]
        assert first == "ok"
        assert set(others) <= {"ok", "crossed"}  # the other bridge has not read what Bob wrote


async def test_concurrent_messages_arrive_exactly_once(two: tuple[User, User, str]) -> None:
    alice, bob, where = two
    texts = [f"{i}" for i in range(8)]
    ids = await asyncio.gather(*((alice if i % 2 else bob).send(where, text) for i, text in enumerate(texts)))
    rows = await bob.read(where)
    assert sorted(row["content"] for row in rows) == texts
    assert sorted(row["message_id"] for row in rows) == sorted(ids)


async def test_several_server_pages_are_one_response(server: Server, bridge: Bridge, tmp_path: Path) -> None:
    alice = await bridge.user("alice")
    bob = await Player.register(server, "bob", tmp_path)
    contact = await bob.client.start(alice.search_pin)
    texts = [f"message {i}" for i in range(1, 206)]
    for text in texts:
        await bob.client.send(contact, text)
    where = contact.conversation_id
    rows = await alice.read(where)
    assert [row["content"] for row in rows] == texts
    assert [row["seq"] for row in rows] == list(range(1, 206))
    assert {row.get("place", "ok") for row in rows} == {"ok"}
    assert [row["seq"] for row in await alice.sealed(where)] == list(range(1, 206))
    assert [row["seq"] for row in await alice.sealed(where, "&limit=3")] == [203, 204, 205]  # the newest
    assert [row["seq"] for row in await alice.sealed(where, "&after=2&limit=3")] == [3, 4, 5]
    assert [row["content"] for row in await alice.read(where, after=203, limit=10)] == texts[203:]
    assert await alice.sealed(where, "&after=205") == []
    await bob.leave()


async def test_after_a_restart_a_login_restores_everything(two: tuple[User, User, str]) -> None:
    alice, bob, where = two
    bridge = alice.bridge
    await alice.send(where, "before")
    assert bridge.end() == 0
    bridge.start()
    for path, fields in (
        (f"/conversations/{alice.user_id}", None),
        (f"/messages/{where}?user_id={alice.user_id}", None),
        ("/send_message", {"conversation_id": where, "sender_id": alice.user_id, "content": "x"}),
        ("/messages_decrypted", {"conversation_id": where, "user_id": alice.user_id, "login_pin": alice.pin}),
    ):
        locked = await bridge.ask(path, fields)
        assert (locked.status_code, "not logged in" in locked.json()["error"]) == (401, True)
    assert await bridge.get("/login", {"login_pin": alice.pin}) == alice.account
    assert (await alice.contacts())[0]["partner_search_pin"] == bob.search_pin  # it was entered here
    await alice.send(where, "after")
    assert await alice.texts(where) == ["before", "after"]


async def test_a_killed_bridge_loses_no_acknowledged_messages(two: tuple[User, User, str]) -> None:
    alice, bob, where = two
    bridge, acknowledged = alice.bridge, dict[str, str]()

    async def send_until_it_dies(run: int, writer: int) -> None:
        for i in range(1000):
            text = f"{run} {writer} {i}"
            try:
                acknowledged[await alice.send(where, text)] = text
            except httpx.TransportError:
                return

    for run in range(5):
        goal = len(acknowledged) + 2 + run
        writers = [asyncio.create_task(send_until_it_dies(run, writer)) for writer in range(2)]
        while len(acknowledged) < goal:
            await asyncio.wait(writers, timeout=0.001)
        assert bridge.end(signal.SIGKILL) == -signal.SIGKILL
        await asyncio.gather(*writers)
        bridge.start()
        await bridge.get("/login", {"login_pin": alice.pin})
    await bridge.get("/login", {"login_pin": bob.pin})
    rows = await bob.read(where)
    found = {row["message_id"]: row["content"] for row in rows}
    assert found | acknowledged == found
    assert len(rows) == len(found) == len(set(found.values()))
    assert {(row.get("place", "ok"), row.get("failure", ""), row.get("alarm", "")) for row in rows} == {("ok", "", "")}


async def test_plain_text_and_pins_reach_neither_the_server_nor_any_log(server: Server, tmp_path: Path) -> None:
    text, spoken = "the harbour at midnight", "a word at the bridge"
    async with Ear(server.port) as ear, Bridge(ear.url, tmp_path / "bridge") as bridge:
        alice, bob = await bridge.user("alice"), await bridge.user("bob")
        where = await alice.start(bob.search_pin)
        await alice.send(where, text)
        await bob.send(where, spoken)
        assert await bob.texts(where) == [text, spoken]
        await bridge.get("/login", {"login_pin": alice.pin})
        assert (await bridge.ask("/messages_decrypted", {"conversation_id": where, "user_id": bob.user_id})).is_error
        bridge.end()
        said = bridge.said.replace(bridge.token, "", 1)
        log = bridge.log.read_bytes()
        saved = b"".join(path.read_bytes() for path in bridge.home.iterdir())
    stored = (
        b"".join(path.read_bytes() for path in server.data_dir.iterdir() if path.is_file()) + server.log.read_bytes()
    )
    secrets = [text, spoken, bridge.token]
    secrets += [form for user in (alice, bob) for form in (user.pin, user.pin.replace("-", ""))]
    for secret in secrets:
        for form in (secret, quote(secret), quote_plus(secret), json.dumps(secret)[1:-1]):
            for place in (bytes(ear.heard), stored, saved, log, said.encode()):
                assert form.encode() not in place
    for place in (bytes(ear.heard), stored, saved):
        assert where.encode() in place  # control: this search works
    assert quote_plus(bob.search_pin).encode() in ear.heard


async def test_files_are_owner_only(two: tuple[User, User, str]) -> None:
    home = two[0].bridge.home
    assert home.stat().st_mode & 0o777 == 0o700
    assert len(list(home.glob("*.json"))) == 2
    assert {path.stat().st_mode & 0o777 for path in home.iterdir()} == {0o600}


async def test_repeated_logins_do_not_disturb_sending(two: tuple[User, User, str]) -> None:
    alice, bob, where = two
    bridge = alice.bridge
    logins = [bridge.get("/login", {"login_pin": alice.pin}) for _ in range(4)]
    await asyncio.gather(*logins, *(alice.send(where, str(i)) for i in range(4)))
    assert sorted(await bob.texts(where)) == ["0", "1", "2", "3"]


def test_a_file_is_a_message_that_the_bridge_cannot_hand_over() -> None:
    text = Message("C", "bob", "id", 1, False, 1, "hello")
    assert "failure" not in _opened(text, "bob")
    found = _opened(replace(text, text=None, state="file"), "bob")
    assert (found["content"], found["failure"]) == (None, "unsupported")
