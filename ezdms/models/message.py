"""A message: two sealed copies of one text that this server cannot read, and the numbers that order them."""

from __future__ import annotations

from dataclasses import dataclass

from ezdms.db import Connection, fetch_all, fetch_one, now
from ezdms.models.conversation import Side


@dataclass(frozen=True, slots=True)
class Draft:
    """What a sender hands over: ids, counter and the two sealed copies (JWE compact)."""

    conversation_id: str
    message_id: str
    n: int
    hash: str
    suite: int
    sealed_a: str
    sealed_b: str


@dataclass(frozen=True, slots=True)
class Message:
    """A stored message as one participant may see it: with that participant's own copy, if it still exists."""

    conversation_id: str
    message_id: str
    seq: int
    sender_id: str
    created_at: int
    suite: int
    n: int
    hash: str
    encrypted: str | None


COLUMNS = "conversation_id, message_id, seq, sender_id, created_at, suite, n, hash"
FROM_MESSAGES = {side: f"SELECT {COLUMNS}, sealed_{side} AS encrypted FROM messages" for side in ("a", "b")}


@dataclass(frozen=True, slots=True)
class Stored:
    """Where a new message stands, and how many each participant (by user id) has not seen now."""

    seq: int
    created_at: int
    unread: dict[str, int]


async def insert_message(connection: Connection, draft: Draft, *, sender_id: str) -> Stored | None:
    """Store a message as the next of its conversation, or None if the sender takes no part in it or one has left.

    Raises db.Conflict if the conversation knows the message_id, or the sender's counter n, already.
    """
    moment = now()
    row = await fetch_one(
        connection,
        """UPDATE conversations SET last_seq = last_seq + 1, last_at = :moment
           WHERE conversation_id = :conversation_id AND EXISTS (
               SELECT 1 FROM participants WHERE user_id = :sender_id AND conversation_id = :conversation_id)
           AND NOT EXISTS (
               SELECT 1 FROM participants p JOIN users u ON u.user_id = p.user_id
               WHERE p.conversation_id = :conversation_id AND u.left_at IS NOT NULL)
           RETURNING last_seq""",
        conversation_id=draft.conversation_id,
        sender_id=sender_id,
        moment=moment,
    )
    if row is None:
        return None
    seq = int(row["last_seq"])
    await fetch_all(
        connection,
        """INSERT INTO messages (conversation_id, seq, message_id, sender_id, n, hash, suite,
               sealed_a, sealed_b, created_at)
           VALUES (:conversation_id, :seq, :message_id, :sender_id, :n, :hash, :suite,
               :sealed_a, :sealed_b, :created_at)""",
        **{name: getattr(draft, name) for name in Draft.__slots__},
        seq=seq,
        sender_id=sender_id,
        created_at=moment,
    )
    rows = await fetch_all(
        connection,
        """UPDATE participants SET read_seq = CASE WHEN user_id = :sender_id THEN :seq ELSE read_seq END
           WHERE conversation_id = :conversation_id RETURNING user_id, read_seq""",
        conversation_id=draft.conversation_id,
        sender_id=sender_id,
        seq=seq,
    )
    return Stored(seq, moment, {row["user_id"]: seq - row["read_seq"] for row in rows})


async def select_message(
    connection: Connection, *, conversation_id: str, message_id: str, sender_id: str, side: Side
) -> Message | None:
    """The sender's own message of this id in this conversation."""
    row = await fetch_one(
        connection,
        FROM_MESSAGES[side]
        + " WHERE conversation_id = :conversation_id AND message_id = :message_id AND sender_id = :sender_id",
        conversation_id=conversation_id,
        message_id=message_id,
        sender_id=sender_id,
    )
    return None if row is None else Message(**dict(row))


async def select_last_sent(
    connection: Connection, *, conversation_id: str, sender_id: str, side: Side
) -> Message | None:
    """The sender's message with the highest counter: what their next one follows."""
    row = await fetch_one(
        connection,
        FROM_MESSAGES[side]
        + " WHERE conversation_id = :conversation_id AND sender_id = :sender_id ORDER BY n DESC LIMIT 1",
        conversation_id=conversation_id,
        sender_id=sender_id,
    )
    return None if row is None else Message(**dict(row))


async def select_messages(
    connection: Connection,
    *,
    conversation_id: str,
    side: Side,
    limit: int,
    after: int | None = None,
    before: int | None = None,
) -> list[Message]:
    """At most `limit` messages by rising seq: the first after `after`, else the last before `before`, else the last."""
    if after is not None:
        bound, order = "seq > :bound", "ASC"
    elif before is not None:
        bound, order = "seq < :bound", "DESC"
    else:
        bound, order = "seq > 0", "DESC"
    rows = await fetch_all(
        connection,
        FROM_MESSAGES[side]
        + f" WHERE conversation_id = :conversation_id AND {bound} ORDER BY seq {order} LIMIT :limit",
        conversation_id=conversation_id,
        bound=after if after is not None else before,
        limit=limit,
    )
    messages = [Message(**dict(row)) for row in rows]
    return messages if order == "ASC" else messages[::-1]
