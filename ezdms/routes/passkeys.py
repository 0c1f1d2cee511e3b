"""Passkeys: add, list, rename and remove them, and log in with one."""

from __future__ import annotations

from urllib.parse import urlsplit

from quart import Blueprint, Response, request

from ezdms.actions.passkeys import Refused, Site
from ezdms.db import Conflict
from ezdms.models.passkey import MOST, delete_passkey, rename_passkey, select_passkeys
from ezdms.problem import Problem
from ezdms.protocol.origin import parse_origin
from ezdms.routes.accounts import answer_with_keys
from ezdms.views import fragments
from ezdms.web import admission, context
from ezdms.web.admission import public
from ezdms.web.answers import answer
from ezdms.web.bodies import read_fields
from ezdms.web.codes import code_if_asked
from ezdms.web.credentials import confirm_pin
from ezdms.web.fields import parse_bytes
from ezdms.web.limits import by_account, by_address, limited

blueprint = Blueprint("passkeys", __name__)

WRAPPED = 12 + 16 + 16  # bytes: iv, Login PIN, tag
LONGEST_NAME = 64  # code points


@blueprint.get("/passkeys")
async def list_passkeys() -> Response:
    """The user's passkeys, oldest first."""
    return await _answer_with_list()


@blueprint.post("/passkeys/options")
@limited("login", by_account)
async def options_to_add() -> Response:
    """What a browser needs to make a passkey, which then counts as a code: takes the Login PIN, and a code if two-step
    login is on and the device is not trusted."""
    session = context.session()
    fields = await read_fields("login_id", "auth_key", optional=("code", "trust_token"))
    await confirm_pin(session, fields)
    await code_if_asked(session, fields)
    options = await context.passkeys().options_to_add(session.user_id, session.username, _site())
    return answer({"options": options}, lambda: fragments.notice("Your browser asks for a passkey now."))


@blueprint.post("/passkeys")
@limited("login", by_account)
async def add() -> Response:
    """Store a passkey, and the Login PIN that it wraps. Takes the Login PIN."""
    session = context.session()
    fields = await read_fields("login_id", "auth_key", "credential", "wrapped", "name")
    await confirm_pin(session, fields)
    parse_bytes("wrapped", fields["wrapped"], WRAPPED)
    name = _name(fields["name"])
    try:
        is_added = await context.passkeys().add(
            session.user_id, fields["login_id"], _site(), fields["credential"], wrapped=fields["wrapped"], name=name
        )
    except Refused as error:
        raise Problem(422, "passkey", "This passkey cannot be used here. Try again.") from error
    except Conflict as error:
        raise Problem(409, "passkey_taken", "This passkey is already in use.") from error
    if not is_added:
        raise Problem(409, "too_many_passkeys", f"You have {MOST} passkeys. Remove one first.")
    return await _answer_with_list(201)


@blueprint.post("/passkeys/<credential_id>/rename")
async def rename(credential_id: str) -> Response:
    """Give a passkey another name."""
    name = _name((await read_fields("name"))["name"])
    user_id = context.session().user_id
    if not await context.database().write(rename_passkey, credential_id=credential_id, user_id=user_id, name=name):
        raise _unknown()
    return await _answer_with_list()


@blueprint.post("/passkeys/<credential_id>/remove")
async def remove(credential_id: str) -> Response:
    """Remove a passkey: it opens nothing any more."""
    user_id = context.session().user_id
    if not await context.database().write(delete_passkey, credential_id=credential_id, user_id=user_id):
        raise _unknown()
    await context.database().forget()
    return await _answer_with_list()


@blueprint.post("/login_passkey/options")
@public
@limited("login", by_address)
async def options_to_log_in() -> Response:
    """What a browser needs to ask for a passkey of this host: the same for everyone, but for the challenge."""
    options = context.passkeys().options_to_log_in(_site())
    return answer({"options": options}, lambda: fragments.notice("Your browser asks for a passkey now."))


@blueprint.post("/login_passkey")
@public
@limited("login", by_address)
async def log_in() -> Response:
    """Log in with a passkey, which counts as Login PIN and code. The answer also has what the passkey wraps."""
    fields = await read_fields("credential")
    try:
        user, passkey, token = await context.passkeys().log_in(_site(), fields["credential"], **admission.seen(request))
    except Refused as error:
        raise Problem(401, "passkey", "No account here has this passkey. Log in with your Login PIN.") from error
    return await answer_with_keys(user, token, wrapped=passkey.wrapped, credential_id=passkey.credential_id)


def _site() -> Site:
    """Where the page is open, as its browser says: that it is this host was checked (web/origin.py)."""
    origin = request.headers.get("Origin") or request.host_url.rstrip("/")
    parsed = parse_origin(origin)
    if parsed is None or urlsplit(origin).netloc != request.host:
        raise Problem(400, "malformed_field", "Passkeys work only on a page of this server.")
    return Site(origin, parsed.host)


def _name(text: str) -> str:
    name = text.strip()
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        raise Problem(400, "malformed_name", f"A name has 1 to {LONGEST_NAME} characters, on one line.")
    return name


async def _answer_with_list(status: int = 200) -> Response:
    found = await context.database().read(select_passkeys, user_id=context.session().user_id)
    names = ("credential_id", "name", "created_at", "used_at")
    value = {"passkeys": [{name: getattr(one, name) for name in names} for one in found]}
    return answer(value, lambda: fragments.notice(f"You have {len(found)} passkeys."), status)


def _unknown() -> Problem:
    return Problem(404, "unknown_passkey", "You have no such passkey.")
