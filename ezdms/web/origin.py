"""Detects requests that another site makes a browser send (cross-site request forgery)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ezdms.protocol.origin import Origin, parse_origin

if TYPE_CHECKING:
    from quart.wrappers import Request, Websocket

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}


def is_foreign(asked: Request | Websocket, allowed: Iterable[str]) -> bool:
    """True if a browser sends this for a page of another origin, unless the operator allowed it.

    Browsers state the requesting site in Sec-Fetch-Site, which pages cannot forge, but only to https and localhost, and
    Chromium never in a WebSocket handshake. Without it, Origin decides; without either, it is not a browser.
    """
    site, said = asked.headers.get("Sec-Fetch-Site"), asked.headers.get("Origin")
    origin = None if said is None else parse_origin(said)
    if origin is not None and origin in map(parse_origin, allowed):
        return False
    if site == "same-origin" or (site == "none" and asked.headers.get("Sec-Fetch-Mode") == "navigate"):
        return False
    if site not in (None, "none"):
        return True
    return said is not None and (origin is None or not _is_own(asked, origin))


def is_forged(asked: Request, allowed: Iterable[str]) -> bool:
    """True for an unsafe request that another site makes a browser send (cross-site request forgery)."""
    return asked.method not in SAFE_METHODS and is_foreign(asked, allowed)


def _is_own(asked: Request | Websocket, origin: Origin) -> bool:
    """True if the page has the same scheme, host and port as the request.

    An https page also counts as our own if the request is http: a proxy may terminate TLS without saying so. The
    reverse is an attack: someone on the network can forge a page at http://the-same-host.
    """
    scheme = SCHEMES.get(asked.scheme, "")
    is_as_safe = origin.scheme == scheme or (origin.scheme, scheme) == ("https", "http")
    return is_as_safe and origin == parse_origin(f"{origin.scheme}://{asked.host}")
