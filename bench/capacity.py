"""Memory and speed as sockets, users and history grow, and under overload."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from bench import processes, sending
from bench.filled import AUTH_KEY, Filled, Pair, Person, make_pairs
from bench.load import Socket, Wire, as_program, at_full_speed, percentile, request
from bench.report import Report


async def measure_sockets(report: Report, folder: Path, *, quick: bool) -> None:
    """Memory of idle sockets, compared with those of the bare server."""
    pairs = make_pairs(folder / "sockets", 100)
    counts = (1000,) if quick else (1000, 2500, 5000)
    with processes.baseline("quart") as (bare, [bare_port]), processes.ezdms(folder / "sockets") as (ours, port):
        costs: dict[str, float] = {}
        people = [person for pair in pairs for person in (pair.sender, pair.reader)]
        everybody: list[dict[str, str]] = [as_program(person.token) for person in people]
        for name, process, where, askers in (("bare", bare, bare_port, [{}]), ("ours", ours, port, everybody)):
            opened = [await Socket.to(where, "/ws", _ignore, askers[0])]
            await asyncio.sleep(0.5)
            before = process.memory()
            for count in counts:
                while len(opened) < count:
                    headers = askers[len(opened) % len(askers)]
                    opened += await asyncio.gather(*(Socket.to(where, "/ws", _ignore, headers) for _ in range(20)))
                await asyncio.sleep(0.5)
                costs[name] = (process.memory() - before) / (len(opened) - 1) / 1024
                if name == "ours":
                    report.series.setdefault("KiB/socket by sockets", []).append((count, costs[name]))
            for socket in opened:
                socket.close()
    ratio = costs["ours"] / costs["bare"]
    report.add(
        f"memory of an idle socket, {counts[-1]:,} open",
        f"{costs['ours']:.1f} KiB, bare {costs['bare']:.1f}, ratio {ratio:.2f}",
        "at most 1.25",
        ratio <= 1.25,
    )


async def measure_login(report: Report, folder: Path, *, quick: bool) -> None:
    """Login costs one hash, however many users there are, and does not hold up other requests."""
    took: dict[int, float] = {}
    few, many = 10, 10_000 if quick else 100_000
    for count in (few, many):
        path = folder / f"login{count}"
        filled = Filled(path)
        people = filled.add_people(count)
        filled.close()
        with processes.ezdms(path, cores=2) as (_, port):
            wire = await Wire.to(port)
            seconds = [await _seconds(lambda: _log_in(wire, people[-1])) for _ in range(6 if quick else 15)]  # noqa: B023
            took[count] = statistics.median(seconds[1:])
            report.series.setdefault("login ms by users", []).append((count, took[count] * 1000))
            if count == many:
                others = await _others_while_logging_in(port, people)
                report.at_most("p99 of others' requests while 20 logins queue", others * 1000, 15, "ms")
            wire.close()
    ratio = took[many] / took[few]
    report.add(
        f"login with {many:,} users, compared with {few}",
        f"{took[many] * 1000:.0f} ms, ratio {ratio:.2f}",
        "at most 1.10",
        ratio <= 1.1,
    )


async def _others_while_logging_in(port: int, people: list[Person]) -> float:
    wires = [await Wire.to(port) for _ in range(20)]
    logins = asyncio.gather(*(_log_in(wire, people[number % 5]) for number, wire in enumerate(wires)))
    other, took = await Wire.to(port), []
    while not logins.done():
        took.append(await _seconds(lambda: _ask(other, people[6], "/sessions")))
        await asyncio.sleep(0.005)
    await logins
    for wire in (*wires, other):
        wire.close()
    return percentile(took, 99)


async def measure_history(report: Report, folder: Path, *, quick: bool) -> None:
    """Startup with a large database, pages of a long conversation compared with a short one, and a long list."""
    short, long, total = 100, 10_000 if quick else 100_000, 50_000 if quick else 1_000_000
    path = folder / "history"
    filled = Filled(path)
    people = filled.add_people(1003)
    reader = people[0]
    lengths = sorted({short, 1000, long})
    conversations = {}
    for number, length in enumerate(lengths):
        pair = filled.add_pair(people[1 + number], reader)
        filled.add_messages(pair, length)
        conversations[length] = pair.conversation_id
    for person in people[1 + len(lengths) : 1000]:
        filled.add_pair(person, reader)
    rest = filled.add_pair(people[1001], people[1002])
    filled.add_messages(rest, total - sum(lengths))
    filled.close()
    began = time.perf_counter()
    with processes.ezdms(path) as (_, port):
        report.at_most(f"startup with {total:,} messages", time.perf_counter() - began, 1.5, "s")
        wire = await Wire.to(port)
        took: dict[tuple[int, str], list[float]] = {}
        for _ in range(100):  # every length in each round, so that a slow moment affects them all
            for length in lengths:
                places = {"newest": "", "in the middle": f"?before={length // 2 + 50}", "first": "?before=51"}
                for place, query in places.items():
                    asked = f"/messages/{conversations[length]}{query}"
                    seconds = await _seconds(lambda: _ask(wire, reader, asked))  # noqa: B023
                    took.setdefault((length, place), []).append(seconds)
        medians = {which: statistics.median(found) for which, found in took.items()}
        for place in ("newest", "in the middle", "first"):
            ratio = medians[long, place] / medians[short, place]
            measured = f"{medians[long, place] * 1000:.2f} ms, ratio {ratio:.2f}"
            report.add(f"page, {place}, of {long:,} compared with {short}", measured, "at most 1.30", ratio <= 1.3)
        report.series["page ms by messages"] = [(length, medians[length, "newest"] * 1000) for length in lengths]
        path_of = f"/conversations/{reader.user_id}"
        for face in ("JSON", "fragment"):
            accept = {} if face == "JSON" else {"Accept": "text/html"}
            lists = [await _seconds(lambda: _ask(wire, reader, path_of, **accept)) for _ in range(15)]  # noqa: B023
            report.at_most(f"list of 1,000 conversations, {face}", statistics.median(lists) * 1000, 50, "ms")
        wire.close()


async def measure_storm(report: Report, folder: Path, *, quick: bool) -> None:
    """Overload: senders wait or get 503, memory stays bounded, and the speed recovers afterwards."""
    crowd = 500 if quick else 2000
    made = make_pairs(folder / "storm", 50 + crowd)
    # One message in flight per sender, because counters must not overtake each other.
    pairs, storming = made[:50], made[50:]
    with processes.baseline("quart") as (_, [bare]), processes.ezdms(folder / "storm") as (process, port):

        async def ratio_to_bare() -> float:
            rates = []
            for _ in range(2 if quick else 15):
                async with sending.posting(len(pairs), bare, pairs[0].body()) as posts:
                    baseline = await at_full_speed(list(posts), 0.7, 0.2)
                rates.append(await at_full_speed(calls, 0.7, 0.2) / baseline)
            return statistics.median(rates)

        async with sending.talking(pairs, port) as talks:
            calls = [talk.send_by_post for talk in talks]
            before = await ratio_to_bare()
            memory, statuses = process.memory(), dict[int, int]()
            wires = [await Wire.to(port) for _ in storming]

            async def storm(wire: Wire, pair: Pair) -> None:
                status, _ = await wire.ask(request("POST", "/send_message", pair.sender.token, pair.body()))
                statuses[status] = statuses.get(status, 0) + 1

            highest = 0
            for _ in range(2 if quick else 5):
                waves = asyncio.gather(*map(storm, wires, storming))
                while not waves.done():
                    highest = max(highest, process.memory())
                    await asyncio.sleep(0.1)
                await waves
            for wire in wires:
                wire.close()
            await asyncio.sleep(1)
            for talk in talks:
                await talk.settle()
            after = await ratio_to_bare()
    answers = ", ".join(f"{count:,} × {status}" for status, count in sorted(statuses.items()))
    is_right = set(statuses) <= {201, 503}
    report.add(f"storm of {len(wires):,} senders at once", answers, "only 201 or 503", is_right)
    report.at_most("memory per sender in the storm", (highest - memory) / len(wires) / 1024, 100, "KiB")
    report.ratio(
        "speed after the storm, compared with before", f"{after:.2f} of bare, {before:.2f} before", after / before, 0.9
    )


def _ignore(frame: bytes) -> None:
    """Discards the frame."""


async def _seconds(call: Callable[[], Awaitable[object]]) -> float:
    began = time.perf_counter()
    await call()
    return time.perf_counter() - began


async def _ask(wire: Wire, person: Person, path: str, **headers: str) -> bytes:
    status, body = await wire.ask(request("GET", path, person.token, **headers))
    if status != 200:
        raise RuntimeError(f"expected 200, got {status}")
    return body


async def _log_in(wire: Wire, person: Person) -> None:
    body = json.dumps({"login_id": person.login_id, "auth_key": AUTH_KEY}).encode()
    status, _ = await wire.ask(request("POST", "/login", body=body))
    if status != 200:
        raise RuntimeError(f"expected 200, got {status}")
