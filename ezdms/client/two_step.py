"""Two-step login of an account: turns it on and off, and makes new recovery codes. Logging in with a code is in
account.py."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ezdms import crypto
from ezdms.client import answers
from ezdms.client.account import Door, normalise, normalise_code, now
from ezdms.client.errors import ServerError, WrongCode, WrongPin
from ezdms.client.transport import Transport


class TwoStep:
    """`client.two_step`. All methods raise ServerError, BadAnswer, OtherServer or Unreachable."""

    def __init__(self, door: Door, transport: Transport, keys: crypto.Keys) -> None:
        self._door = door
        self._transport = transport
        self._keys = keys

    async def is_on(self) -> bool:
        """Whether the server says so."""
        return answers.read_is_on(await self._transport.get("/second_step"))

    async def begin(self, pin: str) -> str:
        """A new secret (base32) for the user's app. Nothing changes before `turn_on`. Raises WrongPin."""
        with _refusing():
            return answers.read_secret(await self._transport.post("/second_step", await self._proof(pin)))

    async def turn_on(self, secret: str, code: str) -> list[str]:
        """Turn it on with a code that the app makes from this secret. Returns ten recovery codes, which are shown only
        this once. Raises WrongCode."""
        fields = {"code": normalise_code(code), "act": await self._act("second_step_on", secret)}
        with _refusing():
            return answers.read_recovery_codes(await self._transport.post("/second_step_on", fields))

    async def turn_off(self, pin: str, code: str) -> None:
        """Turn it off. `code`: of the app, or a recovery code. Raises WrongPin or WrongCode."""
        fields = {"code": normalise_code(code), "act": await self._act("second_step_off", "")}
        with _refusing():
            await self._transport.post("/second_step_off", await self._proof(pin) | fields)

    async def new_recovery_codes(self, pin: str, code: str) -> list[str]:
        """Ten new recovery codes; the old ones no longer work. Raises WrongPin or WrongCode."""
        fields = {"code": normalise_code(code), "act": await self._act("recovery_codes", "")}
        with _refusing():
            answer = await self._transport.post("/recovery_codes", await self._proof(pin) | fields)
            return answers.read_recovery_codes(answer)

    async def _proof(self, pin: str) -> dict[str, str]:
        login = await self._door.login_keys(normalise(pin))
        return {"login_id": login.login_id, "auth_key": login.auth_key}

    async def _act(self, act: str, purpose: str) -> str:
        """The signature of the user's key: nobody who has only PIN and session can turn it on or off."""
        return crypto.sign_act(self._keys, await self._door.deployment(), act, purpose, now())


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except ServerError as error:
        if error.code == "wrong_pin":
            raise WrongPin(str(error)) from error
        if error.code in ("wrong_code", "used_code", "malformed_code"):
            raise WrongCode(str(error)) from error
        raise
