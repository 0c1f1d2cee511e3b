"""Credentials derived from a Login PIN: parsing them, checking them, and returning wrapped keys to their owner."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ezdms.actions import accounts, passwords
from ezdms.models.session import Session
from ezdms.models.user import Act, Locks, User
from ezdms.problem import Problem
from ezdms.protocol import encoding, envelope
from ezdms.web import context
from ezdms.web.fields import parse_bytes, parse_integer

WRAPPED_SIG = 12 + 48 + 16  # bytes: iv, PKCS8 of an Ed25519 key, tag
WRAPPED_ENC = range(12 + 1190 + 16, 12 + 1240 + 16)  # bytes: PKCS8 of a 2048-bit RSA key is 1214 to 1219

LOCKS = ("login_id", "auth_key", "salt", "iterations", "wrapped_sig", "wrapped_enc")


async def parse_locks(fields: dict[str, str]) -> Locks:
    """Parse the fields LOCKS strictly, and hash the auth_key. Problem 400 if malformed."""
    for name, size in (("login_id", 16), ("auth_key", 32), ("salt", 16), ("wrapped_sig", WRAPPED_SIG)):
        parse_bytes(name, fields[name], size)
    if len(parse_bytes("wrapped_enc", fields["wrapped_enc"], None)) not in WRAPPED_ENC:
        raise Problem(400, "malformed_field", "The field wrapped_enc has the wrong length.")
    iterations = parse_integer(
        "iterations", fields["iterations"], low=envelope.WRAP_ITER_MIN, high=envelope.WRAP_ITER_MAX
    )
    return Locks(
        login_id=fields["login_id"],
        auth_hash=await passwords.hash_auth_key(fields["auth_key"]),
        salt=fields["salt"],
        iterations=iterations,
        wrapped_sig=fields["wrapped_sig"],
        wrapped_enc=fields["wrapped_enc"],
    )


async def find_user(fields: dict[str, str]) -> User | None:
    """The user with this login_id and auth_key, or None."""
    for name, size in (("login_id", 16), ("auth_key", 32)):
        parse_bytes(name, fields[name], size)
    return await accounts.find_user(context.database(), fields["login_id"], fields["auth_key"])


async def confirm_pin(session: Session, fields: dict[str, str]) -> User:
    """Check the Login PIN again, and return the user of this session. Problem 403 if it is wrong."""
    user = await find_user(fields)
    if user is None or user.user_id != session.user_id:
        raise Problem(403, "wrong_pin", "This is not your Login PIN.")
    return user


def signed_act(session: Session, fields: dict[str, str], act: str, purpose: str) -> Act:
    """The field `act` ("" if missing), with what it must be for."""
    ik = envelope.parse_statement(session.statement).ik
    return Act(fields.get("act", ""), ik, context.deployment_id(), act, purpose)


@contextmanager
def act_must_hold() -> Iterator[None]:
    """Turn an invalid act into Problem 403, with the code "clock" if only its time is wrong."""
    try:
        yield
    except envelope.ClockError as error:
        raise Problem(403, "clock", "Your device's clock is wrong. Set it and try again.") from error
    except encoding.EnvelopeError as error:
        raise Problem(
            403, "act", "This must be signed with your identity key. Reload the page and try again."
        ) from error


def wrapped_keys(user: User) -> dict[str, object]:
    """What a browser needs to unlock the keys. Only for users who proved the Login PIN."""
    return {name: getattr(user, name) for name in ("salt", "iterations", "wrapped_sig", "wrapped_enc", "statement")}
