"""Access control of servers for this machine only: the bridge, and `ezdms open` (opened/gate.py).

Refuses web pages that were not allowed, whatever a browser sends, and any request without credentials.

A page cannot read the token, but it can make a browser send requests: forms (refused by Origin), images and links (by
Sec-Fetch-Site), and requests to a host name of its own that points here (DNS rebinding, by Host).
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

OWN_HOST = re.compile(rb"(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE)
NOT_FROM_A_PAGE = (b"none",)  # Sec-Fetch-Site when a person typed the address
PUBLIC = ("/ping",)
NOT_UNDERSTOOD = "The request is malformed."
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
    """A request was refused."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class Gate:
    """ASGI middleware that refuses requests no local server should answer. Subclasses check credentials.

    `own_host`: allowed values of Host. `origins`: web pages that are allowed. `headers` are added to every response.
    """

    own_host: re.Pattern[bytes] = OWN_HOST
    headers: Headers = HEADERS
    not_from_a_page: tuple[bytes, ...] = NOT_FROM_A_PAGE
    another_name: str  # why it is refused, as a sentence
    another_page: str
    not_a_program: str

    def __init__(self, app: Any, origins: Iterable[str]) -> None:
        self._app = app
        self._origins = frozenset(origin.lower().encode("ascii") for origin in origins)

    async def __call__(self, scope: Any, receive: Any, send: Send) -> None:
        """Pass the request on, answer a preflight, or refuse."""
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
        """Check credentials. Raises Refusal."""
        raise NotImplementedError

    def for_page(self, origin: bytes) -> Headers:
        """Headers for an allowed page; b"" if there is no page."""
        return []

    def describe(self, scope: Any, refusal: Refusal) -> tuple[bytes, bytes]:
        """Content type and body of a refusal."""
        return b"application/json", json.dumps({"error": str(refusal)}).encode()

    def _origin(self, scope: Any) -> bytes:
        """The origin of the requesting page, b"" if there is none. Raises Refusal for pages not allowed."""
        hosts, origins = values_of(scope, b"host"), values_of(scope, b"origin")
        if len(hosts) != 1 or not self.own_host.fullmatch(hosts[0]):
            raise Refusal(403, self.another_name)
        if any(origin.lower() not in self._origins for origin in origins):
            raise Refusal(403, self.another_page)
        if not origins and any(site not in self.not_from_a_page for site in values_of(scope, b"sec-fetch-site")):
            raise Refusal(403, self.not_a_program)
        return origins[0] if origins else b""


class TokenGate(Gate):
    """The bridge's gate: admits programs with the token, and allowed pages. `token` is None if none is needed."""

    another_name = "This bridge answers only at 127.0.0.1 or localhost."
    another_page = "This web page may not use the bridge. To allow it, use --allow-origin."
    not_a_program = "This request came from a web page. The bridge is for programs."

    def __init__(self, app: Any, token: str | None, origins: Iterable[str]) -> None:
        super().__init__(app, origins)
        self._token = None if token is None else token.encode("ascii")

    def for_page(self, origin: bytes) -> Headers:
        """Let the page read the response."""
        return [(b"access-control-allow-origin", origin), (b"vary", b"Origin")] if origin else []

    def admit(self, scope: Any) -> None:
        """Check the token, except on public paths."""
        if scope["type"] != "http":
            raise Refusal(400, NOT_UNDERSTOOD)
        if self._token is None or scope["path"] in PUBLIC:
            return
        given = values_of(scope, b"authorization")
        kind, _, token = given[0].partition(b" ") if len(given) == 1 else (b"", b"", b"")
        if kind.lower() != b"bearer" or not hmac.compare_digest(token.strip(), self._token):
            raise Refusal(401, "Send the bridge's token, which it printed at startup: Authorization: Bearer TOKEN.")


def values_of(scope: Any, name: bytes) -> list[bytes]:
    """The values of a request header, named in lower case."""
    return [value for given, value in scope["headers"] if given.lower() == name]


def _check_form(scope: Any) -> None:
    """Refuse what makes Quart raise: paths without a leading slash, raw bytes in a query."""
    if not scope["path"].startswith("/") or not scope["query_string"].isascii():
        raise Refusal(400, NOT_UNDERSTOOD)


def _is_preflight(scope: Any) -> bool:
    return scope.get("method") == "OPTIONS" and bool(values_of(scope, b"access-control-request-method"))


def _private_network(scope: Any) -> Headers:
    """Allow the page to reach this machine, if the browser asks (private network access)."""
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
