"""Queued messages: nothing that the server says removes them, and they are reported until the user discards them."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from ezdms.client import Client
from tests.client.hostile.conftest import World
from tests.client.hostile.people import Someone, where
from tests.client.hostile.wire import Answer, Asked, Wire

SEND = "POST /send_message"


def refused(status: int, code: str = "no", **more: Any) -> Callable[[Asked, Answer], None]:
    """A lie: the message is refused."""

    def lie(_: Asked, answer: Answer) -> None:
        answer.status, answer.json = status, {"error": "no", "code": code, **more}

    return lie


def same_number(asked: Asked, answer: Answer) -> None:
    """A lie: the number is used, and the next one is the same."""
    refused(409, "counter", next_n=int(asked.fields["n"]))(asked, answer)


REFUSALS = {
    "as malformed": refused(400),
    "as forbidden": refused(403),
    "as without a conversation": refused(404, "no_conversation"),
    "as a duplicate id": refused(409, "message_id"),
    "as a duplicate number": same_number,
    "as gone": refused(410),
    "as not an envelope": refused(422, "envelope"),
    "as over quota": refused(507, "quota"),
    "for now": refused(403, "not_accepted"),
}


def test_refused_messages_stay_queued_and_every_command_reports_them(world: World, anna: Someone, wire: Wire) -> None:
    for case, lie in REFUSALS.items():
        with wire.telling(SEND, lie, passes_on=False):
            said = anna.run("send", "bob", f"refused {case}")
            assert (said.code, "The message is queued, encrypted" in said.err) == (1, True), case
            for words in (["contacts"], ["read", "bob"], ["contacts"]):
                said = anna.run(*words)
                assert said.code == 0, case
                assert "bob: 1 of your messages to them waits and is not sent. The server says: no" in said.err, case
            assert "1 of your messages are not sent" in anna.run("whoami").err, case
            assert len(anna.values["outbox"]) == 1, case
        said = anna.run("contacts")  # the honest server again
        assert (said.err, anna.values["outbox"]) == ("", []), case
    rows = [json.loads(line) for line in world.bob.run("read", where(anna, world.bob), "--json").out.splitlines()]
    assert [(row["text"], row["place"]) for row in rows] == [(f"refused {case}", "ok") for case in REFUSALS]


def test_refusing_one_message_keeps_those_queued_behind_it(world: World, anna: Someone, wire: Wire) -> None:
    with wire.telling(SEND, refused(400), passes_on=False):
        for text in ("one", "two", "three"):
            assert anna.run("send", "bob", text).code == 1
        assert "3 of your messages to them wait and are not sent" in anna.run("contacts").err
    assert [one["text"] for one in map(json.loads, anna.run("outbox", "--json").out.splitlines())] == []
    shown = [json.loads(line) for line in world.bob.run("read", where(anna, world.bob), "--json").out.splitlines()]
    assert [(one["text"], one["place"]) for one in shown] == [("one", "ok"), ("two", "ok"), ("three", "ok")]


@pytest.mark.parametrize("gone", [0, 1, 2])
def test_discarding_a_queued_message_leaves_no_gap(world: World, anna: Someone, wire: Wire, gone: int) -> None:
    assert anna.run("send", "bob", "before").code == 0
    texts = ["one", "two", "three"]
    with wire.telling(SEND, refused(422), passes_on=False):
        for text in texts:
            anna.run("send", "bob", text)
        anna.run("send", "carol", "to carol")
        listed = [json.loads(line) for line in anna.run("outbox", "--json").out.splitlines()]
        assert [(one["contact"], one["text"]) for one in listed] == [
            *[("bob", text) for text in texts],
            ("carol", "to carol"),
        ]
        said = anna.run("outbox", "--discard", listed[gone]["message_id"])
        assert (said.code, texts[gone] in said.out, "to carol: to carol" in said.out) == (0, False, True)
    assert anna.run("outbox").all == ""
    shown = [json.loads(line) for line in world.bob.run("read", where(anna, world.bob), "--json").out.splitlines()]
    kept = [text for text in texts if text != texts[gone]]
    assert [(one["text"], one["place"], one["alarm"]) for one in shown] == [
        (text, "ok", "") for text in ["before", *kept]
    ]


def test_discard_all_empties_the_outbox_and_unknown_ids_are_an_error(anna: Someone, wire: Wire) -> None:
    with wire.telling(SEND, refused(422), passes_on=False):
        for name in ("bob", "carol"):
            anna.run("send", name, "never mind")
        said = anna.run("outbox", "--discard", "A" * 22)
        assert (said.code, "No queued message has this id" in said.err) == (1, True)
        assert said.out.count("never mind") == 2
        assert anna.run("outbox", "--discard-all").out == ""
    assert anna.values["outbox"] == []


def test_discarding_does_not_send_the_message_first(world: World, anna: Someone, wire: Wire) -> None:
    """Even if the server would accept it by now."""
    assert anna.run("send", "bob", "first").code == 0
    with wire.telling(SEND, refused(422), passes_on=False):
        anna.run("send", "bob", "never mind")
    assert anna.run("outbox", "--discard-all").all == ""
    assert anna.values["outbox"] == []
    shown = [json.loads(line) for line in world.bob.run("read", where(anna, world.bob), "--json").out.splitlines()]
    assert [one["text"] for one in shown] == ["first"]


def test_the_library_reports_queued_messages(anna: Someone, wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    async def act(client: Client) -> list[str | None]:
        return [one.text for one in client.waiting()]

    with wire.telling(SEND, refused(400), passes_on=False), caplog.at_level(logging.WARNING, "ezdms.client"):
        anna.run("send", "bob", "important")
        assert anna.do(act) == ["important"]
    assert "bob: 1 of your messages to them waits and is not sent. The server says: no" in caplog.text
