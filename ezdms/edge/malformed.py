"""Refuses what the framework itself raises on, before any error handler of the app is there to answer."""

from __future__ import annotations

import json
from typing import Any

from werkzeug.exceptions import BadHost

from ezdms.edge.headers import HEADERS

REFUSAL = json.dumps({"error": "The request could not be understood.", "code": "bad_request"}).encode()


class RefusesMalformed:
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
