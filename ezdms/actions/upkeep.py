"""Maintenance at startup and once a day: deletes unused accounts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ezdms import logs
from ezdms.actions import tasks
from ezdms.actions.accounts import remove_unused
from ezdms.actions.event import Event
from ezdms.db import Database, Unavailable, now
from ezdms.hub import Hub

DAY = 24 * 60 * 60.0  # seconds


@asynccontextmanager
async def kept_up(database: Database, hub: Hub[Event]) -> AsyncIterator[None]:
    """Run the maintenance while this is open."""
    task = tasks.begin("the upkeep", _every_day(database, hub))
    try:
        yield
    finally:
        await tasks.stop(task)


async def _every_day(database: Database, hub: Hub[Event]) -> None:
    while True:
        try:
            count = await remove_unused(database, hub, now()) if await database.leads() else 0
        except Unavailable:  # the disk is full or fails; try again tomorrow
            count = 0
        if count:
            logs.event(logging.INFO, "removed accounts that nobody used", count=count)
        await asyncio.sleep(DAY)
