"""The order of events in a hub that hears others over a bus, with the bus in the test's hand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from ezdms.hub import Place, shared
from ezdms.hub.memory import RESTART
from ezdms.hub.shared import SharedHub


class Codec:
    """Events are (row, number); a number of 0 has no place."""

    def pack(self, event: tuple[str, int]) -> str:
        return json.dumps(event)

    def unpack(self, body: list[Any]) -> tuple[str, int]:
        row, number = body
        return row, int(number)

    def place(self, event: tuple[str, int]) -> Place | None:
        return Place(*event) if event[1] else None


class Wire:
    """A bus that hands over what the test says."""

    process_id = "this one"
    is_up = True
    on_frame: Callable[[str, str, Any], None]
    on_back: Callable[[], None]

    def __init__(self) -> None:
        self.said: list[tuple[str, str, Any]] = []

    async def open(self) -> None:
        pass

    async def close(self) -> None:
        pass

    def subscribe(self, channel: str) -> asyncio.Future[None]:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    def unsubscribe(self, channel: str) -> None:
        pass

    def say(self, channel: str, kind: str, body: str) -> None:
        self.said.append((channel, kind, json.loads(body)))

    async def ask(self, *command: Any) -> Any:
        raise shared.Away

    def hidden(self, what: str) -> str:
        return what

    def sealed(self, name: str, said: Any) -> bytes:
        return b""

    def opened(self, name: str, data: bytes) -> Any:
        return None

    def name(self, *words: str) -> str:
        return ":".join(words)


async def opened() -> tuple[SharedHub[tuple[str, int]], Wire]:
    hub, wire = SharedHub[tuple[str, int]](Codec()), Wire()
    await hub.open(wire)
    return hub, wire


async def test_events_are_put_in_their_order_whichever_way_they_come() -> None:
    hub, wire = await opened()
    box = hub.subscribe("alice", "s")
    hub.know_place("alice", Place("talk", 0))
    wire.on_frame("alice", "event", ["talk", 2])
    wire.on_frame("alice", "event", ["other", 7])
    wire.on_frame("alice", "event", ["talk", 3])
    wire.on_frame("alice", "event", ["talk", 0])
    hub.publish("alice", ("talk", 1))
    assert [await box.get() for _ in range(5)] == [("other", 7), ("talk", 0), ("talk", 1), ("talk", 2), ("talk", 3)]
    assert [body for _, kind, body in wire.said if kind == "event"] == [["talk", 1]]
    await hub.close()


async def test_an_event_that_never_comes_is_waited_for_once_and_a_later_gap_as_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shared, "TURN", 0.2)
    monkeypatch.setattr(shared, "GRACE", 0.05)
    hub, wire = await opened()
    box = hub.subscribe("alice", "s")
    hub.know_place("alice", Place("talk", 0))
    for number in (2, 1):  # a gap that is closed at once: its timer must not end the next one
        wire.on_frame("alice", "event", ["talk", number])
    await asyncio.sleep(0.15)
    wire.on_frame("alice", "event", ["talk", 4])
    await asyncio.sleep(0.15)
    assert box.waiting == 2
    wire.on_frame("alice", "event", ["talk", 3])
    assert [await box.get() for _ in range(4)] == [("talk", number) for number in (1, 2, 3, 4)]
    wire.on_frame("alice", "event", ["talk", 9])
    wire.on_frame("alice", "event", ["talk", 8])
    assert [await box.get() for _ in range(2)] == [("talk", 8), ("talk", 9)]
    wire.on_frame("alice", "event", ["talk", 10])
    assert await box.get() == ("talk", 10)
    await hub.close()


async def test_what_cannot_be_read_makes_the_user_start_over_and_nobody_else() -> None:
    hub, wire = await opened()
    alice, bob = hub.subscribe("alice", "s"), hub.subscribe("bob", "t")
    for body in (["talk"], None, 5, {"x": 1}):
        wire.on_frame("alice", "event", body)
    wire.on_frame("alice", "of a later version", "x")
    assert (alice.close_code, bob.close_code) == (RESTART, None)
    wire.on_frame("all", "lost", "")
    assert bob.close_code == RESTART
    await hub.close()
