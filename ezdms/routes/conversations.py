"""Start a conversation by Search PIN, list the user's conversations, and what they make of one."""

from __future__ import annotations

from quart import Blueprint, Response

from ezdms.actions import meeting
from ezdms.actions.conversations import start
from ezdms.models.conversation import select_conversations
from ezdms.problem import Problem
from ezdms.protocol import encoding, envelope
from ezdms.views import fragments
from ezdms.web import context
from ezdms.web.answers import answer
from ezdms.web.bodies import read_fields
from ezdms.web.fields import parse_integer
from ezdms.web.limits import by_account, limited

blueprint = Blueprint("conversations", __name__)

LISTED = (
    "conversation_id",
    "partner_id",
    "partner_username",
    "partner_statement",
    "created_at",
    "last_seq",
    "unread",
    "state",
    "muted_until",
    "found_by",
    "pin_created_at",
)


@blueprint.post("/start_conversation")
@limited("start", by_account)
async def start_conversation() -> Response:
    """Look up a Search PIN. The client checks the response against the PIN before anything is sent."""
    session = context.session()
    fields = await read_fields("partner_search_pin")
    try:
        search_pin = envelope.normalise_search_pin(fields["partner_search_pin"])
    except envelope.PinError as error:
        raise Problem(400, "malformed_pin", str(error)) from error
    started = await start(context.database(), context.hub(), session, search_pin)
    value = {
        "conversation_id": started.conversation.conversation_id,
        "existing": not started.is_new,
        "partner_id": started.partner.user_id,
        "partner_username": started.partner.username,
        "partner_search_pin": search_pin,
        "partner_search_salt": started.search_salt,
        "partner_statement": started.partner.statement,
    }
    return answer(value, lambda: fragments.conversation_item(started.conversation), 201 if started.is_new else 200)


@blueprint.get("/me")
async def me() -> Response:
    """The user of this session, and the state of their Search PIN and vault."""
    session = context.session()
    value = {
        "user_id": session.user_id,
        "search_salt": session.search_salt,
        "vault_version": session.vault_version,
    }
    return answer(value, lambda: fragments.notice("You are logged in."))


@blueprint.get("/conversations/<user_id>")
async def list_conversations(user_id: str) -> Response:
    """The user's own conversations, latest first."""
    if user_id != context.session().user_id:
        raise Problem(403, "not_yours", "You can only list your own conversations.")
    conversations = await context.database().read(select_conversations, user_id=user_id)
    value = [{name: getattr(conversation, name) for name in LISTED} for conversation in conversations]
    return answer(value, lambda: fragments.conversation_list(conversations))


@blueprint.post("/conversations/<conversation_id>/accept")
@limited("vault", by_account)
async def accept(conversation_id: str) -> Response:
    """Accept a request. Answering it does the same."""
    user_id = context.session().user_id
    await meeting.accept_request(context.database(), context.hub(), conversation_id=conversation_id, user_id=user_id)
    return Response(status=204)


@blueprint.post("/conversations/<conversation_id>/block")
@limited("vault", by_account)
async def block(conversation_id: str) -> Response:
    """Block the other. They are answered as ever, and nothing they send is kept for the user."""
    user_id = context.session().user_id
    await meeting.block(context.database(), conversation_id=conversation_id, user_id=user_id, blocked=True)
    return Response(status=204)


@blueprint.post("/conversations/<conversation_id>/unblock")
@limited("vault", by_account)
async def unblock(conversation_id: str) -> Response:
    """End the block. What the other sent meanwhile does not come back."""
    user_id = context.session().user_id
    await meeting.block(context.database(), conversation_id=conversation_id, user_id=user_id, blocked=False)
    return Response(status=204)


@blueprint.post("/conversations/<conversation_id>/mute")
@limited("vault", by_account)
async def mute(conversation_id: str) -> Response:
    """Send no notifications about a conversation until a time."""
    fields = await read_fields("until")
    until = parse_integer("until", fields["until"], low=0, high=encoding.LATEST_TIME)
    user_id = context.session().user_id
    await meeting.mute(context.database(), conversation_id=conversation_id, user_id=user_id, until=until)
    return Response(status=204)


@blueprint.post("/conversations/<conversation_id>/delete")
@limited("vault", by_account)
async def delete(conversation_id: str) -> Response:
    """Empty the user's own copies, and list the conversation no longer until one of the two writes again."""
    user_id = context.session().user_id
    await meeting.delete(context.database(), context.sweeper(), conversation_id=conversation_id, user_id=user_id)
    return Response(status=204)
