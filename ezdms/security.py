"""The browser's fences: headers on every answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # `ezdms verify` compares a server with these headers, and loads no server
    from quart import Response

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


def add_headers(response: Response) -> Response:
    """Fence every answer; whatever is not a static file is nobody's to keep."""
    present = {name.lower() for name, _ in response.headers}
    for name, value in FENCE:
        if name.lower() not in present:
            response.headers.add(name, value)
    return response
