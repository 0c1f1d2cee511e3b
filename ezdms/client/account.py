"""Creates, logs in to and unlocks an account: everything that needs the Login PIN, which never leaves this machine.

The values of an account (client/state.py) are only what the client made or verified. From the server come the ids of
account and session, and wrapped keys only after they were decrypted.
"""

from __future__ import annotations

import asyncio
import re
import time
from typing import Any

from ezdms import crypto
from ezdms.client import answers
from ezdms.client.errors import BadAnswer, ClientError, CodeNeeded, ServerError, WrongCode, WrongPin
from ezdms.client.servers import Servers
from ezdms.client.state import State
from ezdms.client.transport import Transport
from ezdms.protocol import envelope
from ezdms.protocol.encoding import EnvelopeError, b64u_decode, b64u_encode

OWN_SERVER = "http://127.0.0.1:5000"  # default address of `ezdms serve`
CODE = re.compile(r"[0-9]{6}|[0-9A-HJKMNP-TV-Z]{10}", re.ASCII)  # of an app, or a recovery code
MALFORMED = "A code has 6 digits. A recovery code has two groups of 5 letters and digits."
LOCKS = ("salt", "iterations", "wrapped_sig", "wrapped_enc")


def now() -> int:
    """Milliseconds since 1970, UTC."""
    return time.time_ns() // 1_000_000


def normalise(pin: str) -> str:
    """The PIN in canonical form. Raises WrongPin."""
    try:
        return crypto.normalise_login_pin(pin)
    except crypto.PinError as error:
        raise WrongPin(str(error)) from error


def normalise_code(typed: str) -> str:
    """A code or recovery code as it is sent. Raises WrongCode for anything else: nothing else typed there, such as a
    Login PIN, reaches the server."""
    code = envelope.fold_pin(typed)
    if not CODE.fullmatch(code):
        raise WrongCode(MALFORMED)
    return code


class Door:
    """Logs in to one server, after checking that it is the expected one."""

    def __init__(self, transport: Transport, servers: Servers, *, trust: bool = False) -> None:
        self._transport = transport
        self._servers = servers
        self._trust = trust

    async def login_keys(self, pin: str) -> crypto.LoginKeys:
        """Derive the credentials this server gets instead of the PIN. Raises OtherServer before anything is derived."""
        deployment = await self.deployment()
        return await asyncio.to_thread(crypto.login_keys, pin, deployment)

    async def deployment(self) -> bytes:
        """The id of the server, if it is the expected one. Raises OtherServer."""
        deployment = answers.read_deployment(await self._transport.get("/deployment"))
        self._servers.admit(self._transport.server, deployment.deployment_id, trust=self._trust)
        return b64u_decode(deployment.deployment_id, 16)

    async def register(self, username: str, pin: str, invitation: str = "") -> tuple[crypto.Keys, dict[str, Any]]:
        """Create an account. Returns its new keys and its values. Raises ClientError."""
        try:
            envelope.check_new_username(username)
        except EnvelopeError as error:
            raise ClientError(str(error)) from error
        login = await self.login_keys(pin)
        keys = await asyncio.to_thread(crypto.generate_keys)
        wrapped = await asyncio.to_thread(crypto.wrap_keys, pin, keys)
        kept = {
            "username": username,
            "statement": crypto.sign_statement(keys, username, 1, now()),
            "search_salt": b64u_encode(crypto.new_search_salt()),
            **{name: getattr(wrapped, name) for name in LOCKS},
        }
        fields = kept | {"login_id": login.login_id, "auth_key": login.auth_key}
        if invitation:
            fields["invitation"] = invitation.strip().split("invite=")[-1]
        account = answers.read_registered(await self._transport.post("/register", fields))
        return keys, kept | {"user_id": account.user_id, "token": account.token}

    async def log_in(self, pin: str, code: str = "", challenge: str = "") -> answers.LoggedIn:
        """Begin a new session. Raises WrongPin, CodeNeeded, WrongCode, ServerError, BadAnswer, OtherServer or
        Unreachable.

        `code`: of two-step login, or a recovery code. `challenge`: of CodeNeeded, so that the PIN is not checked again.
        """
        code = normalise_code(code) if code else ""
        if code and challenge:
            await self.deployment()
            try:
                return await self._present_code(challenge, code)
            except ServerError as error:
                if error.code != "challenge":
                    raise
        try:
            return await self._present_pin(pin)
        except CodeNeeded as error:
            if not code:
                raise
            return await self._present_code(error.challenge, code)

    async def _present_pin(self, pin: str) -> answers.LoggedIn:
        login = await self.login_keys(pin)
        fields = {"login_id": login.login_id, "auth_key": login.auth_key}
        try:
            return answers.read_logged_in(await self._transport.post("/login", fields, again=True))
        except ServerError as error:
            if error.code == "wrong_pin":
                raise WrongPin(str(error)) from error
            raise

    async def _present_code(self, challenge: str, code: str) -> answers.LoggedIn:
        try:
            fields = {"challenge": challenge, "code": code}
            return answers.read_logged_in(await self._transport.post("/login_second", fields))
        except ServerError as error:
            if error.code in ("wrong_code", "used_code"):
                raise WrongCode(str(error)) from error
            raise


def values_of(account: answers.LoggedIn) -> dict[str, Any]:
    """The values of an account whose keys were decrypted. The name is the one they signed."""
    values = {name: getattr(account, name) for name in ("user_id", "token", "statement", *LOCKS)}
    values["username"] = crypto.verify_statement(account.statement).name
    return values | ({"search_salt": account.search_salt} if account.search_salt else {})


def search_pin_of(values: dict[str, Any]) -> str:
    """The user's own Search PIN, computed from their key and salt; "" without the salt. A PIN taken from the server
    could belong to anyone."""
    salt = values.get("search_salt")
    return crypto.search_pin(crypto.verify_statement(values["statement"]).ik, b64u_decode(salt, 16)) if salt else ""


def refuse_another(known: dict[str, Any], account: answers.LoggedIn) -> None:
    """Refuse an account that contradicts what is known of one's own. Raises BadAnswer or crypto.Alarm."""
    if account.user_id != known["user_id"]:
        raise BadAnswer("The server gives this account a different id than before.")
    if account.statement != known["statement"]:
        crypto.check_succession(crypto.pin_of(known["statement"]), crypto.pin_of(account.statement))


async def unlock(pin: str, account: answers.LoggedIn) -> crypto.Keys:
    """Decrypt the private keys. Raises crypto.Refused if that fails, or they do not match the statement."""
    wrapped = crypto.WrappedKeys(account.salt, account.iterations, account.wrapped_sig, account.wrapped_enc)
    return await _open(pin, wrapped, account.statement)


async def unlock_saved(pin: str, state: State) -> crypto.Keys:
    """Decrypt the private keys of a saved account. Raises WrongPin."""
    try:
        wrapped = crypto.WrappedKeys(*(state.values[name] for name in LOCKS))
        return await _open(pin, wrapped, state.values["statement"])
    except crypto.Refused as error:
        raise WrongPin("This is not the Login PIN of the account saved here.") from error


async def _open(pin: str, wrapped: crypto.WrappedKeys, jws: str) -> crypto.Keys:
    statement = crypto.verify_statement(jws)
    return await asyncio.to_thread(crypto.unwrap_keys, pin, wrapped, statement.ik, statement.spki)
