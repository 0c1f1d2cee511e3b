"""Two-step login: the encrypted TOTP secret, recovery codes as hashes, and devices that are not asked for a code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from ezdms.db import Connection, fetch_all, fetch_one, now

MOST_FAILURES = 5  # wrong codes of an account within WINDOW; recovery codes are too long to guess, and not counted
WINDOW = 15 * 60 * 1000  # ms
TRUSTED_FOR = 30 * 24 * 60 * 60 * 1000  # ms


class Refusal(Enum):
    """Why a code was not accepted."""

    WRONG = "wrong"
    USED = "used"
    TOO_MANY = "too many"


@dataclass(frozen=True, slots=True)
class SecondStep:
    """The second step of an account. `secret` is encrypted. `turned_on_at` (ms) is None until a code confirmed it."""

    user_id: str
    secret: str
    turned_on_at: int | None
    last_step: int
    failures: str
    salt: str

    @property
    def is_on(self) -> bool:
        """True once a code confirmed it."""
        return self.turned_on_at is not None

    def failed_at(self, moment: int) -> list[int]:
        """The times (ms) of the wrong codes that still count."""
        return [at for at in map(int, self.failures.split(",") if self.failures else ()) if at > moment - WINDOW]

    def wait(self, moment: int) -> int:
        """The ms until another code is accepted, 0 if one is now."""
        failed = self.failed_at(moment)
        return failed[-MOST_FAILURES] + WINDOW - moment if len(failed) >= MOST_FAILURES else 0


@dataclass(frozen=True, slots=True)
class Proof:
    """What a code is: the time `step` of a TOTP code (0: of none that is valid now), or the hash of a recovery code.

    `secret` is the encrypted one that it was compared with.
    """

    secret: str
    step: int = 0
    recovery_hash: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """What the owner of an account may know about its second step."""

    is_on: bool
    recovery_codes: int
    trusted_devices: int


def select_second_step(connection: Connection, *, user_id: str) -> SecondStep | None:
    """The second step of this account, whether or not it is on."""
    row = fetch_one(
        connection,
        """SELECT user_id, secret, turned_on_at, last_step, failures, salt FROM second_steps
           WHERE user_id = :user_id""",
        user_id=user_id,
    )
    return None if row is None else SecondStep(**dict(row))


def select_standing(connection: Connection, *, user_id: str) -> Standing:
    """Whether it is on, and how many unused recovery codes and trusted devices there are."""
    found = select_second_step(connection, user_id=user_id)
    codes = fetch_all(connection, "SELECT 1 FROM recovery_codes WHERE user_id = :user_id", user_id=user_id)
    devices = fetch_all(
        connection,
        "SELECT 1 FROM trusted_devices WHERE user_id = :user_id AND expires_at > :moment",
        user_id=user_id,
        moment=now(),
    )
    return Standing(found is not None and found.is_on, len(codes), len(devices))


def is_asked(connection: Connection, *, user_id: str, trusted: Sequence[str]) -> bool:
    """True if a login needs a code: the second step is on, and none of the token hashes `trusted` is its own."""
    row = fetch_one(
        connection,
        "SELECT 1 FROM second_steps WHERE user_id = :user_id AND turned_on_at IS NOT NULL",
        user_id=user_id,
    )
    return row is not None and not any(_is_trusted(connection, user_id, token_hash) for token_hash in trusted)


def _is_trusted(connection: Connection, user_id: str, token_hash: str) -> bool:
    row = fetch_one(
        connection,
        """SELECT 1 FROM trusted_devices
           WHERE token_hash = :token_hash AND user_id = :user_id AND expires_at > :moment""",
        token_hash=token_hash,
        user_id=user_id,
        moment=now(),
    )
    return row is not None


def begin(connection: Connection, *, user_id: str, secret: str, salt: str) -> bool:
    """Store a secret that no code has confirmed yet, instead of an earlier one. False if the second step is on."""
    row = fetch_one(
        connection,
        """INSERT INTO second_steps (user_id, secret, salt) VALUES (:user_id, :secret, :salt)
           ON CONFLICT (user_id) DO UPDATE SET secret = excluded.secret, salt = excluded.salt, last_step = 0
           WHERE second_steps.turned_on_at IS NULL RETURNING user_id""",
        user_id=user_id,
        secret=secret,
        salt=salt,
    )
    return row is not None


def turn_on(connection: Connection, proof: Proof, *, user_id: str, code_hashes: Sequence[str]) -> bool:
    """Turn on the second step with the secret that this code confirmed. False if it is on, or has another secret."""
    row = fetch_one(
        connection,
        """UPDATE second_steps SET turned_on_at = :moment, last_step = :step, failures = ''
           WHERE user_id = :user_id AND secret = :secret AND turned_on_at IS NULL RETURNING user_id""",
        user_id=user_id,
        secret=proof.secret,
        step=proof.step,
        moment=now(),
    )
    if row is not None:
        replace_recovery_codes(connection, user_id=user_id, code_hashes=code_hashes)
    return row is not None


def turn_off(connection: Connection, *, user_id: str) -> bool:
    """Forget secret, recovery codes and trusted devices. False if there was no second step."""
    for table in ("recovery_codes", "trusted_devices"):
        fetch_all(connection, f"DELETE FROM {table} WHERE user_id = :user_id", user_id=user_id)
    return bool(
        fetch_all(connection, "DELETE FROM second_steps WHERE user_id = :user_id RETURNING user_id", user_id=user_id)
    )


def replace_recovery_codes(connection: Connection, *, user_id: str, code_hashes: Sequence[str]) -> None:
    """From now on only these recovery codes work."""
    fetch_all(connection, "DELETE FROM recovery_codes WHERE user_id = :user_id", user_id=user_id)
    for code_hash in code_hashes:
        fetch_all(
            connection,
            "INSERT INTO recovery_codes (user_id, code_hash) VALUES (:user_id, :code_hash)",
            user_id=user_id,
            code_hash=code_hash,
        )


def take_code(connection: Connection, proof: Proof, *, user_id: str) -> Refusal | None:
    """Use a code up, or count it as a wrong one, in the transaction of what it permits: so that each code works once.

    Returns None if it was accepted.
    """
    found = select_second_step(connection, user_id=user_id)
    if found is None or not found.is_on:
        return Refusal.WRONG
    if proof.recovery_hash:
        row = fetch_one(
            connection,
            "DELETE FROM recovery_codes WHERE user_id = :user_id AND code_hash = :code_hash RETURNING code_hash",
            user_id=user_id,
            code_hash=proof.recovery_hash,
        )
        return None if row is not None else Refusal.WRONG
    moment = now()
    if found.wait(moment):
        return Refusal.TOO_MANY
    if found.secret == proof.secret and proof.step > found.last_step:
        fetch_all(
            connection,
            "UPDATE second_steps SET last_step = :step WHERE user_id = :user_id",
            user_id=user_id,
            step=proof.step,
        )
        return None
    fetch_all(
        connection,
        "UPDATE second_steps SET failures = :failures WHERE user_id = :user_id",
        user_id=user_id,
        failures=",".join(map(str, [*found.failed_at(moment), moment])),
    )
    return Refusal.USED if proof.step else Refusal.WRONG


def insert_trusted_device(connection: Connection, *, token_hash: str, user_id: str, session_id: str) -> None:
    """Trust the device that has this token for TRUSTED_FOR, and delete expired ones of this account."""
    moment = now()
    fetch_all(
        connection,
        "DELETE FROM trusted_devices WHERE user_id = :user_id AND expires_at <= :moment",
        user_id=user_id,
        moment=moment,
    )
    fetch_all(
        connection,
        """INSERT INTO trusted_devices (token_hash, user_id, session_id, expires_at)
           VALUES (:token_hash, :user_id, :session_id, :expires_at)""",
        token_hash=token_hash,
        user_id=user_id,
        session_id=session_id,
        expires_at=moment + TRUSTED_FOR,
    )


def note_session(connection: Connection, *, user_id: str, trusted: Sequence[str], session_id: str) -> None:
    """The trusted device with one of these token hashes has a new session."""
    for token_hash in trusted:
        fetch_all(
            connection,
            """UPDATE trusted_devices SET session_id = :session_id
               WHERE token_hash = :token_hash AND user_id = :user_id""",
            session_id=session_id,
            token_hash=token_hash,
            user_id=user_id,
        )


def distrust(connection: Connection, *, user_id: str, only: str = "", but: str = "") -> None:
    """Trust no device of this account any more; with `only` or `but`, that or all but that of this session."""
    fetch_all(
        connection,
        """DELETE FROM trusted_devices WHERE user_id = :user_id
               AND (:only = '' OR session_id = :only) AND (:but = '' OR session_id <> :but)""",
        user_id=user_id,
        only=only,
        but=but,
    )
