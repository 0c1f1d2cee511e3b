"""Web Push: the browser of a session is told of new messages while none of the user's pages is visible."""

from __future__ import annotations

from quart import Blueprint, Response, request

from ezdms.models.push import delete_subscription, select_subscription
from ezdms.problem import Problem
from ezdms.protocol.origin import parse_origin
from ezdms.views import fragments
from ezdms.web import context
from ezdms.web.answers import answer
from ezdms.web.bodies import read_fields
from ezdms.web.limits import by_account, limited

blueprint = Blueprint("push", __name__)


@blueprint.get("/push")
async def get_push() -> Response:
    """What a browser needs to subscribe, and whether this session has."""
    return _answer(await context.database().read(select_subscription, session_id=context.session().session_id))


@blueprint.post("/push")
@limited("start", by_account)
async def subscribe() -> Response:
    """Store this session's push subscription, in place of an earlier one."""
    fields = await read_fields("endpoint", "p256dh", "auth")
    origin = request.headers.get("Origin") or request.host_url.rstrip("/")
    if parse_origin(origin) is None:
        raise Problem(400, "malformed_field", "The header Origin is not valid.")
    await context.pusher().subscribe(context.session(), origin, **fields)
    return _answer(fields["endpoint"])


@blueprint.post("/push_off")
async def unsubscribe() -> Response:
    """Delete this session's push subscription."""
    await context.database().write(delete_subscription, session_id=context.session().session_id)
    return _answer(None)


def _answer(endpoint: str | None) -> Response:
    value = {"public_key": context.pusher().public_key, "is_on": endpoint is not None}
    return answer(value, lambda: fragments.notice("Notifications are on." if endpoint else "Notifications are off."))
