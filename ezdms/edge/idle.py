"""Connections on which nobody has asked for anything for a while, and how they end.

hypercorn makes a task with a timer after each request, and cancels both when the next one comes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from hypercorn.asyncio.worker_context import WorkerContext
from hypercorn.config import Config

LOOK_EVERY = 0.5  # seconds


class IdleConnections:
    """Those of one worker. All end when it stops, and who becomes idle after that."""

    def __init__(self, context: WorkerContext, seconds: float) -> None:
        self._terminated = context.terminated
        self._seconds = seconds
        self._since: dict[Spell, float] = {}
        self._loop = asyncio.get_running_loop()
        self._looking = self._loop.create_task(self._look())

    @classmethod
    def of(cls, context: WorkerContext, config: Config) -> IdleConnections:
        """The ones of this worker."""
        if "idle" not in context.__dict__:
            context.__dict__["idle"] = cls(context, config.keep_alive_timeout)
        found: IdleConnections = context.__dict__["idle"]
        return found

    def add(self, spell: Spell) -> None:
        """Idle from now on."""
        if self._terminated.is_set():
            spell.end()
        else:
            self._since[spell] = self._loop.time()

    def remove(self, spell: Spell) -> None:
        """In use, or gone."""
        self._since.pop(spell, None)

    async def _look(self) -> None:
        while not self._terminated.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._terminated.wait(), LOOK_EVERY)
            latest = self._loop.time() - self._seconds
            for spell, since in list(self._since.items()):
                if since <= latest or self._terminated.is_set():
                    self.remove(spell)
                    spell.end()


class Spell:
    """Takes the place of a connection's idle_task: the time between two requests."""

    def __init__(self, idle: IdleConnections, close: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._idle = idle
        self._close = close
        self._tasks: Any = None

    async def restart(self, task_group: Any, action: Any) -> None:
        """It begins; `action` is hypercorn's task, and is not needed."""
        self._tasks = task_group
        self._idle.add(self)

    async def stop(self) -> None:
        """It is over."""
        self._idle.remove(self)

    def end(self) -> None:
        """It has taken too long: the connection ends."""
        closing = self._close()
        try:
            self._tasks._task_group.create_task(closing)
        except RuntimeError:  # it is ending by itself
            closing.close()
