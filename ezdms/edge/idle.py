"""Closes connections without a request for a while.

Replaces hypercorn's task and timer per request with one check for all connections.
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
    """The idle connections of one worker. When it stops, all are closed, including those that become idle later."""

    def __init__(self, context: WorkerContext, seconds: float) -> None:
        self._terminated = context.terminated
        self._seconds = seconds
        self._since: dict[Spell, float] = {}
        self._loop = asyncio.get_running_loop()
        self._looking = self._loop.create_task(self._look())

    @classmethod
    def of(cls, context: WorkerContext, config: Config) -> IdleConnections:
        """This worker's instance."""
        if "idle" not in context.__dict__:
            context.__dict__["idle"] = cls(context, config.keep_alive_timeout)
        found: IdleConnections = context.__dict__["idle"]
        return found

    def add(self, spell: Spell) -> None:
        """Mark as idle."""
        if self._terminated.is_set():
            spell.end()
        else:
            self._since[spell] = self._loop.time()

    def remove(self, spell: Spell) -> None:
        """Mark as in use, or closed."""
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
    """The time between two requests. Replaces a connection's idle_task."""

    def __init__(self, idle: IdleConnections, close: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._idle = idle
        self._close = close
        self._tasks: Any = None

    async def restart(self, task_group: Any, action: Any) -> None:
        """Begin an idle spell. `action` is hypercorn's task, and unused."""
        self._tasks = task_group
        self._idle.add(self)

    async def stop(self) -> None:
        """End the idle spell."""
        self._idle.remove(self)

    def end(self) -> None:
        """Close the connection, which was idle too long."""
        closing = self._close()
        try:
            self._tasks._task_group.create_task(closing)
        except RuntimeError:  # it is already closing
            closing.close()
