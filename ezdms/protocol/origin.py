"""Web origins: parsing server addresses, and whether a client may use them."""

from __future__ import annotations

import ipaddress
from typing import NamedTuple
from urllib.parse import urlsplit

PORTS = {"http": 80, "https": 443}
PLAIN = (
    "{}: use https. Over plain http, anyone in between could log in as you; http:// is only for this machine "
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
        """True for this machine, where browsers treat http as secure."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def parse_origin(text: str) -> Origin | None:
    """Parse exactly `scheme://host[:port]`; None for `null` and anything else that is not a web origin."""
    try:
        parts = urlsplit(text.lower())
        host, port = parts.hostname, parts.port
    except ValueError:  # such as http://[
        return None
    is_bare = parts.netloc and text.lower() == f"{parts.scheme}://{parts.netloc}" and "@" not in parts.netloc
    if parts.scheme not in PORTS or not host or not is_bare:
        return None
    return Origin(parts.scheme, host, PORTS[parts.scheme] if port is None else port)


def not_an_address(text: str) -> str:
    """The sentence for what is not the address of a server."""
    try:
        parts = urlsplit(text)
    except ValueError:
        parts = urlsplit("")
    if parts.path not in ("", "/") and (origin := parse_origin(f"{parts.scheme}://{parts.netloc}")) is not None:
        return (
            f"{text!r} is not a server address, because it has a path. EZ-DMS needs a host name of its own, and does "
            f"not work below a path: if it is at {origin}, use that."
        )
    return f"{text!r} is not a server address. Expected one such as https://chat.example.org."


def fault_of_server(address: str) -> str | None:
    """Why a client must not use the server at this address, as a sentence. None for https, and http on this machine.

    Requests contain session tokens and credentials derived from the Login PIN.
    """
    try:
        parts = urlsplit(address)
    except ValueError:  # such as http://[
        parts = urlsplit("")
    origin = parse_origin(f"{parts.scheme}://{parts.netloc}")
    if origin is None or parts.query or parts.fragment:
        return not_an_address(address)
    return None if origin.scheme == "https" or origin.is_here else PLAIN.format(origin)
