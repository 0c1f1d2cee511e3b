"""One's own sessions: see where one is logged in, and end what should not be."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from quart import Blueprint, Response, request

from ezdms.actions import sessions
from ezdms.models.session import Device, select_devices
from ezdms.problem import Problem
from ezdms.routes import pages
from ezdms.views import fragments
from ezdms.views.shells import APP
from ezdms.web import admission, context
from ezdms.web.admission import shell
from ezdms.web.answers import answer, wants_json

blueprint = Blueprint("sessions", __name__)


@blueprint.get("/sessions")
@shell
async def list_sessions() -> Response:
    """One's living sessions, for programs. People get the shell, which asks for the list below."""
    return await _answer_with_those_left() if wants_json() else await pages.answer_with_shell(APP)


@blueprint.get("/sessions/list")
async def session_list() -> Response:
    """One's living sessions."""
    return await _answer_with_those_left()


@blueprint.post("/sessions/<session_id>/end")
async def end_session(session_id: str) -> Response:
    """Its token is dead and its sockets are closed when this returns. Not yours and not there look the same."""
    session = context.session()
    if not await sessions.end(context.database(), context.hub(), session.user_id, only=session_id):
        raise Problem(404, "unknown_session", "This session has ended already.")
    response = await _answer_with_those_left()
    if session_id == session.session_id:
        admission.clear_cookie(response, request.scheme)
    return response


@blueprint.post("/sessions/end_others")
async def end_other_sessions() -> Response:
    """Every session but the one that asks."""
    session = context.session()
    await sessions.end(context.database(), context.hub(), session.user_id, but=session.session_id)
    return await _answer_with_those_left()


async def _answer_with_those_left() -> Response:
    session = context.session()
    devices = await context.database().read(select_devices, user_id=session.user_id)
    return answer(_as_json(devices), lambda: fragments.device_list(session, devices))


def _as_json(devices: list[Device]) -> list[dict[str, Any]]:
    here = context.session().session_id
    return [asdict(device) | {"current": device.session_id == here} for device in devices]
