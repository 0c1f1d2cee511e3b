"""Notices that this process is cut off from the bus or from PostgreSQL while others are not, and leaves its people to
them.

What it cannot reach, it cannot ask. So each process says every second on either side what it reaches on the other. If
others do not reach it either, everybody stays, and works as far as that goes.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from typing import Any

from ezdms import logs
from ezdms.actions.event import Event
from ezdms.db import Database, Unavailable
from ezdms.hub.shared import SharedHub

EVERY = 1.0  # seconds
PATIENCE = 10  # looks in a row: then what others say is newer than the failure. No clock: it may have been stopped
AGAIN = 2  # more looks: a process that was stopped says for a moment what was true before
SILENT = 3.0  # seconds without an answer of PostgreSQL
HEARS, DEAF = "on the bus", "off the bus"


class Watch:
    """What this process reaches. It says so on PostgreSQL by itself, and on the bus as `about["stores"]`.

    It is cut off if it has missed one of the two for PATIENCE, and at least as many processes reach that as do not.
    """

    def __init__(self, database: Database, hub: SharedHub[Event], about: dict[str, Any]) -> None:
        self._database = database
        self._hub = hub
        self._about = about
        self._answered = time.monotonic()  # by PostgreSQL
        self._others_hear = False

    async def on_database(self) -> None:
        """Say there whether this process hears the bus; if not, hear who does. Without end."""
        missed = heard = 0
        while True:
            missed = 0 if self._hub.is_whole else missed + 1
            with suppress(Unavailable):
                await self._database.say(DEAF if missed else HEARS)
                self._answered = time.monotonic()
                said = await self._database.said() if missed > PATIENCE else []
                heard = heard + 1 if said.count(HEARS) >= max(1, said.count(DEAF)) else 0
                self._others_hear = heard > AGAIN
            await asyncio.sleep(EVERY)

    async def on_bus(self) -> None:
        """Say there whether this process reaches PostgreSQL; if not, hear who does. Without end."""
        missed = 0
        while True:
            missed = 0 if time.monotonic() - self._answered < SILENT else missed + 1
            self._about["stores"] = not missed
            said = [one.get("stores") for one in await self._hub.processes()] if missed > PATIENCE else []
            self._judge("PostgreSQL" if said.count(True) >= max(1, said.count(False)) else "")
            await asyncio.sleep(EVERY)

    def _judge(self, missing: str) -> None:
        if self._others_hear and not self._hub.is_whole:
            missing = "the bus"
        if bool(missing) == self._hub.is_cut_off:
            return
        if missing:
            logs.event(logging.WARNING, "this process is cut off: its people go to the others", away=missing)
        else:
            logs.event(logging.INFO, "this process is not cut off any more")
        self._hub.cut_off(bool(missing))
