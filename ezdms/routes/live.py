"""The WebSocket: events of the user's conversations, live. A lost frame loses nothing."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from math import ceil
from typing import Any

from quart import Blueprint, Response, websocket

from ezdms.actions.conversations import mark_as_read
from ezdms.actions.event import Event
from ezdms.actions.sessions import EXPIRED
from ezdms.actions.signaling import FIELDS, parse_signal, signal
from ezdms.actions.tasks import stop
from ezdms.db import Unavailable, now
from ezdms.edge.quart_asgi import SocketGone
from ezdms.hub import SESSION_ENDED, Mailbox, Place
from ezdms.models.conversation import select_conversation
from ezdms.models.session import Session
from ezdms.problem import Problem
from ezdms.web import context
from ezdms.web.admission import find_session, refuse_one_too_many
from ezdms.web.answers import again_later, too_often
from ezdms.web.bodies import LARGEST_BODY
from ezdms.web.fields import parse_object, pick_fields
from ezdms.web.limits import Bucket, by_account, limited
from ezdms.web.pipeline import LONGEST_ID, Outgoing

blueprint = Blueprint("live", __name__)

JSON_FRAMES = "ezdms.json"
PONG = '{"event":"pong"}'  # the same for pages and programs
LARGEST_FRAME = LARGEST_BODY  # characters: the same limit as for POST
GONE = 1001
MALFORMED = 1003
TOO_BIG = 1009


@blueprint.websocket("/ws")
@limited("socket", by_account)
async def live() -> Response | None:
    """Serve a socket. Session, Origin and rate limits were already checked (app.py)."""
    session = context.session()
    as_json = JSON_FRAMES in websocket.requested_subprotocols
    mailbox = context.hub().subscribe(session.user_id, session.session_id)  # counted from now on
    mailbox.takes_json = as_json
    try:
        if not await context.hub().admit(mailbox, context.settings().max_sockets):
            return refuse_one_too_many()
        await context.hub().confirmed(mailbox)
        await websocket.accept(subprotocol=JSON_FRAMES if as_json else None)
        if await find_session(context.sessions(), websocket) is None:  # logged out while this socket was opening
            mailbox.close(SESSION_ENDED)
        code, reason = await _talk(mailbox, session, as_json)
    finally:
        context.hub().unsubscribe(mailbox)
    await websocket.close(code, reason)  # aborted if the peer does not receive it (edge/websocket.py)
    return None


async def _talk(mailbox: Mailbox[Event], session: Session, as_json: bool) -> tuple[int, str]:
    """Write and read until the mailbox, the client or the session's expiry ends it. Returns close code and reason.

    Waits for the mailbox separately: writing to a stuck peer hangs, and must not delay the close.
    """
    tasks: list[asyncio.Future[int | None]] = [
        mailbox.closed,  # type: ignore[list-item]
        asyncio.create_task(_write_events(mailbox, as_json)),
        asyncio.create_task(_read_frames(mailbox, session, as_json)),
    ]
    try:
        current: Session | None = session
        while current is not None:
            seconds = (current.expires_at - now()) / 1000
            done, _ = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            current = None if done else await find_session(context.sessions(), websocket)  # renewed meanwhile?
        if mailbox.close_code:
            return mailbox.close_code, mailbox.close_reason
        code = next(filter(None, (task.result() for task in done)), None)
        return (code, "") if code else (SESSION_ENDED, EXPIRED)
    finally:
        await stop(*tasks)


async def _write_events(mailbox: Mailbox[Event], as_json: bool) -> None:
    """Write events until the mailbox closes. connection.py drops a peer that is stuck for a minute."""
    socket = websocket._get_current_object()  # type: ignore[attr-defined]
    if as_json:
        await socket.send(json.dumps({"event": "connected", "session_id": mailbox.session_id}))
    while (event := await mailbox.get()) is not None:
        if isinstance(event, Event):
            is_open = event.line.conversation_id in mailbox.joined
            event = event.face(mailbox.user_id, as_json=as_json, is_open=is_open)
        await socket.send(event)


async def _read_frames(mailbox: Mailbox[Event], session: Session, as_json: bool) -> int:
    """Handle frames one by one until one is invalid. Returns the close code."""
    bucket = Bucket(context.settings().limit_frame)
    outgoing = Outgoing(mailbox, session)
    receive = websocket.receive
    while True:
        try:
            frame = await receive()
        except SocketGone:
            return GONE
        seconds = bucket.wait()
        if seconds:
            context.limiter().hits["frame"] += 1
        while seconds:  # slow down a fast client; its frames wait in the network
            await asyncio.sleep(seconds)
            seconds = bucket.wait()
        if not isinstance(frame, str):
            return MALFORMED
        if len(frame) > LARGEST_FRAME:
            return TOO_BIG
        try:
            members = parse_object(frame)
            event = pick_fields(members, ("event",))["event"]
            if event == "send_message" and as_json:
                await outgoing.send(members)
            elif event == "signal":
                await _signal(mailbox, session, members)
            elif event == "join":
                await _join(mailbox, session, _conversation_id(members), as_json)
            elif event == "leave":
                mailbox.joined.discard(_conversation_id(members))
            elif event in ("visible", "hidden"):  # the page is, or is no longer: a push then tells of new messages
                context.hub().note_visible(mailbox, event == "visible")
            elif event == "ping":  # a client cannot see the protocol's own pings, or that they stopped
                mailbox.put(PONG)
            else:
                return MALFORMED
        except Problem:
            return MALFORMED


async def _signal(mailbox: Mailbox[Event], session: Session, members: list[tuple[str, Any]]) -> None:
    """Relay a signal, like POST /signal and counted with it. A program gets an error if it is refused."""
    conversation_id = _conversation_id(members)
    try:
        seconds = await context.limiter().count("signals.send_signal", session.user_id)
        if seconds:
            raise too_often(ceil(seconds))
        draft = parse_signal(pick_fields(members, FIELDS))
        await signal(context.database(), context.hub(), draft, session.user_id)
    except (Problem, Unavailable) as error:
        if not mailbox.takes_json:
            return  # a page does not repeat what is sent this way
        problem = error if isinstance(error, Problem) else again_later(error)
        refused = {"event": "error", "message_id": None, "conversation_id": conversation_id[:LONGEST_ID]}
        mailbox.put(json.dumps(refused | problem.as_json()))


def _conversation_id(members: list[tuple[str, Any]]) -> str:
    if any(name == "conversation_id" and not isinstance(value, str) for name, value in members):
        raise Problem(400, "malformed_field", "The field conversation_id must be a string.")
    return pick_fields(members, ("conversation_id",))["conversation_id"]


async def _join(mailbox: Mailbox[Event], session: Session, conversation_id: str, as_json: bool) -> None:
    """Open a conversation on this socket, and mark it as read. Ignored if the user is not in it."""
    conversation = await context.database().read(
        select_conversation, conversation_id=conversation_id, user_id=session.user_id
    )
    if conversation is None:
        return
    mailbox.joined.add(conversation_id)
    context.hub().know_place(session.user_id, Place(conversation_id, conversation.last_seq))
    if not as_json:  # tells a page the last seq, so that it fetches what it missed
        mailbox.put(Event(replace(conversation, unread=0)))
    await mark_as_read(
        context.database(), context.hub(), conversation, session.user_id, conversation.last_seq, but=mailbox
    )
