"""Adds `Connection: close` to a response that is sent before the request was fully read.

hypercorn closes the connection then, since the rest of the unread body would follow. Without the header, a client with
keep-alive would send its next request on the closing connection and lose it.
"""

from __future__ import annotations

from typing import Any

CLOSE = (b"connection", b"close")


class SaysWhenItCloses:
    """ASGI middleware, outermost except for the one that determines the client's address."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass on; watch whether the body is fully read, and add the header if not."""
        if scope["type"] != "http" or scope["http_version"] >= "2":  # HTTP/2 ends only the stream
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])  # their names are in lower case (ASGI)
        is_read = headers.get(b"content-length", b"0") == b"0" and b"transfer-encoding" not in headers
        if is_read:
            await self.app(scope, receive, send)
            return

        async def watch() -> Any:
            nonlocal is_read
            message = await receive()
            if message["type"] == "http.request" and not message.get("more_body", False):
                is_read = True
            return message

        async def say(message: Any) -> None:
            if message["type"] == "http.response.start" and not is_read:
                message = {**message, "headers": [*message.get("headers", []), CLOSE]}
            await send(message)

        await self.app(scope, watch, say)
