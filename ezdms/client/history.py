"""Fetches conversations from the server, decrypts and judges them, and checks that known messages are still there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

from ezdms import crypto
from ezdms.client import answers
from ezdms.client.account import now
from ezdms.client.alarms import ROLLED_BACK, Alarms
from ezdms.client.answers import Row
from ezdms.client.contacts import Contact
from ezdms.client.errors import BadAnswer, ServerError
from ezdms.client.judging import Judge, Judged
from ezdms.client.message import Actions, Message
from ezdms.client.receiving import Opened, open_row
from ezdms.client.remembered import read_blocks, read_cleared, read_hidden, read_timed
from ezdms.client.roster import Roster
from ezdms.client.state import State
from ezdms.client.thread import Entry, Proofs, Thread, entry_of
from ezdms.client.transport import LARGEST_LIST, Transport
from ezdms.client.vault import Vault

PAGE = 200  # messages per request
FEWEST = 50  # of older messages per request
MOST_PAGES = 1000  # of a conversation, when searching for a known message, or loading everything after one
PAGES_BACK = 25  # of earlier rows, when searching for what a row is about
MOST_LIVES = 2000  # lifetimes of messages remembered


class History:
    """The messages of one account's conversations."""

    def __init__(self, state: State, transport: Transport, keys: crypto.Keys) -> None:
        self.vault = Vault(state, transport, keys)
        self.alarms = Alarms(state, self.vault)
        self.roster = Roster(state, transport, self.vault, self.alarms)
        self._state = state
        self._transport = transport
        self._keys = keys
        self.actions: Actions | None = None
        self._last = Thread("")  # of the last page, which older ones are added to
        self._retention: int | None = None  # days, once they were asked for

    async def newest(self, where: str, limit: int, *, peek: bool = False) -> Thread:
        """The newest rows. Remembers what they prove, and checks that known messages are still there. `peek`: nothing
        is marked as read."""
        person = await self.roster.find(where)
        rows = await self.rows(where, limit, **({"peek": 1} if peek else {}))
        judge = Judge.of_page(where, self._known(where))
        thread = Thread(where)
        thread.add(self._judge_all(person, rows, judge))
        await self._remember(where, judge)
        await self._learn(where, thread.entries)
        await self._look_back(person, judge, rows[0].seq if rows else 1)
        return thread

    async def load_older(self, thread: Thread, limit: int = PAGE, *, quietly: bool = False) -> bool:
        """Add the rows before a thread. False if there are none. `quietly`: they raise no alarms. Marks nothing as
        read."""
        if thread.first <= 1 or thread.begins_cleared(self.cleared(thread.where)):
            return False
        person = await self.roster.find(thread.where)
        rows = await self.rows(thread.where, limit, before=thread.first, peek=1)
        judge = Judge.of_page(thread.where, self._known(thread.where))
        older = self._judge_all(person, rows, judge, quietly=quietly)
        thread.add(older)
        await self._learn(thread.where, older)
        return bool(rows)

    async def load_newer(self, thread: Thread) -> None:
        """Add the rows after a thread, as one chain, so that nothing can be lost between two pages."""
        where = thread.where
        person = await self.roster.find(where)
        judge = Judge.of_page(where, self._known(where))
        rows = [row async for row in self.rows_after(where, thread.last, MOST_PAGES * PAGE)]
        newer = self._judge_all(person, rows, judge)
        thread.add(newer)
        await self._remember(where, judge)
        await self._learn(where, newer)

    async def page(self, where: str, limit: int, before: int | None) -> list[Message]:
        """Up to `limit` messages by rising seq: the newest, or those before a seq, with all changes up to now."""
        thread = self._last if before is not None and self._last.where == where else None
        if before is None or thread is None or not thread.first <= before <= thread.last + 1:
            thread = await self.newest(where, limit if before is None else PAGE)
            self._last = thread
        else:
            thread.forget_expired(now())
            await self.load_newer(thread)
        found = list[Message]()
        for _ in range(MOST_PAGES):
            if before is None or thread.first < before:
                found = (await self.settled(thread, before=before))[-limit:]
            if len(found) >= limit or not await self.load_older(thread, min(PAGE, max(limit, FEWEST))):
                break
        return found

    async def settled(self, thread: Thread, *, after: int = 0, before: int | None = None) -> list[Message]:
        """The messages of a thread between two seqs, after loading earlier rows that decide what one of them shows."""
        for _ in range(PAGES_BACK):
            found = thread.messages(await self.proofs(thread.where, thread), after=after, before=before)
            if all(one.state != "undecided" for one in found) or not await self.load_older(thread, quietly=True):
                break
        return [self.bound(message) for message in found]

    async def since(self, where: str, seq: int, limit: int) -> list[Message]:
        """Up to `limit` messages after a seq, with all changes up to now."""
        thread = Thread(where, begin=seq)
        await self.load_newer(thread)
        return (await self.settled(thread, after=seq))[:limit]

    async def proofs(self, where: str, thread: Thread) -> Proofs:
        """What this client knows that proves why rows of this thread are empty."""
        if self._retention is None and any(entry.gone == "retention" for entry in thread.entries):
            with suppress(ServerError, BadAnswer):  # then nothing proves it
                self._retention = answers.read_retention(await self._transport.get("/deployment"))
        contact, place = self._known(where), self._state.place(where)
        timers = [entry.fact for entry in thread.entries if entry.fact.kind == "timer" and entry.fact.text != "0"]
        times = [read_timed(contact.get("timed")), *(read_timed(fact.created_at) for fact in timers)]
        return Proofs(
            now=now(),
            hidden=frozenset([*read_hidden(contact.get("hidden")), *place.get("hidden", [])]),
            lives=place.get("lives", {}),
            timed=min(filter(None, times), default=0),
            retention=self._retention or 0,
            blocks=tuple((since, to) for since, to in read_blocks(contact.get("blocks"))),
            cleared=self.cleared(where),
        )

    def cleared(self, where: str) -> tuple[int, int]:
        """The numbers of the user's own and of their last message when the user deleted the conversation; 0 if not."""
        known = [self._known(where).get("cleared"), self._state.place(where).get("cleared")]
        own, theirs = zip(*map(read_cleared, known), strict=True)
        return max(own), max(theirs)

    async def rows(self, where: str, limit: int, **within: int) -> list[Row]:
        """One page as the server sends it: `after` or `before` a seq; with `peek` 1, nothing is marked as read."""
        answer = await self._transport.get(f"/messages/{where}", largest=LARGEST_LIST, limit=limit, **within)
        within.pop("peek", None)
        return answers.read_page(answer, limit=limit, **within)

    async def rows_after(self, where: str, seq: int, limit: int) -> AsyncIterator[Row]:
        """Up to `limit` rows after a seq as the server sends them."""
        while limit > 0:
            rows = await self.rows(where, min(limit, PAGE), after=seq)
            for row in rows:
                yield row
            if len(rows) < min(limit, PAGE):
                return
            seq, limit = rows[-1].seq, limit - len(rows)

    @property
    def _me(self) -> str:
        return str(self._state.values["user_id"])

    def _known(self, where: str) -> dict[str, Any]:
        known = self.roster.known(where)
        if known is None:
            raise crypto.Alarm(
                "This device has never seen this person's key, so nothing in this conversation can be verified."
            )
        return known

    def _judge_all(self, person: Contact, rows: list[Row], judge: Judge, *, quietly: bool = False) -> list[Entry]:
        """Decrypt and judge rows, without the duplicates. An alarm is noted, unless `quietly`."""
        found = []
        for row in rows:
            judged = judge.follow(open_row(row, self._keys, person.ik, self._me))
            if not quietly:
                self._note_alarm(person.conversation_id, judged)
            if judged.message is not None:
                found.append(self._entry(judged.opened, judged.message))
        return found

    def _entry(self, opened: Opened, message: Message) -> Entry:
        row, is_marked = opened.row, False
        if row.mark is not None:
            with suppress(crypto.Refused):
                crypto.verify_mark(row.mark, self._keys.ik, message.conversation_id, row.message_id, row.hash)
                is_marked = True
        return entry_of(opened, message, is_marked=is_marked)

    async def _learn(self, where: str, entries: list[Entry]) -> None:
        """Remember what rows prove for later: the timer in force, lifetimes that were signed, and the user's marks."""
        place, sound = self._state.place(where), [entry for entry in entries if not entry.message.alarm]
        timers = [entry for entry in sound if entry.fact.kind == "timer"]
        changed: dict[str, Any] = {}
        if timers and timers[-1].seq > place.get("timer", [0])[0]:
            changed["timer"] = [timers[-1].seq, int(timers[-1].fact.text)]
        lives = {entry.fact.hash: entry.fact.x for entry in sound if entry.fact.x}
        if lives.keys() - place.get("lives", {}).keys():
            changed["lives"] = dict([*{**place.get("lives", {}), **lives}.items()][-MOST_LIVES:])
        marked = [entry.fact.id for entry in entries if entry.is_marked]
        if set(marked) - set(place.get("hidden", [])):
            changed["hidden"] = list(dict.fromkeys([*place.get("hidden", []), *marked]))
        if changed:
            self._state.note(where, **changed)
        since = [entry.fact.created_at for entry in timers if entry.fact.text != "0" and entry.fact.created_at]
        contact = self.vault.contact(where)
        if since and contact is not None:
            known = read_timed(contact.get("timed"))
            if not known or min(since) < known:
                await self.vault.change(where, later=True, timed=min(since))

    def bound(self, message: Message) -> Message:
        """With what can be done to it."""
        return replace(message, actions=self.actions)

    def _note_alarm(self, where: str, judged: Judged) -> None:
        if judged.message is not None and judged.message.alarm:
            self.alarms.begin(where, judged.alarm, judged.message.alarm)

    async def _remember(self, where: str, judge: Judge) -> None:
        """Store each side's highest verified message and its seq, to detect when the server later shows less."""
        known = self._known(where)
        changed = {side: last for side, last in judge.seen().items() if last[0] > (known[side] or [0])[0]}
        if changed:
            seqs = {side: judge.at.get((last[0], last[1])) for side, last in changed.items()}
            at = {side: [*changed[side], seq] for side, seq in seqs.items() if seq}
            self._state.note(where, at={**self._state.place(where).get("at", {}), **at})
            if self.vault.contact(where) is None and "own" not in changed:
                return  # a request: it is in the vault once it is accepted, blocked or answered
            await self.roster.pin(where)
            await self.vault.change(where, later=True, **changed)

    async def _look_back(self, person: Contact, judge: Judge, before: int) -> None:
        """Check that each side's last known message is still there, readable or not. If it is not among the judged
        rows, look where it was, then in all earlier rows. Begins an alarm if it is missing."""
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
        """True if it was found missing before: there is an alarm, or an accepted one."""
        name = f"rollback {known[1]}"
        return name in self.alarms.of(where) or not self.alarms.is_new(where, name)

    def _find(self, where: str, wanted: dict[str, tuple[int, str]], rows: list[Row]) -> None:
        """Remove from `wanted` what is in these rows."""
        for row in rows:
            side = "own" if row.sender_id == self._me else "theirs"
            if wanted.get(side) == (row.n, row.hash):
                del wanted[side]
                place = self._state.place(where)
                at = {**place.get("at", {}), side: [row.n, row.hash, row.seq]}
                self._state.note(where, at=at, **{side: place.get(side) or [row.n, row.hash]})
