"""Quart's connections: an answer in one message, and a WebSocket's frames one at a time."""

from __future__ import annotations

from typing import Any

from quart.asgi import ASGIHTTPConnection, ASGIWebsocketConnection
from quart.utils import encode_headers
from quart.wrappers import Websocket
from quart.wrappers.response import DataBody


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
