"""Removes a message from one participant's own sight: their copy is emptied, and their signed mark is kept."""

from __future__ import annotations

from ezdms.actions.send import no_conversation
from ezdms.db import Database
from ezdms.models.conversation import select_pair
from ezdms.models.message import select_hash
from ezdms.models.message_facts import hide_copy
from ezdms.models.session import Session
from ezdms.problem import Problem
from ezdms.protocol import envelope
from ezdms.protocol.encoding import EnvelopeError


async def hide(database: Database, session: Session, *, conversation_id: str, message_id: str, mark: str) -> None:
    """Empty the user's own copy. Problem 404, or 422 if the mark is not theirs for this message; or Unavailable."""
    pair = await database.read(select_pair, conversation_id=conversation_id, user_id=session.user_id)
    if pair is None:
        raise no_conversation()
    found = await database.read(select_hash, conversation_id=conversation_id, message_id=message_id)
    if found is None:
        raise Problem(404, "no_message", "There is no such message in this conversation.")
    ik = envelope.parse_statement(session.statement).ik
    try:
        envelope.check_mark(mark, ik=ik, conversation_id=conversation_id, message_id=message_id, hash=found)
    except EnvelopeError as error:
        raise Problem(422, "mark", str(error)) from error
    await database.write(
        hide_copy,
        conversation_id=conversation_id,
        message_id=message_id,
        side=pair.me(session.user_id).side,
        mark=mark,
    )
