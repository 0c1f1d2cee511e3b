"""Security headers for every response."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # `ezdms verify` uses these headers, and must not import the server
    from quart import Response

LOOKS = "style-src 'self'; font-src 'self'; img-src 'self'"
NOWHERE = "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; {LOOKS}; {NOWHERE}",  # for responses that must run nothing
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), geolocation=(), microphone=(self), payment=(), usb=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
FENCE = (*HEADERS.items(), ("Cache-Control", "no-store"))


def add_headers(response: Response) -> Response:
    """Add the headers. Only static files may be cached."""
    present = {name.lower() for name, _ in response.headers}
    for name, value in FENCE:
        if name.lower() not in present:
            response.headers.add(name, value)
    return response
