"""Deletes an account, at the user's or the operator's request."""

from __future__ import annotations

from ezdms.actions.event import Event
from ezdms.db import Connection, Database
from ezdms.hub import Hub
from ezdms.models.conversation import select_conversation
from ezdms.models.session import delete_sessions
from ezdms.models.user import Act, delete_user, is_unused, select_slice, take_act

UNUSED = 30 * 24 * 60 * 60 * 1000  # ms
SLICE = 500  # accounts


async def remove_account(database: Database, hub: Hub[Event], user_id: str, act: Act | None = None) -> None:
    """Name, keys, sessions, vault and own copies are gone; partners are told, and keep what they have.

    `act` is the user's own; the operator needs none. Raises encoding.EnvelopeError if it does not hold.
    """
    partners = await database.write(_delete_user, user_id=user_id, act=act)
    hub.end_sessions(user_id)
    await database.forget()
    await _tell(database, hub, partners)


async def remove_unused(database: Database, hub: Hub[Event], moment: int) -> int:
    """Remove the accounts that nobody uses (UNUSED ms before `moment`); returns how many. Raises db.Unavailable.

    Whoever wrote or received a message stays, whose session was used lately, or has a socket open. A few hundred are
    looked at in one go and each is removed in a transaction of its own, so that nobody waits for this.
    """
    count, after, before = 0, "", moment - UNUSED
    while found := await database.read(select_slice, after=after, before=before, limit=SLICE):
        after = found[-1][0]
        in_slice = 0
        for user_id, seems_unused in found:
            if not seems_unused or hub.mailboxes(user_id):
                continue
            partners = await database.write(_delete_if_unused, user_id=user_id, before=before)
            if partners is not None:
                in_slice += 1
                hub.end_sessions(user_id)
                await _tell(database, hub, partners)
        if in_slice:
            await database.forget()
        count += in_slice
    return count


async def _tell(database: Database, hub: Hub[Event], partners: list[tuple[str, str]]) -> None:
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


def _delete_if_unused(connection: Connection, *, user_id: str, before: int) -> list[tuple[str, str]] | None:
    """None if somebody has used it since it was looked at."""
    return delete_user(connection, user_id=user_id) if is_unused(connection, user_id=user_id, before=before) else None
