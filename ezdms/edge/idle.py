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
FIRST_REQUEST = 0.5  # seconds that a new connection has for its first request once the server is stopping


class IdleConnections:
    """The idle connections of one worker. When it stops, all are closed, including those that become idle later.

    A new one is still answered if its request comes soon: its peer connected to a server that was there.
    """

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
        if self._terminated.is_set() and spell.is_first:
            self._loop.call_later(FIRST_REQUEST, self._end_first, spell)
        elif self._terminated.is_set():
            spell.end()
            return
        self._since[spell] = self._loop.time()

    def _end_first(self, spell: Spell) -> None:
        if spell in self._since:
            self.remove(spell)
            spell.end()

    def remove(self, spell: Spell) -> None:
        """Mark as in use, or closed."""
        self._since.pop(spell, None)

    async def _look(self) -> None:
        while not self._terminated.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._terminated.wait(), LOOK_EVERY)
            latest = self._loop.time() - self._seconds
            for spell, since in list(self._since.items()):
                if since > latest and self._terminated.is_set() and spell.is_first:
                    self._loop.call_later(FIRST_REQUEST, self._end_first, spell)
                elif since <= latest or self._terminated.is_set():
                    self.remove(spell)
                    spell.end()


class Spell:
    """The time between two requests. Replaces a connection's idle_task."""

    def __init__(self, idle: IdleConnections, close: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._idle = idle
        self._close = close
        self._tasks: Any = None
        self.is_first = False  # before the first request

    async def restart(self, task_group: Any, action: Any) -> None:
        """Begin an idle spell. `action` is hypercorn's task, and unused."""
        self.is_first = self._tasks is None
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
