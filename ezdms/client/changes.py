"""What edits, deletions and reactions do to messages, and what a row without content shows (docs/protocol.md, Changes).

Pure functions over judged rows: nothing here decrypts, stores or sends. Twin of static/js/changes.js.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from ezdms import crypto
from ezdms.protocol.encoding import LARGEST_INTEGER

if TYPE_CHECKING:
    from ezdms.client.drafts import Draft

State = Literal[
    "text", "file", "edited", "deleted", "hidden", "expired", "retention", "blocked", "withheld", "undecided"
]

Place = tuple[str, int, str]  # side, n and hash
CONTENT: dict[str | None, State] = {"text": "text", "file": "file"}  # kinds that show something at their own place
REMOVED: dict[str, State] = {"retention": "retention", "blocked": "blocked"}
LIVING = ("text", "file", "edited")  # can be answered, reacted to and deleted
SHOWN_ONCE = ("edit", "delete", "react")  # shown at the message that they are about, and nowhere else
DAY = crypto.DAY

NO_MESSAGE = "This is not a message that can be changed or answered."
NOT_YOURS = "Only the person who sent a message can edit it or delete it for both."
NOT_A_TEXT = "Only texts can be edited."
TOO_LATE = "A message can be edited for 24 hours."
LOST: dict[str, str] = {
    "deleted": "This message was deleted.",
    "hidden": "You deleted this message for yourself.",
    "expired": "This message has disappeared.",
    "retention": "The host removed this message.",
    "blocked": "This message came while this person was blocked.",
    "withheld": "The server does not hand over this message.",
    "undecided": "This message has not been loaded yet.",
}


@dataclass(frozen=True, slots=True)
class Fact:
    """A judged row. `kind` to `ts` are those of its verified message; `kind` is None if there is none, or if it needs a
    newer version.

    `is_empty`: the server hands over no content. `replaces` and `created_at` (ms) are the server's claims, `reason` is
    a proven one (proven_reason). `side` is the sender's.
    """

    side: str
    id: str
    n: int
    hash: str
    kind: str | None = None
    text: str = field(default="", repr=False)
    reference: tuple[str, str] | None = None
    e: str | None = None
    x: int = 0
    ts: int = 0
    created_at: int = 0
    is_empty: bool = False
    replaces: str | None = None
    reason: str = ""

    @property
    def place(self) -> Place:
        """What no other row has."""
        return self.side, self.n, self.hash

    @property
    def is_change(self) -> bool:
        """True for a change, by its content, or by the server's claim if there is none to read."""
        return self.replaces is not None if self.kind is None else self.kind in SHOWN_ONCE


@dataclass(frozen=True, slots=True)
class Shown:
    """What a row shows. `by`: id of the edit or deletion. `reactions`: emoji by side. `expires`: when it disappears
    (ms). `answers`: index of the row that it is a reply to, if that is loaded.

    "withheld": the server gives no content and no proof why. "undecided": the rows that could prove it are not loaded.
    """

    state: State
    text: str = field(default="", repr=False)
    by: str = ""
    reactions: dict[str, str] = field(default_factory=dict)
    expires: int | None = None
    answers: int | None = None


def is_described(message: crypto.Message, *, expires_in: int, replaces: str | None, file: str | None) -> bool:
    """True if what the server says beside a message (None for none) is what was signed."""
    target = target_of(message) if message.kind in crypto.CHANGES else None
    stored = crypto.read_file(message.text)["id"] if message.kind == "file" else None
    return (expires_in, replaces, file) == (message.x, target and target[0], stored)


def proven_reason(
    gone: str | None,
    *,
    is_own: bool,
    created_at: int,
    expires_in: int,
    now: int,
    is_marked: bool = False,
    seen_x: int = 0,
    timed: int = 0,
    retention: int = 0,
    blocks: Iterable[tuple[int, int]] = (),
) -> str:
    """The reason why a row has no content, if what this client knows proves it; otherwise "".

    `is_marked`: the user removed it from their own sight (a verified mark, or a kept id), which counts whatever the
    server says. `seen_x`: the signed lifetime (s), if the message was seen. `timed`: when the first timer was set in
    this conversation, or 0. `retention`: the days that the host announces, or 0. `blocks`: (from, to or 0) for the
    times in which this person was blocked. All times in ms.
    """
    if is_marked:
        return "hidden"
    if gone == "expired" and expires_in and created_at + expires_in * 1000 <= now:
        is_timed = timed > 0 and created_at >= timed - crypto.TIME_OFF
        return "expired" if seen_x == expires_in or is_timed else ""
    if gone == "retention" and retention and created_at + retention * DAY < now:
        return "retention"
    if gone == "blocked" and not is_own:
        return "blocked" if any(since <= created_at and (not to or created_at < to) for since, to in blocks) else ""
    return ""


class _Changes:
    """Which changes count, and at which row."""

    def __init__(self, rows: list[Fact]) -> None:
        self.rows = rows
        self.own: dict[int, list[Fact]] = defaultdict(list)  # edits and deletions that count, by the target's index
        self.reactions: dict[int, dict[str, Fact]] = defaultdict(dict)  # by the target's index and side
        self._claims: dict[tuple[str, str], list[Fact]] = defaultdict(list)  # empty rows, by side and target
        self.at = self._index()
        self.sides = sorted({row.side for row in rows})
        for row in rows:
            if row.is_empty and row.replaces is not None:
                self._claims[row.side, row.replaces].append(row)
            for side in self.sides if row.kind == "react" else [row.side]:
                self._apply(row, side)
        for changes in self.own.values():
            changes.sort(key=lambda row: row.n)

    def _index(self) -> dict[tuple[str, str, str], int]:
        """Index by side, id and hash. A verified row takes precedence over one that only claims them."""
        found: dict[tuple[str, str, str], int] = {}
        for i, row in enumerate(self.rows):
            at = found.setdefault((row.side, row.id, row.hash), i)
            if self.rows[at].kind is None and row.kind is not None:
                found[row.side, row.id, row.hash] = i
        return found

    def _apply(self, change: Fact, side: str) -> None:
        target = target_of(change)
        at = None if target is None else self.at.get((side, *target))
        if at is None or self.rows[at].is_change or (change.side == side and change.n <= self.rows[at].n):
            return
        if change.kind != "react":
            self.own[at].append(change)
            return
        known = self.reactions[at].get(change.side)
        if known is None or known.n < change.n:
            self.reactions[at][change.side] = change

    def earlier(self, at: int, below: int) -> list[Fact]:
        """Changes of this row by its sender with an n below, by rising n, including what the server only claims."""
        target = self.rows[at]
        claims = self._claims.get((target.side, target.id), [])
        return sorted((row for row in [*self.own[at], *claims] if row.n < below), key=lambda row: row.n)

    def proven(self, at: int) -> set[Place]:
        """The empty rows that changed this row, too, as a later change of it proves by its `e`."""
        target = self.rows[at]
        if (target.side, target.id) not in self._claims:
            return set()
        for change in reversed(self.own[at]):
            earlier = self.earlier(at, change.n)
            if change.e == crypto.changes_hash(row.hash for row in earlier):
                return {row.place for row in earlier if row.is_empty}  # an earlier one can only prove some of these
        return set()

    def answered(self, reference: tuple[str, str]) -> int | None:
        """The row that a reply answers, of either side."""
        places = (self.at.get((side, *reference)) for side in self.sides)
        return next((at for at in places if at is not None and not self.rows[at].is_change), None)


def target_of(change: Fact | crypto.Message | Draft) -> tuple[str, str] | None:
    """(id, hash) of the message that a change is about; None for a message that changes nothing."""
    if change.kind == "delete":
        return change.text[:22], change.text[23:]
    return change.reference if change.kind in ("edit", "react") else None


def shown(rows: Iterable[Fact], *, now: int, has_older: bool = False, has_newer: bool = False) -> list[Shown | None]:
    """What each row shows at its place, in the order given. None for a change, and for what changes do not decide: a
    timer, or a message that cannot be shown.

    `now`: ms. `has_older`, `has_newer`: there are rows before or after these that are not loaded, so some rows without
    content are still "undecided".
    """
    changes = _Changes([*rows])
    proven = {place for at in [*changes.own] for place in changes.proven(at)}
    ids = {row.id for row in changes.rows}
    found: list[Shown | None] = []
    for at, row in enumerate(changes.rows):
        if row.kind in SHOWN_ONCE or (row.is_empty and row.place in proven):
            found.append(None)
            continue
        is_open = has_newer or (has_older and row.replaces is not None and row.replaces not in ids)
        found.append(_show(changes, at, now, "undecided" if is_open else "withheld"))
    return found


def _show(changes: _Changes, at: int, now: int, otherwise: State) -> Shown | None:
    row, own = changes.rows[at], changes.own.get(at, [])
    deletion = next((change for change in own if change.kind == "delete"), None)
    edit = next((change for change in reversed(own) if change.kind == "edit"), None)
    if deletion is not None:
        return Shown("deleted", by=deletion.id)
    if row.reason == "hidden":
        return Shown("hidden")
    content = edit if row.kind is None and edit else row  # an edit has the lifetime of the text that it replaced
    expires = crypto.expires_at(content.x, row.created_at, content.ts)
    if row.reason == "expired" or (expires is not None and expires <= now):
        return Shown("expired")
    reactions = {side: one.text for side, one in changes.reactions.get(at, {}).items() if one.text}
    if edit is not None:  # what the replaced text answered stood in it, and is gone with it
        return Shown("edited", edit.text, edit.id, reactions, expires)
    if row.kind in CONTENT:
        answers = None if row.reference is None else changes.answered(row.reference)
        return Shown(CONTENT[row.kind], row.text, "", reactions, expires, answers)
    if not row.is_empty:
        return None
    return Shown(REMOVED.get(row.reason, otherwise))


def earlier_changes(rows: Iterable[Fact], side: str, target: tuple[str, str]) -> list[str]:
    """The hashes of the edits and deletions of this message by its sender, who has loaded everything from it on.

    Of rows without content only proven ones count, so that a server cannot make the sender sign that another message
    was an edit.
    """
    changes = _Changes([*rows])
    at = changes.at.get((side, *target))
    if at is None:
        return []
    proven, earlier = changes.proven(at), changes.earlier(at, LARGEST_INTEGER + 1)
    return [row.hash for row in earlier if not row.is_empty or row.place in proven]


def next_e(rows: Iterable[Fact], side: str, target: tuple[str, str]) -> str:
    """`e` of the next edit or deletion of this message by its sender."""
    return crypto.changes_hash(earlier_changes(rows, side, target))


def refusal(kind: str, target: Shown | None, *, is_own: bool, created_at: int, now: int) -> str:
    """Why the user cannot do this ("reply", "edit", "delete" or "react") to a message, as a sentence; "" if they can.

    The 24 hours for editing are a rule for writers: readers accept an edit of any age and show its time.
    """
    if target is None:
        return NO_MESSAGE
    if target.state not in LIVING:
        return LOST[target.state]
    if kind in crypto.CHANGES and not is_own:
        return NOT_YOURS
    if kind == "edit" and target.state == "file":
        return NOT_A_TEXT
    return TOO_LATE if kind == "edit" and now - created_at > DAY else ""


def timer_in_force(rows: Iterable[Fact], *, is_accepted: bool) -> int:
    """Seconds after which texts and files disappear: the last timer message by seq (the order given) counts."""
    timers = [int(row.text) for row in rows if row.kind == "timer"]
    return timers[-1] if timers and is_accepted else 0


def is_stale(x: int, ts: int, now: int) -> bool:
    """True if an unsent message that disappears must not be sent as it is: it was written more than an hour ago.

    If it was never tried, it is sealed again with a new time; otherwise the user decides, as it may have arrived.
    """
    return x > 0 and now - ts > 3_600_000
