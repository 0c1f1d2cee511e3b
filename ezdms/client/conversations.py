"""Conversations: what was said in them, page by page and as it comes, and how far this client has handed it on.

Where it stopped (`seq` in the state) moves over what was verified, and over what was not only step by step: no number
that the server invents can take this client past what is still to come.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from ezdms import crypto
from ezdms.client import answers
from ezdms.client.alarms import Alarms
from ezdms.client.answers import Row
from ezdms.client.contacts import Contact
from ezdms.client.receiving import Chains, Judged, Message, alarm_name, judge
from ezdms.client.roster import Roster
from ezdms.client.state import State
from ezdms.client.transport import LARGEST_LIST, Transport
from ezdms.client.vault import Vault

PAGE = 200  # messages asked for at once
MOST_TOLD = 10_000  # messages


class Conversations:
    """All conversations of one account, as this client knows them."""

    def __init__(self, state: State, transport: Transport, keys: crypto.Keys) -> None:
        self.vault = Vault(state, transport, keys)
        self.alarms = Alarms(state, self.vault)
        self.roster = Roster(state, transport, self.vault, self.alarms)
        self._state = state
        self._transport = transport
        self._keys = keys
        self._told: dict[str, set[tuple[int, str]]] = {}  # rows beyond `seq` that were handed on already

    async def sync(self) -> None:
        """Learn what the vault says; a vault that cannot be true is an alarm for every conversation."""
        try:
            await self.vault.sync()
        except crypto.Alarm as alarm:
            self.alarms.vault = str(alarm)

    async def skip_what_was_read(self) -> None:
        """A new client starts where one has read to, and knows the contacts of the others."""
        await self.sync()
        for contact in await self.roster.all():
            where = contact.conversation_id
            if contact.ik and not contact.is_missing and "seq" not in self._state.place(where):
                self._state.note(where, seq=max(0, contact.last_seq - contact.unread))

    def refuse_alarms(self, person: Contact) -> None:
        """Raises crypto.Alarm while one stands here, or the server does not list this person."""
        doubts = person.alarms if person.is_missing or not person.ik else ()
        sentences = dict.fromkeys([*doubts, *self.alarms.sentences(person.conversation_id)])
        if sentences:
            raise crypto.Alarm(" ".join(sentences))

    async def go_on(self, where: str) -> None:
        """The person has seen the alarms. Raises crypto.Alarm for a key that is another, and for a missing contact."""
        alarms = self.alarms.of(where)
        self._known(where)
        if self.alarms.vault and "key" not in alarms:
            await self.vault.overwrite()
            self.alarms.vault = ""
        await self.alarms.accept(where)
        self.roster.start_over(where)
        if "statement" in alarms:
            await self.vault.accept_statement(where, self.roster.statement(where))
        await self.roster.all()

    async def page(self, where: str, limit: int, before: int | None) -> list[Message]:
        """Messages by rising seq: the newest, or those before a seq."""
        person = await self.roster.find(where)
        rows = await self.rows(where, limit, **({} if before is None else {"before": before}))
        chains = Chains.begin(self._known(where))
        found = [self._judge(person, row, chains) for row in rows]
        if before is None:
            await self._remember(where, chains)
        return [judged.message for judged in found if judged.message is not None]

    async def rows(self, where: str, limit: int, **within: int) -> list[Row]:
        """One page, as the server shows it: `after` or `before` a seq."""
        answer = await self._transport.get(f"/messages/{where}", largest=LARGEST_LIST, limit=limit, **within)
        return answers.read_page(answer, limit=limit, **within)

    async def rows_after(self, where: str, seq: int, limit: int) -> AsyncIterator[Row]:
        """Up to `limit` rows after a seq, as the server shows them."""
        while limit > 0:
            rows = await self.rows(where, min(limit, PAGE), after=seq)
            for row in rows:
                yield row
            if len(rows) < min(limit, PAGE):
                return
            seq, limit = rows[-1].seq, limit - len(rows)

    async def since(self, where: str, seq: int, limit: int) -> list[Message]:
        """Up to `limit` messages after a seq: one chain, so that nothing can be lost between two pages of it."""
        person = await self.roster.find(where)
        chains = Chains.begin(self._known(where))
        found = [self._judge(person, row, chains) async for row in self.rows_after(where, seq, limit)]
        await self._remember(where, chains)
        return [judged.message for judged in found if judged.message is not None]

    async def catch_up(self, where: str) -> AsyncIterator[Message]:
        """What came since the last message that was handed on; a message counts as handed on once the next is asked
        for."""
        person = await self.roster.find(where)
        if person.is_missing or self.vault.contact(where) is None:
            return  # they left before their key was known here, or the server shows none that fits: nothing is verified
        chains = Chains.resume(self._known(where), self._state.place(where))
        told = self._told.setdefault(where, set())
        after = self._state.place(where).get("seq", 0)
        while rows := await self.rows(where, PAGE, after=after):
            for row in rows:
                judged = self._judge(person, row, chains)
                if judged.message is not None and (row.seq, row.hash) not in told:
                    yield judged.message
                self._pass(where, row, judged, chains)
            after = rows[-1].seq
            await self._remember(where, chains)

    def _pass(self, where: str, row: Row, judged: Judged, chains: Chains) -> None:
        """This row was handed on. Only what was verified moves the rest of what is known."""
        place = self._state.place(where)
        if judged.is_verified:
            followed = self._followed(where, row, chains)
            self._state.note(where, seq=row.seq, seen=max(row.seq, place.get("seen", 0)), **followed)
        elif row.seq == place.get("seq", 0) + 1:
            self._state.note(where, seq=row.seq)
        elif row.seq > place.get("seq", 0):
            told = self._told[where]
            if len(told) >= MOST_TOLD:
                told.clear()
            told.add((row.seq, row.hash))

    def _followed(self, where: str, row: Row, chains: Chains) -> dict[str, Any]:
        """How far each side was followed, and the highest message of theirs that came without a gap (`heard`)."""
        found: dict[str, Any] = {
            side: [chain.top, chain.links[chain.top][0]] for side, chain in chains.sides() if chain.top
        }
        heard = self._state.place(where).get("heard")
        link = chains.theirs.links.get(row.n)
        if row.sender_id != self._me and link is not None and (heard is None or row.n == heard[0] + 1):
            found["heard"] = [row.n, link[0]]
        return found

    @property
    def _me(self) -> str:
        return str(self._state.values["user_id"])

    def _known(self, where: str) -> dict[str, Any]:
        known = self.vault.contact(where)
        if known is None:
            raise crypto.Alarm("This person's key was never seen here: nothing of this conversation can be verified.")
        return known

    def _judge(self, person: Contact, row: Row, chains: Chains) -> Judged:
        where = person.conversation_id
        known = self._known(where)
        judged = judge(row, keys=self._keys, ik=person.ik, contact=known, chains=chains, me=self._me, where=where)
        if judged.message is not None and judged.message.alarm:
            self.alarms.begin(where, alarm_name(judged.message, row), judged.message.alarm)
        return judged

    async def _remember(self, where: str, chains: Chains) -> None:
        """The last message seen of each side, for the day on which a server shows less."""
        known, changed = self._known(where), {}
        for side, chain in chains.sides():
            if chain.top > (known[side] or [0])[0]:
                changed[side] = [chain.top, chain.links[chain.top][0]]
        if changed:
            await self.vault.change(where, later=True, **changed)
