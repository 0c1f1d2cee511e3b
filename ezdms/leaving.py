"""Deletes an account, at the user's or the operator's request."""

from __future__ import annotations

from ezdms.db import Connection, Database
from ezdms.events import Event
from ezdms.hub import Hub
from ezdms.models.conversation import select_conversation
from ezdms.models.session import delete_sessions
from ezdms.models.user import Act, delete_user, take_act


async def remove_account(database: Database, hub: Hub[Event], user_id: str, act: Act | None = None) -> None:
    """Name, keys, sessions, vault and own copies are gone; partners are told, and keep what they have.

    `act` is the user's own; the operator needs none. Raises encoding.EnvelopeError if it does not hold.
    """
    partners = await database.write(_delete_user, user_id=user_id, act=act)
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


def _delete_user(connection: Connection, *, user_id: str, act: Act | None) -> list[tuple[str, str]]:
    if act is not None:
        take_act(connection, act, user_id=user_id)
    return delete_user(connection, user_id=user_id)
