"""Codes of two-step login: asking for one, checking it, and why it is refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ezdms.actions.second_step import Malformed
from ezdms.models.second_step import Refusal
from ezdms.models.session import Session
from ezdms.problem import Problem
from ezdms.web import admission, context

NEEDED = "Two-step login is on. Enter the code from your app, or a recovery code."
MALFORMED = "A code has 6 digits. A recovery code has two groups of 5 letters and digits."
WRONG = "This code is wrong or too old, or the recovery code was already used. Use the code that your app shows now."
USED = "This code was already used. Wait until your app shows the next one."
TOO_MANY = "Too many wrong codes. Wait {}, or use a recovery code."


def code_needed(status: int, **more: str) -> Problem:
    """The PIN was right, and a code is needed, too."""
    return Problem(status, "second_step", NEEDED, **more)


@contextmanager
def code_must_be_one() -> Iterator[None]:
    """Turn what is neither a code nor a recovery code into Problem 400. It does not count as an attempt."""
    try:
        yield
    except Malformed as error:
        raise Problem(400, "malformed_code", MALFORMED) from error


async def code_refused(refusal: Refusal, user_id: str, status: int) -> Problem:
    """The error with `status`; 429 after too many wrong codes."""
    if refusal is Refusal.USED:
        return Problem(status, "used_code", USED)
    if refusal is Refusal.WRONG:
        return Problem(status, "wrong_code", WRONG)
    seconds = await context.second_steps().wait(user_id)
    minutes = -(-seconds // 60)
    return Problem(
        429,
        "too_many_codes",
        TOO_MANY.format("1 minute" if minutes == 1 else f"{minutes} minutes"),
        retry_after=seconds,
    )


async def code_if_asked(session: Session, fields: dict[str, str]) -> None:
    """If two-step login is on and the device is not trusted, use the optional field `code` up. Problem 403 if it is
    missing or wrong, 429 after too many. `trust_token`: an optional field, too."""
    trusted = admission.trusted_hashes(fields.get("trust_token", ""))
    if not await context.second_steps().is_asked(session.user_id, trusted):
        return
    if not fields.get("code"):
        raise code_needed(403)
    with code_must_be_one():
        refused = await context.second_steps().use(session.user_id, fields["code"])
    if refused is not None:
        raise await code_refused(refused, session.user_id, 403)
