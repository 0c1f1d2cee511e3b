"""Requests and blocks, from a server that accepts or unblocks in the user's name, or hides behind a block."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ezdms.client import Client
from ezdms.client.account import now
from tests.client.hostile.conftest import World
from tests.client.hostile.people import Someone, all_new, where
from tests.client.hostile.script import Script
from tests.client.hostile.test_changes import WITHHELD, events, read, texts
from tests.client.hostile.test_lists import LIST, lines
from tests.client.hostile.wire import Wire

MINUTE = 60_000


def claims(conversation: str, **members: Any) -> Any:
    """A lie: the line of this conversation has these members."""
    return lines(lambda rows: [row | (members if row["conversation_id"] == conversation else {}) for row in rows])


def contact_of(someone: Someone, conversation: str) -> dict[str, Any]:
    listed = [json.loads(line) for line in someone.run("contacts", "--json").out.splitlines()]
    [found] = [one for one in listed if one["conversation_id"] == conversation]
    assert isinstance(found, dict)
    return found


@pytest.fixture
def asked(anna: Someone, wire: Wire, tmp_path: Path) -> str:
    """Erin, who is called almost like one of Anna's contacts, has written to her."""
    erin = Someone.register(wire, "B0b", tmp_path / "erin")
    assert erin.run("add", anna.search_pin).code == 0
    assert erin.run("send", "anna", "hello").code == 0
    wire.forget()
    return where(anna, erin)


def test_the_server_cannot_accept_in_the_users_name(anna: Someone, wire: Wire, asked: str) -> None:
    with wire.telling(LIST, claims(asked, state="accepted")):
        assert contact_of(anna, asked)["state"] == "request"
        said = anna.run("contacts").out
        assert [line for line in said.splitlines() if line.startswith("B0b  Not verified  request  1 unread")]
        shown = anna.run("read", asked)
        assert "is someone new: a request" in " ".join(shown.err.split())
        assert "They found you by your Search PIN of " in shown.err
        assert "has this name, or one that looks like it" in " ".join(shown.err.split())
        assert anna.run("settings", "--receipts", "on", "--typing", "on").code == 0
        heard = anna.do(lambda client: all_new(client, asked))
        anna.do(lambda client: client.mark_read(asked))
        anna.do(lambda client: client.typing(asked))
    assert [one.text for one in heard] == ["hello"]
    assert asked not in anna.values["contacts"]  # nor is it in the vault
    assert wire.posted("/signal") == []
    assert anna.run("accept", asked).out == "B0b: accepted.\n"
    assert contact_of(anna, asked)["state"] == "accepted"


@pytest.mark.parametrize("state", ["request", "blocked", "accepted", "x", None, 7, ["request"]])
def test_what_the_server_says_of_requests_and_blocks_is_not_even_read(
    world: World, anna: Someone, wire: Wire, state: Any
) -> None:
    with wire.telling(LIST, claims(where(anna, world.bob), state=state)):
        assert contact_of(anna, where(anna, world.bob))["state"] == "accepted"
        said = anna.run("read", "bob")
        assert "request" not in said.all
    assert wire.posted("/conversations/.*") == []  # nor is anything done about it


@pytest.mark.parametrize("name", ["found_by", "pin_created_at"])
@pytest.mark.parametrize("value", ["\x1b[2J", [1], {}, -1, 253_402_300_800_000, True])
def test_an_invalid_claim_of_how_one_was_found_is_not_shown(
    anna: Someone, wire: Wire, asked: str, name: str, value: Any
) -> None:
    with wire.telling(LIST, claims(asked, **{name: value})):
        said = anna.run("contacts")
    assert "1 unreadable line" in said.err
    assert "\x1b" not in said.all


def test_the_server_cannot_unblock_in_the_users_name(script: Script) -> None:
    judy = script.people["judy"]
    script.says("bob", "before")
    assert texts(read(script)) == [("text", "before")]
    assert [event.kind for event in events(script)] == ["message"]

    async def blocks(client: Client) -> None:
        await client.block(script.where)

    with script.served():
        judy.do(blocks)
    for row, at in ((script.says("bob", "just before"), 0), (script.says("bob", "meanwhile"), now() + MINUTE)):
        row["created_at"] = at or row["created_at"]  # the server hands over both, and says that one is older
    assert events(script) == []
    with script.served():
        said = judy.run("read", "bob")
        assert contact_of(judy, script.where)["state"] == "blocked"
        assert "Unblock" in judy.run("send", "bob", "no").err
    assert "meanwhile" not in said.all
    assert "1 message came while they were blocked." in said.err
    assert texts(read(script))[-1] == ("blocked", None)
    assert events(script) == []


def test_a_change_of_a_blocked_person_that_the_server_hands_over_changes_nothing(script: Script) -> None:
    one, two = script.says("bob", "one"), script.says("bob", "two")
    assert texts(read(script)) == [("text", "one"), ("text", "two")]
    with script.served():
        script.people["judy"].do(lambda client: client.block(script.where))
    for row in (script.changes("bob", "edit", one, "changed"), script.changes("bob", "delete", two)):
        row["created_at"] = now() + MINUTE
    assert texts(read(script)) == [("text", "one"), ("text", "two"), ("blocked", None), ("blocked", None)]


def test_only_rows_within_a_block_pass_for_blocked(script: Script) -> None:
    judy = script.people["judy"]
    script.says("judy", "hi")
    with script.served():
        judy.do(lambda client: client.block(script.where))
        judy.do(lambda client: client.unblock(script.where))
    [[since, to]] = judy.values["contacts"][script.where]["blocks"]
    for created_at in (since - 1, since, to - 1, to):
        row = script.says("bob", "text")
        script.empty(row, "blocked")
        row["created_at"] = created_at
    mine = script.says("judy", "mine")
    script.empty(mine, "blocked")
    mine["created_at"] = since
    states = [message.state for message in read(script)]
    assert states == ["text", "withheld", "blocked", "blocked", "withheld", "withheld"]
    with script.served():
        said = judy.run("read", "bob")
    assert said.out.count(WITHHELD) == 3
    assert "2 messages came while they were blocked." in said.err


def test_the_server_cannot_delete_a_conversation_or_hide_what_came_after(script: Script) -> None:
    judy = script.people["judy"]
    script.says("bob", "one")
    script.says("judy", "two")
    assert texts(read(script)) == [("text", "one"), ("text", "two")]
    forged = script.says("bob", "claims a high number")
    forged["n"] = 900
    with script.served():
        judy.do(lambda client: client.history(script.where))
        judy.do(lambda client: client._conversations.clear(script.where))
    assert judy.values["contacts"][script.where]["cleared"] == [1, 1]  # only what was verified
    script.rows.remove(forged)
    script.last["bob"] = (1, script.rows[0]["hash"])
    script.says("bob", "after")
    assert texts(read(script)) == [("text", "after")]
    for row in script.rows:
        script.empty(row, "hidden")
    assert texts(read(script)) == [("withheld", None)]
