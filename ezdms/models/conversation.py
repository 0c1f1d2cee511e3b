"""A conversation: two participants, ordered by fingerprint, and how far each has read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from ezdms.db import Connection, fetch_all, fetch_one, now

Side = Literal["a", "b"]
State = Literal["request", "accepted", "blocked"]


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation as one of its participants sees it.

    `state`: what this participant made of it; the partner is told nothing about it. `muted_until`: ms. `found_by`: how
    the partner found them, "search_pin" or "", and when that PIN was made (ms). `is_listed`: false once they deleted
    it, until there is a message after that.
    """

    conversation_id: str
    partner_id: str
    partner_username: str
    partner_statement: str
    created_at: int
    last_seq: int
    last_at: int
    unread: int
    state: State = "accepted"
    muted_until: int = 0
    found_by: str = ""
    pin_created_at: int | None = None
    is_listed: bool = True

    @property
    def has_left(self) -> bool:
        """True once the partner deleted the account: name and key statement are gone."""
        return self.partner_statement == ""

    @property
    def is_followed(self) -> bool:
        """False once this participant deleted it, or blocked the partner: they are told of nothing there."""
        return self.is_listed and self.state != "blocked"


class Line(NamedTuple):
    """The part of a conversation that changes in a participant's list with a new message."""

    conversation_id: str
    partner_username: str
    last_seq: int
    last_at: int
    unread: int


class Participant(NamedTuple):
    """One side of a conversation. `key_id`: the key its copies must be encrypted for. `read_seq`: the last seq

    without its unread messages. `last_n`: the counter of its last message. `has_accepted`, `blocks`: 1 if it accepted
    the conversation, or blocks the other. `early`, `early_changes`, `kept_seq`: as in migrations/0010.
    """

    side: Side
    user_id: str
    username: str
    key_id: str
    read_seq: int
    last_n: int
    has_accepted: int = 1
    blocks: int = 0
    early: int = 0
    early_changes: int = 0
    kept_seq: int | None = None
    muted_until: int = 0

    def is_notified(self, moment: int) -> bool:
        """True if a message that comes at this time (ms) is one for a notification: in no request, not from somebody
        blocked, and not muted."""
        return bool(self.has_accepted) and not self.blocks and self.muted_until <= moment

    @property
    def has_left(self) -> bool:
        """True once this user deleted the account: there is no key left to encrypt for."""
        return self.key_id == ""


class Pair(NamedTuple):
    """Both sides of a conversation, as found by one of them."""

    conversation_id: str
    a: Participant
    b: Participant

    def me(self, user_id: str) -> Participant:
        """The side of `user_id`."""
        return self.a if self.a.user_id == user_id else self.b

    def other(self, user_id: str) -> Participant:
        """The other side."""
        return self.b if self.a.user_id == user_id else self.a


SEEN_BY = """
    SELECT c.conversation_id, partner.user_id AS partner_id, partner.username AS partner_username,
        partner.statement AS partner_statement, c.created_at, c.last_seq,
        CASE WHEN me.kept_seq IS NULL THEN c.last_at ELSE COALESCE((SELECT m.created_at FROM messages m
          WHERE m.conversation_id = c.conversation_id AND m.seq = me.kept_seq), c.created_at) END AS last_at,
        CASE WHEN c.last_seq > me.read_seq THEN c.last_seq - me.read_seq ELSE 0 END AS unread,
        CASE WHEN me.blocked = 1 THEN 'blocked' WHEN me.accepted = 1 THEN 'accepted' ELSE 'request' END AS state,
        me.muted_until, me.found_by, me.pin_created_at,
        me.hidden_seq IS NULL OR me.hidden_seq < c.last_seq AS is_listed
    FROM participants me
    JOIN conversations c ON c.conversation_id = me.conversation_id
    JOIN participants other ON other.conversation_id = me.conversation_id AND other.side <> me.side
    JOIN users partner ON partner.user_id = other.user_id
    WHERE me.user_id = :user_id"""


def insert_conversation(
    connection: Connection, *, conversation_id: str, a: str, b: str, starter: str, pin_created_at: int
) -> bool:
    """Create a conversation between user ids `a` (lower fingerprint) and `b`; for the one who did not start it, it is a
    request. `pin_created_at`: when the Search PIN was made that it was started with. False if it exists."""
    moment = now()
    is_new = fetch_one(
        connection,
        """INSERT INTO conversations (conversation_id, created_at, last_at)
           VALUES (:conversation_id, :created_at, :last_at) ON CONFLICT DO NOTHING RETURNING conversation_id""",
        conversation_id=conversation_id,
        created_at=moment,
        last_at=moment,
    )
    if is_new is None:
        return False
    for side, user_id in (("a", a), ("b", b)):
        fetch_all(
            connection,
            """INSERT INTO participants (conversation_id, side, user_id, accepted, found_by, pin_created_at)
               VALUES (:conversation_id, :side, :user_id, :accepted, :found_by, :pin_created_at)""",
            conversation_id=conversation_id,
            side=side,
            user_id=user_id,
            accepted=int(user_id == starter),
            found_by="" if user_id == starter else "search_pin",
            pin_created_at=None if user_id == starter else pin_created_at,
        )
    return True


def select_conversations(connection: Connection, *, user_id: str) -> list[Conversation]:
    """All conversations of a user, latest first, without those that they deleted."""
    listed = " AND (me.hidden_seq IS NULL OR me.hidden_seq < c.last_seq) ORDER BY last_at DESC, c.conversation_id"
    rows = fetch_all(connection, SEEN_BY + listed, user_id=user_id)
    return [Conversation(*row) for row in rows]  # by position: there may be thousands


def select_conversation(connection: Connection, *, conversation_id: str, user_id: str) -> Conversation | None:
    """One conversation, or None if this user is not a participant."""
    row = fetch_one(
        connection,
        SEEN_BY + " AND me.conversation_id = :conversation_id",
        user_id=user_id,
        conversation_id=conversation_id,
    )
    return None if row is None else Conversation(**dict(row))


def select_partners(connection: Connection, *, user_id: str, after: str, limit: int) -> list[tuple[str, str]]:
    """The next `limit` conversations after `after`: (conversation_id, partner's user_id)."""
    rows = fetch_all(
        connection,
        """SELECT me.conversation_id, other.user_id FROM participants me
           JOIN participants other ON other.conversation_id = me.conversation_id AND other.side <> me.side
           WHERE me.user_id = :user_id AND me.conversation_id > :after ORDER BY me.conversation_id LIMIT :limit""",
        user_id=user_id,
        after=after,
        limit=limit,
    )
    return [(row["conversation_id"], row["user_id"]) for row in rows]


def select_pair(connection: Connection, *, conversation_id: str, user_id: str) -> Pair | None:
    """Both participants, or None if `user_id` is not one of them."""
    found = select_pair_to_write(connection, conversation_id=conversation_id, user_id=user_id)
    return None if found is None else found[0]


def select_side(connection: Connection, *, conversation_id: str, user_id: str) -> Side | None:
    """The side of `user_id`, or None if they are not a participant."""
    found = select_kept(connection, conversation_id=conversation_id, user_id=user_id)
    return None if found is None else found[0]


def select_kept(connection: Connection, *, conversation_id: str, user_id: str) -> tuple[Side, int | None] | None:
    """The side of `user_id`, and the last seq before what came while they blocked the other (None: nothing did); or
    None if they are not a participant."""
    row = fetch_one(
        connection,
        "SELECT side, kept_seq FROM participants WHERE user_id = :user_id AND conversation_id = :conversation_id",
        user_id=user_id,
        conversation_id=conversation_id,
    )
    return None if row is None else (row["side"], row["kept_seq"])


def select_pair_to_write(connection: Connection, *, conversation_id: str, user_id: str) -> tuple[Pair, int] | None:
    """Both participants, and the conversation's last seq; None if `user_id` is not one of them."""
    rows = fetch_all(
        connection,
        """SELECT p.side, p.user_id, u.username, u.key_id, p.read_seq, p.last_n, p.accepted, p.blocked,
               p.early, p.early_changes, p.kept_seq, p.muted_until, c.last_seq
           FROM participants me
           JOIN conversations c ON c.conversation_id = me.conversation_id
           JOIN participants p ON p.conversation_id = me.conversation_id
           JOIN users u ON u.user_id = p.user_id
           WHERE me.user_id = :user_id AND me.conversation_id = :conversation_id
           ORDER BY p.side""",
        user_id=user_id,
        conversation_id=conversation_id,
    )
    return None if len(rows) != 2 else pair_of(conversation_id, rows)


def pair_of(conversation_id: str, rows: Sequence[Iterable[Any]]) -> tuple[Pair, int]:
    """Both participants, and the conversation's last seq, from a row for each: side a first."""
    *a, last_seq = rows[0]
    *b, _ = rows[1]
    return Pair(conversation_id, Participant(*a), Participant(*b)), last_seq
