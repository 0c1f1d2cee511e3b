"""A long run at half of full speed with reconnecting sockets: no lost, duplicated or reordered messages, no leaks."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from pathlib import Path
from typing import Any

from bench import processes, sending
from bench.filled import Pair, make_pairs
from bench.load import Socket, Wire, as_program, at_full_speed, request, wish
from bench.report import Report

PAIRS = 50
STAYS = 5.0  # seconds between a reader's reconnects


class Reader:
    """Receives over sockets that open and close, and fetches what it missed, as every client does."""

    def __init__(self, pair: Pair, port: int) -> None:
        self.pair, self.port = pair, port
        self.seen = 0  # the highest seq without a gap
        self.ahead: set[int] = set()
        self.wrong = 0
        self.socket: Socket | None = None

    def hear(self, frame: bytes) -> None:
        """Handle a frame. Each seq must arrive only once per socket, and in order."""
        event = json.loads(frame)
        if event["event"] == "new_message":
            self.wrong += event["seq"] <= self.latest
            self.latest = event["seq"]
            self.take(event["seq"])

    def take(self, seq: int) -> None:
        """Record a message."""
        self.ahead.add(seq)
        while self.seen + 1 in self.ahead:
            self.seen += 1
            self.ahead.discard(self.seen)

    async def come_and_go(self, stop: asyncio.Event) -> None:
        """Reconnect every few seconds until `stop` is set."""
        while not stop.is_set():
            self.latest = 0
            self.socket = await Socket.to(self.port, "/ws", self.hear, as_program(self.pair.reader.token))
            self.socket.send(wish("join", conversation_id=self.pair.conversation_id))
            await asyncio.sleep(0.1)
            await self.catch_up()
            try:
                await asyncio.wait_for(stop.wait(), STAYS)
            except TimeoutError:
                self.socket.close()
        await asyncio.sleep(1)
        await self.catch_up()
        self.socket.close()

    async def catch_up(self) -> None:
        """Fetch messages that arrived between sockets. Opens a new connection, because the server closes idle ones."""
        wire = await Wire.to(self.port)
        while True:
            asked = f"/messages/{self.pair.conversation_id}?after={self.seen}&limit=200"
            status, body = await wire.ask(request("GET", asked, self.pair.reader.token))
            rows: list[dict[str, Any]] = json.loads(body)
            if status != 200 or not rows or rows[-1]["seq"] <= self.seen:
                break
            for row in rows:
                if row["seq"] > self.seen:
                    self.take(row["seq"])
        wire.close()


async def measure(report: Report, folder: Path, minutes: float) -> None:
    """Run the soak test for this many minutes."""
    pairs = make_pairs(folder / "soak", PAIRS)
    with processes.ezdms(folder / "soak") as (process, port):
        async with sending.talking(pairs, port) as talks:
            full = await at_full_speed([talk.send_by_post for talk in talks], 5)
        readers, stop = [Reader(pair, port) for pair in pairs], asyncio.Event()
        watching = [asyncio.create_task(reader.come_and_go(stop)) for reader in readers]
        wires = [await Wire.to(port) for _ in pairs]
        memory, errors = list[int](), 0
        acknowledged = dict.fromkeys(range(PAIRS), 0)

        async def write(number: int, until: float) -> None:
            nonlocal errors
            pause = PAIRS / (full / 2)
            while (began := time.perf_counter()) < until:
                pair = pairs[number]
                status, body = await wires[number].ask(request("POST", "/send_message", pair.sender.token, pair.body()))
                errors += status != 201
                acknowledged[number] = max(acknowledged[number], json.loads(body).get("seq", 0))
                await asyncio.sleep(max(0.0, began + pause - time.perf_counter()))

        began = time.perf_counter()
        end = began + minutes * 60
        writing = asyncio.gather(*(write(number, end) for number in range(PAIRS)))
        while not writing.done():
            await asyncio.sleep(1)
            memory.append(process.memory())
        await writing
        stop.set()
        await asyncio.gather(*watching)
    total = sum(acknowledged.values())
    warm = memory[len(memory) // 6 :]  # caches fill first
    first, second = statistics.fmean(warm[: len(warm) // 2]), statistics.fmean(warm[len(warm) // 2 :])
    wrong = sum(reader.wrong for reader in readers)
    missing = sum(acknowledged[number] - reader.seen for number, reader in enumerate(readers))
    report.add(
        f"soak of {minutes:g} minutes at {full / 2:,.0f}/s: errors", f"{errors} of {total:,}", "none", errors == 0
    )
    report.add("soak: duplicated or out of order, missing", f"{wrong}, {missing}", "none", wrong == missing == 0)
    report.add(
        "soak: memory, second half compared with first",
        f"{second / 2**20:.1f} MiB, ratio {second / first:.3f}",
        "at most 1.05",
        second / first <= 1.05,
    )
