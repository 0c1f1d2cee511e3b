"""Contacts, and the vault in which they follow a person to every client (docs/protocol.md, Vault). Twin of vault.js."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import Any

from ezdms import crypto
from ezdms.client.errors import ServerError, Unreachable
from ezdms.client.state import State
from ezdms.client.transport import Transport

NEW: dict[str, Any] = {"name": "", "verified": "", "own": None, "theirs": None, "accepted": []}
MOST_ACCEPTED = 50
NOT_YOURS = "The server shows a list of contacts that is not yours."


@dataclass(frozen=True, slots=True)
class Contact:
    """Somebody one talks with. `verified` is "search-pin", "safety-number" or "" (not yet). `search_pin` is theirs if

    it was typed here, else "": the server gives nobody's away.
    """

    conversation_id: str
    user_id: str
    name: str
    verified: str
    has_left: bool
    last_seq: int
    unread: int
    alarms: tuple[str, ...] = ()
    search_pin: str = ""
    ik: bytes = field(default=b"", repr=False)
    spki: bytes = field(default=b"", repr=False)


def merge(mine: dict[str, Any] | None, theirs: dict[str, Any]) -> dict[str, Any]:
    """What two clients know of one contact, without losing what either knows."""
    if mine is None:
        return theirs
    newer = theirs if theirs["seq"] > mine["seq"] else mine
    return {
        **newer,
        "verified": mine["verified"] or theirs["verified"],
        "own": _later(mine["own"], theirs["own"]),
        "theirs": _later(mine["theirs"], theirs["theirs"]),
        "accepted": list(dict.fromkeys([*mine["accepted"], *theirs["accepted"]]))[-MOST_ACCEPTED:],
    }


def _later(mine: list[Any] | None, theirs: list[Any] | None) -> list[Any] | None:
    return theirs if theirs and (not mine or theirs[0] > mine[0]) else mine


def pin_of(contact: dict[str, Any]) -> crypto.Pin:
    """The pin in a stored contact."""
    return crypto.Pin(contact["ik"], contact["seq"], contact["hash"], contact["suite"])


class Vault:
    """The contacts of one account: in the state file at once, in the server's vault as soon as it can be reached."""

    def __init__(self, state: State, transport: Transport, keys: crypto.Keys) -> None:
        self._state = state
        self._transport = transport
        self._keys = keys
        self._pushed = 0.0  # when, by time.monotonic

    def contact(self, conversation_id: str) -> dict[str, Any] | None:
        """What is known of the person in this conversation."""
        found: dict[str, Any] | None = self._state.values["contacts"].get(conversation_id)
        return found

    async def sync(self) -> None:
        """Learn what the stored vault says, and store what it lacks.

        Raises crypto.Alarm for a vault that is older than the one known, or not one's own.
        """
        version = await self._pull(self._state.values["vault"]["version"])
        with self._state.change() as values:
            values["vault"]["version"] = version
            dirty = values["vault"]["dirty"]
        if dirty:
            await self._push(version)

    async def overwrite(self) -> None:
        """After an alarm, and once the person said so: what is known here takes the place of what the server showed."""
        with self._state.change() as values:
            values["vault"]["dirty"] = True
        await self._put((await self._transport.get("/vault"))["version"] + 1)

    async def change(self, conversation_id: str, *, later: bool = False, **changed: Any) -> None:
        """Change what is known of a contact. The server learns of it now, or `later`, with the next push_what_is_new;
        one that cannot be reached learns of it at the next sync."""
        seen = self.contact(conversation_id)
        if seen is not None and seen | changed == seen:
            return  # before the file is locked, and written to the disk for nothing
        with self._state.change() as values:
            known = values["contacts"].get(conversation_id) or {**NEW}
            values["contacts"][conversation_id] = known | changed
            values["vault"]["dirty"] = True
        if not later:
            await self.push_what_is_new()

    async def push_what_is_new(self, *, every: float = 0) -> None:
        """Store the vault if it lacks something and was not stored in the last `every` seconds. What does not work now
        is done by the next sync."""
        values = self._state.values
        if not values or not values["vault"]["dirty"] or time.monotonic() - self._pushed < every:
            return
        self._pushed = time.monotonic()
        try:
            await self._push(self._state.values["vault"]["version"])
        except (crypto.ProtocolError, ServerError, Unreachable):
            return

    async def pin(self, conversation_id: str, statement: str) -> crypto.Statement:
        """Verify a contact's key statement and remember it. Raises crypto.Refused or crypto.Alarm."""
        found, pin = crypto.verify_statement(statement), crypto.pin_of(statement)
        if crypto.conversation_id(self._keys.fp, crypto.fingerprint(found.ik)) != conversation_id:
            raise crypto.Alarm("The server shows another key for this person. Nothing is sent.")
        known = self.contact(conversation_id)
        if known is not None and pin_of(known) != pin:
            crypto.check_succession(pin_of(known), pin)
        await self.change(conversation_id, **asdict(pin), name=found.name)
        return found

    async def accept_statement(self, conversation_id: str, statement: str) -> None:
        """The person knows why the statement stepped back: from now on this one counts. It is by the same key."""
        await self.change(
            conversation_id, **asdict(crypto.pin_of(statement)), name=crypto.verify_statement(statement).name
        )

    async def _pull(self, known: int) -> int:
        stored = await self._transport.get("/vault")
        version = stored["version"]
        if version < known:
            raise crypto.Alarm("The server shows an older list of your contacts than before.")
        if version == 0:
            return 0
        try:
            vault = crypto.open_vault(self._keys, stored["blob"])
        except crypto.Refused as error:
            raise crypto.Alarm(NOT_YOURS) from error
        if vault["version"] != version:
            raise crypto.Alarm(NOT_YOURS)
        with self._state.change() as values:
            for conversation_id, contact in vault["contacts"].items():
                values["contacts"][conversation_id] = merge(values["contacts"].get(conversation_id), contact)
        return int(version)

    async def _push(self, version: int) -> None:
        while True:
            try:
                await self._put(version + 1)
            except ServerError as error:
                if error.code != "version":
                    raise
                version = await self._pull(version)
            else:
                return

    async def _put(self, version: int) -> None:
        contacts = self._state.values["contacts"]
        sealed = crypto.seal_vault(self._keys, {"version": version, "contacts": contacts})
        await self._transport.put("/vault", {"version": version, "blob": sealed})
        with self._state.change() as values:
            values["vault"] = {"version": version, "dirty": values["contacts"] != contacts}
