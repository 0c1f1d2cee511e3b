"""Conversations between two people, identified by their keys."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple

from ezdms.actions.event import Event
from ezdms.db import Connection, Database, Unavailable, alone, keeps_sessions, lock_users
from ezdms.hub import Hub, Mailbox
from ezdms.models.conversation import Conversation, insert_conversation, select_conversation
from ezdms.models.message import Opening, select_opening
from ezdms.models.participant import accept, mark_read
from ezdms.models.session import Session
from ezdms.models.user import User, select_user_by_search_pin
from ezdms.problem import Problem
from ezdms.protocol import encoding, envelope


class Started(NamedTuple):
    """A conversation as seen by the user who started it, the owner of the Search PIN, and the PIN's salt.

    `theirs`: as the partner sees it, if they are to be told: it is new, or messages of theirs waited for this.
    """

    conversation: Conversation
    partner: User
    search_salt: str
    theirs: Conversation | None
    is_new: bool


async def start(database: Database, hub: Hub[Event], session: Session, search_pin: str) -> Started:
    """Find or create the conversation with the owner of this Search PIN; if it is new, both are notified. Starting a
    conversation accepts it, and takes it back into the user's list if they had deleted it.

    Problem 404 if nobody has it, 400 if it is the user's own, 409 if these keys had a conversation with a deleted
    account.
    """
    found = await database.write(_find_or_insert, session=session, search_pin=search_pin)
    if isinstance(found, Problem):
        raise found
    if found.is_new:
        hub.publish(session.user_id, Event(found.conversation))
    if found.theirs is not None and found.theirs.is_followed:
        hub.publish(found.partner.user_id, Event(found.theirs))
    return found


@alone
@keeps_sessions
def _find_or_insert(connection: Connection, *, session: Session, search_pin: str) -> Started | Problem:
    """Do it in one transaction. A refusal is returned, not raised, since raising would rerun the whole batch."""
    found = select_user_by_search_pin(connection, search_pin=search_pin)
    if found is not None and lock_users(connection, session.user_id, found[0].user_id):
        found = select_user_by_search_pin(connection, search_pin=search_pin)  # they may have deleted the account
    if found is None:  # never existed, replaced, and deleted account look the same
        return Problem(404, "unknown_pin", "Nobody on this server has this Search PIN.")
    partner, search_salt, pin_created_at = found
    if partner.user_id == session.user_id:
        return Problem(400, "oneself", "This is your own Search PIN. Ask the other person for theirs.")
    mine = envelope.fingerprint(envelope.parse_statement(session.statement).ik)
    theirs = encoding.b64u_decode(partner.fingerprint, 32)
    conversation_id = envelope.conversation_id(mine, theirs)
    a, b = (session.user_id, partner.user_id) if mine < theirs else (partner.user_id, session.user_id)
    is_new = insert_conversation(
        connection,
        conversation_id=conversation_id,
        a=a,
        b=b,
        starter=session.user_id,
        pin_created_at=pin_created_at,
    )
    is_awaited = not is_new and accept(connection, conversation_id=conversation_id, user_id=session.user_id)
    conversation, seen_by_partner = [
        select_conversation(connection, conversation_id=conversation_id, user_id=user_id)
        for user_id in (session.user_id, partner.user_id)
    ]
    if conversation is None or conversation.partner_id != partner.user_id:
        # The same keys belonged to a deleted account. Nobody inherits it: a key statement does not prove the key.
        return Problem(
            409, "left", "One of you deleted the account of this conversation. Start a new one with new keys."
        )
    return Started(conversation, partner, search_salt, seen_by_partner if is_new or is_awaited else None, is_new)


async def open_one(
    database: Database, hub: Hub[Event], *, conversation_id: str, user_id: str, limit: int, peek: bool
) -> Opening | None:
    """Read models.message.select_opening and, unless it is a `peek`, mark it as read. None if the user has no such
    conversation.

    Works even if nothing can be stored.
    """
    if not peek:
        try:
            opened = await database.write_soon(_open, conversation_id=conversation_id, user_id=user_id, limit=limit)
        except Unavailable:
            pass
        else:
            if opened is not None and opened[0].unread:
                _tell_read(hub, opened[0], user_id, opened[0].last_seq)
            return opened
    return await database.read(select_opening, conversation_id=conversation_id, user_id=user_id, limit=limit)


@keeps_sessions
def _open(connection: Connection, *, conversation_id: str, user_id: str, limit: int) -> Opening | None:
    opened = select_opening(connection, conversation_id=conversation_id, user_id=user_id, limit=limit)
    if opened is not None and opened[0].unread:
        mark_read(connection, conversation_id=conversation_id, user_id=user_id, seq=opened[0].last_seq)
    return opened


async def mark_as_read(
    database: Database,
    hub: Hub[Event],
    conversation: Conversation,
    user_id: str,
    seq: int,
    *,
    but: Mailbox[Event] | None = None,
) -> None:
    """Mark everything up to `seq` as read, and tell the user's sockets, except `but`. Does nothing if that much was
    read, or if nothing can be stored."""
    if conversation.last_seq - conversation.unread >= seq:
        return
    with suppress(Unavailable):
        await database.write_soon(mark_read, conversation_id=conversation.conversation_id, user_id=user_id, seq=seq)
        _tell_read(hub, conversation, user_id, seq, but)


def _tell_read(
    hub: Hub[Event], conversation: Conversation, user_id: str, seq: int, but: Mailbox[Event] | None = None
) -> None:
    hub.publish(user_id, Event(replace(conversation, unread=max(0, conversation.last_seq - seq))), but)
