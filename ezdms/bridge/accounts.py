"""The users logged in at this bridge. Keeps their private keys in memory, their Login PINs only while in use."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from ezdms import crypto
from ezdms.client import BadAnswer, Client, SessionEnded

PATIENCE = 10.0  # seconds of retrying, or of waiting for a rate limit, before a program gets an error


class Locked(Exception):
    """No user with this id is logged in here."""

    def __init__(self) -> None:
        super().__init__("This user is not logged in at this bridge. First POST /login with the Login PIN.")


@dataclass(slots=True)
class Seat:
    """A client, and the number of requests that are using it."""

    client: Client
    users: int = 0
    is_left: bool = False


class People:
    """The users of one server, each with their own file under `home`."""

    def __init__(self, server: str, home: Path | None) -> None:
        self.server = server
        self._home = home
        self._seats: dict[str, Seat] = {}

    async def register(self, username: str, invitation: str = "") -> tuple[Client, str]:
        """Create an account. Returns its client and Login PIN. Raises ClientError."""
        pin = crypto.new_login_pin()
        client = await Client.register(
            self.server, username, pin, invitation=invitation, home=self._home, patience=PATIENCE
        )
        await self._seat(client)
        return client, pin

    async def login(self, pin: str, code: str = "") -> Client:
        """Unlock an account. `code`: of two-step login. Raises ClientError, or crypto.Refused if its keys cannot be
        decrypted."""
        client = await Client.login(self.server, pin, code=code, home=self._home, patience=PATIENCE)
        await self._seat(client)
        return client

    @asynccontextmanager
    async def using(self, user_id: str) -> AsyncIterator[Client]:
        """A user's client, kept open until this ends. Raises Locked."""
        seat = self._seats.get(user_id)
        if seat is None:
            raise Locked
        seat.users += 1
        try:
            yield seat.client
        except SessionEnded:  # a new session needs the PIN
            if self._seats.get(user_id) is seat:
                del self._seats[user_id]
            seat.is_left = True
            raise
        finally:
            seat.users -= 1
            if seat.is_left and not seat.users:
                await seat.client.close()

    async def close(self) -> None:
        """Forget all keys. The sessions stay valid."""
        seats, self._seats = list(self._seats.values()), {}
        for seat in seats:
            await seat.client.close()

    async def _seat(self, client: Client) -> None:
        """Add a client. It replaces an earlier one of the same user, which is closed after its requests finish."""
        before = self._seats.get(client.user_id)
        if before is not None and before.client.keys.ik != client.keys.ik:
            await client.close()
            raise BadAnswer("The server gave two accounts the same id.")
        self._seats[client.user_id] = Seat(client)
        if before is not None:
            before.is_left = True
            if not before.users:
                await before.client.close()
