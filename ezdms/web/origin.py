"""Which site a request comes from: what another one makes a browser send in a user's name is refused."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ezdms.protocol.origin import Origin, parse_origin

if TYPE_CHECKING:
    from quart.wrappers import Request, Websocket

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}


def is_foreign(asked: Request | Websocket, allowed: Iterable[str]) -> bool:
    """True if a browser sends this for a page of another origin, unless the operator allowed that one.

    Browsers say in Sec-Fetch-Site whose page asks, which no page can forge: but only to https and localhost, and
    Chromium never in the handshake of a WebSocket. Without it the Origin decides; without either it is no browser.
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
    """The page has the scheme, host and port of the request.

    A page with TLS is also our own if TLS ends at a proxy that does not say so: the way to it is a weaker one than the
    page's. The other way round is the attack: whoever is on the network makes up a page at http://the-same-host.
    """
    scheme = SCHEMES.get(asked.scheme, "")
    is_as_safe = origin.scheme == scheme or (origin.scheme, scheme) == ("https", "http")
    return is_as_safe and origin == parse_origin(f"{origin.scheme}://{asked.host}")
