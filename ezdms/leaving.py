"""Taking somebody off the server: by their own wish (routes) or the operator's (operator)."""

from __future__ import annotations

from ezdms.db import Database
from ezdms.events import Event
from ezdms.hub import Hub
from ezdms.models.conversation import select_conversation
from ezdms.models.session import delete_sessions
from ezdms.models.user import delete_user


async def remove_account(database: Database, hub: Hub[Event], user_id: str) -> None:
    """Name, keys, sessions, vault and own copies are gone; partners are told, and keep what they have."""
    partners = await database.write(delete_user, user_id=user_id)
    hub.end_sessions(user_id)
    await database.forget()
    for conversation_id, partner_id in partners:
        seen = await database.read(select_conversation, conversation_id=conversation_id, user_id=partner_id)
        if seen is not None:
            hub.publish(partner_id, Event(seen))


async def end_all_sessions(database: Database, hub: Hub[Event], user_id: str) -> int:
    """Every session of this user is dead at once, with its sockets; returns how many there were."""
    count = await database.write(delete_sessions, user_id=user_id)
    hub.end_sessions(user_id)
    await database.forget()
    return count
