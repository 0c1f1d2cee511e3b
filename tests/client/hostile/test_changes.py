"""Edits, deletions, reactions and expiry from a server that hides, invents, undoes, stretches and withholds them."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from ezdms import crypto
from ezdms.client import Client, Event, Message
from tests.client.hostile.script import NOW, Script
from tests.client.hostile.wire import Answer

MINUTE = 60_000
WITHHELD = "[The server does not hand over this message.]"


async def happened(client: Client, where: str) -> list[Event]:
    return [event async for event in client._conversations.catch_up(where)]


def read(script: Script, limit: int = 50) -> list[Message]:
    """What Judy reads."""
    with script.served():
        return script.people["judy"].do(lambda client: client.history(script.where, limit=limit))


def events(script: Script) -> list[Event]:
    """What Judy's client tells her, after what it told before."""
    with script.served():
        return script.people["judy"].do(lambda client: happened(client, script.where))


def texts(messages: list[Message]) -> list[tuple[str, str | None]]:
    return [(message.state, message.text) for message in messages]


def told(found: list[Event]) -> list[tuple[str, str | None]]:
    return [(event.kind, event.message.text if event.message else None) for event in found]


def replaced(script: Script, row: dict[str, Any]) -> None:
    script.empty(row, "replaced")


# ---- What an honest server shows ----


def test_changes_are_shown_at_their_message_and_nowhere_else(script: Script) -> None:
    one = script.says("bob", "one")
    two = script.says("judy", "two", reference=(one["message_id"], one["hash"]))
    edit = script.changes("bob", "edit", one, "one, really", ts=NOW + MINUTE)
    replaced(script, one)
    script.changes("judy", "react", one, "👍")
    script.changes("bob", "delete", script.says("bob", "never mind"))
    replaced(script, script.rows[-2])
    script.says("bob", "3600", kind="timer")
    found = read(script)
    assert texts(found) == [("edited", "one, really"), ("text", "two"), ("deleted", None), ("timer", None)]
    assert (found[0].edited_at, found[0].reactions) == (NOW + MINUTE, {"own": "👍"})
    assert found[1].answers is not None
    assert (found[1].answers.text, found[1].answers.is_own) == ("one, really", False)
    assert found[3].timer == 3600
    with script.served():
        said = script.people["judy"].run("read", "bob").out
        as_json = script.people["judy"].run("read", "bob", "--json").out
    assert "(edited: " in said
    assert "bob: one, really\n  👍 (you)\n" in said
    assert "(you): two\n  In reply to bob: “one, really”\n" in said
    assert "[Message deleted]" in said
    assert "[Messages disappear 1 hour after they are sent, read or not.]" in " ".join(said.split())
    lines = [json.loads(line) for line in as_json.splitlines()]
    assert [line["state"] for line in lines] == ["edited", "text", "deleted", "timer"]
    assert lines[1]["answers"] == {
        "message_id": one["message_id"],
        "is_own": False,
        "text": "one, really",
        "state": "edited",
    }
    assert two["message_id"] == lines[1]["message_id"]
    assert edit["message_id"] not in as_json


def test_a_change_of_an_earlier_message_is_an_event(script: Script) -> None:
    one = script.says("bob", "one")
    mine = script.says("judy", "mine")
    assert told(events(script)) == [("message", "one"), ("message", "mine")]
    script.changes("bob", "edit", one, "better")
    replaced(script, one)
    assert told(events(script)) == [("edited", "better")]
    script.changes("bob", "react", mine, "👍")
    script.changes("bob", "react", mine, "🎉")
    (event,) = events(script)
    assert (event.kind, event.is_own) == ("reacted", False)
    assert event.message is not None
    assert event.message.reactions == {"theirs": "🎉"}
    script.changes("bob", "react", mine)
    (event,) = events(script)
    assert event.message is not None
    assert event.message.reactions == {}
    script.changes("bob", "delete", one, e=crypto.changes_hash([script.rows[2]["hash"]]))
    replaced(script, script.rows[2])
    assert told(events(script)) == [("deleted", None)]
    script.says("bob", "60", kind="timer")
    (event,) = events(script)
    assert (event.kind, event.message and event.message.timer) == ("timer", 60)
    assert told(events(script)) == []


def test_what_was_changed_before_it_arrived_is_told_once_as_it_is_now(script: Script) -> None:
    edited, deleted = script.says("bob", "one"), script.says("bob", "two")
    script.says("bob", "three")
    script.changes("bob", "edit", edited, "uno")
    script.changes("bob", "delete", deleted)
    for row in (edited, deleted):
        replaced(script, row)
    found = events(script)
    assert told(found) == [("message", "uno"), ("message", None), ("message", "three")]
    assert [event.message and event.message.state for event in found] == ["edited", "deleted", "text"]


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> int:
    """The client asks for 20 messages at once instead of 200."""
    for module in ("history", "conversations", "happenings"):
        monkeypatch.setattr(f"ezdms.client.{module}.PAGE", 20)
    return 20


def test_a_change_far_from_its_message_is_found_on_both_ways(script: Script, small_pages: int) -> None:
    """Reading backward, and live after a page of other messages."""
    one = script.says("bob", "one")
    assert told(events(script)) == [("message", "one")]
    for i in range(small_pages + 5):
        script.says("judy", str(i))
    script.changes("bob", "edit", one, "uno")
    replaced(script, one)
    assert told(events(script))[-1] == ("edited", "uno")

    async def first_page(client: Client) -> list[Message]:
        page = await client.history(script.where, limit=10)
        while page[0].seq > 1:
            page = await client.history(script.where, limit=10, before=page[0].seq)
        return page

    with script.served():
        assert texts(script.people["judy"].do(first_page))[0] == ("edited", "uno")
        after = script.people["judy"].do(lambda client: client.history_after(script.where, 0, 5))
    assert [message.text for message in after] == ["uno", "0", "1", "2", "3"]


def test_changes_that_do_not_count_show_nothing(script: Script) -> None:
    one, mine = script.says("bob", "one"), script.says("judy", "mine")
    before = script.rows[:]
    script.changes("bob", "edit", mine, "not his")
    script.changes("bob", "delete", mine)
    script.changes("bob", "edit", one | {"hash": "A" * 43}, "another hash")
    script.changes("bob", "delete", {"message_id": "A" * 22, "hash": "A" * 43, "expires_in": 0})
    script.changes("bob", "react", {"message_id": "A" * 22, "hash": "A" * 43, "expires_in": 0}, "👍")
    edit = script.changes("bob", "edit", one, "uno")
    script.changes("bob", "edit", edit, "an edit of an edit")
    script.changes("judy", "delete", edit)
    assert texts(read(script)) == [("edited", "uno"), ("text", "mine")]
    assert told(events(script)) == [("message", "uno"), ("message", "mine")]
    assert before[0]["encrypted"]  # although the server kept the old text


# ---- What a hostile one tries ----


def test_the_server_cannot_bring_back_what_was_deleted(script: Script) -> None:
    """It shows the old copy again, beside the deletion or long after it."""
    one = script.says("bob", "my PIN is 1234")
    script.changes("bob", "delete", one)
    assert texts(read(script)) == [("deleted", None)]
    found = events(script)
    assert told(found) == [("message", None)]
    assert found[0].message is not None
    assert found[0].message.state == "deleted"
    del script.rows[1]  # it hides the deletion
    with script.served():
        said = script.people["judy"].run("read", "bob")
    assert (said.code, "no longer shows messages that were here before" in said.err) == (5, True)


def test_the_server_cannot_bring_back_what_was_edited(script: Script) -> None:
    one = script.says("bob", "I hate you")
    script.changes("bob", "edit", one, "I hate rain")
    script.changes("bob", "edit", one, "I love you", e=crypto.changes_hash([script.rows[1]["hash"]]))
    assert texts(read(script)) == [("edited", "I love you")]  # it keeps all copies
    replaced(script, one)
    replaced(script, script.rows[1])
    assert texts(read(script)) == [("edited", "I love you")]
    replaced(script, script.rows[2])  # it empties the last edit, too
    assert texts(read(script)) == [("withheld", None)] * 3


def test_the_server_cannot_invent_a_change(script: Script) -> None:
    """It empties a message and says that it was deleted, edited, or was an edit itself; or that it has expired."""
    one = script.says("bob", "do not come")
    two = script.says("bob", "the door is open")
    script.says("bob", "hello")
    for claimed in (
        {"gone": "replaced"},
        {"gone": "replaced", "replaces": one["message_id"]},
        {"gone": "expired"},
        {"gone": "expired", "expires_in": 5},
        {"gone": "retention"},
        {"gone": "hidden"},
        {"gone": "blocked"},
        {"gone": None},
    ):
        kept = dict(two)
        two |= {"encrypted": None, **claimed}
        assert texts(read(script)) == [("text", "do not come"), ("withheld", None), ("text", "hello")], claimed
        two.clear()
        two |= kept
    two |= {"encrypted": None, "gone": "replaced"}
    with script.served():
        said = script.people["judy"].run("read", "bob")
    assert WITHHELD in said.out
    assert "The server does not hand over 1 message of these." in said.err


def test_no_message_can_be_passed_off_as_an_edit(script: Script) -> None:
    """`e` names the earlier changes, and no others."""
    one = script.says("bob", "one")
    two = script.says("bob", "the door is open")
    script.changes("bob", "edit", one, "uno")
    replaced(script, one)
    two |= {"encrypted": None, "gone": "replaced", "replaces": one["message_id"]}
    assert texts(read(script)) == [("edited", "uno"), ("withheld", None)]


def test_hiding_a_deletion_is_seen(script: Script) -> None:
    """An empty deletion proves nothing, and a dropped one is a gap."""
    one = script.says("bob", "one")
    deletion = script.changes("bob", "delete", one)
    script.says("bob", "two")
    assert texts(read(script)) == [("deleted", None), ("text", "two")]
    kept = dict(deletion)
    script.empty(deletion, "expired")
    assert texts(read(script)) == [("text", "one"), ("withheld", None), ("text", "two")]
    script.rows.remove(deletion)
    assert [message.place for message in read(script)] == ["ok", "gap"]
    script.rows.insert(1, kept | {"replaces": None})  # described wrongly
    assert texts(read(script)) == [("text", "one"), ("unverified", None), ("text", "two")]


def test_messages_missing_before_a_change_are_noted(script: Script) -> None:
    one = script.says("bob", "one")
    script.says("bob", "two")
    script.changes("bob", "react", one, "👍")
    del script.rows[1]
    found = read(script)
    assert [(message.state, message.place) for message in found] == [("text", "ok"), ("change", "gap")]
    with script.served():
        assert "[Messages are missing before this one.]" in script.people["judy"].run("read", "bob").out
    assert [(event.kind, event.message and event.message.place) for event in events(script)] == [
        ("message", "ok"),
        ("message", "gap"),
    ]


def test_expiry_can_neither_be_stretched_nor_shortened(script: Script) -> None:
    moment = time.time_ns() // 1_000_000
    lives: dict[str, Any] = {"x": 60, "ts": moment}
    honest, long, short, later = (script.says("bob", text, **lives) for text in ("honest", "long", "short", "later"))
    for row in script.rows:
        row["created_at"] = moment
    long["expires_in"], short["expires_in"] = 3600, 5
    later["created_at"] = moment + 400 * 86_400_000  # a year later
    found = read(script)
    assert texts(found) == [("text", "honest"), ("unverified", None), ("unverified", None), ("text", "later")]
    assert [message.expires_at for message in found if message.text] == [
        moment + 60_000,
        moment + 86_400_000 + 60_000,
    ]
    long["expires_in"] = short["expires_in"] = 60
    later["created_at"] = honest["created_at"] = moment - 61_000  # handed over all the same, after its time
    assert texts(read(script)) == [("expired", None), ("text", "long"), ("text", "short"), ("expired", None)]


def test_expiry_needs_a_proof(script: Script) -> None:
    """The message was seen with its lifetime, or a timer had been set before."""
    moment = time.time_ns() // 1_000_000
    seen = script.says("bob", "seen", x=5, ts=moment)
    seen["created_at"] = moment
    assert texts(read(script)) == [("text", "seen")]
    unseen = script.says("bob", "unseen", x=5, ts=moment)
    for row in (seen, unseen):
        row["created_at"] = moment - 10_000
        script.empty(row, "expired")
    assert texts(read(script)) == [("expired", None), ("withheld", None)]
    script.says("bob", "5", kind="timer")["created_at"] = moment - 20_000
    assert texts(read(script)) == [("expired", None), ("expired", None), ("timer", None)]
    assert script.people["judy"].values["contacts"][script.where]["timed"] == moment - 20_000
    seen["created_at"] = unseen["created_at"] = moment  # not yet
    assert texts(read(script)) == [("withheld", None), ("withheld", None), ("timer", None)]


def test_the_hosts_retention_is_believed_as_far_as_it_is_announced(script: Script) -> None:
    judy = script.people["judy"]
    old, new = script.says("bob", "old"), script.says("bob", "new")
    for row in (old, new):
        script.empty(row, "retention")
    new["created_at"] = time.time_ns() // 1_000_000

    def announced(_: object, answer: Answer) -> None:
        answer.json = {**answer.json, "retention": 3}

    with judy.wire.telling("GET /deployment", announced):
        assert texts(read(script)) == [("retention", None), ("withheld", None)]
    assert texts(read(script)) == [("withheld", None), ("withheld", None)]


def test_a_forged_mark_hides_nothing(script: Script) -> None:
    judy, bob = script.people["judy"], script.people["bob"]
    one, two = script.says("bob", "one"), script.says("bob", "two")
    good = crypto.sign_mark(judy.keys, script.where, one["message_id"], one["hash"])
    for mark in (
        crypto.sign_mark(bob.keys, script.where, one["message_id"], one["hash"]),
        crypto.sign_mark(judy.keys, script.where, two["message_id"], two["hash"]),
        crypto.sign_mark(judy.keys, "0" * 24, one["message_id"], one["hash"]),
        "not.a.mark",
    ):
        one["mark"] = mark
        assert texts(read(script)) == [("text", "one"), ("text", "two")]
        assert texts(read_emptied(script, one)) == [("withheld", None), ("text", "two")]
    one["mark"] = good
    assert texts(read_emptied(script, one)) == [("hidden", None), ("text", "two")]
    del one["mark"]  # it shows the message again: the client kept the mark
    assert texts(read(script)) == [("hidden", None), ("text", "two")]


def read_emptied(script: Script, row: dict[str, Any]) -> list[Message]:
    """What Judy reads if the server keeps this message for itself."""
    kept = dict(row)
    script.empty(row, "hidden")
    found = read(script)
    row |= {"encrypted": kept["encrypted"], "gone": None}
    return found


@pytest.mark.parametrize("pages", [1, 3])
def test_an_empty_row_is_judged_once_everything_after_it_is_loaded(
    script: Script, small_pages: int, pages: int
) -> None:
    one = script.says("bob", "one")
    for i in range(small_pages * pages):
        script.says("judy", str(i))
    script.changes("bob", "edit", one, "uno")
    replaced(script, one)
    found = events(script)
    assert told(found)[:2] == [("message", "uno"), ("message", "0")]
    assert len(found) == 1 + small_pages * pages
