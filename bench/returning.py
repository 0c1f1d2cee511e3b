"""A restart loses all sockets at once. How they come back: spread over several seconds, and all of them."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

from bench import processes
from bench.filled import make_pairs
from bench.report import Report
from ezdms.client.live import Bell
from ezdms.client.transport import Transport

CLIENTS = 500


async def measure(report: Report, folder: Path, *, quick: bool) -> None:
    """Restart a server with 500 clients, which wait as pages do (static/js/pause.js)."""
    people = [person for pair in make_pairs(folder, CLIENTS // 2) for person in (pair.sender, pair.reader)]
    returned: list[float] = []

    async def listen(bell: Bell, is_open: asyncio.Event) -> None:
        async for _ in bell:  # it rings after every connect
            if is_open.is_set():
                returned.append(time.perf_counter())
                return
            is_open.set()

    async with AsyncExitStack() as stack:
        with processes.ezdms(folder) as (_, port):
            opened = [asyncio.Event() for _ in people]
            listening = []
            for person, is_open in zip(people, opened, strict=True):
                transport = Transport(f"http://127.0.0.1:{port}", person.token)
                stack.push_async_callback(transport.close)
                bell = await stack.enter_async_context(Bell(transport))
                listening.append(asyncio.create_task(listen(bell, is_open)))
            await asyncio.gather(*(is_open.wait() for is_open in opened))
        stopped = time.perf_counter()
        with processes.ezdms(folder, port=str(port)):
            await asyncio.gather(*listening)
    after = sorted(moment - stopped for moment in returned)
    seconds = Counter(int(moment) for moment in after)
    report.add(
        f"{CLIENTS} clients return after a restart",
        ", ".join(f"{count} in second {second + 1}" for second, count in sorted(seconds.items())),
    )
    report.at_most("most of them in one second", max(seconds.values()), CLIENTS / 2, "clients")
    report.at_most("the last one returns after", after[-1], 20, "s")
