"""Conversations: who is in them, how far they were seen, what in them is an alarm, and what comes new."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from ezdms import crypto
from ezdms.client.contacts import MOST_ACCEPTED, NEW, Contact, Vault
from ezdms.client.errors import ClientError
from ezdms.client.receiving import ROLLED_BACK, Chains, Message, alarm_name, judge
from ezdms.client.state import State
from ezdms.client.transport import Transport
from ezdms.encoding import b64u_decode

PAGE = 200  # messages asked for at once
OTHER_KEY = "This is another key: there is no way to go on. Ask for their Search PIN."


class Conversations:
    """All conversations of one account, as this client knows them."""

    def __init__(self, state: State, transport: Transport, keys: crypto.Keys) -> None:
        self.vault = Vault(state, transport, keys)
        self.vault_alarm = ""
        self._state = state
        self._transport = transport
        self._keys = keys
        self._contacts: dict[str, Contact] = {}
        self._statements: dict[str, str] = {}  # the newest that the server showed

    @property
    def _me(self) -> str:
        return str(self._state.values["user_id"])

    async def sync(self) -> None:
        """Learn what the vault says; a vault that cannot be true is an alarm for every conversation."""
        try:
            await self.vault.sync()
        except crypto.Alarm as alarm:
            self.vault_alarm = str(alarm)

    async def skip_what_was_read(self) -> None:
        """A new client starts where one has read to, and knows the contacts of the others."""
        await self.sync()
        for row in await self._transport.get(f"/conversations/{self._me}"):
            if "seq" not in self._place(row["conversation_id"]):
                self._note(row["conversation_id"], seq=row["last_seq"] - row["unread"])

    async def all(self) -> list[Contact]:
        """Everybody one talks with, the latest first; each key is checked against what is known of it."""
        return [await self._meet(row) for row in await self._transport.get(f"/conversations/{self._me}")]

    async def find(self, where: str) -> Contact:
        """The contact of a conversation. Raises ClientError if there is none."""
        if where not in self._contacts:
            await self.all()
        if where not in self._contacts:
            raise ClientError("There is no such conversation.")
        return self._contacts[where]

    def refuse_alarms(self, where: str) -> None:
        """Raises crypto.Alarm while one stands here."""
        sentences = [*self._alarms(where).values(), *filter(None, [self.vault_alarm])]
        if sentences:
            raise crypto.Alarm(" ".join(sentences))

    async def go_on(self, where: str) -> None:
        """The person has seen the alarms. Raises crypto.Alarm for a key that is another."""
        alarms, known = self._alarms(where), self._known(where)
        if "key" in alarms:
            raise crypto.Alarm(OTHER_KEY)
        if self.vault_alarm:
            await self.vault.overwrite()
            self.vault_alarm = ""
        if "statement" in alarms:
            await self.vault.accept_statement(where, self._statements[where])
        self._note(where, alarms={})
        seen = [name for name in alarms if name != "statement"]  # the next one that steps back is another alarm
        await self.vault.change(where, accepted=[*known["accepted"], *seen][-MOST_ACCEPTED:])
        await self.all()

    async def page(self, where: str, limit: int, before: int | None) -> list[Message]:
        """Messages by rising seq: the newest, or those before a seq."""
        person = await self.find(where)
        query = {"limit": limit} | ({} if before is None else {"before": before})
        rows = await self._transport.get(f"/messages/{where}", **query)
        chains = Chains.begin(self._known(where))
        found = [self._judge(person, row, chains) for row in rows]
        if before is None:
            await self._remember(where, chains)
        return [message for message in found if message is not None]

    async def rows_after(self, where: str, seq: int, limit: int) -> AsyncIterator[dict[str, Any]]:
        """Up to `limit` rows after a seq, as the server tells of them."""
        while limit > 0:
            rows = await self._transport.get(f"/messages/{where}", after=seq, limit=min(limit, PAGE))
            for row in rows:
                yield row
            if len(rows) < min(limit, PAGE):
                return
            seq, limit = rows[-1]["seq"], limit - len(rows)

    async def since(self, where: str, seq: int, limit: int) -> list[Message]:
        """Up to `limit` messages after a seq: one chain, so that nothing can be lost between two pages of it."""
        person = await self.find(where)
        chains = Chains.begin(self._known(where))
        found = [self._judge(person, row, chains) async for row in self.rows_after(where, seq, limit)]
        await self._remember(where, chains)
        return [message for message in found if message is not None]

    async def catch_up(self, where: str) -> AsyncIterator[Message]:
        """What came since the last message that was handed on; a message counts as handed on once the next is asked
        for."""
        if where not in self._contacts:
            await self.all()
        person = await self.find(where)
        if self.vault.contact(where) is None:
            return  # they left before their key was known here, or the server shows none that fits: nothing is verified
        chains = Chains.resume(self._known(where), self._place(where))
        while rows := await self._transport.get(
            f"/messages/{where}", after=self._place(where).get("seq", 0), limit=PAGE
        ):
            for row in rows:
                message = self._judge(person, row, chains)
                if message is not None:
                    yield message
                self._note(where, seq=row["seq"], **self._followed(where, row, chains))
            await self._remember(where, chains)

    def _followed(self, where: str, row: dict[str, Any], chains: Chains) -> dict[str, Any]:
        """How far each side was followed, and the highest message of theirs that came without a gap (`heard`)."""
        found: dict[str, Any] = {side: list(chain.last) for side, chain in chains.sides() if chain.last}
        if chains.theirs.head is not None:
            found["heard"] = list(chains.theirs.head)
        return found

    async def _meet(self, row: dict[str, Any]) -> Contact:
        where = row["conversation_id"]
        ik, spki = b"", b""
        self._statements[where] = row["partner_statement"]
        try:
            if row["partner_statement"]:
                statement = await self.vault.pin(where, row["partner_statement"])
                ik, spki = statement.ik, statement.spki
                self._settle(where, "key")
                self._settle(where, "statement")
            if row["last_seq"] < self._place(where).get("seq", 0):
                self._raise(where, f"rollback {self._place(where)['seq']}", ROLLED_BACK)
        except crypto.ProtocolError as error:
            known = self.vault.contact(where)
            is_same = known is not None and _is_same_key(known, row["partner_statement"])
            self._raise(where, "statement" if is_same else "key", str(error))
        known = self.vault.contact(where)
        if known is not None and not ik:
            ik = b64u_decode(known["ik"], 32)
        self._contacts[where] = Contact(
            conversation_id=where,
            user_id=row["partner_id"],
            name=known["name"] if known else row["partner_username"],
            verified=known["verified"] if known else "",
            has_left=not row["partner_statement"],
            last_seq=row["last_seq"],
            unread=row["unread"],
            alarms=tuple(self._alarms(where).values()),
            search_pin=self._place(where).get("search_pin", ""),
            ik=ik,
            spki=spki,
        )
        return self._contacts[where]

    def note_search_pin(self, where: str, pin: str) -> None:
        """The person typed it. It stays on this machine."""
        if self._place(where).get("search_pin") != pin:
            self._note(where, search_pin=pin)

    def _known(self, where: str) -> dict[str, Any]:
        known = self.vault.contact(where)
        if known is None:
            raise crypto.Alarm("This person left before their key was known here: nothing can be verified.")
        return known

    def _place(self, where: str) -> dict[str, Any]:
        place: dict[str, Any] = self._state.values["places"].get(where, {})
        return place

    def _alarms(self, where: str) -> dict[str, str]:
        """Those after which the person has not gone on, here or at another client (the vault says so)."""
        alarms: dict[str, str] = self._place(where).get("alarms", {})
        accepted = (self.vault.contact(where) or NEW)["accepted"]
        return {name: sentence for name, sentence in alarms.items() if name not in accepted}

    def _note(self, where: str, **changed: Any) -> None:
        with self._state.change() as values:
            values["places"].setdefault(where, {}).update(changed)

    def _raise(self, where: str, name: str, sentence: str) -> None:
        known = self.vault.contact(where)
        if known is None or name not in known["accepted"]:
            self._note(where, alarms={**self._place(where).get("alarms", {}), name: sentence})

    def _settle(self, where: str, name: str) -> None:
        alarms = self._place(where).get("alarms", {})
        if name in alarms:
            self._note(where, alarms={other: alarms[other] for other in alarms if other != name})

    def _judge(self, person: Contact, row: dict[str, Any], chains: Chains) -> Message | None:
        message = judge(
            row,
            keys=self._keys,
            ik=person.ik,
            contact=self._known(person.conversation_id),
            chains=chains,
            me=self._me,
            where=person.conversation_id,
        )
        if message is not None and message.alarm:
            self._raise(person.conversation_id, alarm_name(message, row), message.alarm)
        return message

    async def _remember(self, where: str, chains: Chains) -> None:
        """The last message seen of each side, for the day on which a server shows less."""
        known, changed = self._known(where), {}
        for side, chain in chains.sides():
            if chain.last and chain.last[0] > (known[side] or [0])[0]:
                changed[side] = list(chain.last)
        if changed:
            await self.vault.change(where, later=True, **changed)


def _is_same_key(known: dict[str, Any], statement: str) -> bool:
    try:
        return crypto.pin_of(statement).ik == str(known["ik"])
    except crypto.Refused:
        return False
