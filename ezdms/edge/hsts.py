"""HSTS: browsers that were here by TLS do not come without it again.

That cannot be taken back for a year, so it is said for public names alone (certificate.is_for_the_public): in a home
network it would lock people out.
"""

from __future__ import annotations

from typing import Any

HEADER = (b"strict-transport-security", b"max-age=31536000")
STARTS = ("http.response.start", "websocket.http.response.start")


class TransportSecurity:
    """ASGI middleware, outermost: what is refused before it reaches the app says so as well."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass on, with the header on every answer."""

        async def say(message: Any) -> None:
            if message["type"] in STARTS:
                message = {**message, "headers": [*message.get("headers", []), HEADER]}
            await send(message)

        await self.app(scope, receive, say if scope.get("scheme") in ("https", "wss") else send)
