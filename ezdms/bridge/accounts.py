"""Who is logged in at this bridge. Their private keys are in memory, their Login PINs only while these are used."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from ezdms import crypto
from ezdms.client import BadAnswer, Client, SessionEnded

PATIENCE = 10.0  # seconds of trying to reach the server, or of waiting for a limit, before a program is told


class Locked(Exception):
    """Nobody of this id is logged in here."""

    def __init__(self) -> None:
        super().__init__("This user is not logged in at this bridge: POST /login with the Login PIN first.")


@dataclass(slots=True)
class Seat:
    """A client, and by how many requests it is being used."""

    client: Client
    users: int = 0
    is_left: bool = False


class People:
    """Several users of one server, each with a file of their own under `home`."""

    def __init__(self, server: str, home: Path | None) -> None:
        self.server = server
        self._home = home
        self._seats: dict[str, Seat] = {}

    async def register(self, username: str, invitation: str = "") -> tuple[Client, str]:
        """A new account, and its Login PIN. Raises ClientError."""
        pin = crypto.new_login_pin()
        client = await Client.register(
            self.server, username, pin, invitation=invitation, home=self._home, patience=PATIENCE
        )
        await self._seat(client)
        return client, pin

    async def login(self, pin: str) -> Client:
        """Unlock an account. Raises ClientError, or crypto.Refused for keys that do not open."""
        client = await Client.login(self.server, pin, home=self._home, patience=PATIENCE)
        await self._seat(client)
        return client

    @asynccontextmanager
    async def using(self, user_id: str) -> AsyncIterator[Client]:
        """The client of a user, which is not closed before this ends. Raises Locked."""
        seat = self._seats.get(user_id)
        if seat is None:
            raise Locked
        seat.users += 1
        try:
            yield seat.client
        except SessionEnded:  # here or elsewhere: only the PIN begins a new one
            if self._seats.get(user_id) is seat:
                del self._seats[user_id]
            seat.is_left = True
            raise
        finally:
            seat.users -= 1
            if seat.is_left and not seat.users:
                await seat.client.close()

    async def close(self) -> None:
        """Forget all keys; the sessions live on."""
        seats, self._seats = list(self._seats.values()), {}
        for seat in seats:
            await seat.client.close()

    async def _seat(self, client: Client) -> None:
        """Whoever logs in again takes the place of who was there, once that one's requests are answered."""
        before = self._seats.get(client.user_id)
        if before is not None and before.client.keys.ik != client.keys.ik:
            await client.close()
            raise BadAnswer("The server gives two accounts the same id.")
        self._seats[client.user_id] = Seat(client)
        if before is not None:
            before.is_left = True
            if not before.users:
                await before.client.close()
