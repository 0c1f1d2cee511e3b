"""Quart's connections, fixed: a response in one message, and WebSocket frames one at a time."""

from __future__ import annotations

from typing import Any

from quart.asgi import ASGIHTTPConnection, ASGIWebsocketConnection
from quart.utils import encode_headers
from quart.wrappers import Websocket
from quart.wrappers.response import DataBody


class HttpConnection(ASGIHTTPConnection):
    """Sends an available body in one message. Quart sends one for the body and one for its end."""

    async def _send_response(self, send: Any, response: Any) -> None:
        body = getattr(response, "response", None)
        if not isinstance(body, DataBody):
            await super()._send_response(send, response)
            return
        headers = encode_headers(response.headers)
        await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
        await send({"type": "http.response.body", "body": body.data, "more_body": False})


class SocketGone(Exception):
    """The peer closed the WebSocket, or is gone."""


class Socket(Websocket):
    """A WebSocket whose route accepts first. Quart's own checks that for each frame, and creates headers for it, and

    yields to the event loop for each frame it sends.
    """

    async def receive(self) -> str | bytes:
        """The next frame."""
        frame: str | bytes = await self._receive()
        return frame

    async def send(self, data: str | bytes) -> None:
        """Send a frame. Waits only if much is buffered."""
        await self._send(data)


class SocketConnection(ASGIWebsocketConnection):
    """Reads a frame when the route asks for one; later ones wait in the server and the network.

    Quart's own reads all frames into an unbounded queue, with a task for each socket, and sends signals that nobody
    here uses. `websocket.receive()` raises SocketGone once the peer is gone.
    """

    async def __call__(self, receive: Any, send: Any) -> None:
        """Run the socket in one task from handshake to end."""
        self._receive = receive
        self.queue = self  # type: ignore[assignment]  # Quart passes its `get` to the route
        websocket = self._create_websocket_from_scope(send)
        del self.queue  # otherwise only the garbage collector would free this
        try:
            await self.handle_websocket(websocket, send)
        finally:
            websocket.__dict__.clear()  # the context of its pings keeps it and all its senders alive

    async def get(self) -> Any:
        """The next frame: str or bytes."""
        while (event := await self._receive())["type"] != "websocket.disconnect":
            if event["type"] == "websocket.receive":
                return event.get("bytes") or event["text"]
        raise SocketGone

    async def send_data(self, send: Any, data: Any) -> None:
        """Send a text frame."""
        await send({"type": "websocket.send", "bytes": None, "text": data})
