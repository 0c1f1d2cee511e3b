"""Quotas: what an account stores is counted, and only its own sending stops when the quota is used up."""

from __future__ import annotations

import asyncio

import pytest
from quart import Quart

from ezdms.models.usage import Usage
from tests.http.test_leaving import leave
from tests.http.test_sessions import execute
from tests.support.people import PEOPLE, Person
from tests.support.usage import ROOM, size, usage
from tests.websocket.test_live import listening
from tests.websocket.test_sending import say


async def test_both_copies_count_toward_the_senders_quota(app: Quart, alice: Person, bob: Person) -> None:
    await alice.start(bob)
    assert await usage(app, alice) == Usage(0, 0)
    first, second = alice.seal(bob, "short"), alice.seal(bob, "x" * 500)
    for fields in (first, second, first):  # a repeat is stored once
        await alice.post("/send_message", fields)
    assert (await usage(app, alice)).message_bytes == size(first) + size(second) > 2000
    assert await usage(app, bob) == Usage(0, 0)


async def test_refused_messages_do_not_count(app: Quart, alice: Person, bob: Person) -> None:
    await alice.start(bob)
    await alice.send(bob, "one")
    before = await usage(app, alice)
    for changed in ({"n": 1}, {"n": 5000}, {"message_id": alice.sent[0].message_id}, {"conversation_id": "x"}):
        response = await alice.post("/send_message", alice.seal(bob, "two", n=2) | changed)
        assert response.status_code in (404, 409)
    assert await usage(app, alice) == before


async def test_erased_copies_no_longer_count(app: Quart, alice: Person, bob: Person, eve: Person) -> None:
    for partner in (bob, eve):
        await alice.start(partner)
    await bob.start(eve)
    for sender, other in ((alice, bob), (bob, alice), (bob, eve), (alice, eve)):
        await sender.send(other, "counts")
    before = (await usage(app, bob)).message_bytes
    assert await leave(alice) == 204
    assert (await usage(app, bob)).message_bytes == before * 3 // 4  # his own copy for Alice, both copies for Eve
    assert (await usage(app, eve)).message_bytes == 0
    assert await leave(eve) == 204
    assert (await usage(app, bob)).message_bytes == before // 2
    assert await execute(app, "SELECT * FROM usage WHERE user_id <> :id AND message_bytes > 0", id=bob.user_id) == []


@pytest.fixture
async def pair(small: Quart) -> tuple[Person, Person, str]:
    """Alice, who has used up her quota, Bob, and their conversation."""
    alice = await Person(small, PEOPLE["alice"], "alice").register()
    bob = await Person(small, PEOPLE["bob"], "bob").register()
    conversation_id = await alice.start(bob)
    sent = 0
    while (await alice.post("/send_message", fields := alice.seal(bob, f"message {sent}"))).status_code == 201:
        sent += 1
    assert sent == 2
    assert 2 * size(fields) <= ROOM < 3 * size(fields)
    alice.sent.pop()
    return alice, bob, conversation_id


async def test_a_user_over_quota_can_do_everything_but_send(small: Quart, pair: tuple[Person, Person, str]) -> None:
    alice, bob, _ = pair
    before = await usage(small, alice)
    refused = await alice.post("/send_message", alice.seal(bob, "no room", n=3))
    answer = await refused.get_json()
    assert (refused.status_code, answer["code"]) == (507, "quota")
    assert "full" in answer["error"]
    assert await usage(small, alice) == before
    assert await alice.texts(bob) == ["message 0", "message 1"]
    again = alice.sent[0]
    repeat = alice.seal(bob, "x", n=1) | {
        "message_id": again.message_id,
        "hash": again.hash,
        "content_for_a": again.content_for_a,
        "content_for_b": again.content_for_b,
    }
    assert (await alice.post("/send_message", repeat)).status_code == 200
    assert (await bob.post("/send_message", bob.seal(alice, "has room of his own"))).status_code == 201
    async with listening(alice) as socket:
        await say(socket, alice.seal(bob, "no room", n=3))
        told = await socket.next()
        assert (told["event"], told["code"]) == ("error", "quota")
    assert await leave(alice) == 204


async def test_freed_quota_can_be_used(small: Quart, pair: tuple[Person, Person, str]) -> None:
    alice, bob, _ = pair
    assert await leave(bob) == 204
    eve = await Person(small, PEOPLE["eve"], "eve").register()
    await alice.start(eve)
    alice.sent.clear()
    await alice.send(eve, "into the room of what Bob took with him")
    await usage(small, alice)


async def test_concurrent_messages_cannot_exceed_the_quota(small: Quart) -> None:
    alice = await Person(small, PEOPLE["alice"], "alice").register()
    others = [await Person(small, PEOPLE[name], name).register() for name in ("bob", "eve")]
    drafts = []
    for other in others:
        await alice.start(other)
        drafts += [alice.seal(other, "x", n=n) for n in (1, 2, 3)]
    responses = await asyncio.gather(*(alice.post("/send_message", fields) for fields in drafts))
    statuses = [response.status_code for response in responses]
    assert statuses.count(201) == 2
    assert set(statuses) <= {201, 409, 507}
    assert (await usage(small, alice)).message_bytes <= ROOM
