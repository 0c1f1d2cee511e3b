"""The loaded part of a conversation, from some row to the newest: what a program that pages back holds."""

from __future__ import annotations

from ezdms.client.history import PAGE, History
from ezdms.client.message import Message
from ezdms.client.thread import Thread


class Loaded:
    """The newest messages of a conversation, and earlier ones as they are loaded. Edits, deletions and reactions stand
    at the messages that they are about."""

    def __init__(self, history: History, thread: Thread) -> None:
        self._history = history
        self._thread = thread

    @classmethod
    async def newest(cls, history: History, where: str) -> Loaded:
        """The newest page."""
        return cls(history, await history.newest(where, PAGE))

    def __len__(self) -> int:
        """The number of rows, at least that of messages."""
        return len(self._thread)

    @property
    def begins_at(self) -> int:
        """When the first loaded row was stored (ms); 0 without rows."""
        return self._thread.entries[0].message.created_at if self._thread.entries else 0

    async def load_older(self) -> bool:
        """Load one more page. False if there is none."""
        return await self._history.load_older(self._thread)

    async def messages(self) -> list[Message]:
        """The messages, oldest first. Loads earlier rows if they decide what one shows."""
        return await self._history.settled(self._thread)
