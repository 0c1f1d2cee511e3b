"""Writes that hang because the peer does not read: the route still releases the socket."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from quart import Quart
from wsproto.connection import Connection, ConnectionType
from wsproto.events import CloseConnection

from ezdms.actions.event import Event
from ezdms.edge import connection
from ezdms.hub import TOO_SLOW
from ezdms.models.conversation import Line
from ezdms.protocol import envelope
from tests.support.people import Person
from tests.support.served import SOON, is_held, serving, upgrade
from tests.support.vaults import noise_vault
from tests.websocket.test_live import until


async def test_a_slow_reader_that_resumes_gets_the_too_slow_close_code(
    app: Quart, alice: Person, tmp_path: Path
) -> None:
    async with serving(app, tmp_path) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(upgrade(str(alice.account["token"])))
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
        mailboxes = alice.hub.mailboxes(alice.user_id)
        line = Line("0" * 10_000, "bob", 1, 1, 1)
        while len(alice.hub):  # more than all buffers in between can hold
            alice.hub.publish(alice.user_id, Event(line))
            await asyncio.sleep(0)
        assert [mailbox.close_code for mailbox in mailboxes] == [TOO_SLOW]
        peer = Connection(ConnectionType.CLIENT)
        peer.receive_data(await asyncio.wait_for(reader.read(-1), SOON))
        closes = [event for event in peer.events() if isinstance(event, CloseConnection)]
        assert [event.code for event in closes] == [TOO_SLOW]
        writer.close()
        await writer.wait_closed()


async def test_a_peer_that_does_not_read_an_answer_of_any_size_is_disconnected(
    app: Quart, alice: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "LAST_BYTES", 0.5)
    monkeypatch.setattr(connection, "LONGEST_WRITE", 0.5)
    head = {"Host": "x", "Accept": "application/json", "Authorization": alice.headers["Authorization"]}
    ask = "\r\n".join(["GET /vault HTTP/1.1", *(f"{name}: {value}" for name, value in head.items()), "", ""])
    async with serving(app, tmp_path) as port:
        with ExitStack() as stack:
            deaf = []
            for version in range(1, 13):  # the kernel buffers small answers completely, large ones partly
                blob = noise_vault(alice.keys, version * 4 * envelope.VAULT_STEP)
                fields = {"version": str(version), "blob": blob}
                assert (await alice.client.put("/vault", form=fields, headers=alice.headers)).status_code == 200
                raw = stack.enter_context(closing(socket.socket()))
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                raw.connect(("127.0.0.1", port))
                raw.sendall(ask.encode())
                deaf.append(raw)
                await asyncio.to_thread(raw.recv, 12)
                assert is_held(port, raw)
            await until(lambda: not any(is_held(port, raw) for raw in deaf))


async def blocked(app: Quart, person: Person, *, frames: list[str]) -> tuple[asyncio.Task[None], list[Any]]:
    """A socket whose peer reads nothing after the handshake; returns the app's task and the close codes it sent."""
    coming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    coming.put_nowait({"type": "websocket.connect"})
    for text in frames:
        coming.put_nowait({"type": "websocket.receive", "bytes": None, "text": text})
    codes: list[Any] = []

    async def send(message: Any) -> None:
        if message["type"] == "websocket.send":
            await asyncio.get_running_loop().create_future()
        if message["type"] == "websocket.close":
            codes.append(message["code"])

    scope = {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "scheme": "ws",
        "path": "/ws",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"authorization", person.headers["Authorization"].encode())],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 5000),
        "subprotocols": [],
        "extensions": {},
    }
    task = asyncio.create_task(app(scope, coming.get, send))  # type: ignore[arg-type]
    await until(lambda: len(person.hub) == 1 or task.done())
    return task, codes


async def test_a_hanging_write_blocks_neither_the_end_of_a_session_nor_the_hub(
    app: Quart, alice: Person, bob: Person
) -> None:
    await alice.start(bob)
    task, codes = await blocked(app, bob, frames=[])
    await alice.send(bob, "Hello")
    await bob.post("/logout")
    await asyncio.wait_for(task, 1)
    assert codes == [1008]
    assert len(bob.hub) == 0


async def test_a_socket_that_does_not_read_is_disconnected_even_with_few_events(
    app: Quart, alice: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "LONGEST_WRITE", 0.2)
    async with serving(app, tmp_path) as port:
        with closing(socket.socket()) as raw:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            raw.connect(("127.0.0.1", port))
            raw.sendall(upgrade(str(alice.account["token"])))
            await until(lambda: len(alice.hub) == 1)
            for _ in range(8):  # far fewer than a mailbox holds, but more than the network buffers
                alice.hub.publish(alice.user_id, Event(Line("0" * 100_000, "bob", 1, 1, 1)))
            await until(lambda: len(alice.hub) == 0)
            await until(lambda: not is_held(port, raw))


async def test_a_lone_surrogate_is_refused_as_a_conversation_id(app: Quart, alice: Person) -> None:
    wish = json.dumps({"event": "join", "conversation_id": "\ud800"})
    task, codes = await blocked(app, alice, frames=[wish])
    await asyncio.wait_for(task, 5)
    assert codes == [1003]
