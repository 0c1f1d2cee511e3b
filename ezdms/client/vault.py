"""The vault, in which contacts follow a person to every client (docs/protocol.md, Vault). Twin of vault.js."""

from __future__ import annotations

import logging
import time
from dataclasses import asdict
from typing import Any

from ezdms import crypto
from ezdms.client import answers, served
from ezdms.client.contacts import NEW, higher, merge, pin_of
from ezdms.client.errors import BadAnswer, ServerError, SessionEnded, Unreachable
from ezdms.client.state import State
from ezdms.client.transport import LARGEST_LIST, Transport

NOT_YOURS = "The server shows a list of contacts that is not yours."
PUSHES = 10  # times that another client of the same person may get ahead
log = logging.getLogger(__name__)


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

    def contacts(self) -> dict[str, dict[str, Any]]:
        """All that are known, by conversation id."""
        return dict(self._state.values["contacts"])

    async def sync(self) -> None:
        """Learn what the stored vault says, and store what it lacks.

        Raises crypto.Alarm for a vault that is older than the one known, or not one's own.
        """
        version = await self._pull(self._state.values["vault"]["version"])
        with self._state.change() as values:
            values["vault"]["version"] = version
        await self.push_what_is_new()

    async def overwrite(self) -> None:
        """After an alarm, and once the person said so: what is known here takes the place of what the server showed."""
        with self._state.change() as values:
            values["vault"]["dirty"] = True
        await self._put((await self._stored()).version + 1)

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

    async def verify(self, conversation_id: str, reason: str) -> None:
        """There is one more reason to know who this is; the best one counts."""
        known = self.contact(conversation_id) or NEW
        await self.change(conversation_id, verified=higher(known["verified"], reason))

    def builds(self) -> list[served.Build]:
        """Which builds of its page the server served to one's devices, as far as this client knows."""
        return served.merge(self._state.values["vault"].get("more", {}).get("served"), [])

    async def note_served(self, build: served.Build) -> None:
        """This client was served one now. What says nothing new is not stored."""
        if not served.is_news(self.builds(), build):
            return
        with self._state.change() as values:
            more = values["vault"].setdefault("more", {})
            more["served"] = served.merge(more.get("served"), [build])
            values["vault"]["dirty"] = True
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
        except (SessionEnded, Unreachable):
            return
        except (crypto.ProtocolError, ServerError, BadAnswer) as error:
            log.warning("The list of contacts could not be stored at the server: %s", error)

    async def pin(self, conversation_id: str, statement: str) -> crypto.Statement:
        """Verify a contact's key statement and remember it. Raises crypto.Refused or crypto.Alarm."""
        found = self.check(conversation_id, statement)
        await self.change(conversation_id, **asdict(crypto.pin_of(statement)), name=found.name)
        return found

    def check(self, conversation_id: str, statement: str) -> crypto.Statement:
        """Verify a key statement, and that it follows what is known. Raises crypto.Refused or crypto.Alarm."""
        found, pin = crypto.verify_statement(statement), crypto.pin_of(statement)
        if crypto.conversation_id(self._keys.fp, crypto.fingerprint(found.ik)) != conversation_id:
            raise crypto.Alarm("The server shows another key for this person. Nothing is sent.")
        known = self.contact(conversation_id)
        if known is not None and pin_of(known) != pin:
            crypto.check_succession(pin_of(known), pin)
        return found

    async def accept_statement(self, conversation_id: str, statement: str) -> None:
        """The person knows why the statement stepped back: from now on this one counts. It is by the same key."""
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
            known = values["vault"].get("more", {}).get("served")
            if known or "served" in more:
                more["served"] = served.merge(known, more.get("served"))
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
                raise BadAnswer("The server speaks of a newer list of contacts that it does not show.")
            version = pulled
        raise BadAnswer("The server takes no list of contacts.")

    async def _put(self, version: int) -> None:
        contacts, more = self._state.values["contacts"], self._state.values["vault"].get("more", {})
        sealed = crypto.seal_vault(self._keys, {**more, "version": version, "contacts": contacts})
        await self._transport.put("/vault", {"version": version, "blob": sealed}, largest=LARGEST_LIST)
        with self._state.change() as values:
            is_behind = values["contacts"] != contacts or values["vault"].get("more", {}) != more
            values["vault"] |= {"version": version, "dirty": is_behind}
