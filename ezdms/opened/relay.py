"""Relays the page's WebSocket: the server's frames to the page, the page's four commands to the server. Text only."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import websockets
from quart import Response, websocket
from websockets.asyncio.client import ClientConnection

from ezdms.client.live import Straight
from ezdms.client.members import CONVERSATION
from ezdms.edge.quart_asgi import SocketGone
from ezdms.opened.remote import proof

LARGEST_FRAME = 128 * 1024  # bytes from the server
LARGEST_WISH = 4096  # bytes from the page
ALONE = [{"event": name} for name in ("ping", "visible", "hidden")]
COMMANDS = {  # with their members
    "join": {"event", "conversation_id"},
    "leave": {"event", "conversation_id"},
    "signal": {"event", "conversation_id", "slot", "sealed"},
}
WITHIN = 10.0  # seconds for the server to accept or close the socket
GONE, MALFORMED, LOST, ENDED = 1000, 1003, 1011, 4000  # ENDED is our own (RFC 6455, 7.4.2)
SESSION_ENDED = 1008
WORD = re.compile(r"[a-z_]{0,20}", re.ASCII)  # the reason of a close, also passed on
PASSED_ON = (1000, 1001, 1003, 1008, 1009, 1012, 1013)  # close codes passed on unchanged


async def relay(server: str, token: str, stopping: asyncio.Event) -> Response | None:
    """Connect to the server, then accept the page's socket. Runs until either ends, or `stopping` is set."""
    try:
        far = await Straight(
            server.replace("http", "ws", 1) + "/ws",
            additional_headers=proof(token),
            compression=None,
            max_size=LARGEST_FRAME,
            user_agent_header=None,
            open_timeout=WITHIN,
            close_timeout=1,
        )
    except websockets.InvalidStatus as refused:
        status = refused.response.status_code
        return _refuse(status if status in (401, 403, 429, 503) else 502)
    except (OSError, TimeoutError, websockets.WebSocketException):
        return _refuse(502)
    code, reason = LOST, ""
    try:
        await websocket.accept()
        code = await _talk(far, stopping)
        reason = far.close_reason or "" if code == SESSION_ENDED else ""
    finally:
        await far.close()
    await websocket.close(code, reason if WORD.fullmatch(reason) else "")
    return None


def _refuse(status: int) -> Response:
    return Response(b"{}", status, content_type="application/json")


async def _talk(far: ClientConnection, stopping: asyncio.Event) -> int:
    """Relay both ways until one side ends. Returns the close code for the page."""
    tasks: list[asyncio.Task[Any]] = [
        asyncio.create_task(_to_page(far)),
        asyncio.create_task(_to_server(far)),
        asyncio.create_task(stopping.wait()),
    ]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return ENDED if tasks[2] in done else next(int(task.result()) for task in tasks if task in done)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _to_page(far: ClientConnection) -> int:
    """Relay the server's frames one by one: the next is read only after the page got this one."""
    socket = websocket._get_current_object()  # type: ignore[attr-defined]
    while True:
        try:
            frame = await far.recv()
        except websockets.ConnectionClosed as closed:
            code = closed.rcvd.code if closed.rcvd else LOST
            return code if code in PASSED_ON else LOST
        if not isinstance(frame, str):
            return MALFORMED
        await socket.send(frame)


async def _to_server(far: ClientConnection) -> int:
    """Relay the page's commands: join or leave a conversation, send a signal, say if it is visible, or ask for an
    answer."""
    while True:
        try:
            wish = read_wish(await websocket.receive())
            if wish is None:
                return MALFORMED
            await far.send(wish)
        except SocketGone:
            return GONE
        except websockets.ConnectionClosed:
            await asyncio.Event().wait()  # _to_page handles the end


def read_wish(frame: str | bytes) -> str | None:
    """A valid command of the page, re-encoded, or None."""
    if not isinstance(frame, str) or len(frame) > LARGEST_WISH:
        return None
    try:
        members = json.loads(frame)
    except (ValueError, RecursionError):
        return None
    if members in ALONE:
        return json.dumps(members)
    if not isinstance(members, dict) or not all(isinstance(value, str) for value in members.values()):
        return None
    expected = COMMANDS.get(members.get("event", ""))
    if expected is None or set(members) != expected or not CONVERSATION.fullmatch(members["conversation_id"]):
        return None
    return json.dumps(members)
