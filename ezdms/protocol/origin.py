"""Web origins: where a server is, and whether a client may use it there."""

from __future__ import annotations

import ipaddress
from typing import NamedTuple
from urllib.parse import urlsplit

PORTS = {"http": 80, "https": 443}
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
