"""HSTS: sent only if the server itself speaks TLS with a CA-signed certificate for a public name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from quart.testing.connections import WebsocketResponseError

from ezdms.app import create_app
from ezdms.edge.certificate import _general_name, write_pair
from ezdms.settings import Settings
from tests.support.people import JSON

YEAR = "max-age=31536000"


def certificate(folder: Path, names: list[str], *, issuer: str = "Some CA", subject: str = "x") -> Path:
    """A certificate for these names from this issuer."""
    key, moment = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment - timedelta(days=1))
        .not_valid_after(moment + timedelta(days=90))
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(list(map(_general_name, names))), critical=False)
    path = folder / "fullchain.pem"
    path.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
    return path


async def said(
    certfile: Path | None, folder: Path, path: str = "/ping", scheme: str = "https", **more: Any
) -> list[str]:
    """The HSTS headers of a server with this certificate."""
    app = create_app(Settings(data_dir=folder / "data", certfile=certfile, **more))
    async with app.test_app():
        client: Any = app.test_client()
        response = await client.get(path, scheme=scheme, headers=JSON)
        found: list[str] = response.headers.getlist("Strict-Transport-Security")
        return found


@pytest.mark.parametrize("path", ["/", "/ping", "/nowhere", "/sessions", "/static/js/boot.js", "no-slash"])
async def test_every_answer_over_tls_has_the_hsts_header_once(tmp_path: Path, path: str) -> None:
    certfile = certificate(tmp_path, ["chat.example.org", "www.example.org"])
    assert await said(certfile, tmp_path, path) == [YEAR]
    assert int(YEAR.removeprefix("max-age=")) >= 180 * 24 * 60 * 60


async def test_a_refused_socket_has_the_hsts_header_too(tmp_path: Path) -> None:
    app = create_app(Settings(data_dir=tmp_path / "data", certfile=certificate(tmp_path, ["chat.example.org"])))
    async with app.test_app():
        with pytest.raises(WebsocketResponseError) as refused:
            async with app.test_client().websocket("/ws", scheme="wss") as opened:
                await opened.receive()
        assert refused.value.response.headers.getlist("Strict-Transport-Security") == [YEAR]


@pytest.mark.parametrize(
    "names",
    [
        [],
        ["localhost"],
        ["127.0.0.1"],
        ["203.0.113.7"],
        ["raspberry"],
        ["raspberry.local"],
        ["chat.home.arpa"],
        ["chat.fritz.box.lan"],
        ["chat.example.org", "localhost"],
        ["chat.example.org", "192.168.0.7"],
    ],
    ids=str,
)
async def test_local_names_and_addresses_get_no_hsts(tmp_path: Path, names: list[str]) -> None:
    assert await said(certificate(tmp_path, names), tmp_path) == []


async def test_a_self_signed_certificate_gets_no_hsts(tmp_path: Path) -> None:
    assert await said(certificate(tmp_path, ["chat.example.org"], issuer="x", subject="x"), tmp_path) == []
    certfile, keyfile = write_pair(tmp_path / "tls", ["chat.example.org"])
    assert await said(certfile, tmp_path, keyfile=keyfile) == []


async def test_without_its_own_tls_the_server_leaves_hsts_to_the_proxy(tmp_path: Path) -> None:
    assert await said(None, tmp_path) == []
    assert await said(certificate(tmp_path, ["chat.example.org"]), tmp_path, scheme="http") == []
