"""Conversations: what is said in them as it comes, and how far this client has handed it on.

Where it stopped (`seq` in the state) is a message that was verified. Rows after it that are none were `told` once, and
are asked for again: nothing that the server invents takes this client past what is still to come.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from ezdms import crypto
from ezdms.client.answers import Row
from ezdms.client.contacts import Contact
from ezdms.client.errors import BadAnswer
from ezdms.client.history import MOST_PAGES, PAGE, History
from ezdms.client.judging import Judge, Judged, pair
from ezdms.client.receiving import Message, open_row
from ezdms.client.state import State
from ezdms.client.transport import Transport

MOST_TOLD = 500  # rows that hold no message, after the last that does
PAGES_A_TURN = 5  # of what is new in a conversation, before it is the turn of the others
NO_FURTHER = "The server shows row after row that holds no message. What may come after them is not fetched yet."


class Conversations(History):
    """All conversations of one account, as this client knows them."""

    def __init__(self, state: State, transport: Transport, keys: crypto.Keys) -> None:
        super().__init__(state, transport, keys)
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
        is_full, rows = False, list[Row]()
        for _ in range(PAGES_A_TURN):
            rows = await self.rows(where, PAGE, after=after)
            for row in rows:
                judged = judge.follow(open_row(row, self._keys, person.ik, self._me))
                whole += row.seq == whole + 1
                if self._is_left_out(where, judged):
                    is_full = True
                    continue
                if judged.moves:
                    await self.roster.pin(where)
                self._note_alarm(where, judged)
                is_old = judged.opened.is_own and judged.moves and row.n <= seen_elsewhere
                if judged.message is not None and not is_old and not self._was_told(where, judged):
                    yield judged.message
                self._pass(where, judged, judge, is_whole=row.seq == whole)
            if not rows:
                break
            after = rows[-1].seq
            await self._remember(where, judge)
        if not rows:
            await self._look_back(person, judge, first + 1)
        self._end_turn(where, first, has_more=bool(rows), is_full=is_full)

    def _end_turn(self, where: str, first: int, *, has_more: bool, is_full: bool) -> None:
        """The others are next. Raises BadAnswer if this conversation got no further, unless it is one that only the
        server speaks of."""
        is_moved = self._state.place(where).get("seq", 0) > first
        self._unfinished.discard(where)
        if has_more and is_moved:
            self._unfinished.add(where)
        elif not has_more and self._state.place(where).get("is_new"):
            self._state.note(where, is_new=False)
        if (has_more or is_full) and not is_moved and self.vault.contact(where) is not None:
            raise BadAnswer(NO_FURTHER)

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
