"""Tasks in the background: an error is reported, and a stop waits for the end."""

from __future__ import annotations

import asyncio
from typing import Any

from ezdms.actions import tasks


async def test_an_error_that_ends_a_task_is_reported_with_its_name() -> None:
    reports: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, report: reports.append(report))

    async def fail() -> None:
        raise ValueError("bug")

    await asyncio.wait([tasks.begin("the sweeper", fail())])
    assert [(report["message"], str(report["exception"])) for report in reports] == [("the sweeper ended", "bug")]


async def test_stop_waits_until_each_task_has_ended_and_reports_nothing() -> None:
    reports: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, report: reports.append(report))
    ended: list[str] = []

    async def wait(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)
            ended.append(name)

    running = [tasks.begin(name, wait(name)) for name in ("one", "two")]
    await asyncio.sleep(0)
    await tasks.stop(*running)
    assert ended == ["one", "two"]
    assert reports == []
