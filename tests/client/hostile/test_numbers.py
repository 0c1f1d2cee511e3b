"""The number of the user's next message: taken from rows that the server shows, within bounds, and kept only once
the server has stored the message."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ezdms import crypto
from ezdms.client import Client
from ezdms.client.alarms import ROLLED_BACK
from tests.client.hostile.conftest import World
from tests.client.hostile.people import Someone, open_own, where
from tests.client.hostile.script import NOW, Script
from tests.client.hostile.wire import Answer, Asked, Wire

NUMBERS = {  # next_n in the response to POST /send_message, and the n that is sent next
    "none": (None, 1),
    "unchanged": (1, 1),
    "after no row": (5, None),
    "2^53": (2**53, None),
    "a string": ("5", None),
    "after row 2^52": (2**52 + 1, None),
    "after row 1000": (1001, None),
    "after row 999": (1000, 1000),
    "after an emptied row": (3, 3),
}


@pytest.mark.parametrize(("next_n", "taken"), NUMBERS.values(), ids=NUMBERS)
def test_the_next_number_must_follow_a_shown_row(script: Script, next_n: Any, taken: int | None) -> None:
    judy = script.people["judy"]
    for text in ("one", "two"):  # from another device of hers
        script.empty(script.says("judy", text))
    for n in (999, 1000, 2**52):
        script.rows.append({**script.rows[0], "n": n, "message_id": "A" * 22, "hash": "A" * 43})
    wire = judy.wire
    wire.forget()

    def counter(asked: Any, answer: Any) -> None:
        if next_n is not None and len(wire.posted("/send_message")) == 1:
            answer.status, answer.json = 409, {"error": "x", "code": "counter", "next_n": next_n}

    with script.served(), wire.telling("POST /send_message", counter):
        assert judy.run("send", "bob", "pasted\r\nlines\x0b").code == 1
    sent = [int(one.fields["n"]) for one in wire.posted("/send_message")]
    assert sent == ([1] if next_n is None else [1, taken] if taken else [1])
    (waiting,) = judy.values["outbox"]
    opened = open_own(judy, script.people["bob"], waiting)
    assert (opened.n, opened.text) == (taken or 1, "pasted\nlines\n")
    if taken == 3:
        assert opened.p == script.rows[1]["hash"]


def test_the_clients_own_record_overrides_the_servers_number(script: Script) -> None:
    judy = script.people["judy"]
    wire = judy.wire
    with script.served():  # it stores nothing
        judy.run("send", "bob", "hello")
    judy.state.note(script.where, sent=[5, "B" * 43])
    wire.forget()

    def counter(_: Any, answer: Any) -> None:
        answer.status, answer.json = 409, {"error": "x", "code": "counter", "next_n": 3}

    with script.served(), wire.telling("POST /send_message", counter):
        judy.run("contacts")
    assert [int(one.fields["n"]) for one in wire.posted("/send_message")] == [1, 6]
    (waiting,) = judy.values["outbox"]
    assert open_own(judy, script.people["bob"], waiting).p == "B" * 43


def test_a_message_stored_despite_an_error_is_not_sent_again(script: Script) -> None:
    judy, bob = script.people["judy"], script.people["bob"]
    wire = judy.wire

    def busy(_: Any, answer: Any) -> None:
        answer.status, answer.json = 503, {"error": "x", "code": "x"}

    with script.served(), wire.telling("POST /send_message", busy):
        judy.run("send", "bob", "Pay Mallory")
    (waiting,) = judy.values["outbox"]
    mine_first = crypto.in_order(judy.keys.fp, bob.keys.fp)[0] == judy.keys.fp
    stored = {name: waiting[name] for name in ("message_id", "n", "hash", "suite")}
    encrypted = waiting["content_for_a" if mine_first else "content_for_b"]
    script.rows.append({**stored, "sender_id": judy.user_id, "created_at": NOW, "encrypted": encrypted})
    wire.forget()

    def counter(asked: Any, answer: Any) -> None:
        if asked.fields["n"] == "1":
            answer.status, answer.json = 409, {"error": "x", "code": "counter", "next_n": 2}

    with script.served(), wire.telling("POST /send_message", counter):
        judy.run("send", "bob", "and Bob")
    assert [
        (int(one.fields["n"]), one.fields["message_id"] == waiting["message_id"])
        for one in wire.posted("/send_message")
    ] == [(1, True), (2, False)]
    (left,) = judy.values["outbox"]
    assert open_own(judy, bob, left).text == "and Bob"
    assert open_own(judy, bob, left).p == waiting["hash"]


def test_a_number_far_ahead_is_accepted_only_if_its_row_opens(script: Script) -> None:
    judy = script.people["judy"]
    script.last["judy"] = (4999, "C" * 43)
    row = script.says("judy", "by another client of mine, which has written a lot")
    wire = judy.wire
    for is_emptied in (True, False):
        encrypted = row["encrypted"]
        if is_emptied:
            script.empty(row)
        wire.forget()
        with script.served(), wire.telling("POST /send_message", once_counter(wire, 5001)):
            said = judy.run("send", "bob", "hello")
        row |= {"encrypted": encrypted, "gone": None}
        sent = [int(one.fields["n"]) for one in wire.posted("/send_message")]
        assert ("an impossible number" in said.err, sent[-1]) == (
            is_emptied,
            1 if is_emptied else 5001,
        )


def once_counter(wire: Any, next_n: int) -> Any:
    """A lie: the first message gets another number."""
    asked = []

    def counter(_: Any, answer: Any) -> None:
        asked.append(1)
        if len(asked) <= 2:  # the command also sends queued messages when it starts
            answer.status, answer.json = 409, {"error": "x", "code": "counter", "next_n": next_n}

    return counter


@pytest.mark.parametrize("far", [1000, 1001, 2**52 - 1])
def test_a_false_number_does_not_block_sending_forever(world: World, anna: Someone, wire: Wire, far: int) -> None:
    talk = where(anna, world.bob)
    assert anna.run("send", "bob", "first").code == 0

    def post(asked: Asked, answer: Answer) -> None:
        if asked.fields["n"] == "2":
            answer.status, answer.json = 409, {"error": "x", "code": "counter", "next_n": far + 1}
        else:
            answer.status = 200
            answer.json = {"message_id": asked.fields["message_id"], "seq": 9, "created_at": 5}

    def rows(_: Asked, answer: Answer) -> None:
        row = {"seq": 7, "message_id": "A" * 22, "created_at": 5, "sender_id": anna.user_id, "suite": 1}
        answer.status, answer.json = 200, [row | {"n": far, "hash": "A" * 43}]

    with (
        wire.telling("POST /send_message", post, passes_on=False),
        wire.telling("GET /messages/.*", rows, passes_on=False),
    ):
        said = anna.run("send", "bob", "second")
    if far > 1000:
        assert (said.code, "an impossible number" in said.err) == (1, True)
        assert anna.run("send", "bob", "third").code == 0  # the honest server again
    else:
        assert anna.values["places"][talk]["sent"][0] == far + 1
        said = anna.run("send", "bob", "third")
        assert (said.code, ROLLED_BACK in said.err) == (5, True)
        anna.do(lambda client: continue_after_alarm(client, talk))
        assert anna.run("send", "bob", "fourth").code == 0
    assert anna.values["outbox"] == []
    shown = [json.loads(line) for line in world.bob.run("read", talk, "--json").out.splitlines()]
    assert {(one["place"], one["alarm"]) for one in shown} == {("ok", "")}
    assert shown[-1]["text"] == ("third" if far > 1000 else "fourth")


async def continue_after_alarm(client: Client, talk: str) -> None:
    await client.go_on(next(one for one in await client.contacts() if one.conversation_id == talk))


def test_removing_the_last_message_is_an_alarm_and_sending_resumes_from_the_shown_one(
    script: Script,
) -> None:
    judy = script.people["judy"]
    wire = judy.wire
    shown = script.says("judy", "one")
    script.says("judy", "two")
    with script.served():
        judy.run("read", "bob")
    assert judy.values["contacts"][script.where]["own"][0] == 2
    script.rows.pop()
    lie = instead_of_counting(2)
    with script.served(), wire.telling("POST /send_message", lie):
        said = judy.run("send", "bob", "three")
        assert (said.code, ROLLED_BACK in said.err, len(judy.values["outbox"])) == (5, True, 1)
        wire.forget()
        assert (judy.run("send", "bob", "four").code, wire.posted("/send_message")) == (5, [])
        judy.do(lambda client: continue_after_alarm(client, script.where))
        judy.run("contacts")
        assert judy.values["contacts"][script.where]["own"] == [1, shown["hash"]]
    (waiting,) = judy.values["outbox"]
    opened = open_own(judy, script.people["bob"], waiting)
    assert (opened.n, opened.p, opened.text) == (2, shown["hash"], "three")


def instead_of_counting(next_n: int) -> Any:
    """A lie: only this number is accepted."""

    def counter(asked: Any, answer: Any) -> None:
        if asked.fields["n"] != str(next_n):
            answer.status, answer.json = 409, {"error": "x", "code": "counter", "next_n": next_n}

    return counter


ENDLESS = {"one by one": (1, 1), "whole pages": (200, 100)}  # rows per page, and how many pages are requested


@pytest.mark.parametrize(("size", "most"), ENDLESS.values(), ids=ENDLESS)
def test_endless_rows_are_not_searched_for_a_number(anna: Someone, wire: Wire, size: int, most: int) -> None:
    def pages(asked: Asked, answer: Answer) -> None:
        before = int(asked.query.get("before", 2**53 - 1))
        answer.status = 200
        answer.json = [{"seq": before - i, "message_id": "A" * 22} for i in range(size, 0, -1)]

    wire.forget()
    with (
        wire.telling("POST /send_message", instead_of_counting(9), passes_on=False),
        wire.telling("GET /messages/.*", pages, passes_on=False),
    ):
        said = anna.run("send", "bob", "hello")
    assert (said.code, "one of your messages that it does not show" in said.err) == (1, True)
    assert len([one for one in wire.asked if one.path.startswith("/messages/")]) == most
