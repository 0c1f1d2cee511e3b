"""Says so when a connection ends with an answer: one that came before the request was read to its end.

hypercorn then closes the connection, since what follows on it would be the rest of a body nobody wants. Without
`Connection: close` a client that keeps connections sends its next request into one that is closing, and loses it.
"""

from __future__ import annotations

from typing import Any

CLOSE = (b"connection", b"close")


class SaysWhenItCloses:
    """ASGI middleware, outermost but for what settles who asks."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass on; watch how far the body is read, and what the answer says."""
        if scope["type"] != "http" or scope["http_version"] >= "2":  # HTTP/2 ends the stream alone
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
