"""A conversation of two people, one of them with two devices, who are told of everything that happens."""

from __future__ import annotations

import asyncio
from pathlib import Path

from ezdms.client import Client, Contact, Event, Message
from tests.conftest import Server
from tests.support.once import cheap_login_pin
from tests.support.someone import until


class Talk:
    """Alice, with a second device, and Bob. Each has a list of the events it was told."""

    def __init__(self, server: Server, alice: Client, second: Client, bob: Client, home: Path) -> None:
        self.server, self.alice, self.second, self.bob, self.home = server, alice, second, bob, home
        self.told: dict[Client, list[Event]] = {alice: [], second: [], bob: []}
        self._tasks = [asyncio.create_task(self._hear(client)) for client in self.told]
        self.with_bob: Contact
        self.with_alice: Contact

    async def _hear(self, client: Client) -> None:
        async for event in client.events():
            self.told[client].append(event)

    async def hears(self, client: Client, *kinds: str) -> list[Event]:
        """Wait until this client was told exactly these."""
        await until(lambda: len(self.told[client]) >= len(kinds))
        assert [event.kind for event in self.told[client]] == list(kinds)
        found = self.told[client][:]
        self.told[client].clear()
        return found

    async def page(self, client: Client) -> list[Message]:
        return await client.history(self.with_alice if client is self.bob else self.with_bob)

    async def says(self, text: str) -> Message:
        """A new message of Alice, as her first device sees it. Everyone is told."""
        await self.alice.send(self.with_bob, text)
        for client in self.told:
            await self.hears(client, "message")
        return (await self.page(self.alice))[-1]

    async def agree(self) -> list[tuple[str, str | None]]:
        """What all three see."""
        views = [[(one.state, one.text) for one in await self.page(client)] for client in self.told]
        assert views[0] == views[1] == views[2]
        return views[0]

    async def leave(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for client in self.told:
            await client.close()
        await asyncio.sleep(0.01)  # let the loop close aborted transports

    @classmethod
    async def begin(cls, server: Server, home: Path) -> Talk:
        """Alice has verified Bob, who accepted her request; nothing was written yet."""
        pin = cheap_login_pin()
        alice = await Client.register(server.url, "alice", pin, home=home / "alice")
        bob = await Client.register(server.url, "bob", cheap_login_pin(), home=home / "bob")
        with_bob = await alice.start(bob.search_pin)
        second = await Client.login(server.url, pin, home=home / "second")
        talk = cls(server, alice, second, bob, home)
        await bob.accept((await bob.contacts())[0])
        talk.with_bob, talk.with_alice = with_bob, (await bob.contacts())[0]
        await until(lambda: all(client._conversations._live for client in talk.told))
        return talk
