"""People write to each other while processes, the bus and the database are killed in turn: nothing is lost, doubled or
out of order."""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections import Counter
from contextlib import suppress
from typing import Any

import picows

from bench import processes
from bench.filled import Pair
from bench.load import Socket, Wire, as_program, request, wish
from bench.report import Report
from bench.sides import Both
from bench.sites import Site

PAIRS = 15  # both people write
PROCESSES = 3
PAUSE = 0.3  # seconds between two messages of one person
BETWEEN = 4.0  # seconds between two kills
AWAY = 1.5  # seconds until what was killed is started again
SOON = 15.0  # seconds for an answer, after which a person asks again
GONE = (OSError, picows.WSError, TimeoutError)


class Shaken:
    """A site of which something is killed, every few seconds."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.running = [site.start() for _ in range(PROCESSES)]
        self.done: Counter[str] = Counter()

    def port(self) -> int:
        """That of any process."""
        return random.choice(self.running)[1]  # noqa: S311

    async def go_on(self, stop: asyncio.Event) -> None:
        """Kill one after the other."""
        acts = [self._kill, self._break_bus, self._stop, self._break_database]
        turn = 0
        while not await _is_set(stop, BETWEEN):
            await acts[turn % len(acts)](turn // 2 % PROCESSES)
            self.done[acts[turn % len(acts)].__name__] += 1
            turn += 1

    async def _kill(self, number: int) -> None:
        self.running[number][0].kill()
        await self._start(number)

    async def _stop(self, number: int) -> None:
        await asyncio.to_thread(self.running[number][0].stop)
        await self._start(number)

    async def _start(self, number: int) -> None:
        await asyncio.sleep(AWAY)
        self.running[number] = await asyncio.to_thread(self.site.start)

    async def _break_bus(self, _number: int) -> None:
        self.site.bus.stop()
        await asyncio.sleep(AWAY)
        await asyncio.to_thread(_on_all_cores, self.site.bus.start)

    async def _break_database(self, _number: int) -> None:
        self.site.database.stop()
        await asyncio.sleep(AWAY)
        await asyncio.to_thread(_on_all_cores, self.site.database.start)

    def stop(self) -> None:
        """End all processes."""
        for process, _ in self.running:
            process.stop()


class Writer:
    """Writes one message after another, each until it is acknowledged."""

    def __init__(self, pair: Pair, shaken: Shaken) -> None:
        self.pair, self.shaken = pair, shaken
        self.stored: dict[str, int] = {}  # message_id → seq
        self.repeats = 0
        self.refused: list[str] = []

    async def write(self, stop: asyncio.Event) -> None:
        """Until `stop` is set."""
        wire: Wire | None = None
        while not await _is_set(stop, PAUSE):
            fields = self.pair.fields()
            asked = request("POST", "/send_message", self.pair.sender.token, json.dumps(fields).encode())
            while True:
                with suppress(*GONE):
                    wire = wire or await Wire.to(self.shaken.port())
                    status, answer = await asyncio.wait_for(wire.ask(asked), SOON)
                    if status in (200, 201):
                        self.stored[str(fields["message_id"])] = json.loads(answer)["seq"]
                        break
                    if status != 503:
                        self.refused.append(f"{status} {answer[:80]!r}")
                        break
                if wire is not None:
                    wire.close()
                wire = None
                self.repeats += 1
                await asyncio.sleep(0.1)
        if wire is not None:
            wire.close()


class Ear(Socket):
    """A socket that says when it is gone."""

    def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
        self.gone.set()

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        super().on_ws_connected(transport)
        self.gone = asyncio.Event()


class Reader:
    """Hears one person's conversation at any process, and fetches what it missed, as every client does."""

    def __init__(self, pair: Pair, shaken: Shaken) -> None:
        self.pair, self.shaken = pair, shaken
        self.seen: dict[int, str] = {}  # seq → message_id
        self.live = 0
        self.wrong: Counter[str] = Counter()
        self.late = 0  # after one that was stored later; from a process that the bus had lost, for example
        self._heard: set[int] = set()  # on this socket

    def _hear(self, frame: bytes) -> None:
        event = json.loads(frame)
        if event["event"] == "new_message":
            self.live += event["seq"] not in self.seen
            self.wrong["twice on a socket"] += event["seq"] in self._heard
            self.late += event["seq"] < max(self._heard, default=0)
            self._heard.add(event["seq"])
            self._take(event)

    def _take(self, row: dict[str, Any]) -> None:
        self.wrong["another message in its place"] += (
            self.seen.setdefault(row["seq"], row["message_id"]) != row["message_id"]
        )

    async def read(self, stop: asyncio.Event) -> None:
        """Until `stop` is set, and then to the end."""
        while not stop.is_set():
            with suppress(*GONE):
                await self._stay(stop)
            await asyncio.sleep(0.2)

    async def _stay(self, stop: asyncio.Event) -> None:
        """Listen until the socket is gone. Raises one of GONE."""
        self._heard = set()
        ear: Any = await Ear.to(self.shaken.port(), "/ws", self._hear, as_program(self.pair.reader.token))
        if ear is None:  # it ended while it connected
            raise ConnectionError
        try:
            ear.send(wish("join", conversation_id=self.pair.conversation_id))
            await asyncio.sleep(0.1)
            await self.catch_up()
            leaving = [asyncio.create_task(one.wait()) for one in (stop, ear.gone)]
            await asyncio.wait(leaving, return_when=asyncio.FIRST_COMPLETED)
            for task in leaving:
                task.cancel()
        finally:
            ear.close()

    async def catch_up(self) -> None:
        """Fetch what is missing. Raises one of GONE."""
        wire = await Wire.to(self.shaken.port())
        try:
            while True:
                first = next(seq for seq in range(len(self.seen) + 1) if seq + 1 not in self.seen)
                asked = f"/messages/{self.pair.conversation_id}?after={first}&limit=200"
                answer = wire.ask(request("GET", asked, self.pair.reader.token))
                status, body = await asyncio.wait_for(answer, SOON)
                rows = json.loads(body) if status == 200 else []
                for row in rows:
                    self._take(row)
                if len(rows) < 200:
                    return
        finally:
            wire.close()


async def measure(report: Report, site: Site, conversations: list[Both], minutes: float) -> None:
    """Kill for so many minutes, and compare what was acknowledged, what is stored and what everybody has seen."""
    shaken = Shaken(site)
    pairs = [pair for both in conversations for pair in (both.there, both.back)]
    writers, readers = [Writer(pair, shaken) for pair in pairs], [Reader(pair, shaken) for pair in pairs]
    ends = [asyncio.Event() for _ in range(3)]  # of kills, then of writing, then of reading
    try:
        killing = asyncio.create_task(shaken.go_on(ends[0]))
        writing = asyncio.gather(*(writer.write(ends[1]) for writer in writers))
        reading = asyncio.gather(*(reader.read(ends[2]) for reader in readers))
        await asyncio.wait([killing, writing, reading], timeout=minutes * 60, return_when=asyncio.FIRST_COMPLETED)
        for end, task in zip(ends, (killing, writing, reading), strict=True):
            end.set()
            await task
        for reader in readers:
            await reader.catch_up()
    finally:
        shaken.stop()
    rows = site.sql(f"SELECT conversation_id, seq, message_id FROM messages WHERE {_any_of(conversations)}")
    _compare(report, writers, readers, [(str(a), int(b), str(c)) for a, b, c in rows])
    report.none("killing: gaps, disorder, deadlocks", site.faults())
    times = ", ".join(f"{name.strip('_').replace('_', ' ')} {count}" for name, count in shaken.done.items())
    report.add(f"killing for {minutes:g} minutes", times)


def _compare(report: Report, writers: list[Writer], readers: list[Reader], rows: list[tuple[str, int, str]]) -> None:
    acknowledged = {
        (writer.pair.conversation_id, seq, message_id)
        for writer in writers
        for message_id, seq in writer.stored.items()
    }
    wrong = sum((reader.wrong for reader in readers), Counter[str]())
    wrong["acknowledged and not stored"] = len(acknowledged - set(rows))
    wrong["stored and not acknowledged"] = len(set(rows) - acknowledged)
    wrong["stored twice"] = len(rows) - len(set(rows))
    wrong["refused"] = sum(len(writer.refused) for writer in writers)
    for reader in readers:
        there = {(seq, message_id) for place, seq, message_id in rows if place == reader.pair.conversation_id}
        wrong["stored and not read"] += len(there - set(reader.seen.items()))
        wrong["read and not stored"] += len(set(reader.seen.items()) - there)
    repeats, live = sum(writer.repeats for writer in writers), sum(reader.live for reader in readers)
    what = f"killing: {len(acknowledged):,} sent, {repeats:,} repeats, {live / 2 / len(rows):.0%} seen live"
    report.none(what, [f"{count} {name}" for name, count in wrong.items() if count])
    report.add("killing: live, but after a later one", f"{sum(reader.late for reader in readers)}")
    for refused in [text for writer in writers for text in writer.refused][:3]:
        report.add("killing: refused", refused)


def _any_of(conversations: list[Both]) -> str:
    names = ", ".join(f"'{both.there.conversation_id}'" for both in conversations)
    return f"conversation_id IN ({names})"


def _on_all_cores(start: Any) -> None:
    os.sched_setaffinity(0, processes.CORES)  # of this thread
    start()


async def _is_set(event: asyncio.Event, seconds: float) -> bool:
    """Wait so long for it."""
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
    return event.is_set()
