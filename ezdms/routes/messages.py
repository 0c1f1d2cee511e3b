"""Send and fetch encrypted messages."""

from __future__ import annotations

import asyncio

from quart import Blueprint, Response, request

from ezdms.actions import send
from ezdms.actions.conversations import mark_as_read, open_one
from ezdms.actions.hiding import hide
from ezdms.models.message import select_newest, select_page
from ezdms.problem import Problem
from ezdms.protocol import encoding
from ezdms.views import fragments
from ezdms.web import context
from ezdms.web.admission import public
from ezdms.web.answers import answer
from ezdms.web.bodies import read_fields
from ezdms.web.drafts import FIELDS, OPTIONAL, parse_draft
from ezdms.web.fields import parse_bytes, parse_integer
from ezdms.web.limits import by_account, limited

blueprint = Blueprint("messages", __name__)

PAGE = 50  # messages
LARGEST_PAGE = 200
MOST_PREVIEWS = 40  # conversations in one request; more lines than a screen shows


@blueprint.post("/send_message")
@limited("send", by_account)
async def send_message() -> Response:
    """Store an encrypted message and publish it to both users' sockets. A repeat gets the first response again."""
    session = context.session()
    draft = parse_draft(await read_fields(*FIELDS, optional=OPTIONAL))
    quota = context.settings().quota_account
    sent = await send.send(context.database(), context.hub(), draft, session.user_id, quota=quota)
    if draft.replaces:
        context.sweeper().forget_soon()
    for _ in range(2):  # let the frames for both be written and sent before the response
        await asyncio.sleep(0)
    return answer(
        sent.as_json(),
        lambda: fragments.message_list([sent.message], user_id=session.user_id),
        200 if sent.is_repeat else 201,
    )


@blueprint.post("/hide_message")
@limited("send", by_account)
async def hide_message() -> Response:
    """Empty the user's own copy of a message, and keep their mark in its place."""
    fields = await read_fields("conversation_id", "message_id", "mark")
    parse_bytes("message_id", fields["message_id"], 16)
    await hide(context.database(), context.session(), **fields)
    context.sweeper().forget_soon()
    return Response(status=204)


@blueprint.get("/messages/<conversation_id>")
async def list_messages(conversation_id: str) -> Response:
    """A page of the user's own copies, by rising seq; the newest page unless `after` or `before` is given."""
    session = context.session()
    after, before, limit = _read_page()
    page = await context.database().read(
        select_page,
        conversation_id=conversation_id,
        user_id=session.user_id,
        limit=limit,
        after=after,
        before=before,
    )
    if page is None:
        raise send.no_conversation()
    conversation, messages = page
    if messages and not _peeks():
        await mark_as_read(context.database(), context.hub(), conversation, session.user_id, messages[-1].seq)
    return answer(
        [message.as_json() for message in messages],
        lambda: fragments.message_list(
            messages,
            user_id=session.user_id,
            older_than=messages[0].seq if after is None and messages and messages[0].seq > 1 else None,
        ),
    )


@blueprint.get("/previews")
async def list_previews() -> Response:
    """The user's own copy of the newest message of each of these conversations. Marks nothing as read."""
    session = context.session()
    ids = request.args.get("of", "").split(",")
    if len(ids) > MOST_PREVIEWS:
        raise Problem(400, "malformed_field", f"Expected at most {MOST_PREVIEWS} conversations.")
    newest = await context.database().read(select_newest, conversation_ids=ids, user_id=session.user_id)
    return answer(
        [{"conversation_id": message.conversation_id, **message.as_json()} for message in newest],
        lambda: fragments.preview_list(newest, user_id=session.user_id),
    )


@blueprint.get("/c/<conversation_id>/open")
async def open_conversation(conversation_id: str) -> Response:
    """Everything a page needs to show a conversation, in one response. Also marks it as read."""
    session = context.session()
    opened = await open_one(
        context.database(),
        context.hub(),
        conversation_id=conversation_id,
        user_id=session.user_id,
        limit=PAGE,
        peek=_peeks(),
    )
    if opened is None:
        raise send.no_conversation()
    conversation, messages, last_sent = opened
    value = {
        "conversation_id": conversation_id,
        "partner_statement": conversation.partner_statement,
        "last_seq": conversation.last_seq,
        "own_n": last_sent.n if last_sent else 0,
        "own_hash": last_sent.hash if last_sent else "",
        "messages": [message.as_json() for message in messages],
    }
    return answer(value, lambda: fragments.thread(conversation, messages, last_sent, user_id=session.user_id))


@blueprint.route("/messages_decrypted", methods=["GET", "POST"])
@public
async def messages_decrypted() -> Response:
    """The original's endpoint for plain text, which this server does not have."""
    raise Problem(
        410,
        "cannot_decrypt",
        "This server cannot decrypt messages; only their sender and recipient can. "
        "Programs can get plain text from `ezdms bridge` on your own machine.",
    )


def _peeks() -> bool:
    """True if nobody is looking: what is fetched does not count as read."""
    return request.args.get("peek") == "1"


def _read_page() -> tuple[int | None, int | None, int]:
    given = request.args
    after, before = given.get("after"), given.get("before")
    if after is not None and before is not None:
        raise Problem(400, "malformed_field", "Use either after or before, not both.")
    return (
        None if after is None else parse_integer("after", after, low=0, high=encoding.LARGEST_INTEGER),
        None if before is None else parse_integer("before", before, low=0, high=encoding.LARGEST_INTEGER),
        parse_integer("limit", given.get("limit", str(PAGE)), low=1, high=LARGEST_PAGE),
    )
