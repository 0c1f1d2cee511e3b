"""Refuses malformed requests on which the framework itself raises before the app's error handlers apply."""

from __future__ import annotations

import json
from typing import Any

from werkzeug.exceptions import BadHost

from ezdms.edge.headers import HEADERS

REFUSAL = json.dumps({"error": "The request is malformed.", "code": "bad_request"}).encode()


class RefusesMalformed:
    """ASGI middleware. Answers 400 where Quart and werkzeug would raise before the app's error handlers apply:

    paths without a leading slash (`*`, `http://[`), raw bytes in a query, an invalid Host.
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
