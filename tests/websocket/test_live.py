"""The WebSocket: who gets which events, who is refused, and how it closes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from quart import Quart
from quart.testing.connections import WebsocketDisconnectError, WebsocketResponseError

from ezdms.actions import sessions
from ezdms.actions.event import Event
from ezdms.db import Database
from ezdms.hub import Mailbox
from ezdms.models.session import select_session
from ezdms.routes import live
from ezdms.web import admission
from tests.support.people import Person
from tests.support.vaults import noise_vault

SOON = 5.0  # seconds to wait for something that must arrive


class Socket:
    """A person's socket."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    async def next(self) -> dict[str, Any]:
        """The next JSON frame."""
        frame = json.loads(await asyncio.wait_for(self.connection.receive(), SOON))
        assert isinstance(frame, dict)
        return frame

    async def wish(self, event: str, conversation_id: str) -> None:
        """Send join or leave."""
        await self.connection.send(json.dumps({"event": event, "conversation_id": conversation_id}))


@asynccontextmanager
async def listening(person: Person, *, as_json: bool = True) -> AsyncIterator[Socket]:
    """Open a socket with the person's bearer token, which hears of everything from then on."""
    before = len(list(person.hub.mailboxes(person.user_id)))
    headers = {"Authorization": person.headers["Authorization"]}
    scope = {"subprotocols": ["ezdms.json"]} if as_json else {}  # Quart's test client ignores its own argument for this
    async with person.client.websocket("/ws", headers=headers, scope_base=scope) as connection:
        socket = Socket(connection)
        if as_json:
            assert (await socket.next())["event"] == "connected"
        await until(lambda: len(list(person.hub.mailboxes(person.user_id))) > before)  # pages are told nothing
        yield socket


async def until(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds."""
    for _ in range(int(SOON / 0.01)):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come to hold")


async def joined(person: Person, socket: Socket, conversation_id: str, sockets: int = 1) -> None:
    """Join, and wait until this many of the person's sockets have joined."""
    await socket.wish("join", conversation_id)
    await until(lambda: sum(conversation_id in box.joined for box in person.hub.mailboxes(person.user_id)) >= sockets)


async def test_a_message_reaches_only_the_two_participants(alice: Person, bob: Person, eve: Person) -> None:
    conversation_id = await alice.start(bob)
    await alice.start(eve)
    async with listening(alice) as a, listening(bob) as b, listening(eve) as e:
        await joined(bob, b, conversation_id)
        sent = await alice.send(bob, "Hello Bob")
        heard = await b.next()
        assert heard["event"] == "new_message"
        assert (heard["conversation_id"], heard["seq"]) == (conversation_id, sent["seq"])
        assert bob.open(heard, alice) == "Hello Bob"
        line = {"event": "conversation", "conversation_id": conversation_id, "last_seq": 1, "unread": 0}
        assert await a.next() == line
        await alice.send(eve, "Hello Eve")  # the first event that an outsider gets is her own
        assert (await e.next())["conversation_id"] != conversation_id


async def test_a_socket_that_has_not_joined_gets_a_list_update_without_the_message(alice: Person, bob: Person) -> None:
    conversation_id = await alice.start(bob)
    async with listening(bob) as socket:
        await alice.send(bob, "Hello")
        line = {"event": "conversation", "conversation_id": conversation_id, "last_seq": 1, "unread": 1}
        assert await socket.next() == line


async def test_events_reach_every_tab_and_device_of_both(alice: Person, bob: Person) -> None:
    conversation_id = await alice.start(bob)
    async with listening(alice) as first, listening(alice) as second, listening(bob) as third:
        await joined(alice, first, conversation_id)
        await joined(alice, second, conversation_id, sockets=2)
        await joined(bob, third, conversation_id)
        await bob.send(alice, "to all")
        for socket, person, other in ((first, alice, bob), (second, alice, bob), (third, bob, alice)):
            assert person.open(await socket.next(), other) == "to all"


async def test_after_leaving_a_conversation_a_socket_gets_only_list_updates(alice: Person, bob: Person) -> None:
    conversation_id = await alice.start(bob)
    async with listening(bob) as socket:
        await joined(bob, socket, conversation_id)
        await socket.wish("leave", conversation_id)
        await until(lambda: not any(box.joined for box in bob.hub.mailboxes(bob.user_id)))
        await alice.send(bob, "Hello")
        assert (await socket.next())["event"] == "conversation"


async def test_outsiders_cannot_join_a_conversation(alice: Person, bob: Person, eve: Person) -> None:
    conversation_id = await alice.start(bob)
    with_eve = await alice.start(eve)
    async with listening(eve) as socket:
        await socket.wish("join", conversation_id)
        await joined(eve, socket, with_eve)
        await alice.send(bob, "not for Eve")
        await alice.send(eve, "for Eve")
        assert eve.open(await socket.next(), alice) == "for Eve"


async def test_a_new_conversation_arrives_live(alice: Person, bob: Person) -> None:
    async with listening(bob) as socket:
        conversation_id = await alice.start(bob)
        line = {"event": "conversation", "conversation_id": conversation_id, "last_seq": 0, "unread": 0}
        assert await socket.next() == line


async def test_joining_marks_messages_as_read(alice: Person, bob: Person) -> None:
    conversation_id = await alice.start(bob)
    await alice.send(bob, "Hello")
    path = f"/conversations/{bob.user_id}"
    async with listening(bob) as other_tab, listening(bob) as socket:
        await joined(bob, socket, conversation_id)
        line = {"event": "conversation", "conversation_id": conversation_id, "last_seq": 1, "unread": 0}
        assert await other_tab.next() == line
    assert (await (await bob.get(path)).get_json())[0]["unread"] == 0


async def test_however_a_conversation_is_read_every_socket_of_the_user_is_told(alice: Person, bob: Person) -> None:
    conversation_id = await alice.start(bob)
    async with listening(bob) as program, listening(bob, as_json=False) as page, listening(alice) as other:
        for number, path in enumerate((f"/messages/{conversation_id}", f"/c/{conversation_id}/open"), 1):
            await alice.send(bob, "Hello")
            line = {"event": "conversation", "conversation_id": conversation_id, "last_seq": number, "unread": 1}
            assert await program.next() == line
            assert 'data-unread="1"' in await asyncio.wait_for(page.connection.receive(), SOON)
            assert (await other.next())["last_seq"] == number
            await bob.get(f"{path}?peek=1")  # nobody looks: nothing is told
            await bob.get(path)
            await bob.get(path)  # nothing new: nothing is told
            assert await program.next() == line | {"unread": 0}
            assert 'data-unread="0"' in await asyncio.wait_for(page.connection.receive(), SOON)
        await other.connection.send('{"event":"ping"}')
        assert await other.next() == {"event": "pong"}  # the other person is not told


async def test_html_sockets_get_fragments(alice: Person, bob: Person) -> None:
    conversation_id = await alice.start(bob)
    async with listening(bob, as_json=False) as socket:
        await socket.wish("join", conversation_id)
        line = await asyncio.wait_for(socket.connection.receive(), SOON)
        assert f'data-conversation-id="{conversation_id}" data-last-seq="0"' in line
        assert "message-row" not in line
        await alice.send(bob, "Hello")
        arrived = await asyncio.wait_for(socket.connection.receive(), SOON)
        assert f'hx-target="#rows-{conversation_id}"' in arrived
        own_copy = alice.sent[0].content_for_b if alice.keys.fp < bob.keys.fp else alice.sent[0].content_for_a
        assert own_copy in arrived
        assert f'data-conversation-id="{conversation_id}" data-last-seq="1"' in arrived


async def test_a_ping_is_answered_after_what_happened_before(alice: Person, bob: Person) -> None:
    """A client whose connection falls silent can notice it: the same frame for programs and pages."""
    for as_json in (True, False):
        async with listening(bob, as_json=as_json) as socket:
            await alice.start(bob) if as_json else await alice.send(bob, "Hello")
            await socket.connection.send('{"event":"ping"}')
            assert "conversation" in await asyncio.wait_for(socket.connection.receive(), SOON)
            assert await asyncio.wait_for(socket.connection.receive(), SOON) == '{"event":"pong"}'


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer " + "A" * 43}, 401),
        ({"Authorization": "Basic abc"}, 401),
        ({"Cookie": "ezdms_session=" + "A" * 43}, 401),
    ],
)
async def test_a_socket_without_a_session_is_refused(app: Quart, headers: dict[str, str], status: int) -> None:
    with pytest.raises(WebsocketResponseError) as refused:
        async with app.test_client().websocket("/ws", headers=headers) as connection:
            await connection.receive()
    assert refused.value.response.status_code == status


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost.evil.example"])
async def test_a_page_of_another_site_cannot_open_a_socket(alice: Person, origin: str) -> None:
    headers = {"Cookie": f"ezdms_session={alice.account['token']}", "Origin": origin}
    with pytest.raises(WebsocketResponseError) as refused:
        async with alice.client.websocket("/ws", headers=headers) as connection:
            await connection.receive()
    assert refused.value.response.status_code == 403
    headers["Origin"] = "http://localhost"
    scope = {"subprotocols": ["ezdms.json"]}
    async with alice.client.websocket("/ws", headers=headers, scope_base=scope) as connection:
        assert "connected" in await connection.receive()


async def closed_with(socket: Socket) -> int:
    """Read until the socket closes; returns the close code."""
    while True:
        try:
            await asyncio.wait_for(socket.connection.receive(), SOON)
        except WebsocketDisconnectError as closed:
            return int(closed.args[0])


async def test_logging_out_closes_the_sockets_of_that_session_at_once(alice: Person, bob: Person) -> None:
    async with listening(alice) as ended, listening(bob) as other:
        await alice.post("/logout")
        assert await closed_with(ended) == 1008
        await bob.start(alice, accepted=False)  # logged out, but still findable
        assert (await other.next())["event"] == "conversation"


async def test_a_logout_while_a_socket_opens_closes_it(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    subscribe = alice.hub.subscribe

    def end_first(user_id: str, session_id: str) -> Mailbox[Event]:
        """The session ends after it was checked, before this socket is registered."""
        alice.hub.end_session(user_id, session_id)
        return subscribe(user_id, session_id)

    database: Database = alice.client.app.extensions["ezdms.database"]
    monkeypatch.setattr(alice.hub, "subscribe", end_first)
    admitted = admission.find_session

    async def ended(*arguments: Any) -> Any:
        await alice.post("/logout")
        return await admitted(*arguments)

    monkeypatch.setattr(live, "find_session", ended)
    async with listening(alice) as socket:
        assert await closed_with(socket) == 1008
    assert await database.read(select_session, token_hash=sessions.hash_token(alice.account["token"])) is None


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "{",
        "[]",
        "null",
        "1",
        '{"event":"join"}',
        '{"event":"delete","conversation_id":"x"}',
        '{"event":"join","conversation_id":1}',
        '{"event":["join"],"conversation_id":"x"}',
        "[" * 4000,
        b"\x00\xff",
    ],
    ids=repr,
)
async def test_an_invalid_frame_closes_the_socket(alice: Person, frame: str | bytes) -> None:
    async with listening(alice) as socket:
        await socket.connection.send(frame)
        assert await closed_with(socket) == 1003


async def test_a_frame_that_is_too_long_closes_the_socket(alice: Person) -> None:
    async with listening(alice) as socket:
        await socket.connection.send('{"event":"join","conversation_id":"' + "x" * 65_536 + '"}')
        assert await closed_with(socket) == 1009


async def test_a_stored_vault_is_told_to_all_sockets_of_its_owner_and_to_nobody_else(
    alice: Person, bob: Person
) -> None:
    await alice.start(bob)
    async with listening(alice) as program, listening(alice, as_json=False) as page, listening(bob) as outsider:
        for version, status in ((1, 200), (3, 409), (1, 409), (2, 200)):
            fields = {"version": version, "blob": noise_vault(alice.keys)}
            response = await alice.client.put("/vault", json=fields, headers=alice.headers)
            assert response.status_code == status
        for version in (1, 2):
            assert await program.next() == {"event": "vault", "version": version}
            frame = await asyncio.wait_for(page.connection.receive(), SOON)
            assert f'<vault-stored data-version="{version}"></vault-stored>' in frame
        for socket in (program, outsider):
            await socket.connection.send('{"event":"ping"}')
            assert await socket.next() == {"event": "pong"}
