"""Sends a message: stores it, and publishes it to both participants' sockets. Nothing here can decrypt one.

The same for POST and WebSocket. The server only stores, orders and forwards.
"""

from __future__ import annotations

from typing import NamedTuple

from ezdms.actions.event import Event
from ezdms.db import Conflict, Database
from ezdms.hub import Hub
from ezdms.models.conversation import Line, Pair
from ezdms.models.message import (
    Draft,
    Message,
    NoFile,
    NoTarget,
    Outcome,
    OutOfStep,
    OverQuota,
    Stored,
    TooEarly,
    insert_message,
)
from ezdms.problem import Problem


class Sent(NamedTuple):
    """The result for the sender: the message with their own copy, and whether it was already stored."""

    message: Message
    partner_username: str
    is_repeat: bool

    def as_json(self) -> dict[str, object]:
        """The members of the response."""
        return {"message_id": self.message.message_id, "seq": self.message.seq, "created_at": self.message.created_at}


async def send(database: Database, hub: Hub[Event], draft: Draft, sender_id: str, *, quota: int | None) -> Sent:
    """Store and publish. A repeat gets the first response again. Problem 403, 404, 409, 410, 422 or 507, or
    Unavailable."""
    try:
        pair, outcome = await database.write(insert_message, draft, sender_id=sender_id, quota=quota)
    except Conflict as error:
        raise id_is_taken() from error
    return publish(hub, draft, sender_id, pair, outcome)


def publish(hub: Hub[Event], draft: Draft, sender_id: str, pair: Pair | None, outcome: Outcome) -> Sent:
    """Publish what insert_message stored to both participants' sockets, but not to whoever blocks the sender. If it
    stored nothing: a repeat, or a Problem.

    Nothing is awaited between the commit and this, so that a conversation's events are sent in the order of seq.
    """
    if pair is None:
        raise no_conversation()
    partner = pair.other(sender_id)
    if partner.has_left:
        raise has_left()
    if outcome is None:
        raise Problem(422, "envelope", "Expected one copy encrypted for each participant's key.")
    if isinstance(outcome, NoTarget):
        raise no_message()
    if isinstance(outcome, NoFile):
        raise no_file()
    if isinstance(outcome, TooEarly):
        raise Problem(403, "not_accepted", "You can send more once this person has accepted your request.")
    if isinstance(outcome, OverQuota):
        raise Problem(
            507, "quota", "Your storage on this server is full, so you cannot send messages. Ask the operator."
        )
    if isinstance(outcome, OutOfStep):
        return Sent(_repeated(draft, outcome), partner.username, is_repeat=True)
    hub.messages += 1
    for reader, other, sealed in ((pair.a, pair.b, draft.sealed_a), (pair.b, pair.a, draft.sealed_b)):
        if reader is partner and reader.blocks:
            continue
        message = _own_copy(draft, outcome, sender_id, sealed)
        unread = outcome.unread[reader.user_id]
        line = Line(pair.conversation_id, other.username, outcome.seq, outcome.created_at, unread)
        hub.publish(reader.user_id, Event(line, message))
        if other is partner:
            own = message
    if hub.on_message is not None and not draft.replaces and partner.is_notified(outcome.created_at):
        hub.on_message(partner.user_id)
    return Sent(own, partner.username, is_repeat=False)


def no_conversation() -> Problem:
    """The same error for no conversation and for someone else's."""
    return Problem(404, "no_conversation", "There is no such conversation.")


def has_left() -> Problem:
    """The other participant deleted the account."""
    return Problem(410, "left", "This person deleted their account. You can no longer message them.")


def no_message() -> Problem:
    """The same error for an unknown message, someone else's, and one that cannot be changed."""
    return Problem(404, "no_message", "There is no such message in this conversation that you can change.")


def no_file() -> Problem:
    """The same error for an unknown file, someone else's, and one that cannot be sent or read."""
    return Problem(404, "no_file", "There is no such file.")


def id_is_taken() -> Problem:
    """The id belongs to another message, of either participant."""
    return Problem(409, "message_id", "This conversation already has another message with this id.")


def _repeated(draft: Draft, outcome: OutOfStep) -> Message:
    """The message that this one repeats. Problem 409 if it is no repeat: its id or counter cannot be used."""
    earlier = outcome.earlier
    if earlier is None:
        sentence = "Expected the number after your last message, or one not far above it."
        raise Problem(409, "counter", sentence, next_n=outcome.next_n)
    if (earlier.n, earlier.hash) != (draft.n, draft.hash):
        raise id_is_taken()
    return earlier


def _own_copy(draft: Draft, stored: Stored, sender_id: str, sealed: str) -> Message:
    return Message(
        conversation_id=draft.conversation_id,
        message_id=draft.message_id,
        seq=stored.seq,
        sender_id=sender_id,
        created_at=stored.created_at,
        suite=draft.suite,
        n=draft.n,
        hash=draft.hash,
        encrypted=sealed,
        expires_in=draft.expires_in,
        replaces=draft.replaces or None,
        file=draft.file or None,
    )
