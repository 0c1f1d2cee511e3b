"""A user of the Python client who records all messages."""

from __future__ import annotations

import asyncio
from pathlib import Path

from ezdms.client import Client, Contact, Message
from ezdms.client.state import State
from tests.conftest import Server
from tests.support.once import cheap_login_pin


class Player:
    """A user of the Python client; `heard` has all messages that it received."""

    def __init__(self, client: Client, pin: str, home: Path) -> None:
        self.client, self.pin, self.home = client, pin, home
        self.heard: list[Message] = []
        self.changed = asyncio.Event()
        self.task: asyncio.Task[None] | None = None

    @classmethod
    async def register(cls, server: Server, name: str, home: Path, pin: str = "") -> Player:
        pin = pin or cheap_login_pin()
        return cls(await Client.register(server.url, name, pin, home=home / name), pin, home / name)

    async def comes_back(self) -> Player:
        """The same user in a new client, which has heard nothing yet."""
        return Player(await Client.open(State.find(self.home), self.pin), self.pin, self.home)

    async def _hear(self) -> None:
        async for message in self.client.messages():
            self.heard.append(message)
            self.changed.set()

    def listen(self) -> Player:
        self.task = asyncio.create_task(self._hear())
        return self

    async def hears(self, *texts: str | None) -> None:
        """Wait for exactly these texts, in order."""
        async with asyncio.timeout(30):
            while len(self.heard) < len(texts):
                self.changed.clear()
                await self.changed.wait()
        assert [message.text for message in self.heard] == list(texts)

    async def leave(self) -> None:
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
        await self.client.close()


async def contact_of(player: Player, name: str) -> Contact:
    return next(contact for contact in await player.client.contacts() if contact.name == name)
