"""The number of one's own next message: it is taken from rows that the server shows, within bounds, and kept only once
the server took the message."""

from __future__ import annotations

from typing import Any

import pytest

from ezdms import crypto
from tests.client.hostile.people import open_own
from tests.client.hostile.script import NOW, Script

NUMBERS = {  # what POST /send_message answers, and the n that is sent next
    "none": (None, 1),
    "the same": (1, 1),
    "one that no row has": (5, None),
    "2^53": (2**53, None),
    "a string": ("5", None),
    "that of a row at 2^52": (2**52 + 1, None),
    "that of an emptied row": (3, 3),
}


@pytest.mark.parametrize(("next_n", "taken"), NUMBERS.values(), ids=NUMBERS)
def test_the_next_number_is_one_that_a_row_shows(script: Script, next_n: Any, taken: int | None) -> None:
    judy = script.people["judy"]
    for text in ("one", "two"):  # by another client of hers
        script.empty(script.says("judy", text))
    script.rows.append({**script.rows[0], "n": 2**52, "message_id": "A" * 22, "hash": "A" * 43})
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


def test_what_this_client_has_learned_meanwhile_counts_more(script: Script) -> None:
    judy = script.people["judy"]
    wire = judy.wire
    state = judy.state
    state.note(script.where, sent=[5, "B" * 43])
    wire.forget()

    def counter(_: Any, answer: Any) -> None:
        answer.status, answer.json = 409, {"error": "x", "code": "counter", "next_n": 3}

    with script.served(), wire.telling("POST /send_message", counter):
        assert judy.run("send", "bob", "hello").code == 1
    assert [int(one.fields["n"]) for one in wire.posted("/send_message")] == [6, 6]
    (waiting,) = judy.values["outbox"]
    assert open_own(judy, script.people["bob"], waiting).p == "B" * 43


def test_what_the_server_stored_though_it_said_otherwise_is_not_sent_again(script: Script) -> None:
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
