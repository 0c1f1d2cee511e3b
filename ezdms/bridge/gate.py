"""Who may ask a server that is for this machine alone: the bridge, and `ezdms open` (opened/gate.py).

No web page that was not named, whatever a browser sends; and nobody without proof.

A page cannot read the token, but a browser sends what a page wants: forms (refused by Origin), pictures and links (by
Sec-Fetch-Site), and requests to a name of the page's own that leads here (DNS rebinding, by Host).
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

OWN_HOST = re.compile(rb"(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE)
NOT_FROM_A_PAGE = (b"none",)  # what Sec-Fetch-Site says when a person typed the address
PUBLIC = ("/ping",)
NOT_UNDERSTOOD = "The request could not be understood."
HEADERS = [
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
]
PREFLIGHT = [
    (b"access-control-allow-methods", b"GET, POST"),
    (b"access-control-allow-headers", b"authorization, content-type"),
    (b"access-control-max-age", b"600"),
]

Headers = list[tuple[bytes, bytes]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Refusal(Exception):
    """A request that goes no further."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class Gate:
    """ASGI middleware: what no server for this machine alone answers. A subclass says who may ask.

    `own_host`: what may stand in Host. `origins`: those of the pages that may ask. `headers` go on every answer.
    """

    own_host: re.Pattern[bytes] = OWN_HOST
    headers: Headers = HEADERS
    not_from_a_page: tuple[bytes, ...] = NOT_FROM_A_PAGE
    another_name: str  # why it is refused, in a sentence
    another_page: str
    not_a_program: str

    def __init__(self, app: Any, origins: Iterable[str]) -> None:
        self._app = app
        self._origins = frozenset(origin.lower().encode("ascii") for origin in origins)

    async def __call__(self, scope: Any, receive: Any, send: Send) -> None:
        """Let through, answer a preflight, or refuse."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        added: Headers = []
        try:
            origin = self._origin(scope)
            added += self.for_page(origin)
            if origin and _is_preflight(scope):
                await _answer(send, scope, 204, b"", HEADERS + added + PREFLIGHT + _private_network(scope))
                return
            _check_form(scope)
            self.admit(scope)
        except Refusal as refusal:
            kind, body = self.describe(scope, refusal)
            added.append((b"content-type", kind))
            if refusal.status == 401:
                added.append((b"www-authenticate", b"Bearer"))
            await _answer(send, scope, refusal.status, body, HEADERS + added)
            return
        await self._app(scope, receive, _adding(send, self.headers + added))

    def admit(self, scope: Any) -> None:
        """Raises Refusal unless the request proves that it may be answered."""
        raise NotImplementedError

    def for_page(self, origin: bytes) -> Headers:
        """Headers for the page that asks, which may; b"" is none."""
        return []

    def describe(self, scope: Any, refusal: Refusal) -> tuple[bytes, bytes]:
        """Content type and body of a refusal."""
        return b"application/json", json.dumps({"error": str(refusal)}).encode()

    def _origin(self, scope: Any) -> bytes:
        """The page that asks, which may, or b"" if none does. Raises Refusal."""
        hosts, origins = values_of(scope, b"host"), values_of(scope, b"origin")
        if len(hosts) != 1 or not self.own_host.fullmatch(hosts[0]):
            raise Refusal(403, self.another_name)
        if any(origin.lower() not in self._origins for origin in origins):
            raise Refusal(403, self.another_page)
        if not origins and any(site not in self.not_from_a_page for site in values_of(scope, b"sec-fetch-site")):
            raise Refusal(403, self.not_a_program)
        return origins[0] if origins else b""


class TokenGate(Gate):
    """The bridge's: programs that know the token, and the pages that were named. `token` is None if none is needed."""

    another_name = "This bridge is 127.0.0.1 or localhost, and answers to no other name."
    another_page = "This web page may not use the bridge. --allow-origin names the pages that may."
    not_a_program = "A web page made the browser ask this. The bridge is for programs."

    def __init__(self, app: Any, token: str | None, origins: Iterable[str]) -> None:
        super().__init__(app, origins)
        self._token = None if token is None else token.encode("ascii")

    def for_page(self, origin: bytes) -> Headers:
        """It may read the answer."""
        return [(b"access-control-allow-origin", origin), (b"vary", b"Origin")] if origin else []

    def admit(self, scope: Any) -> None:
        """The token, but for what is public."""
        if scope["type"] != "http":
            raise Refusal(400, NOT_UNDERSTOOD)
        if self._token is None or scope["path"] in PUBLIC:
            return
        given = values_of(scope, b"authorization")
        kind, _, token = given[0].partition(b" ") if len(given) == 1 else (b"", b"", b"")
        if kind.lower() != b"bearer" or not hmac.compare_digest(token.strip(), self._token):
            raise Refusal(401, "The bridge's token is needed: Authorization: Bearer, and what it printed at its start.")


def values_of(scope: Any, name: bytes) -> list[bytes]:
    """What a request has under this name, in lower case."""
    return [value for given, value in scope["headers"] if given.lower() == name]


def _check_form(scope: Any) -> None:
    """What Quart raises on goes no further: addresses without a slash in front, raw bytes in a query."""
    if not scope["path"].startswith("/") or not scope["query_string"].isascii():
        raise Refusal(400, NOT_UNDERSTOOD)


def _is_preflight(scope: Any) -> bool:
    return scope.get("method") == "OPTIONS" and bool(values_of(scope, b"access-control-request-method"))


def _private_network(scope: Any) -> Headers:
    """Browsers ask whether a page from the internet may reach into this machine. This one may."""
    asked = values_of(scope, b"access-control-request-private-network")
    return [(b"access-control-allow-private-network", b"true")] if asked else []


def _adding(send: Send, added: Headers) -> Send:
    names = {name for name, _ in added}

    async def send_more(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            kept = [(name, value) for name, value in message["headers"] if name.lower() not in names]
            message = {**message, "headers": kept + added}
        await send(message)

    return send_more


async def _answer(send: Send, scope: Any, status: int, body: bytes, headers: Headers) -> None:
    kind = "websocket.http.response" if scope["type"] == "websocket" else "http.response"
    length = [] if status == 204 else [(b"content-length", str(len(body)).encode())]
    await send({"type": f"{kind}.start", "status": status, "headers": headers + length})
    await send({"type": f"{kind}.body", "body": body, "more_body": False})
