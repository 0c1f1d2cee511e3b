"""Register, log in, log out, delete. Requests contain values that the client derived from a Login PIN, never it."""

from __future__ import annotations

from dataclasses import asdict

from quart import Blueprint, Response, request

from ezdms.actions import accounts, sessions
from ezdms.db import Conflict
from ezdms.models.invitation import is_invited
from ezdms.models.search_pin import select_search_pin
from ezdms.models.second_step import Refusal
from ezdms.models.user import User, select_user_by_login_id
from ezdms.problem import Problem
from ezdms.protocol import encoding, envelope
from ezdms.store import data_folder
from ezdms.views import fragments
from ezdms.web import admission, context
from ezdms.web.admission import public
from ezdms.web.answers import answer
from ezdms.web.bodies import read_fields
from ezdms.web.codes import code_must_be_one, code_needed, code_refused
from ezdms.web.credentials import act_must_hold, confirm_pin, find_user, parse_locks, signed_act, wrapped_keys
from ezdms.web.fields import parse_bytes
from ezdms.web.limits import by_account, by_address, by_network, limited

blueprint = Blueprint("accounts", __name__)


@blueprint.post("/register")
@public
@limited("register", by_address)
@limited("register_net", by_network)
async def register() -> Response:
    """Create an account: a signed key statement, and private keys wrapped under a PIN that never leaves the client."""
    fields = await read_fields(
        "username",
        "login_id",
        "auth_key",
        "salt",
        "iterations",
        "wrapped_sig",
        "wrapped_enc",
        "statement",
        "search_salt",
        optional=("invitation",),
    )
    invitation = await _admit(fields.get("invitation", ""))
    user, search_pin = await _parse_user(fields)
    _check_room()
    try:
        await accounts.create(context.database(), user, search_pin, fields["search_salt"], invitation)
    except accounts.NotInvited as error:
        raise _not_invited() from error
    except Conflict as error:
        raise Problem(409, "taken", "These keys already belong to an account. Please try again.") from error
    token = await sessions.start(context.database(), user, **admission.seen(request))
    return _answer_with_session(user, search_pin, token, 201)


@blueprint.post("/login")
@public
@limited("login", by_address)
async def login() -> Response:
    """Log in: one indexed lookup and one hash for any number of users. Unknown and wrong look the same."""
    fields = await read_fields("login_id", "auth_key", optional=("trust_token",))
    user = await find_user(fields)
    if user is None:
        raise _wrong_pin()
    trusted = admission.trusted_hashes(fields.get("trust_token", ""))
    try:
        token = await sessions.start(context.database(), user, **admission.seen(request), trusted=trusted)
    except sessions.CodeNeeded as error:
        raise code_needed(401, challenge=context.second_steps().challenge(user)) from error
    except sessions.PinChanged as error:
        raise _wrong_pin() from error
    return await answer_with_keys(user, token)


@blueprint.post("/login_second")
@public
@limited("login", by_address)
async def login_second() -> Response:
    """Finish a login with a code or a recovery code. `challenge` is from /login, and stands for the right PIN."""
    fields = await read_fields("challenge", "code", optional=("trust",))
    passed = context.second_steps().read_challenge(fields["challenge"])
    user = None
    if passed is not None:
        user = await context.database().read(select_user_by_login_id, login_id=passed.login_id)
    if passed is None or user is None or user.user_id != passed.user_id:
        raise Problem(401, "challenge", "That took too long. Log in with your Login PIN again.")
    with code_must_be_one():
        proof = await context.second_steps().prove(user.user_id, fields["code"])
    try:
        started = await sessions.start_with_code(
            context.database(), user, proof, **admission.seen(request), trust=fields.get("trust") == "1"
        )
    except sessions.PinChanged as error:
        raise _wrong_pin() from error
    if isinstance(started, Refusal):
        raise await code_refused(started, user.user_id, 401)
    token, trust_token = started
    response = await answer_with_keys(user, token, **({"trust_token": trust_token} if trust_token else {}))
    if trust_token:
        admission.set_trust_cookie(response, trust_token, request.scheme)
    return response


@blueprint.post("/logout")
async def logout() -> Response:
    """End this session and close its sockets."""
    session = context.session()
    await sessions.end(
        context.database(), context.hub(), session.user_id, only=session.session_id, reason=sessions.HERE
    )
    response = Response(status=204)
    admission.clear_cookie(response)
    return response


@blueprint.post("/delete_account")
@limited("login", by_account)
async def delete_account() -> Response:
    """Delete the user's name, keys, sessions, vault and copies. Partners are notified, and keep their own copies."""
    session = context.session()
    fields = await read_fields("login_id", "auth_key", optional=("act",))
    await confirm_pin(session, fields)
    act = signed_act(session, fields, "delete_account", "")
    with act_must_hold():
        await accounts.remove_account(context.database(), context.hub(), context.eraser(), session.user_id, act)
    response = Response(status=204)
    admission.clear_cookie(response)
    return response


async def _parse_user(fields: dict[str, str]) -> tuple[User, str]:
    """Parse a registration strictly. Returns the user and their Search PIN."""
    try:
        envelope.check_new_username(fields["username"])
    except encoding.EnvelopeError as error:
        raise Problem(400, "malformed_username", str(error)) from error
    salt = parse_bytes("search_salt", fields["search_salt"], 16)
    locks = await parse_locks(fields)
    try:
        statement = envelope.parse_statement(fields["statement"])
    except encoding.EnvelopeError as error:
        raise Problem(422, "statement", f"The key statement is invalid: {error}") from error
    if statement.name != fields["username"]:
        raise Problem(422, "statement", "The key statement has a different username.")
    user = User(
        user_id=sessions.random_id(16),
        username=fields["username"],
        **asdict(locks),
        statement=fields["statement"],
        fingerprint=encoding.b64u_encode(envelope.fingerprint(statement.ik)),
        key_id=envelope.key_id(statement.spki),
    )
    return user, envelope.search_pin(statement.ik, salt)


def _check_room() -> None:
    """Problem 507 if the disk is almost full: the rest is reserved for messages of existing users."""
    settings = context.settings()
    if data_folder.is_short_of_room(settings.data_dir, settings.disk_floor):
        raise Problem(
            507, "disk", "This server is almost full and is not accepting new accounts right now. Try again later."
        )


async def _admit(token: str) -> str | None:
    """The hash of the invitation to use, None if none is needed. Problem 403 if it is missing or invalid."""
    registration = context.settings().registration
    if registration == "open":
        return None
    if registration == "closed":
        raise Problem(403, "registration_closed", "This server is not accepting new accounts.")
    token_hash = sessions.hash_token(token)
    if not await context.database().read(is_invited, token_hash=token_hash):
        raise _not_invited()
    return token_hash


def _not_invited() -> Problem:
    return Problem(
        403,
        "not_invited",
        "This server is invitation-only. Open the link you were given. Each link works once, for a limited time.",
    )


async def answer_with_keys(user: User, token: str, **more: str) -> Response:
    """The answer to a login: the session, and the wrapped keys."""
    search_pin, search_salt = await context.database().read(select_search_pin, user_id=user.user_id)
    return _answer_with_session(user, search_pin, token, 200, **wrapped_keys(user), search_salt=search_salt, **more)


def _answer_with_session(user: User, search_pin: str, token: str, status: int, **more: object) -> Response:
    value = {"user_id": user.user_id, "username": user.username, "search_pin": search_pin, "token": token, **more}
    response = answer(value, lambda: fragments.account(user.username, search_pin), status)
    admission.set_cookie(response, token)
    return response


def _wrong_pin() -> Problem:
    return Problem(401, "wrong_pin", "No account has this Login PIN.")
