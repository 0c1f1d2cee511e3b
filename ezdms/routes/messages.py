"""Send and fetch sealed messages. Nothing here can open one: the server stores, orders and forwards."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict

from quart import Blueprint, Response, request

from ezdms import encoding, envelope, fragments
from ezdms.answers import Problem, answer
from ezdms.auth import public
from ezdms.db import Conflict, Unavailable
from ezdms.forms import parse_bytes, parse_integer, read_fields
from ezdms.hub import Event
from ezdms.limits import by_account, limited
from ezdms.models.conversation import Conversation, Pair, mark_read, select_conversation, select_pair
from ezdms.models.message import (
    Draft,
    Message,
    Stored,
    insert_message,
    select_last_sent,
    select_message,
    select_messages,
)
from ezdms.routes import services

blueprint = Blueprint("messages", __name__)

PAGE = 50  # messages
LARGEST_PAGE = 200
LARGEST_NUMBER = 2**53 - 1  # what JavaScript counts exactly


@blueprint.post("/send_message")
@limited("send", by_account)
async def send_message() -> Response:
    """Store a sealed message and hand it to the sockets of both; a repeat is answered as the first time."""
    sender = services.session()
    draft = await _read_draft()
    pair = await services.database().read(select_pair, conversation_id=draft.conversation_id, user_id=sender.user_id)
    if pair is None:
        raise _no_conversation()
    if pair.other(sender.user_id).has_left:
        raise _left()
    _check_copies(draft, pair)
    try:
        stored = await services.database().write(insert_message, draft, sender_id=sender.user_id)
    except Conflict:
        return await _answer_conflict(draft, pair, sender.user_id)
    if stored is None:  # at this very moment: the pair was there
        raise _left()
    _publish(draft, pair, stored, sender.user_id)
    return _answer_sent(_own_copy(draft, pair, stored, sender.user_id), pair, sender.user_id, 201)


@blueprint.get("/messages/<conversation_id>")
async def list_messages(conversation_id: str) -> Response:
    """A page of messages by rising seq, one's own copies only; the newest page unless `after` or `before` is given."""
    session = services.session()
    after, before, limit = _read_page()
    conversation = await services.database().read(
        select_conversation, conversation_id=conversation_id, user_id=session.user_id
    )
    pair = await services.database().read(select_pair, conversation_id=conversation_id, user_id=session.user_id)
    if conversation is None or pair is None:
        raise _no_conversation()
    messages = await services.database().read(
        select_messages,
        conversation_id=conversation_id,
        side=pair.me(session.user_id).side,
        limit=limit,
        after=after,
        before=before,
    )
    if messages:
        await _mark_read(conversation, session.user_id, messages[-1].seq)
    return answer(
        [_as_json(message) for message in messages],
        fragments.message_list(
            messages,
            user_id=session.user_id,
            partner_username=conversation.partner_username,
            older_than=messages[0].seq if after is None and messages and messages[0].seq > 1 else None,
        ),
    )


@blueprint.route("/messages_decrypted", methods=["GET", "POST"])
@public
async def messages_decrypted() -> Response:
    """The original's address for plain text. There is no plain text here any more."""
    raise Problem(
        410,
        "cannot_decrypt",
        "This server cannot decrypt messages: only the two people who talk can. "
        "Programs get plain text on your own machine, from `ezdms bridge`.",
    )


async def _read_draft() -> Draft:
    fields = await read_fields("conversation_id", "message_id", "n", "hash", "suite", "content_for_a", "content_for_b")
    n = parse_integer("n", fields["n"], low=1, high=LARGEST_NUMBER)
    if fields["suite"] != "1":
        raise Problem(422, "suite", "This server knows message suite 1 only.")
    for name, size in (("message_id", 16), ("hash", 32)):
        parse_bytes(name, fields[name], size)
    return Draft(
        conversation_id=fields["conversation_id"],
        message_id=fields["message_id"],
        n=n,
        hash=fields["hash"],
        suite=1,
        sealed_a=fields["content_for_a"],
        sealed_b=fields["content_for_b"],
    )


def _check_copies(draft: Draft, pair: Pair) -> None:
    """Both copies look like what their reader's key opens, and are of one size; more a server cannot see."""
    try:
        envelope.check_sealed(draft.sealed_a, pair.a.key_id)
        envelope.check_sealed(draft.sealed_b, pair.b.key_id)
    except encoding.EnvelopeError as error:
        raise Problem(422, "envelope", str(error)) from error
    if len(draft.sealed_a) != len(draft.sealed_b):
        raise Problem(422, "envelope", "The two copies differ in size, so they cannot hold the same message.")


async def _answer_conflict(draft: Draft, pair: Pair, sender_id: str) -> Response:
    """A repeat of a stored message, an id that is taken, or a counter that is."""
    side = pair.me(sender_id).side
    database = services.database()
    earlier = await database.read(
        select_message,
        conversation_id=draft.conversation_id,
        message_id=draft.message_id,
        sender_id=sender_id,
        side=side,
    )
    if earlier is not None and (earlier.n, earlier.hash) == (draft.n, draft.hash):
        return _answer_sent(earlier, pair, sender_id, 200)
    last = await database.read(select_last_sent, conversation_id=draft.conversation_id, sender_id=sender_id, side=side)
    next_n = last.n + 1 if last else 1
    if earlier is None and last is not None and draft.n < next_n:
        raise Problem(409, "counter", "Another message of yours has this number already.", next_n=next_n)
    raise Problem(409, "message_id", "This conversation has another message of this id already.")


def _publish(draft: Draft, pair: Pair, stored: Stored, sender_id: str) -> None:
    for reader in (pair.a, pair.b):
        other = pair.other(reader.user_id)
        conversation = {
            "conversation_id": draft.conversation_id,
            "partner_id": other.user_id,
            "partner_username": other.username,
            "last_seq": stored.seq,
            "last_at": stored.created_at,
            "unread": stored.unread[reader.user_id],
        }
        message = _as_json(_own_copy(draft, pair, stored, sender_id, reader.user_id))
        services.hub().publish(reader.user_id, Event(conversation, message))


def _own_copy(draft: Draft, pair: Pair, stored: Stored, sender_id: str, reader_id: str | None = None) -> Message:
    side = pair.me(reader_id or sender_id).side
    return Message(
        conversation_id=draft.conversation_id,
        message_id=draft.message_id,
        seq=stored.seq,
        sender_id=sender_id,
        created_at=stored.created_at,
        suite=draft.suite,
        n=draft.n,
        hash=draft.hash,
        encrypted=draft.sealed_a if side == "a" else draft.sealed_b,
    )


def _answer_sent(message: Message, pair: Pair, sender_id: str, status: int) -> Response:
    value = {"message_id": message.message_id, "seq": message.seq, "created_at": message.created_at}
    html = fragments.message_list([message], user_id=sender_id, partner_username=pair.other(sender_id).username)
    return answer(value, html, status)


def _as_json(message: Message) -> dict[str, object]:
    value = asdict(message)
    del value["conversation_id"]
    return value


def _read_page() -> tuple[int | None, int | None, int]:
    given = request.args
    after, before = given.get("after"), given.get("before")
    if after is not None and before is not None:
        raise Problem(400, "malformed_field", "Give either after or before, not both.")
    return (
        None if after is None else parse_integer("after", after, low=0, high=LARGEST_NUMBER),
        None if before is None else parse_integer("before", before, low=0, high=LARGEST_NUMBER),
        parse_integer("limit", given.get("limit", str(PAGE)), low=1, high=LARGEST_PAGE),
    )


async def _mark_read(conversation: Conversation, user_id: str, seq: int) -> None:
    if conversation.last_seq - conversation.unread < seq:
        with suppress(Unavailable):  # a full disk keeps nobody from reading
            await services.database().write(
                mark_read, conversation_id=conversation.conversation_id, user_id=user_id, seq=seq
            )


def _left() -> Problem:
    return Problem(410, "left", "This person has left. Nothing more can be sent to them.")


def _no_conversation() -> Problem:
    return Problem(404, "no_conversation", "There is no such conversation.")
