"""Tasks in the background: an error that ends one is reported."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


def begin(name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """Begin it. `name`: what the report of an error says has ended."""
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(_report)
    return task


async def stop(*tasks: asyncio.Future[Any]) -> None:
    """Cancel them, and wait until each has ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _report(task: asyncio.Task[None]) -> None:
    error = None if task.cancelled() else task.exception()
    if error is not None:
        task.get_loop().call_exception_handler({"message": f"{task.get_name()} ended", "exception": error})
