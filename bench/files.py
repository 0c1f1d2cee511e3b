"""A file of 25 MiB up and down, compared with the same bytes through a bare Quart app."""

from __future__ import annotations

import json
import secrets
import statistics
import time
from pathlib import Path

from bench import processes
from bench.filled import Pair, make_pairs
from bench.load import Wire, request
from bench.report import Report

SIZE = 25 * 1024 * 1024  # bytes
PART = 1024 * 1024  # bytes in one request
LOW = 0.50


async def measure(report: Report, folder: Path, *, quick: bool) -> None:
    """Each round uploads and downloads the file at both, one after the other. A ratio is the median of the rounds'.

    The server writes and syncs what it is sent, and reads it again; the bare app keeps the bytes in memory."""
    (pair,) = make_pairs(folder / "files", 1)
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
        for one in (plain, ours):
            one.close()
    for name, found in (("up", up), ("down", down)):
        ratio = statistics.median(bare_one / our_one for our_one, bare_one in found)
        speed = SIZE / 2**20 / statistics.median(our_one for our_one, _ in found)
        base = SIZE / 2**20 / statistics.median(bare_one for _, bare_one in found)
        report.ratio(f"25 MiB {name} (bare {base:,.0f} MiB/s)", f"{speed:,.0f} MiB/s", ratio, LOW)


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
