"""Typing signals and receipts: sealed for the other participant, and never part of the conversation."""

from __future__ import annotations

from dataclasses import asdict

from quart import Blueprint, Response

from ezdms.actions.send import no_conversation
from ezdms.actions.signaling import FIELDS, parse_signal, signal
from ezdms.models.signal import select_signals
from ezdms.views import fragments
from ezdms.web import context
from ezdms.web.answers import answer
from ezdms.web.bodies import read_fields
from ezdms.web.limits import by_account, limited

blueprint = Blueprint("signals", __name__)


@blueprint.post("/signal")
@limited("signal", by_account)
async def send_signal() -> Response:
    """Relay a signal to the partner's sockets; of receipts, the newest is stored."""
    draft = parse_signal(await read_fields(*FIELDS))
    await signal(context.database(), context.hub(), draft, context.session().user_id)
    return Response(status=204)


@blueprint.get("/signals/<conversation_id>")
async def list_signals(conversation_id: str) -> Response:
    """The partner's newest receipts."""
    found = await context.database().read(
        select_signals, conversation_id=conversation_id, user_id=context.session().user_id
    )
    if found is None:
        raise no_conversation()
    return answer([asdict(one) for one in found], lambda: fragments.signal_list(conversation_id, found))
