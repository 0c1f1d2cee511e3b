"""The user's sessions: list them, and end them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from quart import Blueprint, Response

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
    """The user's active sessions, for programs. Browsers get the shell, which requests the list below."""
    return await _answer_with_those_left() if wants_json() else await pages.answer_with_shell(APP)


@blueprint.get("/sessions/list")
async def session_list() -> Response:
    """The user's active sessions."""
    return await _answer_with_those_left()


@blueprint.post("/sessions/<session_id>/end")
async def end_session(session_id: str) -> Response:
    """End a session. When this returns, its token is invalid and its sockets are closed. 404 for others' sessions."""
    session = context.session()
    reason = sessions.HERE if session_id == session.session_id else sessions.ELSEWHERE
    if not await sessions.end(context.database(), context.hub(), session.user_id, only=session_id, reason=reason):
        raise Problem(404, "unknown_session", "This session has already ended.")
    response = await _answer_with_those_left()
    if session_id == session.session_id:
        admission.clear_cookie(response)
    return response


@blueprint.post("/sessions/end_others")
async def end_other_sessions() -> Response:
    """End all sessions except this one."""
    session = context.session()
    await sessions.end(
        context.database(), context.hub(), session.user_id, but=session.session_id, reason=sessions.ELSEWHERE
    )
    return await _answer_with_those_left()


async def _answer_with_those_left() -> Response:
    session = context.session()
    devices = await context.database().read(select_devices, user_id=session.user_id)
    return answer(_as_json(devices), lambda: fragments.device_list(session, devices))


def _as_json(devices: list[Device]) -> list[dict[str, Any]]:
    here = context.session().session_id
    return [asdict(device) | {"current": device.session_id == here} for device in devices]
