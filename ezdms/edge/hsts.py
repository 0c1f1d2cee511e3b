"""HSTS: browsers that connected with TLS never connect without it again.

It cannot be undone for a year, so it is sent only for public names (certificate.is_for_the_public): on a home network
it would lock people out.
"""

from __future__ import annotations

from typing import Any

HEADER = (b"strict-transport-security", b"max-age=31536000")
STARTS = ("http.response.start", "websocket.http.response.start")


class TransportSecurity:
    """ASGI middleware, outermost, so that requests refused before the app get the header, too."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass on, and add the header to every response."""

        async def say(message: Any) -> None:
            if message["type"] in STARTS:
                message = {**message, "headers": [*message.get("headers", []), HEADER]}
            await send(message)

        await self.app(scope, receive, say if scope.get("scheme") in ("https", "wss") else send)
