"""With its own TLS, the server limits the connections per address."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from ezdms.edge import runner
from ezdms.hosting import serve
from ezdms.settings import Settings
from tests.conftest import Server
from tests.edge.http2.streams import dial
from tests.support.nginx import Certificate, make_certificate
from tests.support.served import call, take, wait

MOST = 5
PING = b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    """For 127.0.0.1."""
    return make_certificate(tmp_path)


@pytest.fixture
def server(tmp_path: Path, certificate: Certificate) -> Iterator[Server]:
    """A server with a low limit of connections per address."""
    tls = {"certfile": str(certificate.certfile), "keyfile": str(certificate.keyfile)}
    with Server(tmp_path, **tls, max_connections=str(MOST)) as server:
        yield server


def pinged(raw: Any) -> bool:
    """True if the server answers on this connection."""
    try:
        raw.sendall(PING)
        return b"HTTP/1.1 200 " in take(raw, until=b"}")
    except OSError:
        return False


def gets_in(server: Server, certificate: Certificate) -> bool:
    """True if one more connection from this address is answered."""
    context = ssl.create_default_context(cafile=str(certificate.certfile))
    with (
        closing(call(server)) as raw,
        context.wrap_socket(raw, server_hostname="127.0.0.1", do_handshake_on_connect=False) as tls,
    ):
        try:
            tls.do_handshake()
        except OSError:  # it closes at once, or when the first request arrives
            return False
        return pinged(tls)


@pytest.mark.parametrize("protocol", ["http/1.1", "h2"])
def test_connections_per_address_are_limited_without_affecting_other_addresses(
    server: Server, certificate: Certificate, protocol: str
) -> None:
    with ExitStack() as stack:
        opened = [stack.enter_context(dial(server.port, certificate.certfile, protocol)) for _ in range(MOST - 1)]
        kept = stack.enter_context(dial(server.port, certificate.certfile, "http/1.1"))
        assert pinged(kept)
        assert not gets_in(server, certificate)  # the surplus connection closes silently
        assert pinged(kept)
        assert pinged(stack.enter_context(dial(server.port, certificate.certfile, "http/1.1", source="127.0.0.2")))
        opened[0].close()
        wait(lambda: gets_in(server, certificate))
    assert server.complaints() == ""


def test_without_tls_connections_are_not_limited_since_a_proxy_shares_one_address(tmp_path: Path) -> None:
    with Server(tmp_path, max_connections=str(MOST)) as server, ExitStack() as stack:
        opened = [stack.enter_context(call(server)) for _ in range(3 * MOST)]
        assert all(pinged(raw) for raw in opened)


def test_the_tls_handshake_has_a_short_timeout(certificate: Certificate) -> None:
    settings = Settings(certfile=certificate.certfile, keyfile=certificate.keyfile)
    with runner.listen("127.0.0.1", 0) as listener:
        assert serve._config(settings, listener).ssl_handshake_timeout == 10
    assert settings.max_connections == 256
