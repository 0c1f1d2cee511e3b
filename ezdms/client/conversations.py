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
from ezdms.client.errors import BadAnswer
from ezdms.client.judging import Judge, Judged, pair
from ezdms.client.receiving import Message, open_row
from ezdms.client.roster import Roster
from ezdms.client.state import State
from ezdms.client.transport import LARGEST_LIST, Transport
from ezdms.client.vault import Vault

PAGE = 200  # messages asked for at once
MOST_TOLD = 500  # rows that hold no message, after the last that does
MOST_PAGES = 1000  # of a conversation, for one message that should be there
PAGES_A_TURN = 5  # of what is new in a conversation, before it is the turn of the others
NO_FURTHER = "The server shows row after row that holds no message. What may come after them is not fetched yet."


class Conversations:
    """All conversations of one account, as this client knows them."""

    def __init__(self, state: State, transport: Transport, keys: crypto.Keys) -> None:
        self.vault = Vault(state, transport, keys)
        self.alarms = Alarms(state, self.vault)
        self.roster = Roster(state, transport, self.vault, self.alarms)
        self._state = state
        self._transport = transport
        self._keys = keys
        self._unfinished: set[str] = set()  # the conversations in which there is more than a turn's pages

    async def sync(self) -> None:
        """Learn what the vault says; a vault that cannot be true is an alarm for every conversation."""
        try:
            await self.vault.sync()
        except crypto.Alarm as alarm:
            self.alarms.vault = str(alarm)

    async def skip_what_was_read(self) -> None:
        """A new client knows the contacts of the others, and starts after what one has seen there."""
        await self.sync()
        for contact in await self.roster.all():
            where = contact.conversation_id
            if self.vault.contact(where) and not contact.is_missing and "seq" not in self._state.place(where):
                self._state.note(where, is_new=True)

    async def verify(self, where: str, reason: str) -> None:
        """A person made sure who this is."""
        await self.roster.pin(where)
        await self.vault.verify(where, reason)

    def has_more(self, where: str) -> bool:
        """True if the last turn ended before all that is new was fetched."""
        return where in self._unfinished

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
        await self.roster.pin(where)
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
        """What came since the last message that was handed on, PAGES_A_TURN at most (`has_more`); a message counts as
        handed on once the next is asked for. Raises BadAnswer for pages that do not get further."""
        person = await self.roster.find(where)
        if person.is_missing or self.roster.known(where) is None:
            return  # they left before their key was known here, or the server shows none that fits: nothing is verified
        await self._find_start(where)
        place, known = self._state.place(where), self._known(where)
        seen_elsewhere = (known["own"] or [0])[0] if place.get("is_new") else 0  # of one's own
        judge = Judge.of_news(where, known, place)
        first = after = whole = place.get("seq", 0)  # from the first on every row is there, up to `whole`
        is_full = False
        for _ in range(PAGES_A_TURN):
            rows = await self.rows(where, PAGE, after=after)
            for row in rows:
                judged = judge.follow(open_row(row, self._keys, person.ik, self._me))
                if judged.moves:
                    await self.roster.pin(where)
                is_left_out = self._is_left_out(where, judged)
                is_full = is_full or is_left_out
                if not is_left_out:
                    self._note_alarm(where, judged)
                    is_old = judged.opened.is_own and judged.moves and row.n <= seen_elsewhere
                    if judged.message is not None and not is_old and not self._was_told(where, judged):
                        yield judged.message
                whole += row.seq == whole + 1
                if not is_left_out:
                    self._pass(where, judged, judge, is_whole=row.seq == whole)
            if not rows:
                break
            after = rows[-1].seq
            await self._remember(where, judge)
        is_stranger = self.vault.contact(where) is None
        is_moved = self._state.place(where).get("seq", 0) > first
        self._unfinished.discard(where)
        if rows and is_moved:
            self._unfinished.add(where)
        elif (rows or is_full) and not is_stranger:
            raise BadAnswer(NO_FURTHER)
        elif not rows:
            if place.get("is_new"):
                self._state.note(where, is_new=False)
            await self._look_back(person, judge, first + 1)

    async def _find_start(self, where: str) -> None:
        """A new client starts after the last message of theirs that one has seen elsewhere, wherever the server shows
        it, and at the first message if it does not show it. How many it calls unread does not matter."""
        place, theirs = self._state.place(where), pair(self._known(where)["theirs"])
        if not place.get("is_new") or "seq" in place:
            return
        seq, before = 0, dict[str, int]()
        for _ in range(MOST_PAGES if theirs else 0):
            rows = await self.rows(where, PAGE, **before)
            seq = next((row.seq for row in rows if row.sender_id != self._me and (row.n, row.hash) == theirs), 0)
            if seq or len(rows) < PAGE:
                break
            before = {"before": rows[0].seq}
        self._state.note(where, seq=seq, **({"theirs": list(theirs)} if seq and theirs else {}))

    def _was_told(self, where: str, judged: Judged) -> bool:
        """True for a row that was handed on before, and is still none that moves anything."""
        told = [judged.opened.row.seq, judged.opened.row.hash] in self._state.place(where).get("told", [])
        return told and not judged.moves

    def _is_left_out(self, where: str, judged: Judged) -> bool:
        """True for a row that holds no message if its conversation is one that only the server speaks of, or if there
        were very many of them already and this client cannot go past the oldest."""
        if judged.moves or self.vault.contact(where) is None:
            return not judged.moves
        place = self._state.place(where)
        told: list[list[Any]] = place.get("told", [])
        is_stuck = len(told) >= MOST_TOLD and told[0][0] != place.get("seq", 0) + 1
        return is_stuck and [judged.opened.row.seq, judged.opened.row.hash] not in told

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
        known = self.roster.known(where)
        if known is None:
            raise crypto.Alarm("This person's key was never seen here: nothing of this conversation can be verified.")
        return known

    def _judge(self, person: Contact, row: Row, judge: Judge) -> Judged:
        judged = judge.follow(open_row(row, self._keys, person.ik, self._me))
        self._note_alarm(person.conversation_id, judged)
        return judged

    def _note_alarm(self, where: str, judged: Judged) -> None:
        if judged.message is not None and judged.message.alarm:
            self.alarms.begin(where, judged.alarm, judged.message.alarm)

    async def _remember(self, where: str, judge: Judge) -> None:
        """The highest verified message of each side, for the day on which a server shows less; and at which seq."""
        known = self._known(where)
        changed = {side: last for side, last in judge.seen().items() if last[0] > (known[side] or [0])[0]}
        if changed:
            seqs = {side: judge.at.get((last[0], last[1])) for side, last in changed.items()}
            at = {side: [*changed[side], seq] for side, seq in seqs.items() if seq}
            self._state.note(where, at={**self._state.place(where).get("at", {}), **at})
            await self.roster.pin(where)
            await self.vault.change(where, later=True, **changed)

    async def _look_back(self, person: Contact, judge: Judge, before: int) -> None:
        """What is known as the last message of each side must be in some row, opened or not. If it was not among those
        that were judged, it is looked for where it was, then in all the rows before them."""
        where = person.conversation_id
        wanted = {
            side: chain.known
            for side, chain in judge.chains.items()
            if chain.known and crypto.is_taken_back(chain) and not self._is_missed(where, chain.known)
        }
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
            self.alarms.begin(where, f"rollback {known[1]}", ROLLED_BACK)

    def _is_missed(self, where: str, known: tuple[int, str]) -> bool:
        """True if it was looked for in vain before: it is an alarm, or was one that a person went on after."""
        name = f"rollback {known[1]}"
        return name in self.alarms.of(where) or not self.alarms.is_new(where, name)

    def _find(self, where: str, wanted: dict[str, tuple[int, str]], rows: list[Row]) -> None:
        """Take from the wanted ones what is in these rows."""
        for row in rows:
            side = "own" if row.sender_id == self._me else "theirs"
            if wanted.get(side) == (row.n, row.hash):
                del wanted[side]
                place = self._state.place(where)
                at = {**place.get("at", {}), side: [row.n, row.hash, row.seq]}
                self._state.note(where, at=at, **{side: place.get(side) or [row.n, row.hash]})
