"""The vault: syncs contacts between a user's clients (docs/protocol.md, Vault). Twin of vault.js."""

from __future__ import annotations

import logging
import time
from dataclasses import asdict
from typing import Any

from ezdms import crypto
from ezdms.client import answers, served
from ezdms.client.contacts import NEW, higher, merge, pin_of
from ezdms.client.errors import BadAnswer, ServerError, SessionEnded, Unreachable
from ezdms.client.remembered import latest, next_at
from ezdms.client.state import State
from ezdms.client.transport import LARGEST_LIST, Transport

NOT_YOURS = "The server shows a list of contacts that is not yours."
PUSHES = 10  # times that another client of the same user may be faster
log = logging.getLogger(__name__)


class Vault:
    """The contacts of one account: saved to the state file at once, and to the server's vault as soon as possible."""

    def __init__(self, state: State, transport: Transport, keys: crypto.Keys) -> None:
        self._state = state
        self._transport = transport
        self._keys = keys
        self._pushed = 0.0  # when, by time.monotonic

    @property
    def version(self) -> int:
        """The version of the stored vault that is known here."""
        return int(self._state.values["vault"]["version"])

    def contact(self, conversation_id: str) -> dict[str, Any] | None:
        """What is known about the contact in this conversation."""
        found: dict[str, Any] | None = self._state.values["contacts"].get(conversation_id)
        return found

    def contacts(self) -> dict[str, dict[str, Any]]:
        """All known contacts, by conversation id."""
        return dict(self._state.values["contacts"])

    async def sync(self) -> None:
        """Merge the stored vault into the local state, and store what it lacks.

        Raises crypto.Alarm for a vault that is older than the known one, or not the user's own.
        """
        version = await self._pull(self._state.values["vault"]["version"])
        with self._state.change() as values:
            values["vault"]["version"] = version
        await self.push_what_is_new()

    async def overwrite(self) -> None:
        """Overwrite the server's vault with the local state, after the user accepted an alarm."""
        with self._state.change() as values:
            values["vault"]["dirty"] = True
        await self._put((await self._stored()).version + 1)

    async def change(self, conversation_id: str, *, later: bool = False, **changed: Any) -> None:
        """Change what is known about a contact, and store it on the server now, or `later` with the next
        push_what_is_new. If the server cannot be reached, the next sync stores it."""
        seen = self.contact(conversation_id)
        if seen is not None and seen | changed == seen:
            return  # avoids locking and writing the file for nothing
        with self._state.change() as values:
            known = values["contacts"].get(conversation_id) or {**NEW}
            values["contacts"][conversation_id] = known | changed
            values["vault"]["dirty"] = True
        if not later:
            await self.push_what_is_new()

    async def verify(self, conversation_id: str, reason: str) -> None:
        """Record a verification. The strongest one counts."""
        known = self.contact(conversation_id) or NEW
        await self.change(conversation_id, verified=higher(known["verified"], reason))

    def setting(self, name: str) -> bool:
        """Whether the user turned this on, here or on another device."""
        return (latest(self._state.values["vault"].get("more", {}).get("settings"), None) or {}).get(name) is True

    async def change_settings(self, now: int, **changed: bool) -> None:
        """Change settings, for all devices."""
        with self._state.change() as values:
            more = values["vault"].setdefault("more", {})
            known = latest(more.get("settings"), None) or {}
            more["settings"] = known | changed | {"at": next_at(known, now)}
            values["vault"]["dirty"] = True
        await self.push_what_is_new()

    def builds(self) -> list[served.Build]:
        """The builds of the page that the server sent to the user's devices, as far as known here."""
        return served.merge(self._state.values["vault"].get("more", {}).get("served"), [])

    async def note_served(self, build: served.Build) -> None:
        """Record a build served to this client, if that is new information."""
        if not served.is_news(self.builds(), build):
            return
        with self._state.change() as values:
            more = values["vault"].setdefault("more", {})
            more["served"] = served.merge(more.get("served"), [build])
            values["vault"]["dirty"] = True
        await self.push_what_is_new()

    async def push_what_is_new(self, *, every: float = 0) -> None:
        """Store the vault if it has changed and was not stored in the last `every` seconds. If that fails, the next
        sync does it."""
        values = self._state.values
        if not values or not values["vault"]["dirty"] or time.monotonic() - self._pushed < every:
            return
        self._pushed = time.monotonic()
        try:
            await self._push(self._state.values["vault"]["version"])
        except (SessionEnded, Unreachable):
            return
        except (crypto.ProtocolError, ServerError, BadAnswer) as error:
            log.warning("Your contacts could not be saved on the server: %s", error)

    async def pin(self, conversation_id: str, statement: str) -> crypto.Statement:
        """Verify a contact's key statement and remember it. Raises crypto.Refused or crypto.Alarm."""
        found = self.check(conversation_id, statement)
        await self.change(conversation_id, **asdict(crypto.pin_of(statement)), name=found.name)
        return found

    def check(self, conversation_id: str, statement: str) -> crypto.Statement:
        """Verify a key statement, and that it may follow the known one. Raises crypto.Refused or crypto.Alarm."""
        found, pin = crypto.verify_statement(statement), crypto.pin_of(statement)
        if crypto.conversation_id(self._keys.fp, crypto.fingerprint(found.ik)) != conversation_id:
            raise crypto.Alarm("The server shows a different key for this person. Nothing was sent.")
        known = self.contact(conversation_id)
        if known is not None and pin_of(known) != pin:
            crypto.check_succession(pin_of(known), pin)
        return found

    async def accept_statement(self, conversation_id: str, statement: str) -> None:
        """Accept an older statement of the same key, after the user continued."""
        await self.change(
            conversation_id, **asdict(crypto.pin_of(statement)), name=crypto.verify_statement(statement).name
        )

    async def _stored(self) -> answers.StoredVault:
        return answers.read_vault(await self._transport.get("/vault", largest=LARGEST_LIST))

    async def _pull(self, known: int) -> int:
        stored = await self._stored()
        if stored.version < known:
            raise crypto.Alarm("The server shows an older list of your contacts than before.")
        if stored.version == 0:
            return 0
        try:
            vault = crypto.open_vault(self._keys, stored.blob)
        except crypto.Refused as error:
            raise crypto.Alarm(NOT_YOURS) from error
        if vault["version"] != stored.version:
            raise crypto.Alarm(NOT_YOURS)
        with self._state.change() as values:
            more = {name: vault[name] for name in vault if name not in ("version", "contacts")}
            mine = values["vault"].get("more", {})
            if mine.get("served") or "served" in more:
                more["served"] = served.merge(mine.get("served"), more.get("served"))
            if (settings := latest(mine.get("settings"), more.get("settings"))) is not None:
                more["settings"] = settings
            values["vault"]["more"] = more
            for conversation_id, contact in vault["contacts"].items():
                values["contacts"][conversation_id] = merge(values["contacts"].get(conversation_id), contact)
        return stored.version

    async def _push(self, version: int) -> None:
        for _ in range(PUSHES):
            try:
                return await self._put(version + 1)
            except ServerError as error:
                if error.code != "version":
                    raise
            pulled = await self._pull(version)
            if pulled == version:
                raise BadAnswer("The server refers to a newer list of contacts that it does not show.")
            version = pulled
        raise BadAnswer("The server does not accept the list of contacts.")

    async def _put(self, version: int) -> None:
        contacts, more = self._state.values["contacts"], self._state.values["vault"].get("more", {})
        sealed = crypto.seal_vault(self._keys, {**more, "version": version, "contacts": contacts})
        await self._transport.put("/vault", {"version": version, "blob": sealed}, largest=LARGEST_LIST)
        with self._state.change() as values:
            is_behind = values["contacts"] != contacts or values["vault"].get("more", {}) != more
            values["vault"] |= {"version": version, "dirty": is_behind}
