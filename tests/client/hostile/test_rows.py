"""Rows that the server changes, invents or moves: what the user reads; unsigned rows change no state."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ezdms.client import Client, Message, ServerError
from tests.client.hostile.conftest import World
from tests.client.hostile.people import Someone, all_new, heads, open_own, where
from tests.client.hostile.wire import Answer, Asked, Wire

ESCAPE = "\x1b]0;owned\x07"
MALFORMED = {  # this row is a placeholder, and the other one is read
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
UNREADABLE = {  # without a valid position, the whole page is rejected
    "seq is missing": {"seq": ...},
    "seq is a string": {"seq": "2"},
    "seq is 0": {"seq": 0},
    "message_id commands the terminal": {"message_id": ESCAPE},
    "message_id is missing": {"message_id": ...},
}


@contextmanager
def page_of(wire: Wire, change: Callable[[list[Any], Asked], list[Any]]) -> Iterator[None]:
    """Change pages of messages, in a `with` block."""

    def lie(asked: Asked, answer: Answer) -> None:
        if answer.status == 200:
            answer.json = change(answer.json, asked)

    with wire.telling("GET /messages/.*", lie):
        yield


def last_changed(**members: Any) -> Callable[[list[Any], Asked], list[Any]]:
    """Change the last row of a page."""

    def change(rows: list[Any], _: Asked) -> list[Any]:
        for row in rows[-1:]:
            row.update(members)
            for name in [name for name, value in row.items() if value is ...]:
                del row[name]
        return rows

    return change


@pytest.fixture(scope="module")
def rosa_at_home(world: World, tmp_path_factory: pytest.TempPathFactory) -> Someone:
    """Rosa has exchanged messages with Bob, and has not seen his newest one yet."""
    rosa = Someone.register(world.wire, "rosa", tmp_path_factory.mktemp("rosa") / "rosa")
    assert rosa.run("add", world.bob.search_pin).code == 0
    assert rosa.run("send", "bob", "hello").code == 0
    assert world.bob.run("send", "rosa", "one").code == 0
    rosa.do(lambda client: all_new(client, where(rosa, world.bob)))
    assert world.bob.run("send", "rosa", "news").code == 0
    return rosa


@pytest.fixture
def rosa(rosa_at_home: Someone, wire: Wire, tmp_path: Path) -> Iterator[Someone]:
    """Rosa, with her own home for this test. Her vault is not saved, so that tests do not affect each other."""
    with wire.telling("PUT /vault", None, passes_on=False):
        yield rosa_at_home.copy(tmp_path)


@pytest.fixture
def talk(world: World, rosa: Someone) -> str:
    """The conversation of Rosa and Bob."""
    return where(rosa, world.bob)


@pytest.mark.parametrize("members", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_row_is_a_placeholder_and_others_are_read(
    rosa: Someone, wire: Wire, talk: str, members: dict[str, Any]
) -> None:
    before = heads(rosa, talk)
    with page_of(wire, last_changed(**members)):
        said = rosa.run("read", "bob")
    assert said.code == 0
    assert said.out.count("[Cannot be verified]") == 1
    assert "(you): hello" in said.out
    assert "\x1b" not in said.all
    assert heads(rosa, talk)["vault theirs"] == before["vault theirs"]


def test_unchanged_rows_are_read(rosa: Someone, wire: Wire, talk: str) -> None:
    before = heads(rosa, talk)
    with page_of(wire, lambda rows, asked: rows):
        said = rosa.run("read", "bob")
    assert "bob: news" in said.out
    assert "Cannot be verified" not in said.out
    assert heads(rosa, talk)["vault theirs"] != before["vault theirs"]


@pytest.mark.parametrize("members", UNREADABLE.values(), ids=UNREADABLE)
def test_a_row_without_a_valid_position_is_an_error(rosa: Someone, wire: Wire, members: dict[str, Any]) -> None:
    with page_of(wire, last_changed(**members)):
        said = rosa.run("read", "bob")
    assert (said.code, said.out) == (1, "")
    assert "Error: The server" in said.err
    assert "\x1b" not in said.all


PAGES: dict[str, Callable[[list[Any], Asked], list[Any]]] = {
    "rows are not objects": lambda rows, asked: [1],
    "rows are repeated": lambda rows, asked: rows + rows,
    "rows are in reverse": lambda rows, asked: rows[::-1],
    "more rows than requested": lambda rows, asked: [row | {"seq": i} for row in rows[:1] for i in range(1, 300)],
    "rows at or below after": lambda rows, asked: [row | {"seq": int(asked.query.get("after", 0))} for row in rows],
    "the first page again and again": lambda rows, asked: rows or [{"seq": 1, "message_id": "A" * 22}],
}


@pytest.mark.parametrize("change", PAGES.values(), ids=PAGES)
def test_pages_without_progress_are_not_followed(rosa: Someone, wire: Wire, talk: str, change: Any) -> None:
    rosa.state.note(talk, seq=0)
    with page_of(wire, change), pytest.raises(Exception, match="The server") as caught:
        rosa.do(lambda client: all_new(client, talk))
    assert type(caught.value).__name__ == "BadAnswer"
    assert len([one for one in wire.asked if one.path == f"/messages/{talk}"]) <= 4


INVENTED = {  # unsigned rows
    "suite 99": {"suite": 99, "n": 2**53 - 1, "encrypted": "x"},
    "gone": {"encrypted": None, "n": 2**53 - 1},
    "gone, high number": {"encrypted": None, "n": 5000},
    "blocked": {"encrypted": None, "gone": "blocked", "n": 2**52},
    "garbage": {"encrypted": "a.b.c.d.e", "n": 2**53 - 1},
    "the same seal under another number": {"n": 2**53 - 1},
    "the highest possible seq": {"encrypted": None, "seq": 2**53 - 1, "n": 6000},
}


@pytest.mark.parametrize("members", INVENTED.values(), ids=INVENTED)
@pytest.mark.parametrize("side", ["theirs", "mine"])
def test_unsigned_rows_change_no_state_and_block_nothing(
    world: World, rosa: Someone, wire: Wire, talk: str, side: str, members: dict[str, Any]
) -> None:
    sender = rosa.user_id if side == "mine" else world.bob.user_id
    row = {"message_id": "A" * 22, "hash": "A" * 43, "sender_id": sender, "created_at": 5, "suite": 1, "encrypted": "x"}
    before = heads(rosa, talk)
    seq = rosa.values["places"][talk]["seq"]

    def invent(rows: list[Any], asked: Asked) -> list[Any]:
        """Replace new rows with the invented one."""
        after = int(asked.query.get("after", 0))
        if "after" not in asked.query or after < seq:
            return rows
        return [{**row, "seq": after + 1, **members}] if after == seq else []

    async def act(client: Client) -> tuple[list[Message], list[Message]]:
        with page_of(wire, invent):
            told = await all_new(client, talk)
            with pytest.raises(ServerError, match="answered 500"):
                await client.send(talk, "still here")
        return told, await all_new(client, talk)

    with wire.telling("POST /send_message", None, passes_on=False):  # so that every test starts the same
        told, new = rosa.do(act)
    assert [(message.text, message.is_own) for message in told] == [(None, side == "mine")]
    assert "news" in [message.text for message in new]  # the honest server again; nothing is blocked
    (sent,) = rosa.values["outbox"]
    opened = open_own(rosa, world.bob, sent)
    last = max(before["vault own"], before["sent"] or [0])
    assert [opened.n, opened.p, *opened.a] == [last[0] + 1, last[1], *before["vault theirs"]]


def test_the_latest_possible_time_is_shown(rosa: Someone, wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    with page_of(wire, last_changed(created_at=253_402_300_799_999)):
        said = rosa.run("read", "bob")
    assert said.code == 0
    assert "9999-12-31" in said.out
    assert "(signed: " in said.out  # the sender's own time is shown next to the server's
    assert "(signed: " not in rosa.run("read", "bob").out
    monkeypatch.undo()
    time.tzset()
