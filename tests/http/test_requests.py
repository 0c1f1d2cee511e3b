"""Message requests: three messages until the other accepts, and nothing tells the sender more than that."""

from __future__ import annotations

from typing import Any

import pytest
from quart import Quart

from ezdms.db import now
from tests.http.test_accounts import count
from tests.http.test_changes import refused, rows, sent
from tests.http.test_sessions import execute
from tests.http.test_signals import is_quiet, sends, signal, stored
from tests.support.people import Person
from tests.websocket.test_live import joined, listening
from tests.websocket.test_sending import say

TOO_EARLY = (403, "not_accepted")


async def line(person: Person, conversation_id: str) -> dict[str, Any]:
    """The conversation in this person's list."""
    listed = await (await person.get(f"/conversations/{person.user_id}")).get_json()
    [found] = [one for one in listed if one["conversation_id"] == conversation_id]
    assert isinstance(found, dict)
    return found


async def states(conversation_id: str, *people: Person) -> list[str]:
    """What each of these made of the conversation."""
    return [(await line(person, conversation_id))["state"] for person in people]


@pytest.fixture
async def request_id(alice: Person, bob: Person) -> str:
    """A conversation that Alice started and Bob has not accepted."""
    return await alice.start(bob, accepted=False)


async def test_a_conversation_is_a_request_for_the_one_who_did_not_start_it(
    alice: Person, bob: Person, request_id: str
) -> None:
    assert await states(request_id, alice, bob) == ["accepted", "request"]
    await sent(alice, bob, "hello")
    assert await states(request_id, alice, bob) == ["accepted", "request"]
    await bob.does("accept", request_id)
    assert await states(request_id, alice, bob) == ["accepted", "accepted"]


async def test_who_was_found_sees_how_and_when_that_pin_was_made(
    app: Quart, alice: Person, bob: Person, request_id: str
) -> None:
    found = await line(bob, request_id)
    assert found["found_by"] == "search_pin"
    assert 0 <= now() - found["pin_created_at"] < 60_000
    fields = {"search_salt": "AAAAAAAAAAAAAAAAAAAAAA", "act": bob.act("search_pin", "AAAAAAAAAAAAAAAAAAAAAA")}
    assert (await bob.post("/search_pin", fields)).status_code == 200
    assert (await line(bob, request_id))["pin_created_at"] == found["pin_created_at"]  # of the PIN that was used
    starter = await line(alice, request_id)
    assert (starter["found_by"], starter["pin_created_at"]) == ("", None)


async def test_three_messages_are_taken_before_the_other_accepts(alice: Person, bob: Person, request_id: str) -> None:
    for text in ("one", "two"):
        await sent(alice, bob, text)
    await sent(alice, bob, "👍", kind="react", reference=(alice.sent[0].message_id, alice.sent[0].hash))
    for _ in range(2):
        assert await refused(alice, bob, "four") == TOO_EARLY
    assert [row["n"] for row in await rows(bob, request_id)] == [1, 2, 3]
    again = await alice.post("/send_message", fields_of(alice, request_id))
    assert again.status_code == 200  # a repeat is answered as the first time
    await bob.does("accept", request_id)
    await sent(alice, bob, "four")


def fields_of(person: Person, conversation_id: str) -> dict[str, Any]:
    """The last message, as it was sent."""
    last = person.sent[-1]
    names = ("message_id", "n", "hash", "suite", "content_for_a", "content_for_b")
    return {"conversation_id": conversation_id, **{name: getattr(last, name) for name in names}}


async def test_what_was_sent_too_early_can_be_deleted(alice: Person, bob: Person, request_id: str) -> None:
    targets = [(await sent(alice, bob, text))["message_id"] for text in ("one", "two", "three")]
    for target in targets:
        await sent(alice, bob, "gone", replaces=target)
    assert [row["gone"] for row in await rows(bob, request_id)] == ["replaced"] * 3 + [None] * 3
    assert await refused(alice, bob, "more") == TOO_EARLY
    # the server cannot tell edits from deletions, so those have their own limit
    assert await refused(alice, bob, "and again", replaces=targets[0]) == TOO_EARLY


async def test_a_message_sent_too_early_over_a_socket_is_refused_too(
    alice: Person, bob: Person, request_id: str
) -> None:
    async with listening(alice) as socket:
        for number in range(4):
            fields = alice.seal(bob, f"message {number}")
            await say(socket, fields)
            if number < 3:
                assert (await socket.next())["event"] == "conversation"
                assert (await socket.next())["event"] == "sent"
        refusal = await socket.next()
    assert (refusal["event"], refusal["code"]) == ("error", "not_accepted")
    assert refusal["message_id"] == fields["message_id"]
    assert (await line(bob, request_id))["unread"] == 3


@pytest.mark.other_queries
@pytest.mark.parametrize("how", ["answers", "starts"])
async def test_answering_or_starting_accepts(alice: Person, bob: Person, request_id: str, how: str) -> None:
    for text in ("one", "two", "three"):
        await sent(alice, bob, text)
    if how == "answers":
        await sent(bob, alice, "yes?")
    else:
        await bob.start(alice, accepted=False)
    assert await states(request_id, alice, bob) == ["accepted", "accepted"]
    await sent(alice, bob, "four")


@pytest.mark.parametrize("how", ["accept", "start"])
async def test_who_waits_for_it_hears_that_the_other_accepted_and_nobody_else_does(
    alice: Person, bob: Person, eve: Person, how: str
) -> None:
    waits, does_not = await alice.start(bob, accepted=False), await eve.start(bob, accepted=False)
    for text in ("one", "two", "three"):
        await sent(alice, bob, text)
    await sent(eve, bob, "one")
    async with listening(alice) as waiting, listening(eve) as other:
        for person, conversation_id in ((eve, does_not), (alice, waits), (alice, waits)):
            if how == "accept":
                await bob.does("accept", conversation_id)
            else:
                await bob.start(person, accepted=False)
        told = await waiting.next()
        assert (told["event"], told["conversation_id"], told["unread"]) == ("conversation", waits, 0)
        assert await is_quiet(waiting)  # once
        assert await is_quiet(other)


async def test_deleting_a_request_does_not_give_three_more(alice: Person, bob: Person, request_id: str) -> None:
    for text in ("one", "two", "three"):
        await sent(alice, bob, text)
    for person in (bob, alice):
        await person.does("delete", request_id)
    assert await refused(alice, bob, "four") == TOO_EARLY
    await alice.start(bob, accepted=False)
    assert await refused(alice, bob, "four") == TOO_EARLY
    assert (await (await bob.get(f"/conversations/{bob.user_id}")).get_json()) == []


async def test_conversations_from_before_count_as_accepted_by_both(
    app: Quart, alice: Person, bob: Person, request_id: str
) -> None:
    """The migration adds the columns with these values."""
    await execute(app, "DELETE FROM participants")
    for person, side in ((alice, "a"), (bob, "b")) if alice.keys.fp < bob.keys.fp else ((bob, "a"), (alice, "b")):
        await execute(
            app,
            "INSERT INTO participants (conversation_id, side, user_id) VALUES (:conversation_id, :side, :user_id)",
            conversation_id=request_id,
            side=side,
            user_id=person.user_id,
        )
    assert await states(request_id, alice, bob) == ["accepted", "accepted"]
    for number in range(5):
        await sent(alice, bob, f"message {number}")
    assert (await line(bob, request_id))["found_by"] == ""


@pytest.mark.parametrize("direction", ["to the one who was asked", "from them"])
async def test_signals_in_a_request_reach_nobody_and_are_answered_as_ever(
    app: Quart, alice: Person, bob: Person, request_id: str, direction: str
) -> None:
    sender, other = (alice, bob) if direction == "to the one who was asked" else (bob, alice)
    async with listening(other) as socket:
        await joined(other, socket, request_id)
        for slot in ("", "delivered", "read"):
            assert await sends(sender, signal(sender, other, slot)) == (204, "")
        assert await is_quiet(socket)
        assert await stored(other, request_id) == []
        await bob.does("accept", request_id)
        assert await stored(other, request_id) == []  # nor later
        assert await count(app, "signals WHERE sealed <> ''") == 0
        assert await sends(sender, signal(sender, other, "read", 2)) == (204, "")
        assert (await socket.next())["event"] == "signal"
    assert [one["slot"] for one in await stored(other, request_id)] == ["read"]


async def test_muting_is_remembered_for_one_side(alice: Person, bob: Person, request_id: str) -> None:
    assert (await line(alice, request_id))["muted_until"] == 0
    await alice.does("mute", request_id, until=1_900_000_000_000)
    assert [(await line(person, request_id))["muted_until"] for person in (alice, bob)] == [1_900_000_000_000, 0]
    await alice.does("mute", request_id, until=0)
    assert (await line(alice, request_id))["muted_until"] == 0
    for until in (-1, 253_402_300_800_000, "", "soon", "1.5"):
        response = await alice.post(f"/conversations/{request_id}/mute", {"until": until})
        assert (response.status_code, (await response.get_json())["code"]) == (400, "malformed_field")


async def test_nobody_is_notified_of_requests_of_blocked_people_or_in_a_muted_conversation(
    alice: Person, bob: Person, request_id: str
) -> None:
    notified: list[str] = []
    alice.hub.on_message = notified.append

    async def notifies(text: str) -> bool:
        notified.clear()
        await sent(alice, bob, text)
        assert set(notified) <= {bob.user_id}
        return bool(notified)

    assert not await notifies("a request")
    await bob.does("accept", request_id)
    assert await notifies("accepted")
    await bob.does("mute", request_id, until=now() + 60_000)
    assert not await notifies("muted")
    await bob.does("mute", request_id, until=now() - 1)
    assert await notifies("no longer muted")
    await bob.does("block", request_id)
    assert not await notifies("blocked")
