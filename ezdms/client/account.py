"""Making, entering and opening an account: what needs the Login PIN, which stays here."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from ezdms import crypto
from ezdms.client.errors import ServerError, WrongPin
from ezdms.client.transport import Transport
from ezdms.encoding import b64u_decode, b64u_encode

# What is saved of the server's answer.
OWN_SERVER = "http://127.0.0.1:5000"  # where `ezdms serve` is by default
KEPT = ("user_id", "username", "search_pin", "token", "statement", "salt", "iterations", "wrapped_sig", "wrapped_enc")


def now() -> int:
    """Milliseconds since 1970, UTC."""
    return time.time_ns() // 1_000_000


def normalise(pin: str) -> str:
    """The PIN that a person meant. Raises WrongPin."""
    try:
        return crypto.normalise_login_pin(pin)
    except crypto.PinError as error:
        raise WrongPin(str(error)) from error


async def register(
    transport: Transport, username: str, pin: str, invitation: str = ""
) -> tuple[crypto.Keys, dict[str, Any]]:
    """New keys, and the account that the server made of them. Raises ServerError or Unreachable."""
    deployment = await transport.get("/deployment")
    keys = await asyncio.to_thread(crypto.generate_keys)
    login = await asyncio.to_thread(crypto.login_keys, pin, b64u_decode(deployment["deployment_id"], 16))
    wrapped = await asyncio.to_thread(crypto.wrap_keys, pin, keys)
    fields = {
        "username": username,
        "login_id": login.login_id,
        "auth_key": login.auth_key,
        "salt": wrapped.salt,
        "iterations": wrapped.iterations,
        "wrapped_sig": wrapped.wrapped_sig,
        "wrapped_enc": wrapped.wrapped_enc,
        "statement": crypto.sign_statement(keys, username, 1, now()),
        "search_salt": b64u_encode(crypto.new_search_salt()),
    }
    invited = {"invitation": invitation.strip().split("invite=")[-1]} if invitation else {}
    account = await transport.post("/register", {**fields, **invited})
    return keys, {**fields, **account}


async def log_in(transport: Transport, pin: str) -> dict[str, Any]:
    """A new session. Raises WrongPin, ServerError or Unreachable."""
    deployment = await transport.get("/deployment")
    login = await asyncio.to_thread(crypto.login_keys, pin, b64u_decode(deployment["deployment_id"], 16))
    try:
        account = await transport.post("/login", {"login_id": login.login_id, "auth_key": login.auth_key}, again=True)
    except ServerError as error:
        if error.code == "wrong_pin":
            raise WrongPin(str(error)) from error
        raise
    return dict(account)


async def unlock(pin: str, account: dict[str, Any]) -> crypto.Keys:
    """The private keys. Raises crypto.Refused if they do not open, or are not those of the statement."""
    statement = crypto.verify_statement(account["statement"])
    if statement.name != account["username"]:
        raise crypto.Refused("The server calls this account by another name than its key statement.")
    wrapped = crypto.WrappedKeys(*(account[name] for name in ("salt", "iterations", "wrapped_sig", "wrapped_enc")))
    return await asyncio.to_thread(crypto.unwrap_keys, pin, wrapped, statement.ik, statement.spki)


async def unlock_saved(pin: str, account: dict[str, Any]) -> crypto.Keys:
    """The private keys of an account that opened before. Raises WrongPin."""
    try:
        return await unlock(pin, account)
    except crypto.Refused as error:
        raise WrongPin("This is not the Login PIN of the account saved here.") from error
