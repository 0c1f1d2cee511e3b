"""Messages per second and delivery time, by POST and by socket, compared with baselines."""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from bench import processes, sending
from bench.baselines import commits_per_second
from bench.filled import Pair, make_pairs
from bench.load import at_full_speed, percentile
from bench.report import Report

PAIRS = 50
WINDOW = 8  # messages in flight per sender over a socket, for EZ-DMS and the relay alike


async def measure(report: Report, folder: Path, *, quick: bool) -> None:
    """Measure each way of sending next to its baseline in every round, so that a slow minute affects both.

    A ratio is the median of the rounds' ratios.
    """
    pairs = make_pairs(folder / "speed", PAIRS)
    rounds, seconds = (3, 0.8) if quick else (13, 2.0)
    report.add("baseline: SQLite commits, one at a time", f"{commits_per_second(folder, 1):,.0f}/s")
    with (
        processes.baseline("quart") as (_, [bare]),
        processes.baseline("quart-asyncio") as (_, [slow]),
        processes.baseline("echo") as (_, [echo, answers]),
        processes.ezdms(folder / "speed") as (_, port),
    ):
        body = pairs[0].body()
        ways: dict[str, tuple[Callable[[], AbstractAsyncContextManager[list[Any]]], Callable[[Any], Any], int]] = {
            "load generator's ceiling, POST": (lambda: sending.posting(PAIRS, answers, body), _itself, 1),
            "load generator's ceiling, socket": (lambda: sending.relaying(PAIRS, echo, body), _itself, WINDOW),
            "bare POST on asyncio's own loop": (lambda: sending.posting(PAIRS, slow, body), _itself, 1),
            "bare POST": (lambda: sending.posting(PAIRS, bare, body), _itself, 1),
            "POST, programs": (lambda: sending.talking(pairs, port), _by_post, 1),
            "POST, pages": (lambda: sending.talking(pairs, port, as_page=True), _by_post, 1),
            "bare relay, one at a time": (lambda: sending.relaying(PAIRS, bare, body), _itself, 1),
            "socket, one at a time": (lambda: sending.talking(pairs, port), _by_socket, 1),
            "bare relay": (lambda: sending.relaying(PAIRS, bare, body), _itself, WINDOW),
            "socket": (lambda: sending.talking(pairs, port), _by_socket, WINDOW),
        }
        rates: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(rounds):
            for name, (opened, pick, window) in ways.items():
                if number and name.startswith(("load generator", "bare POST on")):
                    continue
                async with opened() as senders:
                    calls = [pick(one) for one in senders for _ in range(window)]
                    rates[name].append(await at_full_speed(calls, seconds))
        speed = {name: statistics.median(found) for name, found in rates.items()}
        for name in ways:
            if name.startswith(("load generator", "bare")):
                report.add(f"baseline: {name}", f"{speed[name]:,.0f}/s")
        for name, baseline, low in (
            ("POST, programs", "bare POST", 0.50),
            ("POST, pages", "bare POST", 0.50),
            ("socket", "bare relay", 0.45),
        ):
            report.ratio(f"messages, {name}", f"{speed[name]:,.0f}/s", _ratio(rates[name], rates[baseline]), low)
        alone = _ratio(rates["socket, one at a time"], rates["bare relay, one at a time"])
        report.add("messages, socket, one at a time", f"{speed['socket, one at a time']:,.0f}/s, ratio {alone:.2f}")
        await _steady(report, pairs, port, periods=1 if quick else 12, seconds=3 if quick else 5)
        if not quick:
            report.series["POST/s by pairs"] = [
                (count, await _posting(pairs[:count], port)) for count in (1, 5, 20, 50)
            ]


def _ratio(rates: list[float], baseline: list[float]) -> float:
    return statistics.median(rate / other for rate, other in zip(rates, baseline, strict=True))


def _itself(sender: Any) -> Any:
    return sender


def _by_post(talk: sending.Talk) -> Any:
    return talk.send_by_post


def _by_socket(talk: sending.Talk) -> Any:
    return talk.send_by_socket


async def _posting(pairs: list[Pair], port: int) -> float:
    async with sending.talking(pairs, port) as talks:
        return await at_full_speed([talk.send_by_post for talk in talks], 2.0)


async def _steady(report: Report, pairs: list[Pair], port: int, *, periods: int, seconds: float) -> None:
    """100 messages per second over all pairs. Measures the time from sending to the frame on the reader's socket.

    Each percentile is the median over all periods, so a disk that stalls for a second affects only one period.
    """
    await asyncio.to_thread(os.sync)  # do not measure writes left over from the runs at full speed
    ways = {"POST": _by_post, "socket": _by_socket}
    took: dict[str, list[list[float]]] = {name: [] for name in ways}
    for _ in range(periods):
        for name, pick in ways.items():
            took[name].append(await _period(pairs, port, pick, seconds))
    for name, found in took.items():
        for percent, high in ((50, 3), (99, 10)):
            typical = statistics.median(percentile(period, percent) for period in found)
            report.at_most(f"delivery at 100 messages/s by {name}, p{percent}", typical * 1000, high, "ms")
        whole = [seconds for period in found for seconds in period]
        measured = f"p99 {percentile(whole, 99) * 1000:.4g} ms, slowest {max(whole) * 1000:.4g} ms"
        report.add(f"all {len(whole):,} of these, disk stalls included", measured)


async def _period(pairs: list[Pair], port: int, pick: Callable[[Any], Any], seconds: float) -> list[float]:
    took: list[float] = []

    async def send_one(talk: sending.Talk) -> None:
        began = time.perf_counter()
        await pick(talk)()  # this pair sends its next message half a second later
        took.append(talk.arrived - began)

    async with sending.talking(pairs, port) as talks, asyncio.TaskGroup() as tasks:
        began = time.perf_counter()
        for number in range(int(seconds * 100)):
            await asyncio.sleep(max(0, began + number / 100 - time.perf_counter()))
            tasks.create_task(send_one(talks[number % len(talks)]))
        await asyncio.sleep(0.5)
    return took
