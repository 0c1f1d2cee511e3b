"""Which site a request comes from: what another one makes a browser send in a user's name is refused."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from quart.wrappers import Request, Websocket

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
PORTS = {"http": 80, "https": 443}
SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
PLAIN = (
    "{}: only https. Over plain http anybody on the way can log in as you; http:// is for this very machine "
    "(http://localhost, http://127.0.0.1)."
)


class Origin(NamedTuple):
    """Scheme, host and port, as browsers compare them (RFC 6454)."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        """As browsers write it: without a slash, without the usual port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == PORTS[self.scheme] else f":{self.port}")

    @property
    def is_here(self) -> bool:
        """True for this very machine, where browsers take http to be as safe as https."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def parse_origin(text: str) -> Origin | None:
    """`scheme://host[:port]` with nothing behind it; None for `null` and whatever else is no web origin."""
    try:
        parts = urlsplit(text.lower())
        host, port = parts.hostname, parts.port
    except ValueError:  # such as http://[
        return None
    is_bare = parts.netloc and text.lower() == f"{parts.scheme}://{parts.netloc}" and "@" not in parts.netloc
    if parts.scheme not in PORTS or not host or not is_bare:
        return None
    return Origin(parts.scheme, host, PORTS[parts.scheme] if port is None else port)


def fault_of_server(address: str) -> str | None:
    """Why a client must not use the server at this address: a sentence. None for https, and for http on this machine.

    What proves a session, and what a Login PIN becomes, are in the requests.
    """
    try:
        parts = urlsplit(address)
    except ValueError:  # such as http://[
        parts = urlsplit("")
    origin = parse_origin(f"{parts.scheme}://{parts.netloc}")
    if origin is None or parts.query or parts.fragment:
        return f"{address!r} is no server's address: it begins with https://, such as https://chat.example.org."
    return None if origin.scheme == "https" or origin.is_here else PLAIN.format(origin)


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
