"""The newest delivered and read receipt of each sender in a conversation, sealed for the other participant."""

from __future__ import annotations

from dataclasses import dataclass

from ezdms.db import Connection, fetch_all, keeps_sessions, now


@dataclass(frozen=True, slots=True)
class Signal:
    """A receipt as its recipient gets it. `slot`: "delivered" or "read"."""

    sender_id: str
    slot: str
    sealed: str
    created_at: int


@keeps_sessions
def replace_signal(connection: Connection, *, conversation_id: str, sender_id: str, slot: str, sealed: str) -> None:
    """Store a receipt in place of the sender's last one. Does nothing if they are not in this conversation, or if
    either of the two deleted the account. What nobody is to see is stored without content, which takes as long."""
    fetch_all(
        connection,
        """INSERT INTO signals (conversation_id, sender_id, slot, sealed, created_at)
           SELECT me.conversation_id, me.user_id, :slot,
             CASE WHEN me.accepted = 1 AND other.accepted = 1 AND other.blocked = 0 THEN :sealed ELSE '' END,
             :created_at
           FROM participants me
           JOIN participants other ON other.conversation_id = me.conversation_id AND other.side <> me.side
           WHERE me.user_id = :sender_id AND me.conversation_id = :conversation_id AND NOT EXISTS
             (SELECT 1 FROM participants p JOIN users u ON u.user_id = p.user_id
              WHERE p.conversation_id = me.conversation_id AND u.left_at IS NOT NULL)
           ON CONFLICT (conversation_id, sender_id, slot)
             DO UPDATE SET sealed = excluded.sealed, created_at = excluded.created_at""",
        conversation_id=conversation_id,
        sender_id=sender_id,
        slot=slot,
        sealed=sealed,
        created_at=now(),
    )


def select_signals(connection: Connection, *, conversation_id: str, user_id: str) -> list[Signal] | None:
    """The partner's receipts for this user; None if the user is not in this conversation."""
    rows = fetch_all(
        connection,
        """SELECT s.sender_id, s.slot, s.sealed, s.created_at FROM participants me
           LEFT JOIN signals s
             ON s.conversation_id = me.conversation_id AND s.sender_id <> me.user_id AND s.sealed <> ''
           WHERE me.user_id = :user_id AND me.conversation_id = :conversation_id ORDER BY s.slot""",
        user_id=user_id,
        conversation_id=conversation_id,
    )
    return [Signal(*row) for row in rows if row["slot"] is not None] if rows else None
