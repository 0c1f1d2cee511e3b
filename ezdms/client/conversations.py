"""Conversations: what was said in them, page by page and as it comes, and how far this client has handed it on.

Where it stopped (`seq` in the state) is a message that was verified. Rows after it that are none were `told` once, and
are asked for again: nothing that the server invents takes this client past what is still to come.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from ezdms import crypto
from ezdms.client import answers
from ezdms.client.alarms import ROLLED_BACK, Alarms
from ezdms.client.answers import Row
from ezdms.client.contacts import Contact
from ezdms.client.judging import Judge, Judged
from ezdms.client.receiving import Message, open_row
from ezdms.client.roster import Roster
from ezdms.client.state import State
from ezdms.client.transport import LARGEST_LIST, Transport
from ezdms.client.vault import Vault

PAGE = 200  # messages asked for at once
MOST_TOLD = 500  # rows that hold no message, after the last that does
MOST_PAGES = 1000  # of a conversation, for one message that should be there


class Conversations:
    """All conversations of one account, as this client knows them."""

    def __init__(self, state: State, transport: Transport, keys: crypto.Keys) -> None:
        self.vault = Vault(state, transport, keys)
        self.alarms = Alarms(state, self.vault)
        self.roster = Roster(state, transport, self.vault, self.alarms)
        self._state = state
        self._transport = transport
        self._keys = keys

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
        judge = Judge.of_page(where, self._known(where))
        found = [self._judge(person, row, judge) for row in rows]
        if before is None:
            await self._remember(where, judge)
            await self._look_back(person, judge, rows[0].seq if rows else 1)
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
        judge = Judge.of_page(where, self._known(where))
        found = [self._judge(person, row, judge) async for row in self.rows_after(where, seq, limit)]
        await self._remember(where, judge)
        return [judged.message for judged in found if judged.message is not None]

    async def catch_up(self, where: str) -> AsyncGenerator[Message, None]:
        """What came since the last message that was handed on; a message counts as handed on once the next is asked
        for."""
        person = await self.roster.find(where)
        if person.is_missing or self.vault.contact(where) is None:
            return  # they left before their key was known here, or the server shows none that fits: nothing is verified
        place = self._state.place(where)
        judge = Judge.of_news(where, self._known(where), place)
        first = after = whole = place.get("seq", 0)  # from the first on every row is there, up to `whole`
        while rows := await self.rows(where, PAGE, after=after):
            for row in rows:
                judged = self._judge(person, row, judge)
                if judged.message is not None and not self._was_told(where, judged):
                    yield judged.message
                whole += row.seq == whole + 1
                self._pass(where, judged, judge, is_whole=row.seq == whole)
            after = rows[-1].seq
            await self._remember(where, judge)
        await self._look_back(person, judge, first + 1)

    def _was_told(self, where: str, judged: Judged) -> bool:
        """True for a row that was handed on before, and is still none that moves anything."""
        told = [judged.opened.row.seq, judged.opened.row.hash] in self._state.place(where).get("told", [])
        return told and not judged.moves

    def _pass(self, where: str, judged: Judged, judge: Judge, *, is_whole: bool) -> None:
        """This row was handed on. Only what was verified moves what is known of the conversation; other rows are asked
        for again, and only kept in mind, but for the oldest of very many."""
        row, place = judged.opened.row, self._state.place(where)
        mark, told = place.get("seq", 0), place.get("told", [])
        if not judged.moves:
            if row.seq > mark and [row.seq, row.hash] not in told:
                told = sorted([*told, [row.seq, row.hash]])
                oldest = told[0][0] if len(told) > MOST_TOLD else 0
                mark = oldest if oldest == mark + 1 else mark
                self._state.note(where, seq=mark, told=told[-MOST_TOLD:])
            return
        mark = max(mark, row.seq)
        moved: dict[str, Any] = {"seq": mark, "seen": max(place.get("seen", 0), row.seq), **judge.seen()}
        if is_whole and not judged.opened.is_own and row.n > (place.get("heard") or [0])[0]:
            moved["heard"] = [row.n, row.hash]
        moved["told"] = [one for one in told if one[0] > mark]
        self._state.note(where, **moved, order=judge.order_so_far())

    @property
    def _me(self) -> str:
        return str(self._state.values["user_id"])

    def _known(self, where: str) -> dict[str, Any]:
        known = self.vault.contact(where)
        if known is None:
            raise crypto.Alarm("This person's key was never seen here: nothing of this conversation can be verified.")
        return known

    def _judge(self, person: Contact, row: Row, judge: Judge) -> Judged:
        judged = judge.follow(open_row(row, self._keys, person.ik, self._me))
        if judged.message is not None and judged.message.alarm:
            self.alarms.begin(person.conversation_id, judged.alarm, judged.message.alarm)
        return judged

    async def _remember(self, where: str, judge: Judge) -> None:
        """The highest verified message of each side, for the day on which a server shows less; and at which seq."""
        known = self._known(where)
        changed = {side: last for side, last in judge.seen().items() if last[0] > (known[side] or [0])[0]}
        if changed:
            seqs = {side: judge.at.get((last[0], last[1])) for side, last in changed.items()}
            at = {side: [*changed[side], seq] for side, seq in seqs.items() if seq}
            self._state.note(where, at={**self._state.place(where).get("at", {}), **at})
            await self.vault.change(where, later=True, **changed)

    async def _look_back(self, person: Contact, judge: Judge, before: int) -> None:
        """What is known as the last message of each side must be in some row, opened or not. If it was not among those
        that were judged, it is looked for where it was, then in all the rows before them."""
        where = person.conversation_id
        wanted = {side: chain.known for side, chain in judge.chains.items() if crypto.is_taken_back(chain)}
        for link in self._state.place(where).get("at", {}).values():
            if (link[0], link[1]) in wanted.values():
                self._find(where, wanted, await self.rows(where, 1, after=link[2] - 1))
        for _ in range(MOST_PAGES):
            rows = await self.rows(where, PAGE, before=before) if wanted and before > 1 else []
            if not rows:
                break
            self._find(where, wanted, rows)
            before = rows[0].seq
        for known in wanted.values():
            self.alarms.begin(where, f"rollback {known[1] if known else ''}", ROLLED_BACK)

    def _find(self, where: str, wanted: dict[str, tuple[int, str] | None], rows: list[Row]) -> None:
        """Take from the wanted ones what is in these rows."""
        for row in rows:
            side = "own" if row.sender_id == self._me else "theirs"
            if wanted.get(side) == (row.n, row.hash):
                del wanted[side]
                place = self._state.place(where)
                at = {**place.get("at", {}), side: [row.n, row.hash, row.seq]}
                self._state.note(where, at=at, **{side: place.get(side) or [row.n, row.hash]})
