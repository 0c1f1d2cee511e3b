"""Determines the real client: trusts forwarding headers only from trusted proxies, and removes all others."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import Any

from ezdms.settings import UNIX, Network

FORWARDING = frozenset({b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-real-ip", b"forwarded"})
SECURE = {"http": "https", "ws": "wss"}
MOST_SEEN = 16
PLAIN = {"https": "http", "wss": "ws"}


class TrustedProxies:
    """ASGI middleware. Walks X-Forwarded-For from its right end, past trusted proxies, to the first other address.

    hypercorn's ProxyFixMiddleware trusts any peer, and X-Forwarded-Host. This trusts only the listed networks (and
    peers on the Unix socket, which have no address, only if UNIX is listed), and never changes Host. After it,
    `scope["client"]` and `scope["scheme"]` are reliable.
    """

    def __init__(self, app: Any, trusted: tuple[Network | str, ...]) -> None:
        self.app = app
        self.trusted = tuple(one for one in trusted if not isinstance(one, str))
        self.trusts_unix = UNIX in trusted
        self.seen: dict[str, bool] = {}  # private addresses that sent forwarding headers → trusted (for `ezdms doctor`)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Set client and scheme, then pass on."""
        if scope["type"] in ("http", "websocket"):
            scope = self._settle(scope)
        await self.app(scope, receive, send)

    def _settle(self, scope: Any) -> Any:
        peer = (scope.get("client") or (UNIX,))[0]
        settled = scope
        if not FORWARDING.isdisjoint(dict(scope["headers"])):  # names are in lower case (ASGI)
            self._note(peer)
            settled = {**scope, "headers": [pair for pair in scope["headers"] if pair[0] not in FORWARDING]}
        if not self._is_trusted(peer):
            return settled
        client = peer
        for hop in reversed(_values(scope, b"x-forwarded-for")):
            if _parse(hop) is None:
                break
            client = hop
            if not self._is_trusted(hop):
                break
        settled["client"] = None if client == UNIX else (client, 0)
        proto = _values(scope, b"x-forwarded-proto")[-1:]
        if proto == ["https"]:
            settled["scheme"] = SECURE.get(scope["scheme"], scope["scheme"])
        elif proto == ["http"]:
            settled["scheme"] = PLAIN.get(scope["scheme"], scope["scheme"])
        return settled

    def _note(self, peer: str) -> None:
        """Remember a proxy. Only private addresses count, since anyone on the internet can send such headers."""
        parsed = _parse(peer)
        is_near = peer == UNIX or (parsed is not None and parsed.is_private)
        if is_near and len(self.seen) < MOST_SEEN:
            self.seen[peer] = self._is_trusted(peer)

    def _is_trusted(self, address: str) -> bool:
        if address == UNIX:
            return self.trusts_unix
        parsed = _parse(address) if self.trusted else None
        return parsed is not None and any(parsed in network for network in self.trusted)


def _values(scope: Any, wanted: bytes) -> list[str]:
    lines = [value.decode("latin-1") for name, value in scope["headers"] if name.lower() == wanted]
    return [part.strip() for line in lines for part in line.split(",") if part.strip()]


@lru_cache(4096)
def _parse(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return None
    mapped = getattr(parsed, "ipv4_mapped", None)
    return mapped or parsed
