"""Change the Login PIN, replace the Search PIN. The client makes the first; the second is computed from its key."""

from __future__ import annotations

from quart import Blueprint, Response

from ezdms.actions import accounts
from ezdms.db import Conflict
from ezdms.problem import Problem
from ezdms.protocol import envelope
from ezdms.views import fragments
from ezdms.web import context
from ezdms.web.answers import answer
from ezdms.web.bodies import read_fields
from ezdms.web.codes import code_if_asked
from ezdms.web.credentials import LOCKS, act_must_hold, confirm_pin, parse_locks, signed_act, wrapped_keys
from ezdms.web.fields import parse_bytes
from ezdms.web.limits import by_account, limited

blueprint = Blueprint("pins", __name__)

NEW_LOCKS = tuple(f"new_{name}" for name in LOCKS)


@blueprint.post("/private_keys")
@limited("login", by_account)
async def private_keys() -> Response:
    """The user's wrapped private keys, so that a new PIN can wrap them again. Takes the Login PIN, and a code if
    two-step login is on and the device is not trusted."""
    session = context.session()
    fields = await read_fields("login_id", "auth_key", optional=("code", "trust_token"))
    user = await confirm_pin(session, fields)
    await code_if_asked(session, fields)
    return answer(
        {**wrapped_keys(user), "search_salt": session.search_salt},
        lambda: fragments.notice("Your keys were sent, encrypted with your Login PIN."),
    )


@blueprint.post("/change_pin")
@limited("login", by_account)
async def change_pin() -> Response:
    """Replace the Login PIN. The old one stops working at once, and all other sessions end."""
    session = context.session()
    fields = await read_fields("login_id", "auth_key", *NEW_LOCKS, optional=("act",))
    locks = await parse_locks({name.removeprefix("new_"): fields[name] for name in NEW_LOCKS})
    await confirm_pin(session, fields)
    act = signed_act(session, fields, "change_pin", envelope.change_pin_purpose(fields))
    try:
        with act_must_hold():
            is_changed = await accounts.change_pin(
                context.database(),
                context.hub(),
                locks,
                act,
                user_id=session.user_id,
                session_id=session.session_id,
                login_id=fields["login_id"],
            )
    except Conflict as error:
        raise Problem(409, "taken", "This Login PIN cannot be used. Please create another one.") from error
    if not is_changed:
        raise Problem(409, "changed", "Your Login PIN was just changed on another device.")
    return Response(status=204)


@blueprint.post("/search_pin")
@limited("start", by_account)
async def new_search_pin() -> Response:
    """Replace the Search PIN; the old one stops working. The new one commits to the same key; conversations stay."""
    session = context.session()
    fields = await read_fields("search_salt", optional=("act",))
    search_salt = fields["search_salt"]
    salt = parse_bytes("search_salt", search_salt, 16)
    act = signed_act(session, fields, "search_pin", search_salt)
    search_pin = envelope.search_pin(act.ik, salt)
    try:
        with act_must_hold():
            await accounts.change_search_pin(
                context.database(), act, search_pin=search_pin, user_id=session.user_id, salt=search_salt
            )
    except Conflict as error:
        raise Problem(409, "taken", "This Search PIN cannot be used. Please try again.") from error
    value = {"search_pin": search_pin, "search_salt": search_salt}
    return answer(value, lambda: fragments.account(session.username, search_pin))
