"""What others notice while the messages of a large deleted account are erased."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from bench import processes
from bench.filled import AUTH_KEY, Filled, Pair, Person
from bench.load import Wire, percentile, request
from bench.report import Report
from ezdms import crypto
from ezdms.db import now
from ezdms.protocol.encoding import b64u_decode

PAUSE = 0.01  # seconds between two messages of others
BEFORE = 500  # messages


async def measure(report: Report, folder: Path, *, quick: bool) -> None:
    """Others send one message after another, before an account with all these messages is deleted and until the last
    one is erased."""
    path, total = folder / "leaving", 20_000 if quick else 1_000_000
    filled = Filled(path)
    people = filled.add_people(4)
    large, other = filled.add_pair(people[0], people[1]), filled.add_pair(people[2], people[3])
    filled.add_messages(large, total)
    filled.close()
    log, longest = path / "ezdms.db-wal", 0
    with processes.ezdms(path) as (_, port), closing(sqlite3.connect(path / "ezdms.db")) as reader:
        wire, leaving = await Wire.to(port), await Wire.to(port)
        before = [await _send(wire, other) for _ in range(BEFORE)]
        began = time.perf_counter()
        deletion = asyncio.create_task(delete_account(leaving, large.sender))
        during: list[float] = []
        while not deletion.done() or reader.execute("SELECT 1 FROM erasures").fetchall():
            during.append(await _send(wire, other))
            longest = max(longest, log.stat().st_size)
        took = time.perf_counter() - began
        waited = await deletion
        left = reader.execute("SELECT COUNT(sealed_a) + COUNT(sealed_b) FROM messages").fetchone()[0]
        assert left == total + 2 * (len(before) + len(during)), "the other one's copies, and nothing else, are there"
        for one in (wire, leaving):
            one.close()
    report.add(f"erasing an account with {total:,} messages", f"{took:.1f} s, answered after {waited:.1f} s")
    for name, found in (("before", before), ("meanwhile", during)):
        slowest = f"p50 {percentile(found, 50) * 1000:.1f} ms, p99 {percentile(found, 99) * 1000:.1f} ms"
        report.add(f"others' messages {name}", f"{slowest}, slowest {max(found) * 1000:.0f} ms")
    report.at_most("longest write-ahead log meanwhile", longest / 1024 / 1024, 64, "MiB")
    report.at_most("slowest message of others meanwhile", max(during) * 1000, 1000, "ms")


async def _send(wire: Wire, pair: Pair) -> float:
    await asyncio.sleep(PAUSE)
    began = time.perf_counter()
    status, body = await wire.ask(request("POST", "/send_message", pair.sender.token, pair.body()))
    if status != 201:
        raise RuntimeError(f"expected 201, got {status}: {body[:200]!r}")
    return time.perf_counter() - began


async def delete_account(wire: Wire, person: Person) -> float:
    """Delete the account. Returns the seconds until the answer."""
    _, body = await wire.ask(request("GET", "/deployment"))
    deployment_id = b64u_decode(json.loads(body)["deployment_id"], 16)
    act = crypto.sign_act(person.keys, deployment_id, "delete_account", "", now())
    fields = {"login_id": person.login_id, "auth_key": AUTH_KEY, "act": act}
    began = time.perf_counter()
    status, body = await wire.ask(request("POST", "/delete_account", person.token, json.dumps(fields).encode()))
    if status != 204:
        raise RuntimeError(f"expected 204, got {status}: {body[:200]!r}")
    return time.perf_counter() - began
