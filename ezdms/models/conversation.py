"""A conversation: two participants, ordered by fingerprint, and how far each has read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from ezdms.db import Conflict, Connection, fetch_all, fetch_one, keeps_sessions, now

Side = Literal["a", "b"]


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation as one of its participants sees it."""

    conversation_id: str
    partner_id: str
    partner_username: str
    partner_statement: str
    created_at: int
    last_seq: int
    last_at: int
    unread: int

    @property
    def has_left(self) -> bool:
        """True once the partner deleted the account: name and key statement are gone."""
        return self.partner_statement == ""


class Line(NamedTuple):
    """The part of a conversation that changes in a participant's list with a new message."""

    conversation_id: str
    partner_username: str
    last_seq: int
    last_at: int
    unread: int


class Participant(NamedTuple):
    """One side of a conversation. `key_id`: the key its copies must be encrypted for. `read_seq`: the last seq

    without its unread messages. `last_n`: the counter of its last message.
    """

    side: Side
    user_id: str
    username: str
    key_id: str
    read_seq: int
    last_n: int

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
        partner.statement AS partner_statement, c.created_at, c.last_seq, c.last_at,
        CASE WHEN c.last_seq > me.read_seq THEN c.last_seq - me.read_seq ELSE 0 END AS unread
    FROM participants me
    JOIN conversations c ON c.conversation_id = me.conversation_id
    JOIN participants other ON other.conversation_id = me.conversation_id AND other.side <> me.side
    JOIN users partner ON partner.user_id = other.user_id
    WHERE me.user_id = :user_id"""


def insert_conversation(connection: Connection, *, conversation_id: str, a: str, b: str) -> bool:
    """Create a conversation between user ids `a` (lower fingerprint) and `b`. False if it exists."""
    moment = now()
    try:
        fetch_all(
            connection,
            """INSERT INTO conversations (conversation_id, created_at, last_at)
               VALUES (:conversation_id, :created_at, :last_at)""",
            conversation_id=conversation_id,
            created_at=moment,
            last_at=moment,
        )
    except Conflict:
        return False
    for side, user_id in (("a", a), ("b", b)):
        fetch_all(
            connection,
            """INSERT INTO participants (conversation_id, side, user_id)
               VALUES (:conversation_id, :side, :user_id)""",
            conversation_id=conversation_id,
            side=side,
            user_id=user_id,
        )
    return True


def select_conversations(connection: Connection, *, user_id: str) -> list[Conversation]:
    """All conversations of a user, latest first."""
    rows = fetch_all(connection, SEEN_BY + " ORDER BY c.last_at DESC, c.conversation_id", user_id=user_id)
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
    row = fetch_one(
        connection,
        "SELECT side FROM participants WHERE user_id = :user_id AND conversation_id = :conversation_id",
        user_id=user_id,
        conversation_id=conversation_id,
    )
    return None if row is None else row["side"]


def select_pair_to_write(connection: Connection, *, conversation_id: str, user_id: str) -> tuple[Pair, int] | None:
    """Both participants, and the conversation's last seq; None if `user_id` is not one of them."""
    rows = fetch_all(
        connection,
        """SELECT p.side, p.user_id, u.username, u.key_id, p.read_seq, p.last_n, c.last_seq
           FROM participants me
           JOIN conversations c ON c.conversation_id = me.conversation_id
           JOIN participants p ON p.conversation_id = me.conversation_id
           JOIN users u ON u.user_id = p.user_id
           WHERE me.user_id = :user_id AND me.conversation_id = :conversation_id
           ORDER BY p.side""",
        user_id=user_id,
        conversation_id=conversation_id,
    )
    if len(rows) != 2:
        return None
    *a, last_seq = rows[0]
    *b, _ = rows[1]
    return Pair(conversation_id, Participant(*a), Participant(*b)), last_seq


def mark_sent(connection: Connection, *, conversation_id: str, user_id: str, n: int) -> None:
    """Record a participant's last message. It changes nothing about what they have not read: it may have waited in an
    outbox while others arrived."""
    connection.execute(
        """UPDATE participants SET read_seq = read_seq + 1, last_n = ?
           WHERE user_id = ? AND conversation_id = ?""",
        (n, user_id, conversation_id),
    )


@keeps_sessions
def mark_read(connection: Connection, *, conversation_id: str, user_id: str, seq: int) -> None:
    """Mark everything up to `seq` as read. Never moves back."""
    fetch_all(
        connection,
        """UPDATE participants SET read_seq = :seq
           WHERE user_id = :user_id AND conversation_id = :conversation_id AND read_seq < :seq""",
        conversation_id=conversation_id,
        user_id=user_id,
        seq=seq,
    )
