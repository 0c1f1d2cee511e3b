"""An erasure: a deleted account whose copies of messages are erased in slices, so that no other write waits long."""

from __future__ import annotations

from ezdms.db import Connection, Row, alone, fetch_all, fetch_one, keeps_sessions, lock_conversations
from ezdms.models.usage import give_back

SLICE = 100  # messages and conversations, erased in a few ms
THEIRS = "SELECT conversation_id FROM participants WHERE user_id = :user_id"


def insert_erasure(connection: Connection, *, user_id: str) -> None:
    """Note that everything of this account is to be erased, in the transaction that deletes it."""
    fetch_all(connection, "INSERT INTO erasures (user_id) VALUES (:user_id)", user_id=user_id)


def select_erasures(connection: Connection) -> list[str]:
    """The user ids of deleted accounts with something left to erase."""
    return [str(row["user_id"]) for row in fetch_all(connection, "SELECT user_id FROM erasures ORDER BY user_id")]


@alone
@keeps_sessions
def erase_slice(connection: Connection, *, user_id: str) -> bool:
    """Erase the next SLICE messages of a deleted account. True if nothing is left.

    Partners keep their copies, under a nameless row. A conversation is deleted once both accounts are, then the row.
    """
    lock_conversations(connection, THEIRS, user_id=user_id)
    place = fetch_one(connection, "SELECT conversation_id, seq FROM erasures WHERE user_id = :user_id", user_id=user_id)
    if place is None:
        return True
    seq, room = int(place["seq"]), SLICE
    for row in _conversations(connection, user_id, place["conversation_id"]):
        count, seq = _erase(connection, row, seq, room)
        room -= count + 1
        if room <= 0:  # this conversation may have more
            _note_place(connection, user_id, row["conversation_id"], seq)
            return False
        seq = 0
    fetch_all(connection, "DELETE FROM erasures WHERE user_id = :user_id", user_id=user_id)
    _delete_nameless(connection, user_id)
    return True


def _conversations(connection: Connection, user_id: str, first: str) -> list[Row]:
    return fetch_all(
        connection,
        """SELECT me.conversation_id, me.side, partner.user_id AS partner_id, partner.left_at FROM participants me
           JOIN participants other ON other.conversation_id = me.conversation_id AND other.side <> me.side
           JOIN users partner ON partner.user_id = other.user_id
           WHERE me.user_id = :user_id AND me.conversation_id >= :first ORDER BY me.conversation_id LIMIT :limit""",
        user_id=user_id,
        first=first,
        limit=SLICE,
    )


def _erase(connection: Connection, row: Row, seq: int, limit: int) -> tuple[int, int]:
    """Erase at most `limit` messages of a conversation after `seq`. Returns how many, and the last one's seq."""
    if seq == 0:
        fetch_all(
            connection,
            "DELETE FROM signals WHERE conversation_id = :conversation_id",
            conversation_id=row["conversation_id"],
        )
    if row["left_at"] is None:
        return _empty_copies(connection, row, seq, limit)
    count = _delete_messages(connection, row["conversation_id"], limit)
    if count < limit:  # none is left
        fetch_all(
            connection,
            "DELETE FROM conversations WHERE conversation_id = :conversation_id",
            conversation_id=row["conversation_id"],
        )
        _delete_nameless(connection, row["partner_id"])
    return count, 0


def _empty_copies(connection: Connection, row: Row, seq: int, limit: int) -> tuple[int, int]:
    """Erase the account's own copies, and subtract them from the usage of the partner who sent them."""
    sealed, of_slice = f"sealed_{row['side']}", {"conversation_id": row["conversation_id"], "seq": seq}
    found = fetch_all(
        connection,
        f"""SELECT seq, sender_id, LENGTH({sealed}) AS size FROM messages
            WHERE conversation_id = :conversation_id AND seq > :seq ORDER BY seq LIMIT :limit""",
        **of_slice,
        limit=limit,
    )
    if not found:
        return 0, seq
    last = int(found[-1]["seq"])
    size = sum(message["size"] or 0 for message in found if message["sender_id"] == row["partner_id"])
    give_back(connection, user_id=row["partner_id"], size=size)
    fetch_all(
        connection,
        f"""UPDATE messages SET {sealed} = NULL
            WHERE conversation_id = :conversation_id AND seq > :seq AND seq <= :last""",
        **of_slice,
        last=last,
    )
    fetch_all(
        connection,
        f"""UPDATE message_facts SET gone_{row["side"]} = NULL, mark_{row["side"]} = NULL
            WHERE conversation_id = :conversation_id AND seq > :seq AND seq <= :last""",
        **of_slice,
        last=last,
    )
    return len(found), last


def _delete_messages(connection: Connection, conversation_id: str, limit: int) -> int:
    deleted = fetch_all(
        connection,
        """DELETE FROM messages WHERE conversation_id = :conversation_id AND seq IN
             (SELECT seq FROM messages WHERE conversation_id = :conversation_id ORDER BY seq LIMIT :limit)
           RETURNING seq""",
        conversation_id=conversation_id,
        limit=limit,
    )
    return len(deleted)


def _note_place(connection: Connection, user_id: str, conversation_id: str, seq: int) -> None:
    fetch_all(
        connection,
        "UPDATE erasures SET conversation_id = :conversation_id, seq = :seq WHERE user_id = :user_id",
        user_id=user_id,
        conversation_id=conversation_id,
        seq=seq,
    )


def _delete_nameless(connection: Connection, user_id: str) -> None:
    """Delete the row of a deleted account that is in no conversation and has nothing left to erase."""
    fetch_all(
        connection,
        """DELETE FROM users WHERE user_id = :user_id AND left_at IS NOT NULL
           AND NOT EXISTS (SELECT 1 FROM participants p WHERE p.user_id = :user_id)
           AND NOT EXISTS (SELECT 1 FROM erasures e WHERE e.user_id = :user_id)""",
        user_id=user_id,
    )
