"""Errors of programs and of the server: the bridge returns a status and a message, and sends nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ezdms import crypto
from ezdms.client.account import now
from tests.conftest import Server
from tests.support.bridged import Bridge, Ear, Row
from tests.support.hostile import Hostile
from tests.support.player import Player, contact_of

TOO_LONG = "x" * 501
NOBODY = crypto.search_pin(bytes(32), bytes(16))


@pytest.fixture
async def bridge(server: Server, tmp_path: Path) -> AsyncIterator[Bridge]:
    """A running bridge."""
    async with Bridge(server.url, tmp_path / "bridge") as running:
        yield running


async def refused(bridge: Bridge, path: str, fields: Row | None, status: int, words: str) -> Row:
    """Check that the bridge refuses this request, as a form and as JSON; returns the error."""
    answers = [await bridge.ask(path, fields)]
    if fields is not None:
        answers.append(await bridge.ask(path, fields, json=True))
    for answer in answers:
        assert (answer.status_code, words in answer.json()["error"]) == (status, True), answer.text
        assert answer.headers["Content-Type"] == "application/json"
    error: Row = answers[0].json()
    return error


async def test_every_error_has_a_status_and_a_message(bridge: Bridge) -> None:
    alice, bob, eve = await asyncio.gather(*(bridge.user(name) for name in ("alice", "bob", "eve")))
    where = await alice.start(bob.search_pin)
    me = {"user_id": alice.user_id}
    mine = {"conversation_id": where, "sender_id": alice.user_id}
    read = me | {"conversation_id": where}
    for path, fields, status, words in [
        ("/register", {}, 400, "username is missing"),
        ("/register", {"username": " "}, 400, "username is missing"),
        ("/register", {"username": "a" * 200}, 400, ""),
        ("/register", {"username": "a\nb"}, 400, ""),
        ("/login", {}, 400, "login_pin is missing"),
        ("/login", {"login_pin": "nonsense"}, 401, "16 letters"),
        ("/login", {"login_pin": bob.search_pin}, 401, "Search PIN"),
        ("/login", {"login_pin": crypto.new_login_pin()}, 401, "No account"),
        ("/start_conversation", me, 400, "partner_search_pin is missing"),
        ("/start_conversation", {"partner_search_pin": bob.search_pin}, 400, "user_id is missing"),
        ("/start_conversation", {"user_id": "x", "partner_search_pin": bob.search_pin}, 401, "not logged in"),
        ("/start_conversation", me | {"partner_search_pin": "nonsense"}, 400, "25 letters"),
        ("/start_conversation", me | {"partner_search_pin": bob.pin}, 400, "Login PIN"),
        ("/start_conversation", me | {"partner_search_pin": alice.search_pin}, 400, "your own"),
        ("/start_conversation", me | {"partner_search_pin": NOBODY}, 404, "Nobody"),
        ("/conversations/x", None, 401, "not logged in"),
        ("/send_message", mine, 400, "Write something"),
        ("/send_message", mine | {"content": TOO_LONG}, 400, "at most 500"),
        ("/send_message", mine | {"content": "\0"}, 400, "control"),
        ("/send_message", {"conversation_id": where, "content": "x"}, 400, "sender_id is missing"),
        ("/send_message", {"sender_id": alice.user_id, "content": "x"}, 400, "conversation_id is missing"),
        ("/send_message", mine | {"sender_id": "x", "content": "x"}, 401, "not logged in"),
        ("/send_message", mine | {"conversation_id": "x", "content": "x"}, 404, "no such conversation"),
        ("/send_message", mine | {"sender_id": eve.user_id, "content": "x"}, 404, "no such conversation"),
        (f"/messages/{where}", None, 400, "user_id is missing"),
        (f"/messages/{where}?user_id=x", None, 401, "not logged in"),
        (f"/messages/{where}?user_id={eve.user_id}", None, 404, "no such conversation"),
        (f"/messages/..%2fping?user_id={alice.user_id}", None, 404, ""),
        (f"/messages/{where}?user_id={alice.user_id}&limit=0", None, 400, "limit"),
        (f"/messages/{where}?user_id={alice.user_id}&limit=2001", None, 400, "limit"),
        (f"/messages/{where}?user_id={alice.user_id}&after=-1", None, 400, "after"),
        ("/messages_decrypted", read, 400, "key_password"),
        ("/messages_decrypted", read | {"key_password": "nonsense"}, 401, "16 letters"),
        ("/messages_decrypted", read | {"login_pin": bob.pin}, 401, "not the Login PIN"),
        ("/messages_decrypted", read | {"user_id": "x", "login_pin": alice.pin}, 401, "not logged in"),
        ("/messages_decrypted", read | {"conversation_id": "x", "login_pin": alice.pin}, 404, "no such"),
        ("/messages_decrypted", read | {"user_id": eve.user_id, "login_pin": eve.pin}, 404, "no such"),
        ("/messages_decrypted", read | {"login_pin": alice.pin, "limit": "many"}, 400, "limit"),
        ("/nothing", None, 404, "no such endpoint"),
        ("/ping", {}, 405, "does not support that method"),
        ("/register", None, 405, "does not support that method"),
    ]:
        await refused(bridge, path, fields, status, words)
    assert await alice.read(where) == []
    assert "Traceback" not in bridge.log.read_text()


async def test_a_changed_key_is_an_alarm_and_blocks_sending(server: Server, bridge: Bridge) -> None:
    alice, bob, _ = await asyncio.gather(*(bridge.user(name) for name in ("alice", "bob", "eve")))
    where = await alice.start(bob.search_pin)
    await alice.send(where, "before")
    hostile = Hostile(server)
    genuine = hostile.user("bob")["statement"]
    hostile.change_user("bob", statement=hostile.user("eve")["statement"])
    fields = {"conversation_id": where, "sender_id": alice.user_id, "content": "the harbour"}
    await refused(bridge, "/send_message", fields, 409, "a different key")
    start = {"user_id": alice.user_id, "partner_search_pin": bob.search_pin}
    await refused(bridge, "/start_conversation", start, 409, "does not belong to this Search PIN")
    (contact,) = await alice.contacts()
    assert "a different key" in contact["alarms"][0]
    assert hostile.run("SELECT count(*) AS n FROM messages")[0]["n"] == 1
    hostile.change_user("bob", statement=genuine)
    await alice.send(where, "after")
    assert await bob.texts(where) == ["before", "after"]


async def test_unreadable_messages_give_a_reason(server: Server, bridge: Bridge) -> None:
    alice, bob = await asyncio.gather(bridge.user("alice"), bridge.user("bob"))
    where = await alice.start(bob.search_pin)
    for text in ("one", "two", "three", "four"):
        await alice.send(where, text)
    hostile = Hostile(server)
    hostile.run("UPDATE messages SET sealed_a = NULL, sealed_b = NULL WHERE seq = 1")
    hostile.run("UPDATE messages SET hash = ? WHERE seq = 2", "A" * 43)
    hostile.drop(3)
    rows = await bob.read(where)
    assert [(row["content"], row.get("failure"), row.get("place")) for row in rows] == [
        (None, "gone", None),
        (None, "unverified", None),
        ("four", None, "gap"),
    ]
    assert [row["encrypted"] == "" for row in await bob.sealed(where)] == [True, False, False]


async def test_an_unreachable_server_returns_502(server: Server, bridge: Bridge) -> None:
    alice, bob = await asyncio.gather(bridge.user("alice"), bridge.user("bob"))
    where = await alice.start(bob.search_pin)
    server.stop()
    answers = await asyncio.gather(
        bridge.ask("/send_message", {"conversation_id": where, "sender_id": alice.user_id, "content": "one"}),
        bridge.ask(f"/conversations/{alice.user_id}"),
        bridge.ask("/register", {"username": "eve"}),
        bridge.ask("/login", {"login_pin": alice.pin}),
    )
    for answer in answers:
        assert (answer.status_code, list(answer.json())) == (502, ["error"])  # nothing is queued
        assert "cannot be reached" in answer.json()["error"]
    assert (await bridge.ask("/ping")).status_code == 200
    server.start()
    await alice.send(where, "two")
    assert await bob.texts(where) == ["two"]


async def test_a_message_is_queued_and_sent_once_if_the_response_is_lost(server: Server, tmp_path: Path) -> None:
    async with Ear(server.port) as ear, Bridge(ear.url, tmp_path / "bridge") as bridge:
        alice, bob = await asyncio.gather(bridge.user("alice"), bridge.user("bob"))
        where = await alice.start(bob.search_pin)
        ear.hangs_up_on = b"POST /send_message"
        fields = {"conversation_id": where, "sender_id": alice.user_id, "content": "one"}
        answer = await bridge.ask("/send_message", fields)
        assert (answer.status_code, answer.json()["waiting"]) == (502, True)
        assert "Do not send it again" in answer.json()["error"]
        ear.hangs_up_on = b""
        await alice.send(where, "two")
        assert await bob.texts(where) == ["one", "two"]


async def test_a_rate_limited_message_returns_429_and_is_queued(tmp_path: Path) -> None:
    with Server(tmp_path, limit_send="1/hour", limit_register="2/hour") as server:
        async with Bridge(server.url, tmp_path / "bridge") as bridge:
            alice, bob = [await bridge.user(name) for name in ("alice", "bob")]
            await refused(bridge, "/register", {"username": "eve"}, 429, "Too many requests")
            where = await alice.start(bob.search_pin)
            await alice.send(where, "one")
            fields = {"conversation_id": where, "sender_id": alice.user_id, "content": "two"}
            answer = await bridge.ask("/send_message", fields)
            assert (answer.status_code, answer.json()["waiting"]) == (429, True)
            server.stop()
            server.settings["limit_send"] = "off"
            server.start()
            await alice.send(where, "three")
            assert await bob.texts(where) == ["one", "two", "three"]


async def test_a_session_ended_elsewhere_returns_401_until_the_next_login(server: Server, bridge: Bridge) -> None:
    alice, bob = await asyncio.gather(bridge.user("alice"), bridge.user("bob"))
    where = await alice.start(bob.search_pin)
    Hostile(server).run("DELETE FROM sessions")
    for words in ("Please log in", "not logged in at this bridge"):
        answer = await bridge.ask(f"/conversations/{alice.user_id}")
        assert (answer.status_code, words in answer.json()["error"]) == (401, True), answer.text
    await bridge.get("/login", {"login_pin": alice.pin})
    assert [contact["conversation_id"] for contact in await alice.contacts()] == [where]


async def test_sending_to_a_deleted_account_returns_410(server: Server, bridge: Bridge, tmp_path: Path) -> None:
    alice = await bridge.user("alice")
    bob = await Player.register(server, "bob", tmp_path)
    where = await alice.start(bob.client.search_pin)
    await alice.send(where, "one")
    assert (await contact_of(bob, "alice")).name == "alice"
    deployment = await bob.client._transport.get("/deployment")
    deployment_id = crypto.b64u_decode(deployment["deployment_id"], 16)
    login = crypto.login_keys(bob.pin, deployment_id)
    act = crypto.sign_act(bob.client.keys, deployment_id, "delete_account", "", now())
    leave = {"login_id": login.login_id, "auth_key": login.auth_key, "act": act}
    await bob.client._transport.post("/delete_account", leave)
    fields = {"conversation_id": where, "sender_id": alice.user_id, "content": "two"}
    await refused(bridge, "/send_message", fields, 410, "deleted their account")
    assert await alice.texts(where) == ["one"]
    await bob.leave()
