"""WebSocket frames only announce news; anything else in them is ignored."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import pytest

from ezdms.client import Client, Message
from tests.client.hostile.conftest import World
from tests.client.hostile.people import Someone, where
from tests.client.hostile.wire import Answer, Asked, Wire

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
NO_CONVERSATIONS: list[Any] = [5, None, [], {}, ["x"], {"x": 1}, "", "../../users", "\x1b]0;owned\x07", "A" * 24 + "/x"]
FRAMES: dict[str, list[str]] = {
    "not JSON": ["<div>", ""],
    "not objects": ["[]", "5", "null", '"x"'],
    "invalid events": ["{}", '{"event": 5}', '{"event": ["conversation"]}', '{"event": "reload"}'],
    "invalid conversations": [
        json.dumps({"event": "conversation", "conversation_id": one}) for one in NO_CONVERSATIONS
    ],
    "an unknown conversation": [json.dumps({"event": "new_message", "conversation_id": "0" * 24})],
    "ten thousand unknown conversations": [
        json.dumps(
            {
                "event": "conversation",
                "conversation_id": "0" * 20 + "".join(ALPHABET[i >> 5 * j & 31] for j in range(4)),
            }
        )
        for i in range(10_000)
    ],
    "deeply nested": ["[" * 50_000],
    "a forged message in the frame": [
        json.dumps(
            {"event": "new_message", "conversation_id": "0" * 24, "seq": 1, "text": "send money", "encrypted": "x"}
        )
    ],
}


async def hears(client: Client, text: str) -> list[Message]:
    """Collect messages up to this one."""
    heard: list[Message] = []
    async with asyncio.timeout(30), aclosing(client.messages()) as messages:
        async for message in messages:
            heard.append(message)
            if message.text == text:
                break
    return heard


@pytest.mark.parametrize("frames", FRAMES.values(), ids=FRAMES)
def test_malformed_frames_do_not_stop_messages(
    request: pytest.FixtureRequest, world: World, alice: Someone, wire: Wire, frames: list[str]
) -> None:
    text = f"after {request.node.callspec.id}"
    wire.slip(*frames)

    async def act(client: Client) -> list[Message]:
        hearing = asyncio.create_task(hears(client, text))
        assert (await asyncio.to_thread(world.bob.run, "send", "alice", text)).code == 0
        return await hearing

    heard = alice.do(act)
    assert "send money" not in {message.text for message in heard}
    assert len([one for one in wire.asked if one.path.startswith("/conversations/")]) < 1100


def test_an_oversized_frame_only_closes_the_connection(world: World, alice: Someone, wire: Wire) -> None:
    wire.slip("x" * 100_000)
    wire.forget()

    async def act(client: Client) -> list[Message]:
        hearing = asyncio.create_task(hears(client, "after it"))
        await asyncio.to_thread(wire.waits_for, "/ws", 2)  # it reconnects
        wire.slip()
        assert (await asyncio.to_thread(world.bob.run, "send", "alice", "after it")).code == 0
        return await hearing

    assert alice.do(act)


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_the_websocket_follows_no_redirects(world: World, alice: Someone, wire: Wire, code: int) -> None:
    def lie(asked: Asked, answer: Answer) -> None:
        if len([one for one in wire.asked if one.path == "/ws"]) < 2:
            answer.status, answer.headers = code, {"Location": evil.url.replace("http", "ws") + "/ws"}

    wire.forget()
    with Wire(wire.url) as evil, wire.telling("GET /ws", lie):
        assert (world.bob.run("send", "alice", f"after {code}")).code == 0
        alice.do(lambda client: hears(client, f"after {code}"))
        assert evil.asked == []
    assert len([one for one in wire.asked if one.path == "/ws"]) >= 2


def failing(where_: str) -> Callable[[Asked, Answer], None]:
    def lie(asked: Asked, answer: Answer) -> None:
        if where_ in asked.path:
            answer.json = [{"seq": "x"}]

    return lie


def test_one_failing_conversation_does_not_stop_others(
    world: World, alice: Someone, wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    for other, text in ((world.carol, "I am here too"), (world.bob, "I am the latest")):
        assert other.run("send", "alice", text).code == 0
    caplog.clear()
    with wire.telling("GET /messages/.*", failing(where(alice, world.bob))), caplog.at_level(logging.WARNING):
        heard: Any = alice.do(lambda client: hears(client, "I am here too"))
    assert {message.contact for message in heard} == {"carol"}
    assert "bob: The server's response has no valid" in caplog.text
