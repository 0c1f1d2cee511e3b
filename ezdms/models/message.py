"""A message: two encrypted copies of one text that the server cannot read, and the numbers that order messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ezdms.db import Connection, Row, Statement, fetch_all, fetch_one, keeps_sessions, now, one_statement
from ezdms.models.conversation import (
    Conversation,
    Pair,
    Side,
    pair_of,
    select_conversation,
    select_kept,
    select_pair_to_write,
    select_side,
)
from ezdms.models.file import bind_file
from ezdms.models.message_facts import BOTH, empty_copies, insert_facts, select_replaced
from ezdms.models.participant import MOST_EARLY, forget_kept, mark_blocked, mark_sent
from ezdms.models.usage import give_back, take_room


class Draft(NamedTuple):
    """A message from a sender: ids, counter, and two encrypted copies (JWE compact) with the key id of each.

    `expires_in`: seconds, 0 = never. `replaces`: id of the sender's message that it edits or deletes, or "". `file`: id
    of a file that the sender uploaded, or "".
    """

    conversation_id: str
    message_id: str
    n: int
    hash: str
    suite: int
    sealed_a: str
    sealed_b: str
    key_a: str
    key_b: str
    expires_in: int = 0
    replaces: str = ""
    file: str = ""


class Message(NamedTuple):
    """A stored message as one participant sees it, with their own copy if it still exists.

    `gone`: why it does not. `mark`: the participant's own.
    """

    conversation_id: str
    message_id: str
    seq: int
    sender_id: str
    created_at: int
    suite: int
    n: int
    hash: str
    encrypted: str | None
    expires_in: int = 0
    replaces: str | None = None
    gone: str | None = None
    mark: str | None = None
    file: str | None = None

    def as_json(self) -> dict[str, object]:
        """The message as sent to a participant, as JSON."""
        return {
            "message_id": self.message_id,
            "seq": self.seq,
            "sender_id": self.sender_id,
            "created_at": self.created_at,
            "suite": self.suite,
            "n": self.n,
            "hash": self.hash,
            "encrypted": self.encrypted,
            "expires_in": self.expires_in,
            "replaces": self.replaces,
            "gone": self.gone,
            "mark": self.mark,
            "file": self.file,
        }


FROM_MESSAGES = {
    side: f"""SELECT m.conversation_id, m.message_id, m.seq, m.sender_id, m.created_at, m.suite, m.n, m.hash,
                m.sealed_{side} AS encrypted, COALESCE(f.expires_in, 0) AS expires_in, f.replaces,
                f.gone_{side} AS gone, f.mark_{side} AS mark, f.file
              FROM messages m
              LEFT JOIN message_facts f ON f.conversation_id = m.conversation_id AND f.seq = m.seq"""
    for side in ("a", "b")
}


Opening = tuple[Conversation, list[Message], Message | None]  # with the user's own last message

MOST_AHEAD = 1000  # counters that a sender may skip: messages signed that never arrived


class Stored(NamedTuple):
    """Position and time of a new message, and each participant's (by user id) unread count."""

    seq: int
    created_at: int
    unread: dict[str, int]


class OverQuota(NamedTuple):
    """The sender's storage quota is full."""


class NoTarget(NamedTuple):
    """The message to be replaced is not the sender's own in this conversation, or is a change itself."""


class NoFile(NamedTuple):
    """The file is not whole, not the sender's own, of another conversation, or part of another message."""


class TooEarly(NamedTuple):
    """The other has not accepted the conversation, and got as many messages as are taken until then."""


class OutOfStep(NamedTuple):
    """The counter is not above the sender's last one, or is too far above it.

    `earlier`: the sender's message with this id, if any. For a repeat, it has the same n and hash.
    """

    next_n: int
    earlier: Message | None


Outcome = Stored | OutOfStep | OverQuota | NoTarget | NoFile | TooEarly | None


def _values_of(draft: Draft, *, sender_id: str, quota: int | None) -> dict[str, Any]:
    values = draft._asdict()
    del values["replaces"], values["file"]
    return values | {"sender_id": sender_id, "quota": quota, "ahead": MOST_AHEAD, "early": MOST_EARLY, "moment": now()}


def _stored(rows: Sequence[Row], draft: Draft, *, sender_id: str, quota: int | None) -> tuple[Pair, Stored]:
    sides = sorted(rows, key=lambda row: str(row["side"]))
    pair, last_seq = pair_of(draft.conversation_id, [tuple(row)[:-1] for row in sides])
    me, other = pair.me(sender_id), pair.other(sender_id)
    seq = last_seq + 1
    unread = {sender_id: last_seq - me.read_seq, other.user_id: seq - other.read_seq}
    return pair, Stored(seq, rows[0]["created_at"], unread)


SEND = Statement(
    """SELECT *, :moment::bigint AS created_at FROM send_message(:conversation_id, :sender_id, :message_id, :n, :hash,
         :suite, :sealed_a, :sealed_b, :key_a, :key_b, :expires_in, :moment, :quota, :ahead, :early)""",
    fits=lambda draft, **_: not draft.replaces and not draft.file,
    values=_values_of,
    read=_stored,
)


@keeps_sessions
@one_statement(SEND)
def insert_message(
    connection: Connection, draft: Draft, *, sender_id: str, quota: int | None
) -> tuple[Pair | None, Outcome]:
    """Store a message as the next one in its conversation. Returns its participants, and the outcome.

    A change empties what it replaces in the same transaction, and is taken over quota if it is not larger than that.
    Whoever blocks the sender gets a row without content, and keeps their copy of what it replaces.

    No pair: the sender is not in this conversation. A pair without outcome: nothing was stored, because one of them
    deleted their account, or a copy is encrypted for the wrong key. Raises db.Conflict if the conversation already has
    this message_id.
    """
    found = select_pair_to_write(connection, conversation_id=draft.conversation_id, user_id=sender_id)
    if found is None:
        return None, None
    pair, last_seq = found
    if pair.a.has_left or pair.b.has_left or (draft.key_a, draft.key_b) != (pair.a.key_id, pair.b.key_id):
        return pair, None
    me, other = pair.me(sender_id), pair.other(sender_id)
    if not me.last_n < draft.n <= me.last_n + MOST_AHEAD:
        earlier = select_message(
            connection,
            conversation_id=draft.conversation_id,
            message_id=draft.message_id,
            sender_id=sender_id,
            side=me.side,
        )
        return pair, OutOfStep(me.last_n + 1, earlier)
    is_early, is_change = not other.has_accepted, bool(draft.replaces)
    if is_early and (me.early_changes if is_change else me.early) >= MOST_EARLY:
        return pair, TooEarly()
    sides: tuple[Side, ...] = (me.side,) if other.blocks else BOTH
    sealed_a = draft.sealed_a if "a" in sides else None
    sealed_b = draft.sealed_b if "b" in sides else None
    size, replaced = len(sealed_a or "") + len(sealed_b or ""), None
    if draft.replaces:
        replaced = select_replaced(
            connection,
            conversation_id=draft.conversation_id,
            message_id=draft.replaces,
            sender_id=sender_id,
            sides=sides,
        )
        if replaced is None:
            return pair, NoTarget()
        size -= replaced.size
    if not take_room(connection, user_id=sender_id, size=size, quota=quota if size > 0 else None):
        return pair, OverQuota()
    moment, seq = now(), last_seq + 1
    if draft.file and not bind_file(
        connection, file_id=draft.file, conversation_id=draft.conversation_id, user_id=sender_id, seq=seq
    ):
        give_back(connection, user_id=sender_id, size=size)
        return pair, NoFile()
    connection.execute(  # positional parameters, also in the calls below: names would cost 5 of a message's 60 µs
        """INSERT INTO messages (conversation_id, seq, message_id, sender_id, n, hash, suite,
               sealed_a, sealed_b, created_at)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        (
            draft.conversation_id,
            seq,
            draft.message_id,
            sender_id,
            draft.n,
            draft.hash,
            draft.suite,
            sealed_a,
            sealed_b,
            moment,
        ),
    )
    for copies in replaced.copies if replaced else ():
        empty_copies(connection, copies, "replaced", conversation_id=draft.conversation_id, sides=sides)
    if draft.expires_in or replaced or draft.file or other.blocks:
        insert_facts(
            connection,
            conversation_id=draft.conversation_id,
            seq=seq,
            expires_in=draft.expires_in,
            replaces=draft.replaces or None,
            file=draft.file or None,
            created_at=moment,
            at_most=replaced.expires_at if replaced else None,
            blocked_by=other.side if other.blocks else None,
        )
    connection.execute(
        "UPDATE conversations SET last_seq = ?, last_at = ? WHERE conversation_id = ?",
        (seq, moment, draft.conversation_id),
    )
    mark_sent(
        connection,
        conversation_id=draft.conversation_id,
        user_id=sender_id,
        n=draft.n,
        early=int(is_early and not is_change),
        early_changes=int(is_early and is_change),
    )
    if other.blocks:
        mark_blocked(connection, conversation_id=draft.conversation_id, user_id=other.user_id, seq=seq)
    elif other.kept_seq is not None:
        forget_kept(connection, conversation_id=draft.conversation_id, user_id=other.user_id)
    return pair, Stored(seq, moment, {sender_id: last_seq - me.read_seq, other.user_id: seq - other.read_seq})


def select_message(
    connection: Connection, *, conversation_id: str, message_id: str, sender_id: str, side: Side
) -> Message | None:
    """The sender's own message with this id in this conversation."""
    row = fetch_one(
        connection,
        FROM_MESSAGES[side]
        + """ WHERE m.conversation_id = :conversation_id AND m.message_id = :message_id
              AND m.sender_id = :sender_id""",
        conversation_id=conversation_id,
        message_id=message_id,
        sender_id=sender_id,
    )
    return None if row is None else Message(*row)


def select_hash(connection: Connection, *, conversation_id: str, message_id: str) -> str | None:
    """The hash of the message with this id in this conversation, of either side."""
    row = fetch_one(
        connection,
        "SELECT hash FROM messages WHERE conversation_id = :conversation_id AND message_id = :message_id",
        conversation_id=conversation_id,
        message_id=message_id,
    )
    return None if row is None else str(row["hash"])


def select_newest(connection: Connection, *, conversation_ids: Sequence[str], user_id: str) -> list[Message]:
    """The newest message of each of these conversations, with the user's copy; none of those at the end that came while
    they blocked their sender. Others' conversations are left out."""
    newest: list[Message] = []
    for conversation_id in dict.fromkeys(conversation_ids):
        found = select_kept(connection, conversation_id=conversation_id, user_id=user_id)
        if found is not None:
            side, kept_seq = found
            before = None if kept_seq is None else kept_seq + 1
            newest += select_messages(connection, conversation_id=conversation_id, side=side, limit=1, before=before)
    return newest


def select_last_sent(connection: Connection, *, conversation_id: str, sender_id: str, side: Side) -> Message | None:
    """The sender's message with the highest counter, which their next one must follow."""
    row = fetch_one(
        connection,
        FROM_MESSAGES[side]
        + " WHERE m.conversation_id = :conversation_id AND m.sender_id = :sender_id ORDER BY m.n DESC LIMIT 1",
        conversation_id=conversation_id,
        sender_id=sender_id,
    )
    return None if row is None else Message(*row)


def select_page(
    connection: Connection,
    *,
    conversation_id: str,
    user_id: str,
    limit: int,
    after: int | None = None,
    before: int | None = None,
) -> tuple[Conversation, list[Message]] | None:
    """A conversation with a page of the user's copies (see select_messages); None if they are not in it."""
    conversation = select_conversation(connection, conversation_id=conversation_id, user_id=user_id)
    side = select_side(connection, conversation_id=conversation_id, user_id=user_id)
    if conversation is None or side is None:
        return None
    return conversation, select_messages(
        connection, conversation_id=conversation_id, side=side, limit=limit, after=after, before=before
    )


def select_opening(connection: Connection, *, conversation_id: str, user_id: str, limit: int) -> Opening | None:
    """A conversation, its newest messages and the user's last one; None if they are not in it."""
    found = select_page(connection, conversation_id=conversation_id, user_id=user_id, limit=limit)
    side = select_side(connection, conversation_id=conversation_id, user_id=user_id)
    if found is None or side is None:
        return None
    last_sent = select_last_sent(connection, conversation_id=conversation_id, sender_id=user_id, side=side)
    return (*found, last_sent)


def select_messages(
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
        bound, order = "m.seq > :bound", "ASC"
    elif before is not None:
        bound, order = "m.seq < :bound", "DESC"
    else:
        bound, order = "m.seq > 0", "DESC"
    rows = fetch_all(
        connection,
        FROM_MESSAGES[side]
        + f" WHERE m.conversation_id = :conversation_id AND {bound} ORDER BY m.seq {order} LIMIT :limit",
        conversation_id=conversation_id,
        bound=after if after is not None else before,
        limit=limit,
    )
    messages = [Message(*row) for row in rows]
    return messages if order == "ASC" else messages[::-1]
