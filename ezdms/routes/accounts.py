"""Register, log in, log out. What comes here was derived from a Login PIN by the client; the PIN itself never does."""

from __future__ import annotations

from quart import Blueprint, Response, request

from ezdms import auth, encoding, envelope, fragments
from ezdms.answers import Problem, answer
from ezdms.auth import public
from ezdms.db import Conflict, Connection
from ezdms.forms import parse_integer, read_fields
from ezdms.limits import by_address, limited
from ezdms.models.search_pin import insert_search_pin, select_search_pin
from ezdms.models.user import User, insert_user, select_user_by_login_id
from ezdms.routes import services

blueprint = Blueprint("accounts", __name__)

WRAPPED_SIG = 12 + 48 + 16  # bytes: iv, PKCS8 of an Ed25519 key, tag
WRAPPED_ENC = range(12 + 1190 + 16, 12 + 1240 + 16)  # bytes: PKCS8 of a 2048-bit RSA key is 1214 to 1219


@blueprint.post("/register")
@public
@limited("register", by_address)
async def register() -> Response:
    """A new account: a signed key statement, and private keys wrapped under a PIN that stays with the client."""
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
    )
    user, search_pin = await _parse_user(fields)
    try:
        await services.database().write(_insert_account, user, search_pin, fields["search_salt"])
    except Conflict as error:
        raise Problem(409, "taken", "These keys already belong to an account. Please try again.") from error
    return await _answer_with_session(user, search_pin, 201)


@blueprint.post("/login")
@public
@limited("login", by_address)
async def login() -> Response:
    """One indexed look-up and one hash, however many users there are; unknown and wrong look the same."""
    fields = await read_fields("login_id", "auth_key")
    for name, size in (("login_id", 16), ("auth_key", 32)):
        _check_bytes(name, fields[name], size)
    user = await services.database().read(select_user_by_login_id, login_id=fields["login_id"])
    if not await auth.check_auth_key(user.auth_hash if user else None, fields["auth_key"]) or user is None:
        raise Problem(401, "wrong_pin", "No account has this Login PIN.")
    search_pin = await services.database().read(select_search_pin, user_id=user.user_id)
    more = {
        "salt": user.salt,
        "iterations": user.iterations,
        "wrapped_sig": user.wrapped_sig,
        "wrapped_enc": user.wrapped_enc,
        "statement": user.statement,
    }
    return await _answer_with_session(user, search_pin or "", 200, **more)


@blueprint.post("/logout")
async def logout() -> Response:
    """This session and its sockets are dead at once."""
    session = services.session()
    await auth.end_session(services.database(), session)
    services.hub().end_session(session.user_id, session.session_id)
    response = Response(status=204)
    auth.clear_cookie(response, request.scheme)
    return response


async def _parse_user(fields: dict[str, str]) -> tuple[User, str]:
    """The user of a registration, every field in its exact form, and their Search PIN."""
    try:
        envelope.check_username(fields["username"])
    except encoding.EnvelopeError as error:
        raise Problem(400, "malformed_username", str(error)) from error
    for name, size in (("login_id", 16), ("auth_key", 32), ("salt", 16), ("search_salt", 16)):
        _check_bytes(name, fields[name], size)
    _check_bytes("wrapped_sig", fields["wrapped_sig"], WRAPPED_SIG)
    if len(_check_bytes("wrapped_enc", fields["wrapped_enc"], None)) not in WRAPPED_ENC:
        raise Problem(400, "malformed_field", "The field wrapped_enc has the wrong length.")
    iterations = parse_integer(
        "iterations", fields["iterations"], low=envelope.WRAP_ITER_MIN, high=envelope.WRAP_ITER_MAX
    )
    try:
        statement = envelope.parse_statement(fields["statement"])
    except encoding.EnvelopeError as error:
        raise Problem(422, "statement", f"The key statement does not hold: {error}") from error
    if statement.name != fields["username"]:
        raise Problem(422, "statement", "The key statement names somebody else.")
    salt = encoding.b64u_decode(fields["search_salt"], 16)
    user = User(
        user_id=auth.random_id(16),
        username=fields["username"],
        login_id=fields["login_id"],
        auth_hash=await auth.hash_auth_key(fields["auth_key"]),
        salt=fields["salt"],
        iterations=iterations,
        wrapped_sig=fields["wrapped_sig"],
        wrapped_enc=fields["wrapped_enc"],
        statement=fields["statement"],
        fingerprint=encoding.b64u_encode(envelope.fingerprint(statement.ik)),
        key_id=envelope.key_id(statement.spki),
    )
    return user, envelope.search_pin(statement.ik, salt)


def _check_bytes(name: str, text: str, size: int | None) -> bytes:
    try:
        return encoding.b64u_decode(text, size)
    except encoding.EnvelopeError as error:
        expected = "base64url" if size is None else f"{size} bytes in base64url"
        raise Problem(400, "malformed_field", f"The field {name} must be {expected}.") from error


async def _insert_account(connection: Connection, user: User, search_pin: str, search_salt: str) -> None:
    await insert_user(connection, user)
    await insert_search_pin(connection, search_pin=search_pin, user_id=user.user_id, salt=search_salt)


async def _answer_with_session(user: User, search_pin: str, status: int, **more: object) -> Response:
    token = await auth.start_session(services.database(), user.user_id)
    value = {"user_id": user.user_id, "username": user.username, "search_pin": search_pin, "token": token, **more}
    response = answer(value, fragments.account(user.username, search_pin), status)
    auth.set_cookie(response, token, request.scheme)
    return response
