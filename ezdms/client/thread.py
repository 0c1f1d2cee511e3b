"""The loaded rows of a conversation, and the messages that they show together (docs/protocol.md, Changes)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from ezdms import crypto
from ezdms.client.changes import Fact, Shown, proven_reason, shown, target_of
from ezdms.client.message import WHOLE, Message, Quote
from ezdms.client.receiving import Opened

Id = tuple[str, str]  # side and message id
MOST_SAID = 5000  # messages
UNPROVEN = ("withheld", "undecided")


@dataclass(frozen=True, slots=True)
class Proofs:
    """What this client knows in one conversation that proves why rows are empty (changes.proven_reason).

    `hidden`: ids of messages that the user removed from their own sight. `lives`: signed lifetimes (s) by hash, of
    messages seen with one. `retention`: days. `now`, `timed`, `blocks`: ms. `cleared`: own and their number up to which
    nothing is shown, because the user deleted the conversation.
    """

    now: int
    hidden: frozenset[str] = frozenset()
    lives: dict[str, int] = field(default_factory=dict)
    timed: int = 0
    retention: int = 0
    blocks: tuple[tuple[int, int], ...] = ()
    cleared: tuple[int, int] = (0, 0)

    def is_blocked(self, fact: Fact) -> bool:
        """True for what they sent while the user blocked them, also if the server kept it."""
        return fact.side != "own" and any(
            since <= fact.created_at and (not to or fact.created_at < to) for since, to in self.blocks
        )


@dataclass(frozen=True, slots=True)
class Entry:
    """A judged row: its message alone, its meaning for others, and the server's claims about its missing content."""

    message: Message
    fact: Fact
    gone: str | None = None
    expires_in: int = 0
    is_marked: bool = False

    @property
    def seq(self) -> int:
        """The server's number of the row."""
        return self.message.seq

    @property
    def id(self) -> Id:
        """What changes name it by."""
        return self.fact.side, self.fact.id

    def is_cleared(self, cleared: tuple[int, int]) -> bool:
        """True if the user deleted the conversation with this message in it."""
        return 1 <= self.fact.n <= cleared[self.fact.side != "own"]

    def proven(self, proofs: Proofs) -> Fact:
        """The fact with the reason that is proven, if any."""
        if not self.fact.is_empty and proofs.is_blocked(self.fact):
            bare = Fact(self.fact.side, self.fact.id, self.fact.n, self.fact.hash, created_at=self.fact.created_at)
            return replace(bare, is_empty=True, replaces=self.fact.replaces, reason="blocked")
        is_marked = self.is_marked or self.fact.id in proofs.hidden
        if not self.fact.is_empty and not is_marked:
            return self.fact
        reason = proven_reason(
            self.gone if self.fact.is_empty else None,
            is_own=self.fact.side == "own",
            created_at=self.fact.created_at,
            expires_in=self.expires_in,
            now=proofs.now,
            is_marked=is_marked,
            seen_x=proofs.lives.get(self.fact.hash, 0),
            timed=proofs.timed,
            retention=proofs.retention,
            blocks=proofs.blocks,
        )
        return replace(self.fact, reason=reason)

    def emptied(self) -> Entry:
        """Without its content, which has expired."""
        fact = replace(self.fact, kind=None, text="", is_empty=True)
        return replace(
            self, message=replace(self.message, text=None, file=None, originals=()), fact=fact, gone="expired"
        )


def entry_of(opened: Opened, message: Message, *, is_marked: bool) -> Entry:
    """An entry for a row and its message. Nothing in a message that failed counts."""
    row, body = opened.row, opened.body if message.state in (*WHOLE, "unsupported") else None
    content: dict[str, Any] = {}
    if body is not None:
        content = {name: getattr(body, name) for name in ("kind", "text", "reference", "e", "x", "ts")}
    fact = Fact(
        opened.side,
        row.message_id,
        row.n,
        row.hash,
        created_at=row.created_at,
        is_empty=row.encrypted is None and not row.is_malformed,
        replaces=row.replaces,
        **content,
    )
    return Entry(message, fact, row.gone, row.expires_in, is_marked)


class Thread:
    """Rows of one conversation, by rising seq, without a gap between the first and the last."""

    def __init__(self, where: str, begin: int = 0) -> None:
        """`begin`: the rows begin after this seq."""
        self.where = where
        self._begin = begin
        self.said: dict[Id, Message] = {}  # by id: how each message was last delivered
        self._entries: list[Entry] = []
        self._by_id: dict[str, list[Entry]] = defaultdict(list)
        self._about: dict[str, list[Entry]] = defaultdict(list)  # changes, also claimed ones, by the id they are about

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def first(self) -> int:
        """The first seq; without rows, where they would begin."""
        return self._entries[0].seq if self._entries else self._begin + 1

    @property
    def last(self) -> int:
        """The last seq; without rows, the one before they would begin."""
        return self._entries[-1].seq if self._entries else self._begin

    @property
    def entries(self) -> list[Entry]:
        """All entries, by rising seq."""
        return [*self._entries]

    def add(self, entries: Iterable[Entry]) -> None:
        """Add entries; those with a known seq replace the known ones."""
        for entry in entries:
            at = bisect_left(self._entries, entry.seq, key=lambda one: one.seq)
            if at < len(self._entries) and self._entries[at].seq == entry.seq:
                self._unlink(self._entries[at])
                self._entries[at] = entry
            else:
                self._entries.insert(at, entry)
            self._by_id[entry.fact.id].append(entry)
            if (about := _about(entry.fact)) is not None:
                self._about[about].append(entry)

    def remove(self, seq: int) -> None:
        """Remove the entry of this row."""
        at = bisect_left(self._entries, seq, key=lambda one: one.seq)
        if at < len(self._entries) and self._entries[at].seq == seq:
            self._unlink(self._entries.pop(at))

    def begins_cleared(self, cleared: tuple[int, int]) -> bool:
        """True if the first row, and so everything before it, was in the conversation when the user deleted it."""
        return bool(self._entries) and self._entries[0].is_cleared(cleared)

    def count(self, *, after: int) -> int:
        """The number of entries after a seq."""
        return len(self) - bisect_right(self._entries, after, key=lambda one: one.seq)

    def trim(self, most: int, *, after: int | None = None) -> None:
        """Keep the last `most` entries, and those `after` a seq."""
        surplus = max(0, len(self) - most - (0 if after is None else self.count(after=after)))
        for entry in self._entries[:surplus]:
            self._unlink(entry)
            if (said := self.said.get(entry.id)) is not None and said.state == "text":
                del self.said[entry.id]  # others are compared with the changes that they already show
        del self._entries[:surplus]
        if len(self.said) > MOST_SAID:
            self.said.clear()

    def forget_expired(self, now: int) -> None:
        """Drop the content of messages that have disappeared."""
        for entry in self._entries:
            fact = entry.fact
            expires = crypto.expires_at(fact.x, fact.created_at, fact.ts)
            if fact.kind is not None and expires is not None and expires <= now:
                self.add([entry.emptied()])

    def _unlink(self, entry: Entry) -> None:
        self._by_id[entry.fact.id].remove(entry)
        if not self._by_id[entry.fact.id]:
            del self._by_id[entry.fact.id]
        if (about := _about(entry.fact)) is not None:
            self._about[about].remove(entry)
            if not self._about[about]:
                del self._about[about]

    def find(self, side: str, reference: tuple[str, str]) -> Entry | None:
        """The message of this side with this id and hash, if it is loaded."""
        known = self._by_id.get(reference[0], [])
        return _best(one for one in known if (one.fact.side, one.fact.hash) == (side, reference[1]))

    def of_id(self, side: str, message_id: str) -> Entry | None:
        """The message of this side with this id, if it is loaded."""
        return _best(one for one in self._by_id.get(message_id, []) if one.fact.side == side)

    def messages(self, proofs: Proofs, *, after: int = 0, before: int | None = None) -> list[Message]:
        """What the rows show, oldest first. `after`, `before`: only messages between these seqs."""
        low = bisect_right(self._entries, after, key=lambda one: one.seq)
        high = len(self) if before is None else bisect_left(self._entries, before, key=lambda one: one.seq)
        return self._show(self._entries, range(low, high), proofs)

    def message(
        self, entry: Entry, proofs: Proofs, *, has_newer: bool = False, without: Entry | None = None
    ) -> Message | None:
        """What one row shows, computed from the rows that concern it; None for nothing. `without`: as if this change
        were not there."""
        entries = [one for one in self._concerning(entry) if one is not without]
        found = self._show(entries, [entries.index(entry)], proofs, has_newer=has_newer)
        return found[0] if found else None

    def _concerning(self, entry: Entry) -> list[Entry]:
        fact = entry.fact
        ids = {fact.id, fact.replaces, fact.reference and fact.reference[0]}
        concerned = {
            one.seq: one for id in ids if id for known in (self._by_id, self._about) for one in known.get(id, [])
        }
        return [concerned[seq] for seq in sorted(concerned)]

    def _show(
        self, entries: list[Entry], which: Iterable[int], proofs: Proofs, *, has_newer: bool = False
    ) -> list[Message]:
        facts = [entry.proven(proofs) for entry in entries]
        views = shown(facts, now=proofs.now, has_older=self.first > 1, has_newer=has_newer)
        edits = {(fact.side, fact.id): fact for fact in facts if fact.kind == "edit"}
        signed = {(one.fact.side, one.fact.id): one.message.originals for one in entries if one.fact.kind == "edit"}
        found = []
        for at in which:
            if entries[at].is_cleared(proofs.cleared):
                continue
            fact, view = facts[at], views[at]
            message: Message | None = entries[at].message
            if view is None:
                message = _without_view(fact, entries[at].message)
            elif entries[at].message.state != "unverified" or view.state not in UNPROVEN:
                edit, quote = edits.get((fact.side, view.by)), _quote(fact, view, facts, views)
                message = _with_view(entries[at].message, view, edit, quote)
                content = edit if fact.kind is None and edit is not None else fact
                originals = (*message.originals, *signed.get((fact.side, view.by), ()))
                message = replace(message, lifetime=content.x, originals=originals)
            if message is not None:
                found.append(message)
        return found


def _best(entries: Iterable[Entry]) -> Entry | None:
    """The first that was verified; without one, the first."""
    return min(entries, key=lambda one: one.fact.kind is None, default=None)


def _without_view(fact: Fact, message: Message) -> Message | None:
    """A row that changes do not decide. Changes, and rows that proved to be one, are not messages of their own; if
    messages are missing before one, or it is an alarm, that is said."""
    is_change = message.state == "change" or fact.is_empty
    return message if not is_change or message.alarm or message.place == "gap" else None


def _with_view(message: Message, view: Shown, edit: Fact | None, quote: Quote | None) -> Message:
    state = view.state
    return replace(
        message,
        text=view.text if state in ("text", "edited") else None,
        file=message.file if state == "file" else None,
        failure="" if state in WHOLE else "gone",
        state=state,
        edited_at=edit.ts if edit is not None and state == "edited" else None,
        expires_at=view.expires,
        answers=quote if state in WHOLE else None,
        reactions=dict(view.reactions),
    )


def _quote(fact: Fact, view: Shown, facts: list[Fact], views: list[Shown | None]) -> Quote | None:
    if fact.reference is None or view.state == "edited":
        return None
    if view.answers is None:
        return Quote(fact.reference[0])
    quoted, about = views[view.answers], facts[view.answers]
    text = quoted.text if quoted is not None and quoted.state in ("text", "edited") else None
    return Quote(about.id, about.side == "own", text, "" if quoted is None else quoted.state)


def _about(fact: Fact) -> str | None:
    """The id of the message that a row changes, or claims to."""
    target = target_of(fact)
    return target[0] if target is not None else fact.replaces if fact.is_empty else None
