"""One conversation of an account, for programs that talk to one person."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING

from ezdms.client.contacts import Contact
from ezdms.client.meeting import LATEST
from ezdms.client.message import Event, Message

if TYPE_CHECKING:
    from ezdms.client.client import Client


class Conversation:
    """A contact, and what a client can do in the conversation with them. Everything raises like the client's method of
    that name."""

    def __init__(self, client: Client, contact: Contact) -> None:
        self.contact = contact
        self._client = client

    async def send(self, text: str) -> str:
        """Send a text."""
        return await self._client.send(self.contact, text)

    async def send_file(self, path: Path | str) -> str:
        """Send a file."""
        return await self._client.send_file(self.contact, path)

    async def history(self, *, limit: int = 50, before: int | None = None) -> list[Message]:
        """A page of messages, oldest first."""
        return await self._client.history(self.contact, limit=limit, before=before)

    async def events(self) -> AsyncGenerator[Event, None]:
        """Everything that happens here."""
        async with aclosing(self._client.events(self.contact)) as events:
            async for event in events:
                yield event

    async def set_timer(self, seconds: int) -> str:
        """Let messages disappear this many seconds after they are sent; 0 for never."""
        return await self._client.set_timer(self.contact, seconds)

    async def timer(self) -> int:
        """The timer in force, in seconds; 0 if there is none."""
        return await self._client.timer(self.contact)

    async def accept(self) -> None:
        """Accept a request. Answering it does the same."""
        await self._client.accept(self.contact)

    async def block(self) -> None:
        """Block this contact."""
        await self._client.block(self.contact)

    async def unblock(self) -> None:
        """End the block."""
        await self._client.unblock(self.contact)

    async def mute(self, until: int = LATEST) -> None:
        """No notifications until this time (ms); 0: no longer muted."""
        await self._client.mute(self.contact, until)

    async def delete(self) -> None:
        """Delete the user's copies, and take the conversation off their list until either writes again."""
        await self._client.delete_conversation(self.contact)

    async def report(self, messages: Sequence[Message], reason: str = "") -> None:
        """Report messages of this contact to whoever runs the server."""
        await self._client.report(messages, reason)
