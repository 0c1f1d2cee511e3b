"""Origin checks: fetch metadata first, then scheme, host and port."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ezdms import crypto
from ezdms.client import Client, ClientError
from ezdms.client.transport import Transport
from ezdms.protocol.origin import Origin, fault_of_server, parse_origin
from ezdms.web.origin import is_foreign, is_forged


@dataclass
class Asked:
    """The parts of a request that matter here."""

    scheme: str = "https"
    host: str = "chat.example"
    method: str = "POST"
    headers: dict[str, str] = field(default_factory=dict)


def foreign(asked: Asked, *allowed: str) -> bool:
    given: Any = asked
    return is_foreign(given, allowed)


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://chat.example", Origin("https", "chat.example", 443)),
        ("HTTPS://Chat.Example:443", Origin("https", "chat.example", 443)),
        ("http://chat.example", Origin("http", "chat.example", 80)),
        ("http://chat.example:5000", Origin("http", "chat.example", 5000)),
        ("http://[::1]:5000", Origin("http", "::1", 5000)),
        ("null", None),
        ("", None),
        ("chat.example", None),
        ("https://", None),
        ("https://chat.example/", None),
        ("https://chat.example/path", None),
        ("https://chat.example?", None),
        ("https://chat.example@evil.example", None),
        ("https://chat.example:port", None),
        ("https://chat.example:99999", None),
        ("http://[", None),
        ("ftp://chat.example", None),
        ("chrome-extension://abcdef", None),
        ("https://chat.example https://chat.example", None),
    ],
)
def test_an_origin_is_scheme_host_and_port(text: str, origin: Origin | None) -> None:
    assert parse_origin(text) == origin


@pytest.mark.parametrize(
    ("scheme", "host", "origin", "is_own"),
    [
        ("https", "chat.example", "https://chat.example", True),
        ("wss", "chat.example", "https://chat.example", True),
        ("https", "chat.example:443", "https://chat.example", True),
        ("https", "Chat.Example", "https://chat.example:443", True),
        ("https", "chat.example:8443", "https://chat.example:8443", True),
        ("http", "localhost:5000", "http://localhost:5000", True),
        ("ws", "[::1]:5000", "http://[::1]:5000", True),
        ("https", "chat.example", "http://chat.example", False),  # forged by someone on the network
        ("wss", "chat.example", "http://chat.example", False),
        ("https", "chat.example:443", "http://chat.example:443", False),
        ("https", "chat.example", "https://chat.example:8443", False),
        ("https", "chat.example:8443", "https://chat.example", False),
        ("http", "localhost:5000", "http://localhost", False),
        ("http", "localhost", "http://localhost:81", False),
        ("https", "chat.example", "https://evil.example", False),
        ("https", "chat.example", "https://chat.example.evil.example", False),
        ("https", "chat.example", "https://a.chat.example", False),
        ("https", "chat.example", "null", False),
        ("https", "chat.example", "", False),
        ("https", "chat.example", "chat.example", False),
        ("http", "chat.example", "https://chat.example", True),  # TLS ends at a proxy that does not say so
        ("ws", "chat.example", "https://chat.example", True),
        ("http", "chat.example:8443", "https://chat.example:8443", True),
        ("http", "chat.example", "https://chat.example:8443", False),
        ("http", "chat.example", "https://evil.example", False),
    ],
)
def test_without_fetch_metadata_the_whole_origin_is_compared(scheme: str, host: str, origin: str, is_own: bool) -> None:
    assert foreign(Asked(scheme, host, headers={"Origin": origin})) is not is_own


OWN, OTHER = "https://chat.example", "https://evil.example"


@pytest.mark.parametrize(
    ("site", "mode", "origin", "is_own"),
    [
        ("same-origin", "cors", OWN, True),
        ("same-origin", "cors", None, True),
        ("same-origin", "same-origin", "null", True),  # our pages send no referrer, so sometimes no origin
        ("same-site", "cors", OWN, False),
        ("cross-site", "cors", OWN, False),
        ("cross-site", "navigate", None, False),
        ("cross-site", "websocket", "http://chat.example", False),
        ("same-site", "no-cors", None, False),
        ("", "cors", OWN, False),
        ("whatever", "cors", None, False),
        ("none", "navigate", None, True),
        ("none", "navigate", "null", True),
        ("none", "cors", OTHER, False),
        ("none", "cors", "null", False),
        ("none", "cors", OWN, True),
        ("none", None, None, True),
        (None, None, None, True),  # not a browser
    ],
)
def test_fetch_metadata_takes_precedence_over_the_origin(
    site: str | None, mode: str | None, origin: str | None, is_own: bool
) -> None:
    given = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode, "Origin": origin}
    headers = {name: value for name, value in given.items() if value is not None}
    for scheme in ("https", "http", "wss"):
        assert foreign(Asked(scheme, headers=headers)) is not is_own


@pytest.mark.parametrize("allowed", ["https://evil.example", "https://evil.example:443"])
@pytest.mark.parametrize("site", [None, "cross-site", "same-site"])
def test_an_origin_allowed_by_the_operator_is_accepted(site: str | None, allowed: str) -> None:
    headers = {"Origin": OTHER} | ({} if site is None else {"Sec-Fetch-Site": site})
    assert foreign(Asked(headers=headers))
    assert not foreign(Asked(headers=headers), "https://else.example", allowed)
    for other in ("http://evil.example", "https://evil.example:8443", "https://a.evil.example", "null"):
        assert foreign(Asked(headers=headers), other)


def test_safe_methods_are_accepted_from_any_origin() -> None:
    for method, is_refused in (("GET", False), ("HEAD", False), ("OPTIONS", False), ("PUT", True), ("DELETE", True)):
        asked: Any = Asked(method=method, headers={"Origin": OTHER})
        assert is_forged(asked, ()) is is_refused


PLAIN = [
    "http://chat.example", "http://192.168.1.7:5000", "http://0.0.0.0:5000", "http://localhost.evil.example",
    "http://127.0.0.1.evil.example", "http://2130706433", "HTTP://CHAT.EXAMPLE/path",
]  # fmt: skip
NONE_AT_ALL = [
    "", "chat.example", "ftp://localhost", "ws://localhost", "http://[", "https://", "http://localhost@evil.example",
    "http://localhost:1:2", "https://chat.example?x", "https://chat.example#x", "//localhost",
]  # fmt: skip
SAFE = [
    "https://chat.example", "https://192.168.1.7:8443/path", "http://localhost:5000", "http://127.0.0.1",
    "http://127.9.9.9:80/", "http://[::1]:5000",
]  # fmt: skip


async def test_a_client_uses_plain_http_only_with_localhost(tmp_path: Path) -> None:
    pin = crypto.new_login_pin()
    for addresses, words in (
        (PLAIN, "anyone in between could log in as you"),
        (NONE_AT_ALL, "is not a server address"),
    ):
        for address in addresses:
            assert words in (fault_of_server(address) or ""), address
            with pytest.raises(ClientError, match=words):
                await Client.register(address, "alice", pin, home=tmp_path, patience=0)
            with pytest.raises(ClientError, match=words):
                await Client.login(address, pin, home=tmp_path, patience=0)
    for address in SAFE:
        assert fault_of_server(address) is None, address
        await Transport(address).close()
    assert list(tmp_path.iterdir()) == []
