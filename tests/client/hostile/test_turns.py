"""Fetching new messages: endless conversations and false numbers from the server lose no messages."""

from __future__ import annotations

import asyncio
import gc
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ezdms.client import Client
from ezdms.client.alarms import ROLLED_BACK
from tests.client.hostile.conftest import World
from tests.client.hostile.people import Someone, all_new, where
from tests.client.hostile.test_lists import LIST, lines
from tests.client.hostile.wire import Answer, Asked, Wire

NO_FURTHER = "keeps sending rows without messages"
SHAPES = {  # rows per page, the distance between their numbers, and whether the client makes progress
    "consecutive": (200, 1, True),
    "with gaps": (200, 2, False),
    "one by one, with gaps": (1, 3, False),
}


@pytest.fixture(autouse=True)
def lost_sockets_are_collected() -> Iterator[None]:
    """On a busy machine a closing client cancels requests. One that is cancelled just as it connects loses its socket
    (anyio's connect_tcp), and the warning would appear in whatever test runs later.
    """
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.mark.parametrize(("size", "step", "gets_further"), SHAPES.values(), ids=SHAPES)
def test_an_endless_conversation_does_not_block_others(
    world: World, anna: Someone, wire: Wire, caplog: pytest.LogCaptureFixture, size: int, step: int, gets_further: bool
) -> None:
    endless = where(anna, world.bob)

    def pages(asked: Asked, answer: Answer) -> None:
        after = int(asked.query.get("after", 0))
        answer.status = 200
        answer.json = [{"seq": after + step * (1 + i), "message_id": "A" * 22} for i in range(size)]

    assert world.carol.run("add", anna.search_pin).code == 0
    assert world.carol.run("send", where(anna, world.carol), "please answer").code == 0
    heard: list[str | None] = []
    again: list[str | None] = []

    async def listens(client: Client) -> None:
        async with asyncio.timeout(60):
            async for message in client.messages():
                heard.append(message.text)
                if message.text == "please answer":
                    return

    first = lines(lambda rows: sorted(rows, key=lambda row: row["conversation_id"] != endless))
    caplog.set_level(logging.WARNING, "ezdms.client")
    with wire.telling(f"GET /messages/{endless}", pages, passes_on=False), wire.telling(LIST, first):
        anna.do(listens)
        assert NO_FURTHER not in caplog.text or not gets_further
        assert len(heard) <= 1001
        if not gets_further:
            assert NO_FURTHER in caplog.text
            with pytest.raises(Exception, match=NO_FURTHER):  # and no message is yielded twice
                anna.do(lambda client: hears(client, endless, again))
            assert again == []


async def hears(client: Client, talk: str, heard: list[str | None]) -> None:
    async for event in client._conversations.catch_up(talk):
        assert event.message is not None
        heard.append(event.message.text)


def test_empty_rows_do_not_hide_that_messages_were_removed(world: World, anna: Someone, wire: Wire) -> None:
    talk = where(anna, world.bob)
    assert world.bob.run("add", anna.search_pin).code == 0
    assert world.bob.run("send", talk, "old").code == 0
    assert anna.run("read", "bob").code == 0
    junk: list[dict[str, Any]] = [{"seq": 2 * i, "message_id": "A" * 22} for i in range(1, 600)]

    def pages(asked: Asked, answer: Answer) -> None:
        query = {name: int(value) for name, value in asked.query.items()}
        found = [row for row in junk if query.get("after", 0) < row["seq"] < query.get("before", 2**53)]
        answer.status, answer.json = 200, found[: query["limit"]] if "after" in query else found[-query["limit"] :]

    heard: list[str | None] = []
    with (
        wire.telling(f"GET /messages/{talk}", pages, passes_on=False),
        pytest.raises(Exception, match=NO_FURTHER),
    ):
        anna.do(lambda client: hears(client, talk, heard))
    assert heard == [None] * 500
    assert f"ALARM: {ROLLED_BACK}" in anna.run("contacts").out


def test_exporting_an_endless_conversation_stops(
    anna: Someone, world: World, wire: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pages(asked: Asked, answer: Answer) -> None:
        before = int(asked.query.get("before", 2**53 - 1))
        answer.status, answer.json = 200, [{"seq": before - 1, "message_id": "A" * 22}]

    monkeypatch.setattr("ezdms.commands.client.export.MOST_PAGES", 20)
    with wire.telling("GET /messages/.*", pages, passes_on=False):
        said = anna.run("export", "bob", "--to", str(tmp_path / "out"))
    assert (said.code, "never sent the start of the conversation with bob" in said.err) == (1, True)
    assert len([one for one in wire.asked if one.path.startswith("/messages/")]) <= 1100  # including earlier rows


@pytest.fixture
def fresh(anna: Someone, wire: Wire, tmp_path: Path) -> Someone:
    """Anna on a new device, not logged in yet."""
    return Someone("anna", anna.pin, tmp_path / "fresh", wire, anna.keys)


UNREAD = {"nothing": 0, "everything": 10**6, "a negative number": -5}


@pytest.mark.parametrize("unread", UNREAD.values(), ids=UNREAD)
@pytest.mark.parametrize("seen", [False, True], ids=["nothing seen", "some seen"])
def test_a_false_unread_count_loses_no_messages_on_a_new_device(
    world: World, anna: Someone, fresh: Someone, wire: Wire, seen: bool, unread: int
) -> None:
    talk = where(anna, world.bob)
    if seen:
        assert anna.run("send", "bob", "mine").code == 0
        assert world.bob.run("send", talk, "old").code == 0
        assert anna.run("send", "bob", "mine too").code == 0
        assert anna.run("read", "bob").code == 0
        assert world.bob.run("read", talk).code == 0
    else:
        assert world.bob.run("add", anna.search_pin).code == 0
    for text in ("urgent", "and more"):
        assert world.bob.run("send", talk, text).code == 0
    lie = lines(lambda rows: [row | {"unread": unread} for row in rows])
    with wire.telling(LIST, lie):
        assert fresh.run("login").code == 0
        new = fresh.do(lambda client: all_new(client, talk))
    assert [(one.text, one.place) for one in new if not one.is_own] == [("urgent", "ok"), ("and more", "ok")]
    assert [one.text for one in new if one.is_own] == []  # her own messages count as seen
    assert world.bob.run("send", talk, "third").code == 0
    assert [(one.text, one.place) for one in fresh.do(lambda client: all_new(client, talk))] == [("third", "ok")]


def test_a_message_withheld_from_a_new_device_is_a_gap(world: World, anna: Someone, fresh: Someone, wire: Wire) -> None:
    talk = where(anna, world.bob)
    assert world.bob.run("add", anna.search_pin).code == 0
    assert world.bob.run("send", talk, "old").code == 0
    assert anna.run("read", "bob").code == 0
    for text in ("withheld", "shown"):
        assert world.bob.run("send", talk, text).code == 0

    def withheld(_: Asked, answer: Answer) -> None:
        answer.json = [row for row in answer.json if row.get("n") != 2]

    with wire.telling(f"GET /messages/{talk}", withheld):
        assert fresh.run("login").code == 0
        new = fresh.do(lambda client: all_new(client, talk))
    assert [(one.text, one.place) for one in new] == [("shown", "gap")]
