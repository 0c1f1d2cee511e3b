"""Turns new rows into events: new messages, and changes of earlier ones, which are loaded as far as needed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ezdms import crypto
from ezdms.client.answers import Row
from ezdms.client.changes import LIVING, target_of
from ezdms.client.changing import Changing
from ezdms.client.contacts import Contact, state_of
from ezdms.client.history import PAGE, PAGES_BACK
from ezdms.client.judging import SIDES, Judge, Judged
from ezdms.client.message import Event, Happening, Message
from ezdms.client.receiving import Opened, open_row
from ezdms.client.state import State
from ezdms.client.thread import Entry, Proofs, Thread
from ezdms.client.transport import Transport

MOST_KEPT = 200  # rows of a conversation, between two turns
MOST_THREADS = 50  # conversations whose rows are kept
MOST_EXPIRING = 10_000  # messages of which it is told when they disappear
MOST_AHEAD = 5000  # rows after an empty one, when searching for what proves it
HAPPENED: dict[str | None, Happening] = {"edit": "edited", "delete": "deleted", "react": "reacted", "timer": "timer"}


class Happenings(Changing):
    """What happens in the conversations of one account."""

    def __init__(self, state: State, transport: Transport, keys: crypto.Keys) -> None:
        super().__init__(state, transport, keys)
        self._live: dict[str, Thread] = {}  # least recently used first
        self._expiring: dict[tuple[str, str], Message] = {}  # delivered messages that will disappear, without text

    def live(self, where: str) -> Thread:
        """The latest rows of a conversation, as far as they are in memory."""
        thread = self._live.pop(where, None) or Thread(where)
        self._live[where] = thread
        while len(self._live) > MOST_THREADS:
            del self._live[next(iter(self._live))]
        return thread

    def open_all(self, person: Contact, rows: list[Row]) -> list[Opened]:
        """Decrypt rows."""
        return [open_row(row, self._keys, person.ik, self._me) for row in rows]

    async def look_ahead(self, person: Contact, thread: Thread, opened: list[Opened]) -> bool:
        """Add rows that are not judged yet to the thread, so that what changes them is known when they are delivered.
        For empty ones, later rows too. True if there are later ones that were not looked at."""
        where, has_newer = person.conversation_id, len(opened) >= PAGE
        if opened and opened[0].row.seq > thread.last + 1:
            thread.trim(0)  # rows between are not in memory
        self._add(where, thread, opened)
        is_any_empty = any(one.row.encrypted is None and not one.row.is_malformed for one in opened)
        while is_any_empty and has_newer and thread.count(after=opened[-1].row.seq) < MOST_AHEAD:
            rows = await self.rows(where, PAGE, after=thread.last)
            self._add(where, thread, self.open_all(person, rows))
            has_newer = len(rows) >= PAGE
        await self._learn(where, thread.entries)
        return has_newer

    def _add(self, where: str, thread: Thread, opened: list[Opened]) -> None:
        judge = Judge.of_page(where, self._known(where))
        thread.add(self._entry(one, judge.message_of(one)) for one in opened)

    async def happened(self, thread: Thread, judged: Judged, proofs: Proofs, *, has_newer: bool) -> list[Event]:
        """What the next row means: a message, a change of one, both, or nothing."""
        if judged.message is None:
            thread.remove(judged.opened.row.seq)  # a duplicate
            return []
        entry = self._entry(judged.opened, judged.message)
        thread.add([entry])
        events = []
        if entry.message.state == "change" and not entry.message.alarm:
            events += await self._changed(thread, entry)
        message = thread.message(entry, proofs, has_newer=has_newer)
        while message is not None and message.state == "undecided" and not has_newer:
            if not await self._load_back(thread):
                break
            message = thread.message(entry, await self.proofs(thread.where, thread))
        if message is not None:
            thread.said[entry.id] = message
            is_timer = message.state == "timer" and not message.alarm
            events.append(self._event("timer" if is_timer else "message", message))
        return events

    async def _changed(self, thread: Thread, change: Entry) -> list[Event]:
        """The event of a change; none if it changes nothing, or its target was delivered with it."""
        target = await self._target(thread, change)
        if target is None:
            return []
        proofs = await self.proofs(thread.where, thread)
        now, otherwise = thread.message(target, proofs), thread.message(target, proofs, without=change)
        if now is None or now in (otherwise, thread.said.get(target.id)):
            return []
        thread.said[target.id] = now
        kind = HAPPENED[change.fact.kind]
        return [self._event(kind, replace(now, place="ok", alarm=""), is_own=change.fact.side == "own")]

    async def _target(self, thread: Thread, change: Entry) -> Entry | None:
        about = target_of(change.fact)
        sides = SIDES if change.fact.kind == "react" else [change.fact.side]
        for _ in range(PAGES_BACK + 1):
            found = next((one for side in sides if about and (one := thread.find(side, about))), None)
            if found is not None or not await self._load_back(thread):
                return found
        return None

    async def _load_back(self, thread: Thread) -> bool:
        return len(thread) < PAGES_BACK * PAGE and await self.load_older(thread, quietly=True)

    def _event(self, kind: Happening, message: Message, *, is_own: bool | None = None) -> Event:
        """An event about a message, noting when that disappears."""
        key = (message.conversation_id, message.message_id)
        self._expiring.pop(key, None)
        if message.expires_at is not None and message.state in LIVING and len(self._expiring) < MOST_EXPIRING:
            gone = replace(
                message, text=None, file=None, failure="gone", state="expired", answers=None, reactions={}, originals=()
            )
            self._expiring[key] = gone
        is_own = message.is_own if is_own is None else is_own
        is_request = state_of(self.vault.contact(message.conversation_id)) == "request"
        bound = self.bound(message)
        return Event(kind, message.conversation_id, message.contact, is_own, bound, is_request=is_request)

    def heard(self, where: str) -> list[Any] | None:
        """n and hash of the other person's last message that was delivered without a gap before it."""
        heard: list[Any] | None = self._state.place(where).get("heard")
        return heard

    async def own_hash(self, where: str, n: int) -> str | None:
        """The hash of the user's own message with this number; None if there is none, or it is too far back."""
        known = [self._state.place(where).get("sent"), (self.vault.contact(where) or {}).get("own")]
        hashes = {link[0]: link[1] for link in known if link}
        if n in hashes or n > max(hashes, default=0):
            return hashes.get(n)
        thread = self.live(where) if len(self.live(where)) else await self.newest(where, PAGE)
        for _ in range(PAGES_BACK):
            own = {entry.fact.n: entry.fact.hash for entry in thread.entries if entry.fact.side == "own"}
            if n in own or not await self._load_back(thread):
                return own.get(n)
        return None

    def next_expiry(self) -> int | None:
        """When the next delivered message disappears (ms)."""
        return min((one.expires_at or 0 for one in self._expiring.values()), default=None)

    def expired(self, moment: int) -> list[Event]:
        """The delivered messages that have disappeared by now, each once; their texts are dropped from memory."""
        due = [key for key, one in self._expiring.items() if (one.expires_at or 0) <= moment]
        for thread in self._live.values() if due else ():
            thread.forget_expired(moment)
        gone = [self.bound(self._expiring.pop(key)) for key in due]
        return [Event("expired", one.conversation_id, one.contact, one.is_own, one) for one in gone]
