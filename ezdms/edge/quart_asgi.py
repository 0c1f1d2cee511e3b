"""The edge: what the framework itself raises on is refused here, and frames that nobody has read wait outside."""

from __future__ import annotations

import json
from typing import Any

from quart.asgi import ASGIHTTPConnection, ASGIWebsocketConnection
from quart.utils import encode_headers
from quart.wrappers import Websocket
from quart.wrappers.response import DataBody
from werkzeug.exceptions import BadHost

from ezdms.edge.headers import HEADERS

REFUSAL = json.dumps({"error": "The request could not be understood.", "code": "bad_request"}).encode()


class Edge:
    """ASGI middleware. 400 where Quart and werkzeug raise before any error handler of the app is there to answer:

    addresses without a slash in front (`*`, `http://[`), raw bytes in a query, a Host that is no name.
    """

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass on or refuse."""
        if scope["type"] != "lifespan" and not (scope["path"].startswith("/") and scope["query_string"].isascii()):
            await _refuse(scope, send)
            return
        try:
            await self.app(scope, receive, send)
        except BadHost:
            await _refuse(scope, send)


async def _refuse(scope: Any, send: Any) -> None:
    kind = "websocket.http.response" if scope["type"] == "websocket" else "http.response"
    headers = {
        **HEADERS,
        "Cache-Control": "no-store",
        "Content-Type": "application/json",
        "Content-Length": str(len(REFUSAL)),
    }
    encoded = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": f"{kind}.start", "status": 400, "headers": encoded})
    await send({"type": f"{kind}.body", "body": REFUSAL, "more_body": False})


class HttpConnection(ASGIHTTPConnection):
    """Hands a body that is at hand to the server in one message; Quart takes one for the body and one for its end."""

    async def _send_response(self, send: Any, response: Any) -> None:
        body = getattr(response, "response", None)
        if not isinstance(body, DataBody):
            await super()._send_response(send, response)
            return
        headers = encode_headers(response.headers)
        await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
        await send({"type": "http.response.body", "body": body.data, "more_body": False})


class SocketGone(Exception):
    """The peer has ended the WebSocket, or is lost."""


class Socket(Websocket):
    """A WebSocket whose route accepts first. Quart's own looks at that for each frame, with headers made for it, and

    goes once round the event loop for each that it sends.
    """

    async def receive(self) -> str | bytes:
        """The next frame."""
        frame: str | bytes = await self._receive()
        return frame

    async def send(self, data: str | bytes) -> None:
        """Waits only while much is waiting for the peer."""
        await self._send(data)


class SocketConnection(ASGIWebsocketConnection):
    """Takes in a frame when the route asks for one; the next ones wait in the server and the network.

    Quart's own takes in every frame at once and without bound, with a task and a queue for each socket, and tells of
    each by signals that nobody here listens to. `websocket.receive()` raises SocketGone once the peer is gone.
    """

    async def __call__(self, receive: Any, send: Any) -> None:
        """One task from the handshake to the end."""
        self._receive = receive
        self.queue = self  # type: ignore[assignment]  # Quart hands its `get` to the route
        websocket = self._create_websocket_from_scope(send)
        del self.queue  # or this would never be freed but by the collector of cycles
        try:
            await self.handle_websocket(websocket, send)
        finally:
            websocket.__dict__.clear()  # the context of its pings keeps it, and it keeps all that sends

    async def get(self) -> Any:
        """The next frame: str or bytes."""
        while (event := await self._receive())["type"] != "websocket.disconnect":
            if event["type"] == "websocket.receive":
                return event.get("bytes") or event["text"]
        raise SocketGone

    async def send_data(self, send: Any, data: Any) -> None:
        """A text."""
        await send({"type": "websocket.send", "bytes": None, "text": data})
