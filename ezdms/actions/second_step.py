"""Two-step login: TOTP secrets, codes, recovery codes, and what stands for a login whose PIN was right.

The server has to know a TOTP secret, so this protects from people who know a Login PIN, never from the server.
"""

from __future__ import annotations

import hmac
import logging
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import pyotp
from cryptography.exceptions import InvalidTag

from ezdms import logs
from ezdms.actions import passwords, sessions
from ezdms.actions.boxes import Box
from ezdms.db import Connection, Database, now
from ezdms.models import second_step as stored
from ezdms.models.second_step import Proof, Refusal, SecondStep, Standing
from ezdms.models.user import Act, User, take_act
from ezdms.protocol.encoding import ALPHABET, EnvelopeError, b64u_decode, b64u_encode, in_groups
from ezdms.protocol.envelope import fold_pin, is_in_alphabet

PERIOD = 30_000  # ms that a code is shown
OFF_BY = 1  # periods that the clock of a phone may be off
RECOVERY_CODES = 10
RECOVERY_LENGTH = 10  # characters, 50 bits; shown in two groups
CHALLENGE_LIFETIME = 10 * 60 * 1000  # ms


class Malformed(Exception):
    """Neither a code nor a recovery code."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """Whose Login PIN was right."""

    user_id: str
    login_id: str


class SecondSteps:
    """The second steps of all accounts. `key`: of the data folder (store/secret_key.py)."""

    def __init__(self, database: Database, key: bytes) -> None:
        self._database = database
        self._secrets = Box(key, b"ezdms TOTP secrets")
        self._challenges = Box(key, b"ezdms login challenges")
        self._another_key = logs.Seldom("TOTP secrets cannot be decrypted")

    async def standing(self, user_id: str) -> Standing:
        """Whether it is on, and what is left."""
        return await self._database.read(stored.select_standing, user_id=user_id)

    async def is_asked(self, user_id: str, trusted: Sequence[str]) -> bool:
        """True if a code is needed. `trusted`: hashes of the tokens by which the device says that it is trusted."""
        return await self._database.read(stored.is_asked, user_id=user_id, trusted=trusted)

    # ---- Turning it on and off ----

    async def begin(self, user_id: str) -> str | None:
        """A new TOTP secret (base32), which is used once a code confirms it. None if the second step is on."""
        secret = pyotp.random_base32()
        is_new = await self._database.write(
            stored.begin, user_id=user_id, secret=self._seal(user_id, secret), salt=sessions.random_id(16)
        )
        return secret if is_new else None

    async def pending(self, user_id: str) -> tuple[SecondStep, str] | None:
        """The second step that no code has confirmed yet, with its secret (base32); None if there is none."""
        found = await self._database.read(stored.select_second_step, user_id=user_id)
        secret = None if found is None or found.is_on else self._open(found)
        return None if found is None or secret is None else (found, secret)

    async def turn_on(self, found: SecondStep, secret: str, code: str, act: Act) -> list[str] | None:
        """Confirm the secret with a code. Returns the recovery codes; None if the code is wrong, or it was changed.

        Raises Malformed, or encoding.EnvelopeError if the act is invalid.
        """
        step = _step_of(secret, _read_code(code)[0], found)
        if not step:
            return None
        codes, hashes = await self._new_codes(found)
        is_on = await self._database.write(
            _turn_on, Proof(found.secret, step), act, user_id=found.user_id, hashes=hashes
        )
        await self._database.forget()
        return codes if is_on else None

    async def turn_off(self, user_id: str, code: str, act: Act) -> Refusal | None:
        """Turn it off with a code. Returns None if that was accepted. Raises Malformed or encoding.EnvelopeError."""
        refused = await self._database.write(_turn_off, await self.prove(user_id, code), act, user_id=user_id)
        await self._database.forget()
        return refused

    async def renew_codes(self, user_id: str, code: str, act: Act) -> list[str] | Refusal:
        """New recovery codes instead of the old ones. Raises Malformed or encoding.EnvelopeError."""
        proof = await self.prove(user_id, code)
        found = await self._database.read(stored.select_second_step, user_id=user_id)
        if found is None or not found.is_on:
            return Refusal.WRONG
        codes, hashes = await self._new_codes(found)
        refused = await self._database.write(_renew_codes, proof, act, user_id=user_id, hashes=hashes)
        await self._database.forget()
        return refused or codes

    async def _new_codes(self, found: SecondStep) -> tuple[list[str], list[str]]:
        codes = [_random_code() for _ in range(RECOVERY_CODES)]
        hashes = [await passwords.hash_recovery_code(code, found.salt) for code in codes]
        return [in_groups(code, RECOVERY_LENGTH // 2) for code in codes], hashes

    # ---- Using a code ----

    async def prove(self, user_id: str, code: str) -> Proof:
        """What the code is, for models.second_step.take_code. Raises Malformed."""
        digits, recovery = _read_code(code)
        found = await self._database.read(stored.select_second_step, user_id=user_id)
        if found is None:
            return Proof("")
        if recovery:
            return Proof(found.secret, recovery_hash=await passwords.hash_recovery_code(recovery, found.salt))
        secret = self._open(found)
        return Proof(found.secret, 0 if secret is None else _step_of(secret, digits, found))

    async def use(self, user_id: str, code: str) -> Refusal | None:
        """Use a code up. Returns None if it was accepted. Raises Malformed."""
        return await self._database.write(stored.take_code, await self.prove(user_id, code), user_id=user_id)

    async def wait(self, user_id: str) -> int:
        """The seconds until another code is accepted."""
        found = await self._database.read(stored.select_second_step, user_id=user_id)
        return 0 if found is None else -(-found.wait(now()) // 1000)

    # ---- Between PIN and code ----

    def challenge(self, user: User) -> str:
        """What stands for a login whose PIN was right, for CHALLENGE_LIFETIME: only this server can make or read it.

        Nothing is stored, so nobody's logins can displace someone else's.
        """
        text = f"{user.user_id} {user.login_id} {now() + CHALLENGE_LIFETIME}"
        return b64u_encode(self._challenges.seal(text))

    def read_challenge(self, challenge: str) -> Challenge | None:
        """None if this server did not make it, or it has expired."""
        try:
            text = self._challenges.open(b64u_decode(challenge))
        except (EnvelopeError, InvalidTag, ValueError):
            return None
        user_id, login_id, until = text.split(" ")
        return Challenge(user_id, login_id) if int(until) > now() else None

    # ---- Secrets at rest ----

    def _seal(self, user_id: str, secret: str) -> str:
        return b64u_encode(self._secrets.seal(secret, user_id))

    def _open(self, found: SecondStep) -> str | None:
        """The secret; None if the data folder has another key than when it was stored."""
        try:
            return self._secrets.open(b64u_decode(found.secret), found.user_id)
        except InvalidTag:
            self._another_key.event(logging.ERROR, why="ezdms.key is not the one they were encrypted with")
            return None


async def forget(database: Database, user_id: str) -> bool:
    """Turn it off without a code, for the operator. False if it was not on."""
    was_on = (await database.read(stored.select_standing, user_id=user_id)).is_on
    await database.write(stored.turn_off, user_id=user_id)
    await database.forget()
    return was_on


def _random_code() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(RECOVERY_LENGTH))


def _read_code(typed: str) -> tuple[str, str]:
    """The six digits of a code, or the characters of a recovery code; the other is "". Raises Malformed."""
    folded = fold_pin(typed[:64])
    if len(folded) == RECOVERY_LENGTH and is_in_alphabet(folded):
        return "", folded
    digits = re.sub(r"[\s-]", "", typed[:64])
    if re.fullmatch(r"[0-9]{6}", digits):
        return digits, ""
    raise Malformed


def _step_of(secret: str, digits: str, found: SecondStep) -> int:
    """The time step of this code, 0 if it is not valid now. Of several, the first that was not used."""
    totp, at = pyotp.TOTP(secret), now() // PERIOD
    steps = [
        step for step in range(at - OFF_BY, at + OFF_BY + 1) if hmac.compare_digest(totp.generate_otp(step), digits)
    ]
    return next((step for step in steps if step > found.last_step), steps[0] if steps else 0)


def _turn_on(connection: Connection, proof: Proof, act: Act, user_id: str, hashes: list[str]) -> bool:
    take_act(connection, act, user_id=user_id)
    return stored.turn_on(connection, proof, user_id=user_id, code_hashes=hashes)


def _turn_off(connection: Connection, proof: Proof, act: Act, user_id: str) -> Refusal | None:
    refused = stored.take_code(connection, proof, user_id=user_id)
    if refused is None:
        take_act(connection, act, user_id=user_id)
        stored.turn_off(connection, user_id=user_id)
    return refused


def _renew_codes(connection: Connection, proof: Proof, act: Act, user_id: str, hashes: list[str]) -> Refusal | None:
    refused = stored.take_code(connection, proof, user_id=user_id)
    if refused is None:
        take_act(connection, act, user_id=user_id)
        stored.replace_recovery_codes(connection, user_id=user_id, code_hashes=hashes)
    return refused
