"""Debian's nginx before a served process, and certificates that vouch for themselves."""

from __future__ import annotations

import ipaddress
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.conftest import Server, skip_or_fail
from tests.served import wait


@dataclass(frozen=True)
class Certificate:
    """A certificate that vouches for itself, and its key."""

    certfile: Path
    keyfile: Path


def make_certificate(folder: Path, host: str = "127.0.0.1", *, days: int = 90) -> Certificate:
    """For `host`, good for so many days from now (and some hours)."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "EZ-DMS test")])
    try:
        subject: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        subject = x509.DNSName(host)
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=days, hours=12))
        .add_extension(x509.SubjectAlternativeName([subject]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    made = Certificate(folder / f"{host}.pem", folder / f"{host}.key")
    made.certfile.write_bytes(certificate.public_bytes(Encoding.PEM))
    made.keyfile.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return made


@dataclass(frozen=True)
class Nginx:
    """Debian's nginx before a server: with TLS, and without to lead to it."""

    url: str
    plain_port: int


NGINX = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server_tokens off;
  gzip on; gzip_types *; gzip_min_length 100; gzip_proxied any;
  map $http_upgrade $connection_upgrade {{ default upgrade; '' close; }}
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {certificate.certfile}; ssl_certificate_key {certificate.keyfile};
    {more}
    location / {{
      proxy_pass {server.url};
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
    }}
  }}
  server {{
    listen 127.0.0.1:{plain_port};
    return 308 https://$host:{port}$request_uri;
  }}
}}
"""


@contextmanager
def nginx_before(server: Server, certificate: Certificate, folder: Path, more: str = "") -> Iterator[Nginx]:
    """Debian's nginx on free ports, with everything it writes in `folder`; `more` stands in its TLS server."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        skip_or_fail("nginx is not there (bin/test fetches it on Debian)")
    assert program is not None
    port, plain_port = _free_ports(2)
    config = folder / "nginx.conf"
    config.write_text(
        NGINX.format(folder=folder, server=server, certificate=certificate, port=port, plain_port=plain_port, more=more)
    )
    log = folder / "nginx.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [program, "-p", str(folder), "-c", str(config), "-e", "stderr"], stdout=output, stderr=output
        )
    try:
        wait(lambda: process.poll() is not None or (_listens(port) and _listens(plain_port)))
        assert process.poll() is None, log.read_text()
        yield Nginx(f"https://127.0.0.1:{port}", plain_port)
    finally:
        process.terminate()
        process.wait(timeout=10)


def _free_ports(count: int) -> list[int]:
    held = [socket.socket() for _ in range(count)]
    for one in held:
        one.bind(("127.0.0.1", 0))
    ports = [int(one.getsockname()[1]) for one in held]
    for one in held:
        one.close()
    return ports


def _listens(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0
