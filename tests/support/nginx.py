"""Debian's nginx in front of a server process, self-signed certificates, and clients behind a proxy."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, NamedTuple

from ezdms.edge.certificate import write_pair
from tests.conftest import ROOT, Server, skip_or_fail
from tests.support.daemon import Daemon
from tests.support.people import JSON
from tests.support.served import SOON, Program, wait


@dataclass(frozen=True)
class Certificate:
    """A self-signed certificate and its key."""

    certfile: Path
    keyfile: Path


def make_certificate(folder: Path, host: str = "127.0.0.1", *, days: int = 90) -> Certificate:
    """A certificate for `host`, valid for this many days and some hours."""
    return Certificate(*write_pair(Path(mkdtemp(dir=folder)), [host], days=days))


WORKERS = 2
# The configuration around a site. The http level is as in Debian's nginx.conf; a site must override what matters.
AROUND = """
daemon off; {user} worker_processes {workers}; pid {folder}/nginx.pid; error_log stderr;
events {{ worker_connections 768; }}
http {{
  sendfile on; tcp_nopush on; types_hash_max_size 2048; default_type application/octet-stream;
  ssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3; ssl_prefer_server_ciphers on;
  access_log {folder}/access.log; gzip on;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
{site}
}}
"""

SITE = """
  server_tokens off; gzip_types *; gzip_min_length 100; gzip_proxied any;
  map $http_upgrade $connection_upgrade {{ default upgrade; '' close; }}
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {certificate.certfile}; ssl_certificate_key {certificate.keyfile};
    {more}
    location / {{
      proxy_pass {server.url}; proxy_http_version 1.1; proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;
    }}
  }}
  server {{ listen 127.0.0.1:{plain_port}; return 308 https://$host:{port}$request_uri; }}
"""


class NginxProcess(Daemon):
    """Debian's nginx with this site, writing all its files to `folder`. It stops without waiting for requests."""

    ENDS_BY = signal.SIGTERM

    def __init__(self, folder: Path, site: str, *ports: int) -> None:
        program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
        if program is None:
            skip_or_fail("nginx is not there (bin/test fetches it on Debian)")
        folder.mkdir(exist_ok=True)
        self.folder = folder
        config = folder / "nginx.conf"
        user = "user root;" if os.geteuid() == 0 else ""
        config.write_text(AROUND.format(folder=folder, site=site, user=user, workers=WORKERS))
        self._command = [str(program), "-p", str(folder), "-c", str(config), "-e", "stderr"]
        self._ports = ports

    def start(self) -> None:
        """Start; returns once every port is open."""
        log = self.folder / "nginx.log"
        with log.open("a") as output:
            process = self._process = subprocess.Popen(self._command, stdout=output, stderr=output)
        wait(lambda: process.poll() is not None or all(map(_listens, self._ports)))
        assert process.poll() is None, log.read_text()

    def reload(self) -> None:
        """Reload as `systemctl reload nginx` does; returns once new workers are running."""
        assert self._process is not None
        before = self._workers()
        self._process.send_signal(signal.SIGHUP)
        wait(lambda: len(self._workers() - before) == WORKERS)

    def _workers(self) -> set[str]:
        return set(Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split())


@dataclass(frozen=True)
class Nginx:
    """An nginx with TLS, and a plain http port that redirects to it."""

    url: str
    plain_port: int


@contextmanager
def nginx_before(server: Server, certificate: Certificate, folder: Path, more: str = "") -> Iterator[Nginx]:
    """Run a site on free ports; `more` is added to its TLS server block."""
    port, plain_port = free_ports(2)
    site = SITE.format(server=server, certificate=certificate, port=port, plain_port=plain_port, more=more)
    nginx = NginxProcess(folder, site, port, plain_port)
    try:
        nginx.start()
        yield Nginx(f"https://127.0.0.1:{port}", plain_port)
    finally:
        nginx.stop()


def deployed(name: str, changed: Mapping[str, object]) -> str:
    """A file of deploy/ with these ports, names and paths replaced; all of them must occur."""
    text = (ROOT / "deploy" / name).read_text("utf-8")
    for old, new in changed.items():
        assert old in text, f"{name} says nothing of {old!r}"
        text = text.replace(old, str(new))
    return text


def free_ports(count: int) -> list[int]:
    """Unused ports of 127.0.0.1."""
    with ExitStack() as stack:
        held = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [int(one.getsockname()[1]) for one in held]


def _listens(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


NAME = "localhost"  # the host name of the proxy under test; it resolves to this machine without setup


class Answer(NamedTuple):
    """An HTTP answer."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes


@dataclass(frozen=True)
class Door:
    """The entry point of a proxy. Without `cafile` it is plain http."""

    port: int
    cafile: Path | None = None

    @property
    def url(self) -> str:
        """The address as a browser writes it."""
        return f"{'https' if self.cafile else 'http'}://{NAME}:{self.port}"

    def dial(self, source: str = "127.0.0.1", name: str = NAME) -> socket.socket:
        """Connect from this address, with TLS for a server of this name."""
        raw = socket.create_connection(("127.0.0.1", self.port), SOON, (source, 0))
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # send data after the handshake without delay
        if self.cafile is None:
            return raw
        return ssl.create_default_context(cafile=str(self.cafile)).wrap_socket(raw, server_hostname=name)

    def ask(self, path: str, fields: object = None, source: str = "127.0.0.1", **headers: str) -> Answer:
        """POST the fields, else GET, as a program does unless the headers say otherwise (`_` stands for `-`)."""
        body = None if fields is None else json.dumps(fields)
        given = JSON | {"Content-Type": "application/json"} | {k.replace("_", "-"): v for k, v in headers.items()}
        with closing(Wire(self, source)) as wire:
            wire.request("GET" if body is None else "POST", path, body, given)
            answer = wire.getresponse()
            return Answer(answer.status, answer.headers, answer.read())

    def lead(self, program: Program, source: str, forged: Mapping[str, str] | None = None) -> None:
        """Log in again through here, from this address and with forged headers on every request from now on."""
        program.close()
        program._wire = Wire(self, source, forged)
        program.log_in()

    def seen(self, program: Program, source: str, forged: Mapping[str, str] | None = None) -> str:
        """The client address that the server sees for such a connection."""
        self.lead(program, source, forged)
        return next(str(session["address"]) for session in program.ask("/sessions") if session["current"])

    def cookie(self, program: Program, source: str, forged: Mapping[str, str] | None = None) -> str:
        """The cookie that such a login sets."""
        login = {name: program.fields[name] for name in ("login_id", "auth_key")}
        return str(self.ask("/login", login, source, **(forged or {})).headers["Set-Cookie"])


class Wire(http.client.HTTPConnection):
    """A kept connection from a given address."""

    def __init__(self, door: Door, source: str, forged: Mapping[str, str] | None = None) -> None:
        super().__init__(NAME, door.port, timeout=SOON)
        self._door, self._source, self._forged = door, source, dict(forged or {})

    def connect(self) -> None:
        """Connect from that address, with TLS if the door has it."""
        self.sock = self._door.dial(self._source)

    def endheaders(self, *arguments: Any, **options: Any) -> None:
        """Add the forged headers to every request."""
        for name, value in self._forged.items():
            self.putheader(name, value)
        super().endheaders(*arguments, **options)
