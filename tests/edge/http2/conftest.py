"""A server process with HTTP/2, connections to it, and a log that must stay empty."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.conftest import Server
from tests.edge.http2.streams import (
    Peer,
)
from tests.support.nginx import Certificate, make_certificate


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """For 127.0.0.1."""
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, certificate: Certificate) -> Iterator[Server]:
    """One server process for the whole file."""
    with serve_with(certificate, tmp_path_factory.mktemp("http2")) as server:
        yield server


@pytest.fixture
def own_server(tmp_path: Path, certificate: Certificate) -> Iterator[Server]:
    """A server that the test may stop."""
    with serve_with(certificate, tmp_path) as server:
        yield server


@pytest.fixture
def dialler(server: Server, certificate: Certificate) -> Iterator[Callable[..., Peer]]:
    """Opens connections; afterwards an honest one must be served and the log must be empty."""
    with ExitStack() as stack:
        yield lambda **how: stack.enter_context(Peer(server.port, certificate.certfile, **how))
        assert stack.enter_context(Peer(server.port, certificate.certfile)).ask().status == 200
        assert server.complaints() == ""


@pytest.fixture(autouse=True)
def silence(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Apps served in this process must log nothing either."""
    yield
    assert [record for record in caplog.get_records("call") if record.levelno >= logging.WARNING] == []


@pytest.fixture
def peer(dialler: Callable[..., Peer]) -> Peer:
    """A connection."""
    return dialler()


def serve_with(certificate: Certificate, folder: Path) -> Server:
    return Server(folder, certfile=str(certificate.certfile), keyfile=str(certificate.keyfile))
