"""A clearing: a conversation that a participant deleted, whose copies are emptied in slices."""

from __future__ import annotations

from ezdms.db import Connection, fetch_all, fetch_one, keeps_sessions
from ezdms.models.conversation import select_side
from ezdms.models.usage import give_back

SLICE = 100  # messages, emptied in a few ms


@keeps_sessions
def insert_clearing(connection: Connection, *, conversation_id: str, user_id: str) -> bool:
    """Take a conversation off a participant's list, and note that their copies of everything in it are to be emptied.
    The receipts that they got are deleted at once. False if the user has no such conversation."""
    place = {"conversation_id": conversation_id, "user_id": user_id}
    row = fetch_one(
        connection,
        """UPDATE participants SET read_seq = c.last_seq, hidden_seq = c.last_seq FROM conversations c
           WHERE c.conversation_id = participants.conversation_id AND participants.user_id = :user_id
             AND participants.conversation_id = :conversation_id RETURNING hidden_seq""",
        **place,
    )
    if row is None:
        return False
    fetch_all(
        connection,
        "DELETE FROM signals WHERE conversation_id = :conversation_id AND sender_id <> :user_id",
        **place,
    )
    fetch_all(
        connection,
        """INSERT INTO clearings (conversation_id, user_id, last_seq) VALUES (:conversation_id, :user_id, :last_seq)
           ON CONFLICT (conversation_id, user_id) DO UPDATE SET last_seq = excluded.last_seq""",
        **place,
        last_seq=row["hidden_seq"],
    )
    return True


def select_clearings(connection: Connection) -> list[tuple[str, str]]:
    """The conversations with something left to empty: conversation_id and user_id."""
    rows = fetch_all(connection, "SELECT conversation_id, user_id FROM clearings ORDER BY conversation_id, user_id")
    return [(row["conversation_id"], row["user_id"]) for row in rows]


@keeps_sessions
def clear_slice(connection: Connection, *, conversation_id: str, user_id: str) -> None:
    """Empty the next SLICE copies of a clearing; delete it if none is left."""
    place = {"conversation_id": conversation_id, "user_id": user_id}
    clearing = fetch_one(
        connection,
        "SELECT seq, last_seq FROM clearings WHERE conversation_id = :conversation_id AND user_id = :user_id",
        **place,
    )
    side = select_side(connection, **place)
    if clearing is None or side is None:
        return
    within = {"conversation_id": conversation_id, "seq": clearing["seq"]}
    rows = fetch_all(
        connection,
        f"""SELECT seq, sender_id, LENGTH(sealed_{side}) AS size FROM messages
            WHERE conversation_id = :conversation_id AND seq > :seq AND seq <= :last_seq ORDER BY seq LIMIT :limit""",
        **within,
        last_seq=clearing["last_seq"],
        limit=SLICE,
    )
    if not rows:
        fetch_all(
            connection,
            "DELETE FROM clearings WHERE conversation_id = :conversation_id AND user_id = :user_id",
            **place,
        )
        return
    last = rows[-1]["seq"]
    for sender_id in {row["sender_id"] for row in rows}:
        size = sum(row["size"] or 0 for row in rows if row["sender_id"] == sender_id)
        give_back(connection, user_id=sender_id, size=size)
    fetch_all(
        connection,
        f"""INSERT INTO message_facts (conversation_id, seq, gone_{side})
            SELECT conversation_id, seq, 'hidden' FROM messages
            WHERE conversation_id = :conversation_id AND seq > :seq AND seq <= :last
            ON CONFLICT (conversation_id, seq)
              DO UPDATE SET gone_{side} = COALESCE(message_facts.gone_{side}, 'hidden')""",
        **within,
        last=last,
    )
    fetch_all(
        connection,
        f"""UPDATE messages SET sealed_{side} = NULL
            WHERE conversation_id = :conversation_id AND seq > :seq AND seq <= :last""",
        **within,
        last=last,
    )
    fetch_all(
        connection,
        "UPDATE clearings SET seq = :last WHERE conversation_id = :conversation_id AND user_id = :user_id",
        **place,
        last=last,
    )
