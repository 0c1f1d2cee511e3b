"""Empties messages in slices, with other writes in between: disappearing ones, those older than the operator's
retention setting, and the copies of conversations that their owner deleted. Continues after a restart."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from ezdms import logs
from ezdms.actions import tasks
from ezdms.db import Database, Unavailable, now
from ezdms.models.clearing import clear_slice, select_clearings
from ezdms.models.message_facts import expire_slice, is_due, retire_slice, select_outdated

TICK = 10.0  # seconds; what has disappeared or was replaced is off the disk within a minute
REST = 0.005  # seconds between two slices, as long as one takes
RETENTION_EVERY = 60 * 60.0  # seconds
DAY = 24 * 60 * 60 * 1000  # ms
CONVERSATIONS = 500  # in one query
PATIENCE = 5.0  # seconds that the deletion of a conversation waits for all copies to be emptied


class Sweeper:
    """Looks every TICK. Whatever it, an edit or a deletion emptied is then erased from the log, too.

    Retention has a task of its own: it may take minutes when it is first set, and nothing else may be late for that.
    """

    def __init__(self, database: Database, *, retention: int) -> None:
        self._database = database
        self._retention = retention  # days, 0 = forever
        self._is_to_forget = True  # the log may be left from before a crash
        self._tasks: list[asyncio.Task[None]] = []
        self._clearing: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Empty what disappeared while nobody looked, and go on until close()."""
        try:
            await self.expire()
        except Unavailable:
            logs.event(logging.ERROR, "could not remove the messages that have disappeared")
        self._tasks.append(tasks.begin("the sweeper", self._every(TICK, self.expire)))
        self._tasks.append(tasks.begin("the sweeper", self._every(TICK, self.clear)))
        if self._retention:
            self._tasks.append(tasks.begin("the sweeper", self._every(RETENTION_EVERY, self.retire)))

    def forget_soon(self) -> None:
        """A message was emptied: erase what the log still has of it, at the next tick."""
        self._is_to_forget = True

    async def close(self) -> None:
        """Stop. The next start continues."""
        await tasks.stop(*self._tasks, *filter(None, [self._clearing]))

    async def expire(self) -> None:
        """Empty every message whose time has come, and erase it from the log."""
        moment = now()
        while await self._database.read(is_due, moment=moment):
            self._is_to_forget |= await self._database.write(expire_slice, moment=moment) > 0
            await asyncio.sleep(REST)
        await self._forget()

    async def clear(self) -> None:
        """Empty the copies of every conversation that their owner deleted."""
        while found := await self._database.read(select_clearings):
            for conversation_id, user_id in found:  # in turns: a small one does not wait for a large one
                await self._database.write(clear_slice, conversation_id=conversation_id, user_id=user_id)
                self._is_to_forget = True
                await asyncio.sleep(REST)

    async def finish_clearing(self) -> None:
        """Do that now, and wait for it at most PATIENCE seconds; it goes on."""
        if self._clearing is None or self._clearing.done():
            self._clearing = tasks.begin("the clearing", self._clear_now())
        await asyncio.wait([self._clearing], timeout=PATIENCE)

    async def _clear_now(self) -> None:
        with suppress(Unavailable):  # the disk is full or fails: at the next tick
            await self.clear()

    async def retire(self) -> None:
        """Empty every message that is older than the retention setting, and erase it from the log."""
        before, after = now() - self._retention * DAY, ""
        while self._retention:
            found = await self._database.read(select_outdated, after=after, before=before, limit=CONVERSATIONS)
            for conversation_id in (one for one, is_outdated in found if is_outdated):
                while await self._database.write(retire_slice, conversation_id=conversation_id, before=before):
                    self._is_to_forget = True
                    await asyncio.sleep(REST)
            if not found:
                break
            after = found[-1][0]
        await self._forget()

    async def _forget(self) -> None:
        if self._is_to_forget:
            self._is_to_forget = False
            await self._database.forget()

    async def _every(self, seconds: float, sweep: Callable[[], Awaitable[None]]) -> None:
        while True:
            is_done = False
            with suppress(Unavailable):  # the disk is full or fails
                if await self._database.leads():  # of several processes, one sweeps
                    await sweep()
                    is_done = True
            await asyncio.sleep(seconds if is_done else TICK)
