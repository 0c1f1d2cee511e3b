"""What a few messages have in addition to their content: a lifetime, what they replace, and why a copy is gone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from ezdms.db import Connection, Row, alone, fetch_all, fetch_one, keeps_sessions, lock_conversations
from ezdms.models.conversation import Side
from ezdms.models.usage import give_back

Reason = Literal["replaced", "expired", "retention"]

LONGEST_LIFE = 31_536_000  # seconds
SLICE = 100  # messages, emptied in a few ms

# A copy that is already gone keeps its reason; only "replaced" is overwritten, once what replaced it is gone, too.
REASON = "CASE WHEN {gone} IS NULL OR ({gone} = 'replaced' AND :reason <> 'replaced') THEN :reason ELSE {gone} END"


class Copies(NamedTuple):
    """The copies of a message that are to be emptied, and their size in bytes."""

    seq: int
    sender_id: str
    size: int


class Replaced(NamedTuple):
    """What a change replaces: its target and earlier changes of it. `expires_at`: when the target disappears (ms)."""

    copies: list[Copies]
    expires_at: int | None

    @property
    def size(self) -> int:
        """Bytes that emptying them frees."""
        return sum(one.size for one in self.copies)


BOTH: tuple[Side, ...] = ("a", "b")


def _copies(sides: Sequence[Side] = BOTH) -> str:
    """The columns of Copies, with the size of the copies of these sides."""
    sizes = " + ".join(f"COALESCE(LENGTH(m.sealed_{side}), 0)" for side in sides)
    return f"m.seq, m.sender_id, {sizes} AS size"


COPIES = _copies()


def insert_facts(
    connection: Connection,
    *,
    conversation_id: str,
    seq: int,
    expires_in: int,
    replaces: str | None,
    file: str | None,
    created_at: int,
    at_most: int | None,
    blocked_by: Side | None,
) -> None:
    """Store the lifetime of a new message, what it replaces, and its file. `at_most`: when it is gone at the latest
    (ms): an edit disappears together with its target. `blocked_by`: the side that blocks its sender, and has no copy.
    """
    expires_at = created_at + expires_in * 1000 if expires_in else None
    if expires_at is not None and at_most is not None:
        expires_at = min(expires_at, at_most)
    fetch_all(
        connection,
        """INSERT INTO message_facts (conversation_id, seq, expires_in, expires_at, replaces, file, gone_a, gone_b)
           VALUES (:conversation_id, :seq, :expires_in, :expires_at, :replaces, :file, :gone_a, :gone_b)""",
        conversation_id=conversation_id,
        seq=seq,
        expires_in=expires_in,
        expires_at=expires_at,
        replaces=replaces,
        file=file,
        gone_a="blocked" if blocked_by == "a" else None,
        gone_b="blocked" if blocked_by == "b" else None,
    )


def select_replaced(
    connection: Connection, *, conversation_id: str, message_id: str, sender_id: str, sides: Sequence[Side] = BOTH
) -> Replaced | None:
    """What a change of this message would empty; None unless it is the sender's own message, and no change itself.
    `sides`: whose copies are emptied."""
    target = fetch_one(
        connection,
        f"""SELECT {_copies(sides)}, m.created_at, f.expires_in FROM messages m
            LEFT JOIN message_facts f ON f.conversation_id = m.conversation_id AND f.seq = m.seq
            WHERE m.conversation_id = :conversation_id AND m.message_id = :message_id AND m.sender_id = :sender_id
              AND f.replaces IS NULL""",
        conversation_id=conversation_id,
        message_id=message_id,
        sender_id=sender_id,
    )
    if target is None:
        return None
    earlier = _select_changes(connection, conversation_id=conversation_id, message_id=message_id, sides=sides)
    expires_at = target["created_at"] + target["expires_in"] * 1000 if target["expires_in"] else None
    return Replaced([_copies_of(row) for row in (target, *earlier)], expires_at)


def _copies_of(row: Row) -> Copies:
    """What a row with COPIES says."""
    return Copies(row["seq"], row["sender_id"], row["size"])


def _select_changes(
    connection: Connection, *, conversation_id: str, message_id: str, sides: Sequence[Side] = BOTH
) -> list[Row]:
    """The changes of a message that still have content for these sides."""
    has_content = " OR ".join(f"m.sealed_{side} IS NOT NULL" for side in sides)
    return fetch_all(
        connection,
        f"""SELECT {_copies(sides)} FROM message_facts f
            JOIN messages m ON m.conversation_id = f.conversation_id AND m.seq = f.seq
            WHERE f.conversation_id = :conversation_id AND f.replaces = :message_id AND ({has_content})""",
        conversation_id=conversation_id,
        message_id=message_id,
    )


def empty_copies(
    connection: Connection, copies: Copies, reason: Reason, *, conversation_id: str, sides: Sequence[Side] = BOTH
) -> None:
    """Empty these sides' copies of a message. Its seq, n and hash stay. The caller counts the sender's usage."""
    place = {"conversation_id": conversation_id, "seq": copies.seq}
    if copies.size:
        emptied = ", ".join(f"sealed_{side} = NULL" for side in sides)
        fetch_all(
            connection,
            f"UPDATE messages SET {emptied} WHERE conversation_id = :conversation_id AND seq = :seq",
            **place,
        )
    columns = [f"gone_{side}" for side in sides]
    reasons = ", ".join(f"{column} = {REASON.format(gone=f'message_facts.{column}')}" for column in columns)
    fetch_all(
        connection,
        f"""INSERT INTO message_facts (conversation_id, seq, {", ".join(columns)})
            VALUES (:conversation_id, :seq, {", ".join([":reason"] * len(columns))})
            ON CONFLICT (conversation_id, seq) DO UPDATE SET {reasons}""",
        **place,
        reason=reason,
    )


@keeps_sessions
def hide_copy(connection: Connection, *, conversation_id: str, message_id: str, side: Side, mark: str) -> None:
    """Empty one participant's copy of a message, and keep their mark in its place."""
    row = fetch_one(
        connection,
        f"""SELECT seq, sender_id, LENGTH(sealed_{side}) AS size FROM messages
            WHERE conversation_id = :conversation_id AND message_id = :message_id""",
        conversation_id=conversation_id,
        message_id=message_id,
    )
    if row is None:
        return
    place = {"conversation_id": conversation_id, "seq": row["seq"]}
    if row["size"]:
        fetch_all(
            connection,
            f"UPDATE messages SET sealed_{side} = NULL WHERE conversation_id = :conversation_id AND seq = :seq",
            **place,
        )
        give_back(connection, user_id=row["sender_id"], size=row["size"])
    fetch_all(
        connection,
        f"""INSERT INTO message_facts (conversation_id, seq, gone_{side}, mark_{side})
            VALUES (:conversation_id, :seq, 'hidden', :mark)
            ON CONFLICT (conversation_id, seq)
              DO UPDATE SET gone_{side} = 'hidden', mark_{side} = excluded.mark_{side}""",
        **place,
        mark=mark,
    )


def is_due(connection: Connection, *, moment: int) -> bool:
    """True if a message should have disappeared at `moment` (ms) and has not."""
    sql = "SELECT 1 FROM message_facts WHERE expires_at <= :moment LIMIT 1"
    return fetch_one(connection, sql, moment=moment) is not None


@alone
@keeps_sessions
def expire_slice(connection: Connection, *, moment: int) -> int:
    """Empty the next SLICE messages whose time has come at `moment` (ms). Returns how many."""
    lock_conversations(
        connection,
        "SELECT conversation_id FROM message_facts WHERE expires_at <= :moment ORDER BY expires_at LIMIT :limit",
        moment=moment,
        limit=SLICE,
    )
    due = fetch_all(
        connection,
        f"""SELECT f.conversation_id, f.replaces, {COPIES} FROM message_facts f
            JOIN messages m ON m.conversation_id = f.conversation_id AND m.seq = f.seq
            WHERE f.expires_at <= :moment ORDER BY f.expires_at LIMIT :limit""",
        moment=moment,
        limit=SLICE,
    )
    for row in due:
        _remove(connection, row["conversation_id"], _copies_of(row), "expired")
        fetch_all(
            connection,
            "UPDATE message_facts SET expires_at = NULL WHERE conversation_id = :conversation_id AND seq = :seq",
            conversation_id=row["conversation_id"],
            seq=row["seq"],
        )
    return len(due)


def select_outdated(connection: Connection, *, after: str, before: int, limit: int) -> list[tuple[str, bool]]:
    """The next `limit` conversation ids after `after`, each with whether its first message that the retention setting
    has not removed is older than `before` (ms)."""
    rows = fetch_all(
        connection,
        """SELECT c.conversation_id, (SELECT m.created_at FROM messages m
             WHERE m.conversation_id = c.conversation_id AND m.seq = c.removed_seq + 1) < :before AS is_outdated
           FROM conversations c WHERE c.conversation_id > :after ORDER BY c.conversation_id LIMIT :limit""",
        after=after,
        before=before,
        limit=limit,
    )
    return [(row["conversation_id"], bool(row["is_outdated"])) for row in rows]


@keeps_sessions
def retire_slice(connection: Connection, *, conversation_id: str, before: int) -> int:
    """Empty the next SLICE messages of a conversation that are older than `before` (ms). Returns how many."""
    old = fetch_all(
        connection,
        f"""SELECT m.created_at, {COPIES} FROM conversations c
            JOIN messages m ON m.conversation_id = c.conversation_id AND m.seq > c.removed_seq
            WHERE c.conversation_id = :conversation_id ORDER BY m.seq LIMIT :limit""",
        conversation_id=conversation_id,
        limit=SLICE,
    )
    count = next((i for i, row in enumerate(old) if row["created_at"] >= before), len(old))
    for row in old[:count]:
        if row["size"]:
            _remove(connection, conversation_id, _copies_of(row), "retention")
    if count:
        fetch_all(
            connection,
            "UPDATE conversations SET removed_seq = :seq WHERE conversation_id = :conversation_id",
            conversation_id=conversation_id,
            seq=old[count - 1]["seq"],
        )
    return count


def _remove(connection: Connection, conversation_id: str, copies: Copies, reason: Reason) -> None:
    """Empty a message. If it was the last change of another one, that and the changes before say the same reason: what
    proved that they were replaced is gone."""
    empty_copies(connection, copies, reason, conversation_id=conversation_id)
    give_back(connection, user_id=copies.sender_id, size=copies.size)
    last = fetch_one(
        connection,
        """SELECT replaces FROM message_facts f
           WHERE conversation_id = :conversation_id AND seq = :seq AND replaces IS NOT NULL AND NOT EXISTS
             (SELECT 1 FROM message_facts later WHERE later.conversation_id = f.conversation_id
              AND later.replaces = f.replaces AND later.seq > f.seq)""",
        conversation_id=conversation_id,
        seq=copies.seq,
    )
    if last is None:
        return
    fetch_all(
        connection,
        """UPDATE message_facts SET gone_a = CASE gone_a WHEN 'replaced' THEN :reason ELSE gone_a END,
              gone_b = CASE gone_b WHEN 'replaced' THEN :reason ELSE gone_b END
            WHERE conversation_id = :conversation_id AND (gone_a = 'replaced' OR gone_b = 'replaced')
              AND (replaces = :target OR seq =
                (SELECT seq FROM messages WHERE conversation_id = :conversation_id AND message_id = :target))""",
        conversation_id=conversation_id,
        target=last["replaces"],
        reason=reason,
    )
