"""Report messages to the operator."""

from __future__ import annotations

from quart import Blueprint, Response

from ezdms.actions.reporting import report
from ezdms.problem import Problem
from ezdms.protocol.envelope import LARGEST_ORIGINAL
from ezdms.views import fragments
from ezdms.web import context
from ezdms.web.answers import answer
from ezdms.web.bodies import read_fields
from ezdms.web.fields import parse_bytes, parse_objects
from ezdms.web.limits import by_account, limited

blueprint = Blueprint("reports", __name__)

MOST_MESSAGES = 20
LONGEST_REASON = 500  # code points


@blueprint.post("/report")
@limited("report", by_account)
async def send_report() -> Response:
    """Hand signed messages of the other person over to the operator."""
    fields = await read_fields("conversation_id", "reason", "messages")
    if len(fields["reason"]) > LONGEST_REASON:
        raise Problem(400, "malformed_field", f"The field reason must have at most {LONGEST_REASON} characters.")
    given = parse_objects("messages", fields["messages"], ("message_id", "jws"), most=MOST_MESSAGES)
    for one in given:
        parse_bytes("message_id", one["message_id"], 16)
        if len(one["jws"]) > LARGEST_ORIGINAL:
            raise Problem(400, "malformed_field", "The field jws is too long.")
    messages = [(one["message_id"], one["jws"]) for one in given]
    if len(dict(messages)) < len(messages):
        raise Problem(400, "duplicate_field", "A message was given twice.")
    await report(
        context.database(),
        context.session(),
        conversation_id=fields["conversation_id"],
        reason=fields["reason"],
        messages=messages,
    )
    return answer({"reported": len(messages)}, lambda: fragments.notice("The operator has your report."), 201)
