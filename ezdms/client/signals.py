"""Typing, delivered and read (docs/protocol.md, Signals): sent and shown only while the user has turned them on.

A signal that is not exactly what it should be is ignored without a word: it can be old, forged, or misdirected.
"""

from __future__ import annotations

import time
from contextlib import suppress

from ezdms import crypto
from ezdms.client import answers
from ezdms.client.account import now
from ezdms.client.contacts import Contact, state_of
from ezdms.client.conversations import Conversations
from ezdms.client.drafts import highest
from ezdms.client.errors import ClientError
from ezdms.client.live import Frame
from ezdms.client.message import Event
from ezdms.client.remembered import RECEIPTS, read_told
from ezdms.client.transport import Transport

TYPING_EVERY = 3.0  # seconds between two signals about typing
SETTING = {"": "typing", "delivered": "receipts", "read": "receipts"}  # by slot


class Signals:
    """The signals of one account."""

    def __init__(self, conversations: Conversations, transport: Transport, keys: crypto.Keys) -> None:
        self._conversations = conversations
        self._transport = transport
        self._keys = keys
        self._typed: dict[str, int] = {}  # by conversation: ts of the last typing signal taken
        self._typing: dict[str, float] = {}  # by conversation: when the last one was sent, by time.monotonic
        self._sent: dict[tuple[str, str], int] = {}  # by conversation and slot: the number of the last receipt sent

    # ---- From the other person ----

    async def take(self, frame: Frame) -> Event | None:
        """The event of a signal; None if it says nothing new, nothing true, or is turned off."""
        where = frame.where
        contact = self._conversations.vault.contact(where)
        if contact is None or state_of(contact) != "accepted" or not self._is_on(frame.slot):
            return None
        person = await self._conversations.roster.find(where)
        try:
            signal = crypto.open_signal(self._keys, person.ik, frame.sealed, frame.slot)
        except crypto.Refused:
            return None
        if signal.kind == "typing":
            if not crypto.is_typing_now(signal, self._typed.get(where, 0), now()):
                return None
            self._typed[where] = signal.ts
            return Event("typing", where, person.name)
        told, n = read_told(contact.get("told")), signal.m[0]
        if n <= told[signal.kind]:
            return None
        if not crypto.is_receipt(signal, told[signal.kind], await self._conversations.own_hash(where, n)):
            return None
        await self._conversations.vault.change(where, later=True, told={**told, signal.kind: n})
        return Event("delivered" if signal.kind == "delivered" else "read", where, person.name, n=n)

    async def stored(self, where: str) -> list[Event]:
        """The events of the receipts that came while this client was away."""
        if not self._is_on("read") or self._conversations.vault.contact(where) is None:
            return []
        frames = answers.read_signals(await self._transport.get(f"/signals/{where}"), where)
        events = [await self.take(frame) for frame in frames if frame.slot in RECEIPTS]
        return [event for event in events if event is not None]

    # ---- From the user ----

    async def tell(self, where: str, slot: str) -> None:
        """Tell how far messages were delivered or read. Does nothing if that is turned off or was told; a failure is
        nobody's concern."""
        known = self._conversations.vault.contact(where)
        if known is None or state_of(known) != "accepted" or not self._is_on(slot):
            return
        m = highest(self._conversations.heard(where), known["theirs"])
        if m[0] > self._sent.get((where, slot), 0) and await self._post(where, slot, m):
            self._sent[where, slot] = m[0]

    async def typing(self, where: str) -> None:
        """Tell that the user is typing, at most every TYPING_EVERY seconds. Like `tell`."""
        known, moment = self._conversations.vault.contact(where), time.monotonic()
        if known is None or state_of(known) != "accepted" or not self._is_on(""):
            return
        if moment - self._typing.get(where, -TYPING_EVERY) >= TYPING_EVERY:
            self._typing[where] = moment
            await self._post(where, "", (0, ""))

    async def _post(self, where: str, slot: str, m: tuple[int, str]) -> bool:
        with suppress(ClientError, crypto.ProtocolError):
            person: Contact = await self._conversations.roster.find(where)
            if person.spki:
                kind = slot or "typing"
                sealed = crypto.seal_signal(self._keys, person.ik, person.spki, kind=kind, m=m, ts=now())
                await self._transport.post("/signal", {"conversation_id": where, "slot": slot, "sealed": sealed})
                return True
        return False

    def _is_on(self, slot: str) -> bool:
        return slot in SETTING and self._conversations.vault.setting(SETTING[slot])
