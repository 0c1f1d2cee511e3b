"""Conversations: delivers new messages, and keeps track of how far they were delivered.

The last delivered position (`seq` in the state) is a verified message. Rows after it without a valid message were
`told` once and are fetched again, so that invented rows cannot make this client skip later messages.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection
from typing import Any

from ezdms import crypto
from ezdms.client.account import now
from ezdms.client.alarms import OTHER_KEY
from ezdms.client.answers import Row
from ezdms.client.contacts import Contact, preferences, state_of
from ezdms.client.drafts import highest
from ezdms.client.errors import BadAnswer
from ezdms.client.happenings import MOST_KEPT, Happenings
from ezdms.client.history import MOST_PAGES, PAGE
from ezdms.client.judging import SIDES, Judge, Judged, Link, pair
from ezdms.client.message import Event
from ezdms.client.remembered import latest, next_at
from ezdms.client.state import State
from ezdms.client.thread import Thread
from ezdms.client.transport import Transport

MOST_TOLD = 500  # rows without a message, after the last one with a message
PAGES_A_TURN = 5  # of new messages in one conversation, before the others get a turn
NO_FURTHER = "The server keeps sending rows without messages. Anything after them was not fetched yet."


class Conversations(Happenings):
    """All conversations of one account, as this client knows them."""

    def __init__(self, state: State, transport: Transport, keys: crypto.Keys) -> None:
        super().__init__(state, transport, keys)
        self.hearing: dict[str, Link] = {}  # by conversation: n and hash of the message being delivered
        self._unfinished: set[str] = set()  # conversations with more new pages than one turn fetches

    async def sync(self) -> None:
        """Sync the vault. An impossible vault is an alarm for every conversation."""
        try:
            await self.vault.sync()
        except crypto.Alarm as alarm:
            self.alarms.vault = str(alarm)

    async def skip_what_was_read(self) -> None:
        """Make a new client start after the messages seen on the user's other clients."""
        await self.sync()
        for contact in await self.roster.all():
            where = contact.conversation_id
            if self.vault.contact(where) and not contact.is_missing and "seq" not in self._state.place(where):
                self._state.note(where, is_new=True)

    async def verify(self, where: str, reason: str) -> None:
        """Record that the user verified this contact."""
        await self.roster.pin(where)
        await self.vault.verify(where, reason)

    def has_more(self, where: str) -> bool:
        """True if the last turn ended before everything new was fetched."""
        return where in self._unfinished

    def refuse_alarms(self, person: Contact) -> None:
        """Raises crypto.Alarm if this contact has alarms, or is missing from the server's list."""
        doubts = person.alarms if person.is_missing or not person.ik else ()
        sentences = dict.fromkeys([*doubts, *self.alarms.standing(person.conversation_id).values()])
        if sentences:
            raise crypto.Alarm(" ".join(sentences))

    async def go_on(self, where: str, seen: Collection[str] | None = None) -> None:
        """Accept the alarms that the user saw, by name; None: all. Raises crypto.Alarm for a different key or a missing
        contact."""
        alarms = [name for name in self.alarms.standing(where) if seen is None or name in seen]
        self._known(where)
        if "key" in self.alarms.of(where):
            raise crypto.Alarm(OTHER_KEY)
        await self.roster.pin(where)
        if "vault" in alarms:
            await self.vault.overwrite()
            self.alarms.vault = ""
        await self.alarms.accept(where, alarms)
        if any(name.startswith("rollback") for name in alarms):
            self.roster.start_over(where)
        if "statement" in alarms:
            await self.vault.accept_statement(where, self.roster.statement(where))
        await self.roster.all()

    async def catch_up(self, where: str) -> AsyncGenerator[Event, None]:
        """What happened since the last delivered row, at most PAGES_A_TURN pages (`has_more`). A row counts as
        delivered once the next event is requested. Raises BadAnswer for pages that make no progress."""
        person = await self.roster.find(where)
        if person.is_missing or self.roster.known(where) is None:
            return  # account deleted before its key was known here, or no matching key: nothing can be verified
        await self._find_start(where)
        place, known = self._state.place(where), self._known(where)
        seen_elsewhere = (known["own"] or [0])[0] if place.get("is_new") else 0  # of one's own
        judge = Judge.of_news(where, known, place)
        first = after = whole = place.get("seq", 0)  # no row is missing from the first one up to `whole`
        is_full, rows, thread = False, list[Row](), self.live(where)
        for _ in range(PAGES_A_TURN):
            rows = await self.rows(where, PAGE, after=after)
            opened = self.open_all(person, rows)
            has_newer = await self.look_ahead(person, thread, opened)
            proofs = await self.proofs(where, thread)
            for one in opened:
                row, judged = one.row, judge.follow(one)
                whole += row.seq == whole + 1
                if self._is_left_out(where, judged):
                    is_full = True
                    continue
                if judged.moves and judged.opened.is_own:
                    await self.roster.pin(where)  # the user wrote here; others are a request
                self._note_alarm(where, judged)
                is_old = judged.opened.is_own and judged.moves and row.n <= seen_elsewhere
                if row.seq == whole and judged.moves and not judged.opened.is_own:
                    self.hearing[where] = (row.n, row.hash)
                events = await self.happened(thread, judged, proofs, has_newer=has_newer)
                is_told = is_old or self._was_told(where, judged) or self._is_silenced(where, judged)
                for event in [] if is_told else events:
                    if event.message is None or event.message.state != "blocked":
                        await self._unarchive(where, event)
                        yield event
                self._pass(where, judged, judge)
            if not rows:
                break
            after = rows[-1].seq
            thread.trim(MOST_KEPT, after=after)
            await self._remember(where, judge)
        if not rows:
            await self._look_back(person, judge, first + 1)
        self._end_turn(where, first, has_more=bool(rows), is_full=is_full)

    def _end_turn(self, where: str, first: int, *, has_more: bool, is_full: bool) -> None:
        """End this conversation's turn. Raises BadAnswer if it made no progress, unless only the server knows this
        conversation."""
        is_moved = self._state.place(where).get("seq", 0) > first
        self._unfinished.discard(where)
        if has_more and is_moved:
            self._unfinished.add(where)
        elif not has_more and self._state.place(where).get("is_new"):
            self._state.note(where, is_new=False)
        if (has_more or is_full) and not is_moved and self.vault.contact(where) is not None:
            raise BadAnswer(NO_FURTHER)

    async def _find_start(self, where: str) -> None:
        """Make a new client start after the last message from the contact that was seen on another client, wherever the
        server shows it, or at the first message if it does not. The server's unread count is ignored."""
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
        """True for a row that was delivered before, and still has no valid message."""
        told = [judged.opened.row.seq, judged.opened.row.hash] in self._state.place(where).get("told", [])
        return told and not judged.moves

    def _is_silenced(self, where: str, judged: Judged) -> bool:
        """True for what comes from somebody blocked, whatever the server says about when it was sent."""
        return not judged.opened.is_own and state_of(self.vault.contact(where)) == "blocked"

    async def _unarchive(self, where: str, event: Event) -> None:
        """A new message brings an archived conversation back, unless it is muted."""
        known = self.vault.contact(where)
        if known is None or event.kind != "message" or event.is_own:
            return
        prefs = latest(known.get("prefs"), None) or {}
        if prefs.get("archived") is True and preferences(known)["muted_until"] <= now():
            changed = {**prefs, "archived": False, "at": next_at(prefs, now())}
            await self.vault.change(where, later=True, prefs=changed)

    async def clear(self, where: str) -> None:
        """The user deletes the conversation: nothing up to its last verified messages is shown any more."""
        person = await self.roster.find(where)
        if self.roster.known(where) is not None and not person.is_missing:
            await self.newest(where, PAGE)
        known, place = self._known(where), self._state.place(where)
        links = [(known[side], pair(place.get("at", {}).get(side))) for side in SIDES]
        heads = [highest(*both)[0] for both in links]
        before = self.cleared(where)
        cleared = [max(pairs) for pairs in zip(heads, before, strict=True)]
        self._state.note(where, cleared=cleared, alarms={})
        if self.vault.contact(where) is not None:
            await self.vault.change(where, cleared=cleared)
        self._live.pop(where, None)
        self._last = Thread("")

    def _is_left_out(self, where: str, judged: Judged) -> bool:
        """True for a row without a message if only the server knows its conversation, or if there were too many already
        and this client cannot skip the oldest."""
        if judged.moves or self.vault.contact(where) is None:
            return not judged.moves
        place = self._state.place(where)
        told: list[list[Any]] = place.get("told", [])
        is_stuck = len(told) >= MOST_TOLD and told[0][0] != place.get("seq", 0) + 1
        return is_stuck and [judged.opened.row.seq, judged.opened.row.hash] not in told

    def _pass(self, where: str, judged: Judged, judge: Judge) -> None:
        """Record that a row was delivered. Only verified messages advance the position. Other rows are remembered and
        fetched again, except the oldest if there are too many."""
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
        hearing = self.hearing.get(where, (0, ""))
        if hearing[0] > (place.get("heard") or [0])[0]:
            moved["heard"] = list(hearing)
        moved["told"] = [one for one in told if one[0] > mark]
        self._state.note(where, **moved, order=judge.order_so_far())
