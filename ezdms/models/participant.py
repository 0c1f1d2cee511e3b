"""A participant's own side of a conversation: how far they read, whether they accepted it, whom they block."""

from __future__ import annotations

from ezdms.db import Connection, fetch_all, fetch_one, keeps_sessions

MOST_EARLY = 3  # messages before the other accepted; and as many that replace one of those


def mark_sent(
    connection: Connection, *, conversation_id: str, user_id: str, n: int, early: int = 0, early_changes: int = 0
) -> None:
    """Record a participant's last message, which also accepts the conversation. It changes nothing about what they have
    not read: it may have waited in an outbox while others arrived. `early`, `early_changes`: 1 if it counts as that."""
    connection.execute(
        """UPDATE participants SET read_seq = read_seq + 1, last_n = ?, accepted = 1, early = early + ?,
             early_changes = early_changes + ?, kept_seq = NULL
           WHERE user_id = ? AND conversation_id = ?""",
        (n, early, early_changes, user_id, conversation_id),
    )


def mark_blocked(connection: Connection, *, conversation_id: str, user_id: str, seq: int) -> None:
    """Record that message `seq` came while this participant blocks its sender: nothing in their list changes."""
    fetch_all(
        connection,
        """UPDATE participants SET read_seq = read_seq + 1, kept_seq = COALESCE(kept_seq, :seq - 1),
             hidden_seq = CASE WHEN hidden_seq = :seq - 1 THEN :seq ELSE hidden_seq END
           WHERE user_id = :user_id AND conversation_id = :conversation_id""",
        conversation_id=conversation_id,
        user_id=user_id,
        seq=seq,
    )


def forget_kept(connection: Connection, *, conversation_id: str, user_id: str) -> None:
    """There is a message after those that came while this participant blocked the other."""
    fetch_all(
        connection,
        "UPDATE participants SET kept_seq = NULL WHERE user_id = :user_id AND conversation_id = :conversation_id",
        conversation_id=conversation_id,
        user_id=user_id,
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


@keeps_sessions
def accept(connection: Connection, *, conversation_id: str, user_id: str) -> bool | None:
    """Accept a conversation, and list it again if it was deleted. None if the user has no such conversation; True if
    messages of the other may be waiting for it."""
    row = fetch_one(
        connection,
        """SELECT me.accepted, other.early, other.early_changes FROM participants me
           JOIN participants other ON other.conversation_id = me.conversation_id AND other.side <> me.side
           WHERE me.user_id = :user_id AND me.conversation_id = :conversation_id""",
        conversation_id=conversation_id,
        user_id=user_id,
    )
    if row is None:
        return None
    fetch_all(
        connection,
        """UPDATE participants SET accepted = 1, hidden_seq = NULL
           WHERE user_id = :user_id AND conversation_id = :conversation_id""",
        conversation_id=conversation_id,
        user_id=user_id,
    )
    return not row["accepted"] and max(row["early"], row["early_changes"]) >= MOST_EARLY


@keeps_sessions
def set_blocked(connection: Connection, *, conversation_id: str, user_id: str, blocked: bool) -> bool:
    """Block the other, or end that. False if the user has no such conversation."""
    row = fetch_one(
        connection,
        """UPDATE participants SET blocked = :blocked WHERE user_id = :user_id AND conversation_id = :conversation_id
           RETURNING side""",
        conversation_id=conversation_id,
        user_id=user_id,
        blocked=int(blocked),
    )
    return row is not None


@keeps_sessions
def set_muted(connection: Connection, *, conversation_id: str, user_id: str, until: int) -> bool:
    """Mute a conversation until this time (ms; 0: no longer). False if the user has no such conversation."""
    row = fetch_one(
        connection,
        """UPDATE participants SET muted_until = :until WHERE user_id = :user_id AND conversation_id = :conversation_id
           RETURNING side""",
        conversation_id=conversation_id,
        user_id=user_id,
        until=until,
    )
    return row is not None
