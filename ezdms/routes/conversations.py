"""Start a conversation by Search PIN, and list one's conversations."""

from __future__ import annotations

from quart import Blueprint, Response

from ezdms.actions.event import Event
from ezdms.db import Conflict
from ezdms.models.conversation import Conversation, insert_conversation, select_conversation, select_conversations
from ezdms.models.user import select_user_by_search_pin
from ezdms.protocol import encoding, envelope
from ezdms.views import fragments
from ezdms.web import context
from ezdms.web.answers import Problem, answer
from ezdms.web.bodies import read_fields
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
)


@blueprint.post("/start_conversation")
@limited("start", by_account)
async def start_conversation() -> Response:
    """Look a Search PIN up. The client checks the answer against the PIN before anybody can write a word."""
    session = context.session()
    fields = await read_fields("partner_search_pin")
    try:
        search_pin = envelope.normalise_search_pin(fields["partner_search_pin"])
    except envelope.PinError as error:
        raise Problem(400, "malformed_pin", str(error)) from error
    found = await context.database().read(select_user_by_search_pin, search_pin=search_pin)
    if found is None:
        raise _unknown_pin()
    partner, search_salt = found
    if partner.user_id == session.user_id:
        raise Problem(400, "oneself", "This is your own Search PIN. Ask the other person for theirs.")
    mine = envelope.fingerprint(envelope.parse_statement(session.statement).ik)
    theirs = encoding.b64u_decode(partner.fingerprint, 32)
    conversation_id = envelope.conversation_id(mine, theirs)
    a, b = (session.user_id, partner.user_id) if mine < theirs else (partner.user_id, session.user_id)
    try:
        is_new = await context.database().write(insert_conversation, conversation_id=conversation_id, a=a, b=b)
    except Conflict as error:  # the partner left at this very moment
        raise _unknown_pin() from error
    conversation = await context.database().read(
        select_conversation, conversation_id=conversation_id, user_id=session.user_id
    )
    if conversation is None or conversation.partner_id != partner.user_id:
        # The same keys under an account that was deleted. Nobody inherits it: a key statement proves no key.
        raise Problem(409, "left", "One of you deleted the account of this conversation. It needs new keys to go on.")
    if is_new:
        for user_id in (a, b):
            seen = await _seen_by(conversation_id, user_id)
            context.hub().publish(user_id, Event(seen))
    value = {
        "conversation_id": conversation_id,
        "existing": not is_new,
        "partner_id": partner.user_id,
        "partner_username": partner.username,
        "partner_search_pin": search_pin,
        "partner_search_salt": search_salt,
        "partner_statement": partner.statement,
    }
    return answer(value, lambda: fragments.conversation_item(conversation), 201 if is_new else 200)


@blueprint.get("/me")
async def me() -> Response:
    """Who is asking, as a page must know it: whose session it is, and how their Search PIN and vault stand."""
    session = context.session()
    value = {
        "user_id": session.user_id,
        "search_salt": session.search_salt,
        "vault_version": session.vault_version,
    }
    return answer(value, lambda: fragments.notice("You are logged in."))


@blueprint.get("/conversations/<user_id>")
async def list_conversations(user_id: str) -> Response:
    """One's own conversations, the latest first."""
    if user_id != context.session().user_id:
        raise Problem(403, "not_yours", "You can only list your own conversations.")
    conversations = await context.database().read(select_conversations, user_id=user_id)
    value = [{name: getattr(conversation, name) for name in LISTED} for conversation in conversations]
    return answer(value, lambda: fragments.conversation_list(conversations))


async def _seen_by(conversation_id: str, user_id: str) -> Conversation:
    found = await context.database().read(select_conversation, conversation_id=conversation_id, user_id=user_id)
    if found is None:
        raise LookupError("expected the conversation just stored to be there")
    return found


def _unknown_pin() -> Problem:
    return Problem(404, "unknown_pin", "Nobody on this server has this Search PIN.")
