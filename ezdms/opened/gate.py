"""Access control of `ezdms open`: admits browsers that opened the first address, and its own pages."""

from __future__ import annotations

import hmac
import json
import re
from typing import Any

from ezdms.bridge.gate import Gate, Refusal, values_of
from ezdms.opened.visitors import Visitors

VISITOR = "ezdms.protocol.visitor"  # key in the ASGI scope
FIRST = "/open/"
# Browsers fetch it without cookies. It is the same for everyone.
MANIFEST = re.compile(rb"/static/[0-9a-f]{12}/manifest\.webmanifest")
FROM_ANOTHER = "This request came from another web page. Type or paste the address instead."


class VisitorGate(Gate):
    """The bridge's gate, for one address: `origin` is http://127.0.0.1:PORT."""

    headers = [(b"cross-origin-resource-policy", b"same-origin")]  # noqa: RUF012 - the app sets the others
    not_from_a_page = (b"none", b"same-origin")
    another_page = FROM_ANOTHER
    not_a_program = FROM_ANOTHER

    def __init__(self, app: Any, origin: str, secret: str, visitors: Visitors) -> None:
        super().__init__(app, [origin])
        host = origin.removeprefix("http://")
        self.own_host = re.compile(re.escape(host.encode("ascii")))
        self.another_name = f"This page is only available at {host}."
        self.cookie = cookie_name(origin)
        self._first = f"{FIRST}{secret}".encode("ascii")
        self._visitors = visitors

    def admit(self, scope: Any) -> None:
        """Admit the first address, opened by a person, or a request with exactly one cookie that we issued."""
        if scope["type"] == "websocket" and not values_of(scope, b"origin"):
            raise Refusal(403, "A WebSocket request from a browser must have an Origin header.")
        given = _cookies(scope, self.cookie)
        scope[VISITOR] = self._visitors.find(given[0]) if len(given) == 1 else None
        path = scope["path"].encode("utf-8", "replace")
        is_open_to_all = hmac.compare_digest(path, self._first) or MANIFEST.fullmatch(path)
        if is_open_to_all and scope["type"] == "http" and scope["method"] == "GET":
            return
        if scope[VISITOR] is None:
            raise Refusal(403, "Open the address that `ezdms open` printed when it started.")

    def describe(self, scope: Any, refusal: Refusal) -> tuple[bytes, bytes]:
        """Plain text for a person, JSON for the page."""
        if b"navigate" in values_of(scope, b"sec-fetch-mode"):
            return b"text/plain; charset=utf-8", str(refusal).encode()
        return b"application/json", json.dumps({"error": str(refusal), "code": "not_opened"}).encode()


def cookie_name(origin: str) -> str:
    """One name per port: browsers send the cookies of 127.0.0.1 to all ports (RFC 6265, 8.5)."""
    return f"ezdms_open_{origin.rpartition(':')[2]}"


def _cookies(scope: Any, name: str) -> list[str]:
    """All values of the cookie with this name."""
    pairs = [pair.strip() for line in values_of(scope, b"cookie") for pair in line.decode("latin-1").split(";")]
    return [value for given, _, value in (pair.partition("=") for pair in pairs) if given == name]
