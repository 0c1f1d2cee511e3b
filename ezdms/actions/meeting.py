"""What a user makes of a conversation: accept it, block the other, mute or delete it. The other learns nothing of it,
except that messages of theirs that waited are taken."""

from __future__ import annotations

from ezdms.actions.event import Event
from ezdms.actions.send import no_conversation
from ezdms.actions.sweeping import Sweeper
from ezdms.db import Connection, Database, keeps_sessions
from ezdms.hub import Hub
from ezdms.models.clearing import insert_clearing
from ezdms.models.conversation import Conversation, select_conversation, select_pair
from ezdms.models.participant import accept, set_blocked, set_muted


async def accept_request(database: Database, hub: Hub[Event], *, conversation_id: str, user_id: str) -> None:
    """Accept a conversation. If messages of the other waited for that, their sockets are told. Problem 404."""
    found = await database.write(_accept, conversation_id=conversation_id, user_id=user_id)
    if found is None:
        raise no_conversation()
    partner_id, theirs = found
    if theirs is not None and theirs.is_followed:
        hub.publish(partner_id, Event(theirs))


@keeps_sessions
def _accept(connection: Connection, *, conversation_id: str, user_id: str) -> tuple[str, Conversation | None] | None:
    """The partner's id, and the conversation as they see it if messages of theirs may be waiting; None if the user has
    no such conversation."""
    is_awaited = accept(connection, conversation_id=conversation_id, user_id=user_id)
    pair = select_pair(connection, conversation_id=conversation_id, user_id=user_id)
    if is_awaited is None or pair is None:
        return None
    partner_id = pair.other(user_id).user_id
    if not is_awaited:
        return partner_id, None
    return partner_id, select_conversation(connection, conversation_id=conversation_id, user_id=partner_id)


async def block(database: Database, *, conversation_id: str, user_id: str, blocked: bool) -> None:
    """Block the other, or end that. Problem 404."""
    if not await database.write(set_blocked, conversation_id=conversation_id, user_id=user_id, blocked=blocked):
        raise no_conversation()


async def mute(database: Database, *, conversation_id: str, user_id: str, until: int) -> None:
    """Mute a conversation until this time (ms). Problem 404."""
    if not await database.write(set_muted, conversation_id=conversation_id, user_id=user_id, until=until):
        raise no_conversation()


async def delete(database: Database, sweeper: Sweeper, *, conversation_id: str, user_id: str) -> None:
    """Take a conversation off the user's list and empty their copies; for a large one, the sweeper goes on later.
    Problem 404."""
    if not await database.write(insert_clearing, conversation_id=conversation_id, user_id=user_id):
        raise no_conversation()
    await sweeper.finish_clearing()
