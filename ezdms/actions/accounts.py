"""Accounts: create, find by Login PIN, change PINs, delete."""

from __future__ import annotations

from ezdms.actions import sessions
from ezdms.actions.erasing import Eraser
from ezdms.actions.event import Event
from ezdms.actions.passwords import check_auth_key
from ezdms.db import Connection, Database, alone
from ezdms.hub import Hub
from ezdms.models.conversation import select_conversation, select_partners
from ezdms.models.erasure import erase_slice
from ezdms.models.invitation import use_invitation
from ezdms.models.passkey import delete_passkeys
from ezdms.models.search_pin import insert_search_pin, replace_search_pin
from ezdms.models.second_step import distrust
from ezdms.models.session import delete_other_sessions
from ezdms.models.user import (
    Act,
    Locks,
    User,
    delete_user,
    insert_user,
    is_unused,
    replace_locks,
    select_slice,
    select_user_by_login_id,
    take_act,
)

UNUSED = 30 * 24 * 60 * 60 * 1000  # ms
SLICE = 500  # accounts, or conversations of one


class NotInvited(Exception):
    """The invitation was used, canceled or has expired."""


async def create(
    database: Database, user: User, search_pin: str, search_salt: str, invitation: str | None = None
) -> None:
    """Create an account. `invitation`: the hash of the token to use. Raises NotInvited or db.Conflict."""
    await database.write(_insert_account, user, search_pin, search_salt, invitation)


async def find_user(database: Database, login_id: str, auth_key: str) -> User | None:
    """The user with this login_id and auth_key, or None. Unknown and wrong take the same time and look the same."""
    user = await database.read(select_user_by_login_id, login_id=login_id)
    return user if await check_auth_key(user.auth_hash if user else None, auth_key) else None


async def change_pin(
    database: Database, hub: Hub[Event], locks: Locks, act: Act, *, user_id: str, session_id: str, login_id: str
) -> bool:
    """Replace the locks, end all other sessions, trust no device and no passkey any more. False if `login_id` is old.

    Raises encoding.EnvelopeError if the act is invalid, or db.Conflict.
    """
    is_changed = await database.write(
        _change_pin, locks, act, user_id=user_id, session_id=session_id, login_id=login_id
    )
    if is_changed:
        await sessions.cut_off(database, hub, user_id, but=session_id, reason=sessions.PIN_CHANGED)
    return is_changed


async def change_search_pin(database: Database, act: Act, *, search_pin: str, user_id: str, salt: str) -> None:
    """Replace the Search PIN. Raises encoding.EnvelopeError if the act is invalid, or db.Conflict."""
    await database.write(_replace_search_pin, act, search_pin=search_pin, user_id=user_id, salt=salt)
    await database.forget()


async def remove_account(
    database: Database, hub: Hub[Event], eraser: Eraser, user_id: str, act: Act | None = None
) -> None:
    """Delete a user's name, keys, sessions, vault and copies. Partners are notified, and keep their own copies.

    Sessions and PINs are invalid at once. If there are too many messages to erase now, `eraser` goes on.
    `act` is the user's; the operator needs none. Raises encoding.EnvelopeError if it is invalid.
    """
    await database.write(_delete_user, user_id=user_id, act=act)
    hub.end_sessions(user_id, reason=sessions.DELETED)
    await _tell(database, hub, user_id)
    await database.forget()
    await eraser.finish()


async def remove_unused(database: Database, hub: Hub[Event], moment: int) -> int:
    """Delete unused accounts (unused since UNUSED ms before `moment`). Returns the count. Raises db.Unavailable.

    Accounts that sent or received a message, have a recently used session or an open socket are kept. Checks a few
    hundred at a time and deletes each in its own transactions, so that other writes do not wait.
    """
    count, after, before = 0, "", moment - UNUSED
    while found := await database.read(select_slice, after=after, before=before, limit=SLICE):
        after = found[-1][0]
        in_slice = 0
        for user_id, seems_unused in found:
            if not seems_unused or await hub.is_connected(user_id):
                continue
            if await database.write(_delete_if_unused, user_id=user_id, before=before):
                in_slice += 1
                hub.end_sessions(user_id, reason=sessions.DELETED)
                await _tell(database, hub, user_id)
                while not await database.write(erase_slice, user_id=user_id):
                    pass
        if in_slice:
            await database.forget()
        count += in_slice
    return count


async def _tell(database: Database, hub: Hub[Event], user_id: str) -> None:
    """Tell everyone who is connected that their partner deleted the account."""
    after = ""
    while found := await database.read(select_partners, user_id=user_id, after=after, limit=SLICE):
        after = found[-1][0]
        for conversation_id, partner_id in found:
            if not await hub.is_connected(partner_id):
                continue
            seen = await database.read(select_conversation, conversation_id=conversation_id, user_id=partner_id)
            if seen is not None and seen.is_listed:
                hub.publish(partner_id, Event(seen))


@alone
def _delete_user(connection: Connection, *, user_id: str, act: Act | None) -> None:
    if act is not None:
        take_act(connection, act, user_id=user_id)
    delete_user(connection, user_id=user_id)
    erase_slice(connection, user_id=user_id)


@alone
def _delete_if_unused(connection: Connection, *, user_id: str, before: int) -> bool:
    """Delete the account. False if it was used in the meantime."""
    if not is_unused(connection, user_id=user_id, before=before):
        return False
    delete_user(connection, user_id=user_id)
    erase_slice(connection, user_id=user_id)
    return True


def _insert_account(
    connection: Connection, user: User, search_pin: str, search_salt: str, invitation: str | None
) -> None:
    if invitation is not None and not use_invitation(connection, token_hash=invitation):
        raise NotInvited
    insert_user(connection, user)
    insert_search_pin(connection, search_pin=search_pin, user_id=user.user_id, salt=search_salt)


def _replace_search_pin(connection: Connection, act: Act, *, search_pin: str, user_id: str, salt: str) -> None:
    take_act(connection, act, user_id=user_id)
    replace_search_pin(connection, search_pin=search_pin, user_id=user_id, salt=salt)


def _change_pin(
    connection: Connection, locks: Locks, act: Act, *, user_id: str, session_id: str, login_id: str
) -> bool:
    if not replace_locks(connection, locks, user_id=user_id, login_id=login_id):
        return False
    take_act(connection, act, user_id=user_id)
    delete_other_sessions(connection, session_id=session_id, user_id=user_id)
    distrust(connection, user_id=user_id)
    delete_passkeys(connection, user_id=user_id)
    return True
