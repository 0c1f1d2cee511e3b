"""The browsers that opened the first address. Each has a cookie from us, and its own sessions at the server.

The first address only admits a browser: anyone else who learns it starts without a session. The cookie changes at each
login, so a cookie planted earlier is worthless.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field

from ezdms.protocol.encoding import b64u_encode

MOST = 100  # browsers without a session; the oldest is dropped first


@dataclass(slots=True, eq=False)
class Visitor:
    """One browser. `tokens`: its sessions at the server, by the place of the account; the page never sees them."""

    tokens: dict[int, str] = field(default_factory=dict, repr=False)


class Visitors:
    """Visitors by the hash of their cookie. Looking up a hash leaks nothing about a guess through timing."""

    def __init__(self) -> None:
        self._by_hash: dict[bytes, Visitor] = {}

    def admit(self) -> str:
        """Add a new browser. Returns the value of its cookie."""
        waiting = [key for key, one in self._by_hash.items() if not one.tokens]
        if len(waiting) >= MOST:
            del self._by_hash[waiting[0]]
        return self._bake(Visitor())

    def find(self, cookie: str) -> Visitor | None:
        """The visitor with this cookie, if any."""
        return self._by_hash.get(_hash(cookie))

    def renew(self, visitor: Visitor) -> str:
        """Replace a browser's cookie. The old one becomes invalid."""
        self._by_hash = {key: one for key, one in self._by_hash.items() if one is not visitor}
        return self._bake(visitor)

    def tokens(self) -> list[str]:
        """The tokens of all open sessions."""
        return [token for visitor in self._by_hash.values() for token in visitor.tokens.values()]

    def _bake(self, visitor: Visitor) -> str:
        cookie = b64u_encode(secrets.token_bytes(32))
        self._by_hash[_hash(cookie)] = visitor
        return cookie


def _hash(cookie: str) -> bytes:
    return hashlib.sha256(cookie.encode("utf-8", "replace")).digest()
