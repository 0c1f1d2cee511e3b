"""Erases the messages of deleted accounts in slices, with other writes in between. Continues after a restart."""

from __future__ import annotations

import asyncio
import logging

from ezdms import logs
from ezdms.actions import tasks
from ezdms.db import Database, Unavailable
from ezdms.models.erasure import erase_slice, select_erasures

PATIENCE = 5.0  # seconds that the deletion of an account waits for the rest
REST = 0.005  # seconds between two slices, as long as one takes: a quiet moment, in which the log is written back
AGAIN = 10.0  # seconds, after the disk was full or failed


class Eraser:
    """One task for all deleted accounts, which take turns: a small account does not wait for a large one."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._task: asyncio.Task[None] | None = None
        self._looking: asyncio.Task[None] | None = None
        self._is_asked = False

    def take_over(self) -> None:
        """From now on, also erase what other processes leave when they end, while this one leads."""
        self._looking = tasks.begin("the erasure", self._look_forever())

    async def _look_forever(self) -> None:
        while True:
            await asyncio.sleep(AGAIN)
            if await self._database.leads():
                self.start()

    def start(self) -> asyncio.Task[None]:
        """Erase what there is to erase, and return the task that does."""
        self._is_asked = True
        if self._task is None or self._task.done():
            self._task = tasks.begin("the erasure", self._erase_all())
        return self._task

    async def finish(self, *, within: float | None = PATIENCE) -> None:
        """Wait until everything is erased, at most `within` seconds; the task goes on."""
        await asyncio.wait([self.start()], timeout=within)

    async def close(self) -> None:
        """Stop. The next start continues."""
        await tasks.stop(*filter(None, [self._looking, self._task]))

    async def _erase_all(self) -> None:
        finished = 0
        while self._is_asked:
            self._is_asked = False
            try:
                while user_ids := await self._database.read(select_erasures):
                    for user_id in user_ids:
                        finished += await self._database.write(erase_slice, user_id=user_id)
                        await asyncio.sleep(REST)
            except Unavailable:
                self._is_asked = True
                await asyncio.sleep(AGAIN)
        if finished:
            await self._database.forget()
            logs.event(logging.INFO, "erased the messages of deleted accounts", accounts=finished)
