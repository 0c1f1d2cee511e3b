"""The browsers that began at the first address. Each has a cookie of ours, and its own session at the server.

The first address lets a browser in, and nothing more: whoever else learns it begins with no session at all. What
counts is the cookie, and that is another one after each login, so none that was planted before is worth anything.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field

from ezdms.protocol.encoding import b64u_encode

MOST = 100  # browsers without a session; of those, the one that came first goes first


@dataclass(slots=True, eq=False)
class Visitor:
    """One browser. `token` proves its session at the server; no page ever sees it."""

    token: str = field(default="", repr=False)


class Visitors:
    """By what their cookies are, of which only the hashes are kept: how far a guess is right takes no time to see."""

    def __init__(self) -> None:
        self._by_hash: dict[bytes, Visitor] = {}

    def admit(self) -> str:
        """A new browser; returns the value of its cookie."""
        waiting = [key for key, one in self._by_hash.items() if not one.token]
        if len(waiting) >= MOST:
            del self._by_hash[waiting[0]]
        return self._bake(Visitor())

    def find(self, cookie: str) -> Visitor | None:
        """Whose cookie it is, if it is one."""
        return self._by_hash.get(_hash(cookie))

    def renew(self, visitor: Visitor) -> str:
        """Another cookie for the same browser; the one before is worth nothing any more."""
        self._by_hash = {key: one for key, one in self._by_hash.items() if one is not visitor}
        return self._bake(visitor)

    def tokens(self) -> list[str]:
        """Of every session that began here and did not end."""
        return [visitor.token for visitor in self._by_hash.values() if visitor.token]

    def _bake(self, visitor: Visitor) -> str:
        cookie = b64u_encode(secrets.token_bytes(32))
        self._by_hash[_hash(cookie)] = visitor
        return cookie


def _hash(cookie: str) -> bytes:
    return hashlib.sha256(cookie.encode("utf-8", "replace")).digest()
