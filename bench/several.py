"""Several processes on PostgreSQL and Redis, compared with one on SQLite in the same minutes.

CPU time is compared where that is possible, since other work on the machine changes it less than messages per second.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple, TypeVar

from bench import earlier, killing, processes, sites
from bench.filled import Filled, Pair
from bench.leaving import delete_account
from bench.load import Socket, Wire, as_program, at_full_speed, percentile, request
from bench.processes import Process
from bench.report import Report
from bench.sides import Both, Side, at_a_rate, facing
from bench.sites import Site
from ezdms.store import data_folder

BEFORE = "ea85dea3^"  # the last commit with one engine
PAIRS = 25  # both people write
WINDOW = 4  # messages in flight per sender over a socket
RACES = 150
WRITERS = 3  # to each who leaves
OTHERS = 200  # sockets
ALLOWED = 20
HOPS = (0.5, 1.0)  # ms from a process to the database and the bus; the first is 1 ms from one process to another
SEALED_COPIES_OF_WHO_LEFT = """SELECT COUNT(*) FROM messages m JOIN participants p
    ON p.conversation_id = m.conversation_id JOIN users u ON u.user_id = p.user_id
    WHERE u.left_at IS NOT NULL AND (CASE p.side WHEN 'a' THEN m.sealed_a ELSE m.sealed_b END) IS NOT NULL"""

T = TypeVar("T")


class Cost(NamedTuple):
    """What a message takes: µs of CPU time of EZ-DMS, PostgreSQL and Redis, commits, and bytes of PostgreSQL's log."""

    own: float
    database: float = 0
    bus: float = 0
    commits: float = 0
    log: float = 0


class Way(NamedTuple):
    """How messages are sent: by so many, each so many at once, and so many in all."""

    senders: int
    window: int
    count: int
    by_socket: bool


WAYS = {
    "POST": Way(2 * PAIRS, 1, 12, False),
    "socket": Way(2 * PAIRS, WINDOW, 40, True),
    "socket, one at a time": Way(1, 1, 200, True),
}


class People(NamedTuple):
    """Who is in the database."""

    conversations: list[Pair]
    others: list[Pair]
    leaving: list[list[Pair]]  # for each who leaves, the conversations in which others write to them
    shaken: list[Pair]


async def measure(report: Report, folder: Path, *, quick: bool, kills: float | None = None) -> None:
    """All of it; what happens while processes end is in `killing`."""
    if not sites.are_installed():
        report.add("several processes", "PostgreSQL, Redis or Valkey is not installed")
        return
    _note_load(report)
    await _compare_with_before(report, folder / "before", quick=quick)
    people = _people(folder / "data")
    with processes.ezdms(folder / "data") as (process, _):
        report.none("drivers loaded on SQLite", _drivers(process))
    shutil.copytree(folder / "data", folder / "alone")
    with sites.opened(folder) as (database, bus):
        site = await sites.moved(folder / "data", database, bus)
        conversations = [Both(pair) for pair in people.conversations]
        copies = [Both(pair) for pair in people.conversations]  # the counters in the other database
        await _compare_engines(report, site, folder / "alone", conversations, copies, quick=quick)
        with site.serving(2) as ((_, one), (process, other)):
            await _compare_with_one(report, conversations, one, other, quick=quick)
            with processes.ezdms(folder / "alone", cores=sites.ALL_CORES) as (_, alone):
                used = {
                    "one on SQLite": (copies, [(alone, alone)]),
                    "two": (conversations, [(one, other), (other, one)]),
                }
                await _deliver(report, used, quick=quick)
            await _ignore(report, people.others, conversations, one, (process, other), quick=quick)
        for away in HOPS:
            await _far_apart(report, site, conversations, away, quick=quick)
        await _leave(report, site, people.leaving)
        await _limit(report, site, people.conversations[0])
        report.none("stored by all this: gaps, disorder, deadlocks", site.faults())
        await killing.measure(
            report, site, [Both(pair) for pair in people.shaken], minutes=kills or (1 if quick else 10)
        )
    _note_load(report)


def _note_load(report: Report) -> None:
    report.add("load average", " ".join(f"{load:.1f}" for load in os.getloadavg()))


def _people(path: Path) -> People:
    filled = Filled(path)

    def pairs(count: int) -> list[Pair]:
        people = filled.add_people(2 * count)
        return [filled.add_pair(one, other) for one, other in zip(people[::2], people[1::2], strict=True)]

    found = pairs(PAIRS), pairs(OTHERS // 2)
    leaving = []
    for leaver, *writers in batched(filled.add_people((1 + WRITERS) * RACES), 1 + WRITERS):
        leaving.append([filled.add_pair(writer, leaver) for writer in writers])
    people = People(*found, leaving, pairs(killing.PAIRS))
    filled.close()
    return people


async def _compare_with_before(report: Report, folder: Path, *, quick: bool) -> None:
    """One process on SQLite, and one of the last version that knew nothing else."""
    ways = ("sending", "by socket")
    turns = await earlier.compare(BEFORE, folder, ways, rounds=7 if quick else 31)
    if not turns:
        report.add("SQLite, compared with before", "the history of this checkout does not reach back so far")
    for way in ways if turns else ():
        costs = [statistics.median(one[way] for one in side) for side in zip(*turns, strict=True)]
        ratio = statistics.median(before[way] / now[way] for before, now in turns)
        report.ratio(f"SQLite, {way}: CPU before and now", f"{costs[0]:.0f} and {costs[1]:.0f} µs", ratio, 0.97)


def _drivers(process: Process) -> list[str]:
    """The drivers of other engines that this process has loaded."""
    loaded = Path(f"/proc/{process.pid}/maps").read_text()
    return [name for name in ("psycopg", "libpq", "hiredis") if name in loaded]


async def _compare_engines(
    report: Report, site: Site, alone: Path, conversations: list[Both], copies: list[Both], *, quick: bool
) -> None:
    """One process on SQLite, and one on PostgreSQL and a bus."""
    costs: dict[str, list[tuple[Cost, Cost]]] = {way: [] for way in WAYS}
    ports = processes.free_port(), processes.free_port()
    file, sent = alone / data_folder.DATABASE, 0
    sizes = file.stat().st_size, site.size()
    with (
        processes.ezdms(alone, cores=sites.ALL_CORES, metrics_port=str(ports[0])) as (ours, one),
        site.serving(1, metrics_port=str(ports[1])) as ((theirs, other),),
    ):
        for number in range(4 if quick else 13):
            for way in WAYS:
                async with facing(copies, [(one, one)]) as sides:
                    sqlite = await _cost(sides, WAYS[way], ours, ports[0], None)
                async with facing(conversations, [(other, other)]) as sides:
                    postgresql = await _cost(sides, WAYS[way], theirs, ports[1], site)
                sent += WAYS[way].senders * WAYS[way].count
                if number:  # everything is warm
                    costs[way].append((sqlite, postgresql))
    sizes = file.stat().st_size - sizes[0], site.size() - sizes[1]
    for way, found in costs.items():
        sqlite, postgresql = (
            Cost(*map(statistics.median, zip(*side, strict=True))) for side in zip(*found, strict=True)
        )
        ratio = statistics.median(other.own / own.own for own, other in found)
        report.add(f"{way}: EZ-DMS on SQLite", f"{sqlite.own:.0f} µs, {sqlite.commits:.3f} commits")
        if WAYS[way].senders > 1:
            report.at_most(f"{way}: CPU on PostgreSQL, compared with SQLite", ratio, 1.6, "")
        report.add(f"{way}: EZ-DMS on PostgreSQL", f"{postgresql.own:.0f} µs, {postgresql.commits:.3f} commits")
        said = f"{postgresql.database:.0f} µs, {postgresql.log:,.0f} bytes of WAL; bus {postgresql.bus:.0f} µs"
        report.add(f"{way}: PostgreSQL itself", said)
    report.add("bytes in the database for a message", " and ".join(f"{size / sent:,.0f}" for size in sizes))


async def _cost(sides: list[Side], way: Way, process: Process, metrics: int, site: Site | None) -> Cost:
    """What a message costs when it is sent this way."""

    def now() -> Cost:
        more = (site.database_cpu(), site.bus_cpu()) if site else (0.0, 0.0)
        return Cost(process.cpu(), *more, processes.commits(metrics), site.written() if site else 0)

    async def send(side: Side) -> None:
        for _ in range(way.count // way.window):
            await (side.send() if way.by_socket else side.post())

    began = now()
    await asyncio.gather(*(send(side) for side in sides[: way.senders] for _ in range(way.window)))
    sent = way.senders * way.count
    spent = [(after - before) / sent for before, after in zip(began, now(), strict=True)]
    return Cost(*(1e6 * value for value in spent[:3]), *spent[3:])


async def _compare_with_one(report: Report, conversations: list[Both], one: int, other: int, *, quick: bool) -> None:
    """All at one process, and then the two people of each conversation at two. Both write."""
    for way, window in (("POST", 1), ("socket", WINDOW)):
        rates: list[tuple[float, float]] = []
        for _ in range(4 if quick else 15):
            found = []
            for ports in ([(one, one)], [(one, other), (other, one)]):
                async with facing(conversations, ports) as sides:
                    calls = [side.post if way == "POST" else side.send for side in sides for _ in range(window)]
                    found.append(await at_full_speed(calls, 1 if quick else 2))
            rates.append((found[0], found[1]))
        medians = [statistics.median(side) for side in zip(*rates, strict=True)]
        ratio = statistics.median(two / one for one, two in rates)
        said = f"{medians[0]:,.0f} and {medians[1]:,.0f}/s"
        report.ratio(f"{way}: one process and two, both sides write", said, ratio, 0.9)


async def _deliver(report: Report, used: dict[str, tuple[list[Both], list[tuple[int, int]]]], *, quick: bool) -> None:
    """100 messages per second. Percentiles are medians over periods, in which each of what is compared has its turn."""
    found: dict[tuple[str, str], list[list[float]]] = {(way, name): [] for way in ("POST", "socket") for name in used}
    for _ in range(3 if quick else 12):
        for (way, name), periods in found.items():
            async with facing(*used[name]) as sides:
                periods.append(await at_a_rate(sides, 100, 3 if quick else 5, by_socket=way == "socket"))
    for (way, name), periods in found.items():
        for percent, high in ((50, 4), (99, 10)):
            what = f"{way}: delivery at 100/s, {name}"
            _delivered(report, what, periods, percent, high if name == "two" else None)


def _delivered(report: Report, what: str, periods: list[list[float]], percent: int, high: float | None) -> None:
    typical = statistics.median(percentile(period, percent) for period in periods) * 1000
    if high is None:
        report.add(f"{what}, p{percent}", f"{typical:.4g} ms")
    else:
        report.at_most(f"{what}, p{percent}", typical, high, "ms")


async def _ignore(
    report: Report,
    others: list[Pair],
    conversations: list[Both],
    one: int,
    idle: tuple[Process, int],
    *,
    quick: bool,
) -> None:
    """What a message costs a process that has only sockets of other people: its CPU time, less what it needs anyway."""
    process, port = idle
    people = [person for pair in others for person in (pair.sender, pair.reader)]
    sockets = [await Socket.to(port, "/ws", lambda _: None, as_program(person.token)) for person in people]
    found = []
    async with facing(conversations, [(one, one)]) as sides:
        for _ in range(3 if quick else 9):
            began, start = process.cpu(), time.perf_counter()
            rate = await at_full_speed([side.send for side in sides for _ in range(WINDOW)], 3, warm_up=0)
            took = time.perf_counter() - start
            busy, began = process.cpu() - began, process.cpu()
            await asyncio.sleep(took)
            found.append(1e6 * (busy - (process.cpu() - began)) / rate / 3)
    for socket in sockets:
        socket.close()
    what = f"CPU of a message of others, {len(people)} sockets there"
    report.at_most(what, max(0.0, statistics.median(found)), 3, "µs")


async def _far_apart(report: Report, site: Site, conversations: list[Both], away: float, *, quick: bool) -> None:
    """Four processes in networks of their own, each so many ms away from the database and the bus, both ways; twice as
    many from each other, since what one says to another goes over the bus. 200 messages per second."""
    paths = str(site.database.folder / ".s.PGSQL.5432"), str(site.bus.path)
    periods = []
    with ExitStack() as running:
        ports = []
        for number in range(4):
            before = running.enter_context(sites.network(f"ezdms-bench-{os.getpid()}-{number}"))
            relay = Process(["bench.delay", str(away), *paths], cores=sites.ALL_CORES, before=before)
            running.callback(relay.stop)
            database, bus = relay.announced.split()
            addresses = {
                "database_url": f"postgresql://ezdms@127.0.0.1:{database}/{site.database.name(site.address)}"
                "?sslmode=disable",
                "bus_url": f"redis://127.0.0.1:{bus}/0?tls=off",
            }
            process, port = processes.start_apart(site.data, sites.ALL_CORES, addresses, before)
            running.callback(process.stop)
            ports.append(port)
        pairs = [(one, other) for one in ports for other in ports if one != other]
        for _ in range(3 if quick else 12):
            async with facing(conversations, pairs) as sides:
                periods.append(await at_a_rate(sides, 200, 3 if quick else 5))
    where = "in 4 networks" if before else "in one network: others need root and ip"
    for percent in (50, 99):
        what = f"POST: 4 processes {where}, {2 * away:g} ms apart, 200/s"
        _delivered(report, what, periods, percent, 15 if (percent, away) == (99, HOPS[0]) else None)


async def _leave(report: Report, site: Site, leaving: list[list[Pair]]) -> None:
    """People delete their accounts at one process while others write to them at both."""
    written = 0

    async def write(pair: Pair, port: int, is_gone: asyncio.Event) -> None:
        nonlocal written
        wire = await Wire.to(port)
        while not is_gone.is_set():
            status, _ = await wire.ask(request("POST", "/send_message", pair.sender.token, pair.body()))
            written += status == 201
            if status != 201:
                assert status == 410, status
                break
        wire.close()

    async def race(pairs: list[Pair], ports: list[int]) -> None:
        is_gone = asyncio.Event()
        writing = [asyncio.create_task(write(pair, ports[at % 2], is_gone)) for at, pair in enumerate(pairs)]
        wire = await Wire.to(ports[0])
        await delete_account(wire, pairs[0].reader)
        await asyncio.sleep(0.05)
        is_gone.set()
        await asyncio.gather(*writing)
        wire.close()

    with site.serving(2) as started:
        ports = [port for _, port in started]
        for some in batched(leaving, 2):
            await asyncio.gather(*(race(pairs, ports) for pairs in some))
        while site.sql("SELECT 1 FROM erasures LIMIT 1"):  # noqa: ASYNC110  # another program has it
            await asyncio.sleep(0.2)
    left = site.sql("SELECT COUNT(*) FROM users WHERE left_at IS NOT NULL")[0][0]
    assert left == len(leaving), f"{left} of {len(leaving)} have left"
    copies = site.sql(SEALED_COPIES_OF_WHO_LEFT)[0][0]
    what = f"{left} leave while {written:,} messages to them are sent: copies left"
    report.add(what, str(copies), "none", copies == 0)


async def _limit(report: Report, site: Site, pair: Pair) -> None:
    """One account at two processes at once: as many requests as are allowed, and no more."""
    with site.serving(2, limit_start=f"{ALLOWED}/hour") as started:
        wires = [await Wire.to(port) for _, port in started * 5]
        asked = request("POST", "/start_conversation", pair.sender.token, b'{"partner_search_pin": "x"}')

        async def ask(wire: Wire) -> list[int]:
            return [(await wire.ask(asked))[0] for _ in range(10)]

        statuses = [status for some in await asyncio.gather(*map(ask, wires)) for status in some]
        for wire in wires:
            wire.close()
    allowed = len(statuses) - statuses.count(429)
    report.add(
        f"limit of {ALLOWED}, {len(statuses)} at once at two: allowed", str(allowed), str(ALLOWED), allowed == ALLOWED
    )


def batched(items: Sequence[T], count: int) -> Iterator[Sequence[T]]:
    """The items in groups of so many."""
    return (items[first : first + count] for first in range(0, len(items), count))
