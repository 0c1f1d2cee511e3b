"""Two-step login: turn it on and off, and make new recovery codes. Codes are asked for by accounts and pins."""

from __future__ import annotations

from dataclasses import asdict

from quart import Blueprint, Response

from ezdms.models.second_step import Refusal
from ezdms.problem import Problem
from ezdms.views import fragments
from ezdms.web import context
from ezdms.web.answers import answer
from ezdms.web.bodies import read_fields
from ezdms.web.codes import code_must_be_one, code_refused
from ezdms.web.credentials import act_must_hold, confirm_pin, signed_act
from ezdms.web.limits import by_account, limited

blueprint = Blueprint("second_step", __name__)

IS_ON = "Two-step login is on."
IS_OFF = "Two-step login is off."
SCAN = "Add this secret to your app, then confirm it with a code."
NEW_CODES = "You have new recovery codes. The old ones no longer work."


@blueprint.get("/second_step")
async def standing() -> Response:
    """Whether two-step login is on, and how many recovery codes and trusted devices there are."""
    found = await context.second_steps().standing(context.session().user_id)
    return answer(asdict(found), lambda: fragments.notice(IS_ON if found.is_on else IS_OFF))


@blueprint.post("/second_step")
@limited("login", by_account)
async def begin() -> Response:
    """A new secret for the user's app. Nothing changes until a code confirms it. Takes the Login PIN."""
    session = context.session()
    await confirm_pin(session, await read_fields("login_id", "auth_key"))
    secret = await context.second_steps().begin(session.user_id)
    if secret is None:
        raise _is_on()
    return answer({"secret": secret}, lambda: fragments.notice(SCAN))


@blueprint.post("/second_step_on")
@limited("login", by_account)
async def turn_on() -> Response:
    """Turn it on, once the app shows the right code. The act is for the secret, so that nobody else can lock users out
    with one of their own."""
    session = context.session()
    fields = await read_fields("code", optional=("act",))
    pending = await context.second_steps().pending(session.user_id)
    if pending is None:
        if (await context.second_steps().standing(session.user_id)).is_on:
            raise _is_on()
        raise Problem(409, "second_step_not_begun", "Begin again: this secret is not known any more.")
    act = signed_act(session, fields, "second_step_on", pending[1])
    with code_must_be_one(), act_must_hold():
        codes = await context.second_steps().turn_on(*pending, fields["code"], act)
    if codes is None:
        raise await code_refused(Refusal.WRONG, session.user_id, 403)
    return answer({"recovery_codes": codes}, lambda: fragments.notice(IS_ON))


@blueprint.post("/second_step_off")
@limited("login", by_account)
async def turn_off() -> Response:
    """Turn it off. Takes the Login PIN, a code, and the user's key."""
    session = context.session()
    fields = await read_fields("login_id", "auth_key", "code", optional=("act",))
    await confirm_pin(session, fields)
    act = signed_act(session, fields, "second_step_off", "")
    with code_must_be_one(), act_must_hold():
        refused = await context.second_steps().turn_off(session.user_id, fields["code"], act)
    if refused is not None:
        raise await code_refused(refused, session.user_id, 403)
    return Response(status=204)


@blueprint.post("/recovery_codes")
@limited("login", by_account)
async def recovery_codes() -> Response:
    """New recovery codes instead of the old ones. Takes the Login PIN, a code, and the user's key."""
    session = context.session()
    fields = await read_fields("login_id", "auth_key", "code", optional=("act",))
    await confirm_pin(session, fields)
    act = signed_act(session, fields, "recovery_codes", "")
    with code_must_be_one(), act_must_hold():
        codes = await context.second_steps().renew_codes(session.user_id, fields["code"], act)
    if isinstance(codes, Refusal):
        raise await code_refused(codes, session.user_id, 403)
    return answer({"recovery_codes": codes}, lambda: fragments.notice(NEW_CODES))


def _is_on() -> Problem:
    return Problem(409, "second_step_is_on", "Two-step login is already on. Turn it off first.")
