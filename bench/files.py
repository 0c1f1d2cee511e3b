"""A file of 25 MiB up and down, compared with the same bytes through a bare Quart app; and texts during an upload."""

from __future__ import annotations

import asyncio
import json
import secrets
import statistics
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

from bench import processes
from bench.filled import Pair, make_pairs
from bench.load import Wire, request
from bench.report import Report
from bench.sending import Talk, talking

SIZE = 25 * 1024 * 1024  # bytes
PART = 1024 * 1024  # bytes in one request
LOW = 0.50
EVERY = 0.02  # seconds between two texts
MOST_SLOWER = 1.5


async def measure(report: Report, folder: Path, *, quick: bool) -> None:
    """Each round uploads and downloads the file at both, one after the other. A ratio is the median of the rounds'.

    The server writes and syncs what it is sent, and reads it again; the bare app keeps the bytes in memory."""
    rounds = 4 if quick else 12
    pair, texting, *uploading = make_pairs(folder / "files", 2 + rounds)  # an account may leave 100 files unsent
    whole = secrets.token_bytes(SIZE)
    up: list[tuple[float, float]] = []
    down: list[tuple[float, float]] = []
    with (
        processes.baseline("quart") as (_, [bare]),
        processes.ezdms(folder / "files") as (_, port),
    ):
        plain, ours = await Wire.to(bare), await Wire.to(port)
        for _ in range(3 if quick else 9):
            bare_up = await _upload_bare(plain, whole)
            our_up, file_id = await _upload(ours, pair, whole)
            up.append((our_up, bare_up))
            ours_down = await _download(ours, f"/files/{file_id}", pair, whole)
            down.append((ours_down, await _download(plain, "/", pair, whole)))
        async with talking([texting], port) as (talk,):
            await _during(report, talk, [partial(_upload, ours, one, whole) for one in uploading])
        for one in (plain, ours):
            one.close()
    for name, found in (("up", up), ("down", down)):
        ratio = statistics.median(bare_one / our_one for our_one, bare_one in found)
        speed = SIZE / 2**20 / statistics.median(our_one for our_one, _ in found)
        base = SIZE / 2**20 / statistics.median(bare_one for _, bare_one in found)
        report.ratio(f"25 MiB {name} (bare {base:,.0f} MiB/s)", f"{speed:,.0f} MiB/s", ratio, LOW)


async def _during(report: Report, talk: Talk, uploads: list[Callable[[], Awaitable[Any]]]) -> None:
    """How long texts take to be on both sockets: by turns a hundred in peace and a hundred during uploads."""
    times: dict[bool, list[float]] = {False: [], True: []}
    for upload in uploads:
        for is_busy, found in times.items():
            is_over = asyncio.Event()
            uploading = asyncio.create_task(_until(is_over, upload)) if is_busy else None
            for _ in range(100):
                began = time.perf_counter()
                await talk.send_by_post()
                found.append(time.perf_counter() - began)
                await asyncio.sleep(EVERY)
            is_over.set()
            if uploading:
                await uploading
    peace, busy = (statistics.quantiles(found, n=100)[98] for found in times.values())
    report.at_most(
        f"p99 of a text during an upload ({1000 * busy:.1f} ms), to without ({1000 * peace:.1f} ms)",
        busy / peace,
        MOST_SLOWER,
        "",
    )


async def _until(is_over: asyncio.Event, work: Callable[[], Awaitable[Any]]) -> None:
    while not is_over.is_set():
        await work()


async def _upload_bare(wire: Wire, whole: bytes) -> float:
    began = time.perf_counter()
    for start in range(0, SIZE, PART):
        status, _ = await wire.ask(request("POST", "/", body=whole[start : start + PART]))
        assert status == 200
    return time.perf_counter() - began


async def _upload(wire: Wire, pair: Pair, whole: bytes) -> tuple[float, str]:
    """Seconds, and the id of the file."""
    began, token = time.perf_counter(), pair.sender.token
    fields = json.dumps({"conversation_id": pair.conversation_id, "size": SIZE}).encode()
    status, body = await wire.ask(request("POST", "/files", token, fields))
    assert status == 201, body
    file_id = json.loads(body)["file_id"]
    for start in range(0, SIZE, PART):
        part = whole[start : start + PART]
        status, body = await wire.ask(request("PATCH", f"/files/{file_id}", token, part, Upload_Offset=str(start)))
        assert status == 204, body
    return time.perf_counter() - began, file_id


async def _download(wire: Wire, path: str, pair: Pair, whole: bytes) -> float:
    began = time.perf_counter()
    status, body = await wire.ask(request("GET", path, pair.reader.token if path != "/" else ""))
    assert status == 200
    assert len(body) == len(whole)
    return time.perf_counter() - began
