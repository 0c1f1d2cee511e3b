"""Sending over the socket: same rules and limit as POST, and each message is acknowledged once it is durable."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from quart import Quart

from ezdms.app import create_app
from ezdms.settings import Settings
from ezdms.store import database as queue
from ezdms.web import pipeline
from tests.conftest import NO_LIMITS
from tests.http.test_leaving import leave
from tests.support.people import PEOPLE, Person
from tests.websocket.test_live import Socket, closed_with, joined, listening


async def say(socket: Socket, fields: dict[str, Any]) -> None:
    """Send the message."""
    await socket.connection.send(json.dumps({"event": "send_message", **fields}))


async def test_a_message_sent_over_a_socket_reaches_both_and_is_acknowledged(
    alice: Person, bob: Person, eve: Person
) -> None:
    conversation_id = await alice.start(bob)
    await alice.start(eve)
    async with listening(alice) as a, listening(bob) as b, listening(eve) as e:
        await joined(alice, a, conversation_id)
        await joined(bob, b, conversation_id)
        fields = alice.seal(bob, "Hello Bob")
        await say(a, fields)
        mine, told, theirs = await a.next(), await a.next(), await b.next()
        assert (mine["event"], theirs["event"]) == ("new_message", "new_message")
        assert told == {
            "event": "sent",
            "message_id": fields["message_id"],
            "seq": 1,
            "created_at": mine["created_at"],
        }
        assert bob.open(theirs, alice) == alice.open(mine, bob) == "Hello Bob"
        await alice.send(eve, "Hello Eve")  # the first event that an outsider gets is her own
        assert (await e.next())["conversation_id"] != conversation_id
    assert await bob.texts(alice) == ["Hello Bob"]


async def test_a_repeat_gets_the_same_acknowledgment_and_is_stored_once(alice: Person, bob: Person) -> None:
    await alice.start(bob)
    fields = alice.seal(bob, "once")
    async with listening(alice) as socket:
        await say(socket, fields)
        await socket.next()
        first = await socket.next()
        await say(socket, fields)
        assert await socket.next() == first
    assert (await alice.post("/send_message", fields)).status_code == 200
    assert await bob.texts(alice) == ["once"]


async def test_many_messages_at_once_are_stored_and_acknowledged_in_order(alice: Person, bob: Person) -> None:
    conversation_id = await alice.start(bob)
    count = 3 * pipeline.MOST_UNDER_WAY
    async with listening(alice) as a, listening(bob) as b:
        await joined(bob, b, conversation_id)
        for number in range(count):
            await say(a, alice.seal(bob, str(number)))
        told = [frame for frame in [await a.next() for _ in range(2 * count)] if frame["event"] == "sent"]
        assert [(frame["seq"], frame["message_id"]) for frame in told] == [
            (number + 1, alice.sent[number].message_id) for number in range(count)
        ]
        assert [bob.open(await b.next(), alice) for _ in range(count)] == [str(number) for number in range(count)]


def changed(fields: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {name: value for name, value in (fields | more).items() if value is not None}


@pytest.mark.parametrize(
    ("spoilt", "code"),
    [
        ({"n": 0}, "malformed_field"),
        ({"n": None}, "missing_field"),
        ({"hash": "short"}, "malformed_field"),
        ({"hash": 5}, "malformed_field"),
        ({"suite": 2}, "suite"),
        ({"content_for_a": "x"}, "envelope"),
        ({"content_for_a": ["x"]}, "malformed_field"),
        ({"conversation_id": "x"}, "no_conversation"),
    ],
    ids=repr,
)
async def test_a_socket_refuses_what_post_refuses_and_stays_open(
    alice: Person, bob: Person, spoilt: dict[str, Any], code: str
) -> None:
    await alice.start(bob)
    fields = changed(alice.seal(bob, "no"), **spoilt)
    async with listening(alice) as socket:
        await say(socket, fields)
        told = await socket.next()
        response = await alice.client.post("/send_message", json=fields, headers=alice.headers)
        assert response.status_code >= 400
        assert told == {"event": "error", "message_id": fields["message_id"], **await response.get_json()}
        assert told["code"] == code
        await say(socket, {"n": 1})
        told = await socket.next()
        assert (told["event"], told["message_id"], told["code"]) == ("error", None, "missing_field")
        alice.sent.clear()
        await say(socket, alice.seal(bob, "yes"))
        assert [(await socket.next())["event"] for _ in range(2)] == ["conversation", "sent"]
    assert await bob.texts(alice) == ["yes"]


async def test_an_outsider_cannot_send_to_a_conversation_over_a_socket(alice: Person, bob: Person, eve: Person) -> None:
    await alice.start(bob)
    fields = alice.seal(bob, "forged")
    async with listening(eve) as socket:
        await say(socket, fields)
        assert (await socket.next())["code"] == "no_conversation"
    assert await bob.texts(alice) == []


async def test_a_used_counter_is_refused_over_a_socket_with_the_next_one(alice: Person, bob: Person) -> None:
    await alice.start(bob)
    await alice.send(bob, "first")
    async with listening(alice) as socket:
        await say(socket, alice.seal(bob, "first again", n=1))
        told = await socket.next()
    assert (told["code"], told["next_n"]) == ("counter", 2)


async def test_a_socket_cannot_send_to_a_deleted_account(alice: Person, bob: Person) -> None:
    await alice.start(bob)
    assert await leave(alice) == 204
    async with listening(bob) as socket:
        await say(socket, bob.seal(alice, "too late"))
        assert (await socket.next())["code"] == "left"


@pytest.fixture
async def limited(tmp_path: Path) -> AsyncIterator[Quart]:
    """The app with its default limit on sending, and no other limit."""
    limits = {name: value for name, value in NO_LIMITS.items() if name != "limit_send"}
    app = create_app(Settings(data_dir=tmp_path / "data", **limits))
    async with app.test_app():
        yield app


async def test_post_and_sockets_share_one_limit(limited: Quart) -> None:
    alice = await Person(limited, PEOPLE["alice"], "alice").register()
    bob = await Person(limited, PEOPLE["bob"], "bob").register()
    await alice.start(bob)
    for _ in range(15):
        assert (await alice.post("/send_message")).status_code == 400
    async with listening(alice) as socket:
        codes = []
        for _ in range(16):
            await say(socket, {})
            told = await socket.next()
            codes.append(told["code"])
        assert codes == ["missing_field"] * 15 + ["too_often"]
        assert 1 <= told["retry_after"] <= 60
        assert f"{told['retry_after']} seconds" in told["error"]
    assert (await alice.post("/send_message")).status_code == 429
    assert (await bob.post("/send_message")).status_code == 400


async def test_a_busy_server_says_when_to_retry_over_post_and_sockets(
    alice: Person, bob: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    await alice.start(bob)
    fields = alice.seal(bob, "later")
    async with listening(alice) as socket:
        with monkeypatch.context() as patch:
            patch.setattr(queue, "MOST_WAITING", 0)
            await say(socket, fields)
            told = await socket.next()
            response = await alice.post("/send_message", fields)
        assert (told["code"], told["retry_after"]) == ("busy", 1)
        assert (response.status_code, response.headers["Retry-After"]) == (503, "1")
        assert {"event": "error", "message_id": fields["message_id"], **await response.get_json()} == told
        await say(socket, fields)
        assert [(await socket.next())["event"] for _ in range(2)] == ["conversation", "sent"]


async def test_a_page_socket_cannot_send_messages(alice: Person, bob: Person) -> None:
    await alice.start(bob)
    async with listening(alice, as_json=False) as socket:
        await say(socket, alice.seal(bob, "no"))
        assert await closed_with(socket) == 1003


async def test_a_message_in_flight_when_the_socket_closes_is_stored_and_delivered(alice: Person, bob: Person) -> None:
    conversation_id = await alice.start(bob)
    async with listening(bob) as b:
        await joined(bob, b, conversation_id)
        async with listening(alice) as a:
            await say(a, alice.seal(bob, "last words"))
            await asyncio.sleep(0)
        assert bob.open(await b.next(), alice) == "last words"


async def test_repeats_are_acknowledged_in_order(alice: Person, bob: Person) -> None:
    await alice.start(bob)
    first, second = alice.seal(bob, "one"), alice.seal(bob, "two")
    count = 3 * pipeline.MOST_UNDER_WAY
    async with listening(alice) as socket:
        for fields in (first, *[first] * count, second, *[first] * count):
            await say(socket, fields)
        told = [frame for frame in [await socket.next() for _ in range(2 * count + 4)] if frame["event"] == "sent"]
    assert [frame["seq"] for frame in told] == [1] * (count + 1) + [2] + [1] * count
    assert len({str(frame) for frame in told}) == 2
    assert await bob.texts(alice) == ["one", "two"]


async def test_the_counter_is_checked_as_with_post(alice: Person, bob: Person) -> None:
    await alice.start(bob)
    await alice.send(bob, "first")
    async with listening(alice) as socket:
        for n, code in ((1, "counter"), (1002, "counter"), (2**53 - 1, "counter"), (1001, None), (1000, "counter")):
            fields = alice.seal(bob, "next", n=n)
            await say(socket, fields)
            told = await socket.next()
            if code is None:
                assert (told["event"], (await socket.next())["seq"]) == ("conversation", 2)
            else:
                assert (told["code"], told["message_id"]) == (code, fields["message_id"])
                assert told["next_n"] == (1002 if n == 1000 else 2)


async def test_events_arrive_in_order_of_seq_with_rising_counters(alice: Person, bob: Person) -> None:
    conversation_id = await alice.start(bob)
    count = 20
    async with listening(alice) as a, listening(bob) as b:
        await joined(bob, b, conversation_id)

        async def by_socket() -> None:
            for number in range(count):
                await say(a, alice.seal(bob, str(number)))
                await asyncio.sleep(0)

        async def by_post() -> None:
            for number in range(count):
                await bob.send(alice, str(number))

        await asyncio.gather(by_socket(), by_post())
        heard = [await b.next() for _ in range(2 * count)]
    assert [event["seq"] for event in heard] == list(range(1, 2 * count + 1))
    for person in (alice, bob):
        own = [event["n"] for event in heard if event["sender_id"] == person.user_id]
        assert own == list(range(1, count + 1))
