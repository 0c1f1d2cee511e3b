"""Forwarding headers count only when a trusted proxy adds them."""

from __future__ import annotations

from typing import Any

import pytest

from ezdms.edge.trusted_proxies import TrustedProxies
from ezdms.settings import parse_proxies


async def settled(peer: str, headers: dict[str, str], trusted: str = "10.0.0.0/8", kind: str = "http") -> Any:
    """The scope that the app sees."""
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)

    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": kind, "scheme": "http" if kind == "http" else "ws", "client": (peer, 5), "headers": raw}
    await TrustedProxies(app, parse_proxies(trusted))(scope, None, None)
    return seen[0]


FORGED = {
    "X-Forwarded-For": "1.2.3.4",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "evil.example",
    "X-Real-IP": "1.2.3.4",
    "Forwarded": "for=1.2.3.4;proto=https",
}


async def test_an_untrusted_peer_cannot_forge_headers() -> None:
    scope = await settled("203.0.113.7", FORGED | {"Host": "chat.example"})
    assert (scope["client"][0], scope["scheme"]) == ("203.0.113.7", "http")
    assert scope["headers"] == [(b"host", b"chat.example")]


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("1.2.3.4, 203.0.113.7", "203.0.113.7"),
        ("1.2.3.4, 203.0.113.7, 10.0.0.2", "203.0.113.7"),
        ("2001:db8::1", "2001:db8::1"),
        ("10.0.0.3", "10.0.0.3"),
        ("203.0.113.7, nonsense", "10.0.0.1"),
        ("203.0.113.7, nonsense, 10.0.0.2", "10.0.0.2"),
        ("", "10.0.0.1"),
    ],
)
async def test_behind_trusted_proxies_the_last_untrusted_hop_is_the_client(forwarded: str, client: str) -> None:
    assert (await settled("10.0.0.1", {"X-Forwarded-For": forwarded}))["client"][0] == client


async def test_two_header_lines_are_joined() -> None:
    raw = [(b"x-forwarded-for", b"1.2.3.4"), (b"x-forwarded-for", b"203.0.113.7")]
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)

    scope = {"type": "http", "scheme": "http", "client": ("10.0.0.1", 5), "headers": raw}
    await TrustedProxies(app, parse_proxies("10.0.0.1"))(scope, None, None)
    assert seen[0]["client"][0] == "203.0.113.7"


@pytest.mark.parametrize(("kind", "secure"), [("http", "https"), ("websocket", "wss")])
async def test_the_scheme_comes_from_the_trusted_proxy(kind: str, secure: str) -> None:
    scope = await settled("10.0.0.1", {"X-Forwarded-Proto": "https"}, kind=kind)
    assert scope["scheme"] == secure
    scope = await settled("10.0.0.1", {"X-Forwarded-Proto": "https, http"}, kind=kind)
    assert scope["scheme"] != secure


async def test_an_ipv4_mapped_ipv6_address_is_the_same_peer() -> None:
    assert (await settled("::ffff:10.0.0.1", {"X-Forwarded-For": "203.0.113.7"}))["client"][0] == "203.0.113.7"


async def test_without_a_trusted_proxy_all_forwarding_headers_are_ignored() -> None:
    assert (await settled("127.0.0.1", FORGED, trusted=""))["client"][0] == "127.0.0.1"
