"""Rows that the server changes, invents or moves: what a person reads, and what nobody signed moves nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ezdms import crypto
from ezdms.client import Client, Message
from tests.client.hostile.conftest import World
from tests.client.hostile.people import Someone, heads, where
from tests.client.hostile.wire import Answer, Asked, Wire

ESCAPE = "\x1b]0;owned\x07"
MALFORMED = {  # one row of two: it is a placeholder, and the other is read
    "n is a string": {"n": "2"},
    "n is 2^53": {"n": 2**53},
    "n is 0": {"n": 0},
    "n is true": {"n": True},
    "hash is a list": {"hash": ["A" * 43]},
    "hash is short": {"hash": "A"},
    "encrypted is a number": {"encrypted": 7},
    "encrypted is endless": {"encrypted": "A" * 200_000},
    "encrypted commands the terminal": {"encrypted": ESCAPE},
    "created_at is before 1970": {"created_at": -1},
    "created_at is after 9999": {"created_at": 253_402_300_800_000},
    "created_at is a float": {"created_at": 1.5},
    "suite is null": {"suite": None},
    "sender_id commands the terminal": {"sender_id": ESCAPE},
    "gone is an object": {"gone": {}},
    "replaces is a number": {"replaces": 1},
}
UNREADABLE = {  # where the row has no place, none of the page has
    "seq is missing": {"seq": ...},
    "seq is a string": {"seq": "2"},
    "seq is 0": {"seq": 0},
    "message_id commands the terminal": {"message_id": ESCAPE},
    "message_id is missing": {"message_id": ...},
}


@contextmanager
def page_of(wire: Wire, change: Callable[[list[Any], Asked], list[Any]]) -> Iterator[None]:
    """While this lasts, pages of messages are changed."""

    def lie(asked: Asked, answer: Answer) -> None:
        if answer.status == 200:
            answer.json = change(answer.json, asked)

    with wire.telling("GET /messages/.*", lie):
        yield


def last_changed(**members: Any) -> Callable[[list[Any], Asked], list[Any]]:
    """The last row of a page is another."""

    def change(rows: list[Any], _: Asked) -> list[Any]:
        for row in rows[-1:]:
            row.update(members)
            for name in [name for name, value in row.items() if value is ...]:
                del row[name]
        return rows

    return change


async def all_new(client: Client, conversation: str) -> list[Message]:
    """What `messages()` hands on of one conversation."""
    return [message async for message in client._conversations.catch_up(conversation)]


@pytest.fixture(scope="module")
def news(world: World) -> str:
    """Something from Bob that Alice has not seen yet."""
    assert world.bob.run("send", "alice", "news").code == 0
    return "news"


@pytest.fixture
def talk(world: World, news: str) -> str:
    """The conversation of Alice and Bob."""
    return where(world.alice, world.bob)


@pytest.mark.parametrize("members", MALFORMED.values(), ids=MALFORMED)
def test_one_malformed_row_is_a_placeholder_and_the_others_are_read(
    alice: Someone, wire: Wire, talk: str, members: dict[str, Any]
) -> None:
    before = heads(alice, talk)
    with page_of(wire, last_changed(**members)):
        said = alice.run("read", "bob")
        new = alice.do(lambda client: all_new(client, talk))
    assert said.code == 0
    assert said.out.count("[Cannot be verified]") == 1
    assert "you: hello" in said.out
    assert "\x1b" not in said.all
    assert [message.failure for message in new] == [*[""] * (len(new) - 1), "unverified"]
    assert heads(alice, talk)["vault theirs"] == before["vault theirs"]


def test_without_a_lie_every_row_is_read(alice: Someone, wire: Wire, talk: str) -> None:
    before = heads(alice, talk)
    with page_of(wire, lambda rows, asked: rows):
        said = alice.run("read", "bob")
        new = alice.do(lambda client: all_new(client, talk))
    assert "bob: news" in said.out
    assert "Cannot be verified" not in said.out
    assert {message.failure for message in new} == {""}
    assert heads(alice, talk)["vault theirs"] != before["vault theirs"]


@pytest.mark.parametrize("members", UNREADABLE.values(), ids=UNREADABLE)
def test_a_row_without_a_place_stops_its_page_with_a_sentence(
    alice: Someone, wire: Wire, members: dict[str, Any]
) -> None:
    with page_of(wire, last_changed(**members)):
        said = alice.run("read", "bob")
    assert (said.code, said.out) == (1, "")
    assert "Error: The server" in said.err
    assert "\x1b" not in said.all


PAGES: dict[str, Callable[[list[Any], Asked], list[Any]]] = {
    "rows are no objects": lambda rows, asked: [1],
    "rows stand twice": lambda rows, asked: rows + rows,
    "rows fall": lambda rows, asked: rows[::-1],
    "more rows than asked for": lambda rows, asked: [row | {"seq": i} for row in rows[:1] for i in range(1, 300)],
    "rows at or below after": lambda rows, asked: [row | {"seq": int(asked.query.get("after", 0))} for row in rows],
    "the first page again and again": lambda rows, asked: rows or [{"seq": 1, "message_id": "A" * 22}],
}


@pytest.mark.parametrize("change", PAGES.values(), ids=PAGES)
def test_pages_that_lead_nowhere_are_not_followed(alice: Someone, wire: Wire, talk: str, change: Any) -> None:
    alice.state.note(talk, seq=0)
    with page_of(wire, change), pytest.raises(Exception, match="The server") as caught:
        alice.do(lambda client: all_new(client, talk))
    assert type(caught.value).__name__ == "BadAnswer"
    assert len([one for one in wire.asked if one.path == f"/messages/{talk}"]) <= 4


INVENTED = {  # rows that nobody signed
    "suite 99": {"suite": 99, "n": 2**53 - 1, "encrypted": "x"},
    "gone": {"encrypted": None, "n": 2**53 - 1},
    "gone, some number": {"encrypted": None, "n": 5000},
    "blocked": {"encrypted": None, "gone": "blocked", "n": 2**52},
    "garbage": {"encrypted": "a.b.c.d.e", "n": 2**53 - 1},
    "the same seal under another number": {"n": 2**53 - 1},
    "the highest seq there is": {"encrypted": None, "seq": 2**53 - 1, "n": 6000},
}


@pytest.mark.parametrize("members", INVENTED.values(), ids=INVENTED)
@pytest.mark.parametrize("side", ["theirs", "mine"])
def test_what_nobody_signed_moves_nothing_and_freezes_nothing(
    world: World, alice: Someone, wire: Wire, talk: str, side: str, members: dict[str, Any]
) -> None:
    assert alice.do(lambda client: all_new(client, talk)) is not None
    before = heads(alice, talk)

    def invent(rows: list[Any], asked: Asked) -> list[Any]:
        sender = alice.user_id if side == "mine" else world.bob.user_id
        seq = members.get("seq", int(asked.query.get("after", 0)) + 1)
        if rows or int(asked.query.get("after", 0)) > 1000 or "before" in asked.query or asked.query["limit"] == "1":
            return rows
        hostile = {"message_id": "A" * 22, "hash": "A" * 43, "sender_id": sender, "created_at": 5, "suite": 1}
        return [{**row, **hostile, **members, "seq": seq} for row in [{"encrypted": "x"}]]

    told: list[Message] = []

    async def listen_once(client: Client) -> None:
        async for message in client._conversations.catch_up(talk):
            told.append(message)
            if len(told) == 3:
                return

    with page_of(wire, invent):
        alice.do(listen_once)
        assert told
        assert {message.text for message in told} == {None}
        assert {message.is_own for message in told} == {side == "mine"}
        wire.forget()
        assert alice.run("send", "bob", "still here").code == 0
    after = heads(alice, talk)
    assert {name: value for name, value in after.items() if name != "sent"} == {
        name: value for name, value in before.items() if name != "sent"
    }
    sent = wire.posted("/send_message")[0].fields
    opened = open_own(alice, world.bob, sent)
    assert opened.a == tuple(before["vault theirs"])
    last = max(before["vault own"], before["sent"] or [0])
    assert [opened.n, opened.p] == [last[0] + 1, last[1]]
    world.bob.run("send", "alice", "and on")
    new = alice.do(lambda client: all_new(client, talk))  # the honest server again: nothing is frozen
    assert new[-1].text == "and on"


def open_own(me: Someone, other: Someone, sent: dict[str, str]) -> crypto.Message:
    """What was sent, as its sender reads it."""
    side = "content_for_a" if crypto.in_order(me.fp, other.fp)[0] == me.fp else "content_for_b"
    claimed: dict[str, Any] = {"message_id": sent["message_id"], "n": int(sent["n"]), "hash": sent["hash"]}
    return crypto.open_message(me.keys, me.keys.ik, other.keys.ik, sent[side], **claimed)


def test_a_time_at_the_end_of_the_calendar_is_shown(
    alice: Someone, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    with page_of(wire, last_changed(created_at=253_402_300_799_999)):
        said = alice.run("read", "bob")
    assert said.code == 0
    assert "9999-12-31" in said.out
    assert "(signed: " in said.out  # the sender's own time stands beside the server's
    assert "(signed: " not in alice.run("read", "bob").out
