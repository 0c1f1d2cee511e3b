"""Conversations: two people, under the keys that they have now."""

from __future__ import annotations

from ezdms.actions.event import Event
from ezdms.db import Conflict, Database
from ezdms.hub import Hub
from ezdms.models.conversation import Conversation, insert_conversation, select_conversation
from ezdms.models.session import Session
from ezdms.models.user import User
from ezdms.problem import Problem
from ezdms.protocol import encoding, envelope


async def start(database: Database, hub: Hub[Event], session: Session, partner: User) -> tuple[Conversation, bool]:
    """The conversation of these two as whoever asks may know it, and whether it is new: then both are told.

    Problem 404 if the partner has just left, 409 if their keys belonged to a conversation of a deleted account.
    """
    mine = envelope.fingerprint(envelope.parse_statement(session.statement).ik)
    theirs = encoding.b64u_decode(partner.fingerprint, 32)
    conversation_id = envelope.conversation_id(mine, theirs)
    a, b = (session.user_id, partner.user_id) if mine < theirs else (partner.user_id, session.user_id)
    try:
        is_new = await database.write(insert_conversation, conversation_id=conversation_id, a=a, b=b)
    except Conflict as error:  # the partner left at this very moment
        raise unknown_pin() from error
    conversation = await database.read(select_conversation, conversation_id=conversation_id, user_id=session.user_id)
    if conversation is None or conversation.partner_id != partner.user_id:
        # The same keys under an account that was deleted. Nobody inherits it: a key statement proves no key.
        raise Problem(409, "left", "One of you deleted the account of this conversation. It needs new keys to go on.")
    if is_new:
        for user_id in (a, b):
            hub.publish(user_id, Event(await _seen_by(database, conversation_id, user_id)))
    return conversation, is_new


def unknown_pin() -> Problem:
    """Never there, withdrawn, and left look the same."""
    return Problem(404, "unknown_pin", "Nobody on this server has this Search PIN.")


async def _seen_by(database: Database, conversation_id: str, user_id: str) -> Conversation:
    found = await database.read(select_conversation, conversation_id=conversation_id, user_id=user_id)
    if found is None:
        raise LookupError("expected the conversation just stored to be there")
    return found
