"""The browser's fences: headers on every answer, and refusal of what another site sends in a user's name."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:  # `ezdms verify` compares a server with these headers, and loads no server
    from quart import Response
    from quart.wrappers import Request, Websocket

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self'; connect-src 'self'; "
    "manifest-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types ezdms"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
FENCE = (*HEADERS.items(), ("Cache-Control", "no-store"))
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def add_headers(response: Response) -> Response:
    """Fence every answer; whatever is not a static file is nobody's to keep."""
    present = {name.lower() for name, _ in response.headers}
    for name, value in FENCE:
        if name.lower() not in present:
            response.headers.add(name, value)
    return response


def is_own_origin(asked: Request | Websocket, allowed: tuple[str, ...]) -> bool:
    """True if the Origin header is absent (no browser), of the request's own host, or one that the operator allowed."""
    origin = asked.headers.get("Origin")
    return origin is None or _is_own(asked, origin, allowed)


def _is_own(asked: Request | Websocket, origin: str, allowed: tuple[str, ...]) -> bool:
    try:
        return origin.lower() in allowed or urlsplit(origin.lower()).netloc == asked.host.lower()
    except ValueError:  # no address at all, such as http://[
        return False


def is_forged(asked: Request, allowed: tuple[str, ...]) -> bool:
    """True for an unsafe request that another site makes a browser send (cross-site request forgery)."""
    if asked.method in SAFE_METHODS:
        return False
    origin = asked.headers.get("Origin")
    if origin is not None:
        return not _is_own(asked, origin, allowed)
    return asked.headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none")
