"""Plain messages in the version before edits, reactions, timers and signals, and in this one: neither sending nor
reading them may cost more.

Both run in the same minutes, in short turns. The server's own CPU time is compared, because other work on the machine
changes it less than the messages per second.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import statistics
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bench import filled, load, processes, sending

if TYPE_CHECKING:
    from bench.report import Report

BEFORE = "c6f479b^"  # the last commit without any of these
PAIRS, SENT, READ = 10, 1200, 400  # in each turn; a page that is read has 50 messages
WAYS = ("sending", "reading")


async def measure(report: Report, folder: Path, *, quick: bool) -> None:
    """The ratios of before to now: above 1, this version costs less."""
    turns = await compare(BEFORE, folder, WAYS, rounds=5 if quick else 21)
    if not turns:
        report.add("plain messages, compared with before", "the history of this checkout does not reach back so far")
        return
    for way in WAYS:
        costs = [statistics.median(one[way] for one in side) for side in zip(*turns, strict=True)]
        ratio = statistics.median(before[way] / now[way] for before, now in turns)
        report.ratio(f"plain messages, {way}: CPU before and now", f"{costs[0]:.0f} and {costs[1]:.0f} µs", ratio, 0.95)


async def compare(
    commit: str, folder: Path, ways: tuple[str, ...], *, rounds: int
) -> list[tuple[dict[str, float], dict[str, float]]]:
    """What the version of this commit and this one need for each of these ways, in µs of CPU time, in every round.
    Nothing if this checkout does not have that version."""
    turns: list[tuple[dict[str, float], dict[str, float]]] = []
    if not _extract(commit, folder / "tree"):
        return turns
    with (
        _version(folder / "tree", folder / "before", ways) as before,
        _version(processes.ROOT, folder / "now", ways) as now,
    ):
        for number in range(rounds):
            pair = (before, now) if number % 2 else (now, before)  # neither always comes first
            found = {version: await asyncio.to_thread(_turn, version) for version in pair}
            turns.append((found[before], found[now]))
    return turns


def _extract(commit: str, folder: Path) -> bool:
    """Put the version before into a folder. False if this checkout does not have it."""
    command = ["git", "archive", commit, "ezdms", "migrations", "bench"]
    archive = subprocess.run(command, cwd=processes.ROOT, capture_output=True, check=False)
    if not archive.returncode:
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as found:
            found.extractall(folder, filter="data")
    return not archive.returncode


@contextmanager
def _version(tree: Path, folder: Path, ways: tuple[str, ...]) -> Iterator[subprocess.Popen[str]]:
    """A server of the version in this folder, with the load that its own benchmarks make."""
    process = subprocess.Popen(
        [sys.executable, "-P", __file__, str(folder), *ways],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tree), os.environ.get("PYTHONPATH", "")])},
        cwd=tree,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(timeout=30)


def _turn(version: subprocess.Popen[str]) -> dict[str, float]:
    assert version.stdin is not None
    assert version.stdout is not None
    print("turn", file=version.stdin, flush=True)
    return dict(json.loads(version.stdout.readline()))


async def _serve_turns(folder: Path, ways: list[str]) -> None:
    """For each line of the input, print the µs of CPU that the server spends on a message sent or a page read."""
    pairs = filled.make_pairs(folder, PAIRS)
    acts = {"sending": (_post, SENT), "by socket": (_send, SENT), "reading": (_read, READ)}
    with processes.ezdms(folder) as (server, port):
        while await asyncio.to_thread(sys.stdin.readline):
            cost = dict[str, float]()
            async with sending.talking(pairs, port) as talks:
                for way in ways:
                    act, count = acts[way]
                    began = server.cpu()
                    await asyncio.gather(*(act(talk, port, count // PAIRS) for talk in talks))
                    cost[way] = 1e6 * (server.cpu() - began) / count
            print(json.dumps(cost), flush=True)


async def _post(talk: sending.Talk, port: int, count: int) -> None:
    for _ in range(count):
        await talk.send_by_post()


async def _send(talk: sending.Talk, port: int, count: int) -> None:
    async def send() -> None:
        for _ in range(count // 4):
            await talk.send_by_socket()

    await asyncio.gather(*(send() for _ in range(4)))


async def _read(talk: sending.Talk, port: int, count: int) -> None:
    reader = talk.pair.reader
    page = load.request("GET", f"/messages/{talk.pair.conversation_id}?limit=50", reader.token)
    wire = await load.Wire.to(port)
    for _ in range(count):
        status, _body = await wire.ask(page)
        assert status == 200
    wire.close()


if __name__ == "__main__":
    asyncio.run(_serve_turns(Path(sys.argv[1]), sys.argv[2:]))
