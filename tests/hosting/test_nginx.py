"""deploy/nginx.conf itself, in Debian's nginx in front of a real server: what it passes and what it blocks."""

from __future__ import annotations

import json
import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from wsproto.events import TextMessage

from ezdms import crypto
from ezdms.edge.headers import HEADERS
from ezdms.verify import FAILED, WARNING, verify
from ezdms.views.page_policy import of_a_page
from tests.conftest import Server
from tests.support.nginx import NAME, Certificate, Door, NginxProcess, deployed, free_ports, make_certificate
from tests.support.people import PEOPLE, registration
from tests.support.reports import names
from tests.support.served import Listener, Program, take, upgrade
from tests.unit.test_proxy import FORGED

IS_SAFE = re.compile(r"__Host-ezdms_session=.+; Secure;")  # a cookie that is set and sent only over TLS


@dataclass(frozen=True)
class Site:
    """A server, nginx in front of it, and its entry points."""

    server: Server
    nginx: NginxProcess
    door: Door
    plain: Door
    folder: Path

    def people(self, stack: ExitStack) -> tuple[Program, Program]:
        """Alice and Bob in a conversation, both connected through nginx from 127.0.0.2."""
        alice, bob = (stack.enter_context(closing(Program(self.server, name))) for name in ("alice", "bob"))
        for one in (alice, bob):
            self.door.lead(one, "127.0.0.2")
        alice.start(bob)
        return alice, bob


def names_and_paths(folder: Path, certificate: Certificate, ports: list[int]) -> dict[str, object]:
    """What is changed in deploy/nginx.conf for a test, but the address of the server."""
    tls, plain, tls6, plain6 = ports
    return {
        "listen 443": f"listen 127.0.0.1:{tls}",
        "listen [::]:443": f"listen 127.0.0.1:{tls6}",
        "listen 80": f"listen 127.0.0.1:{plain}",
        "listen [::]:80": f"listen 127.0.0.1:{plain6}",
        "/etc/letsencrypt/live/chat.example.org/fullchain.pem": certificate.certfile,
        "/etc/letsencrypt/live/chat.example.org/privkey.pem": certificate.keyfile,
        "server_name chat.example.org": f"server_name {NAME}",
        "/var/www/html": folder / "www",
        "/var/log/nginx/error.log": folder / "error.log",
    }


def before(stack: ExitStack, folder: Path, changed: dict[str, object] | None = None, **settings: str) -> Site:
    """A server behind deploy/nginx.conf, with only ports, names and paths changed; both stop with the stack."""
    server = Server(folder, **{"trusted_proxies": "127.0.0.1"} | settings)
    server.start()
    stack.callback(server.kill)
    certificate = make_certificate(folder, NAME)
    tls, plain, tls6, plain6 = free_ports(4)
    own = {"server 127.0.0.1:5000": f"server 127.0.0.1:{server.port}"}
    site = deployed(
        "nginx.conf", names_and_paths(folder, certificate, [tls, plain, tls6, plain6]) | own | (changed or {})
    )
    nginx = NginxProcess(folder, site, tls, plain, tls6, plain6)
    stack.callback(nginx.stop)
    nginx.start()
    return Site(server, nginx, Door(tls, certificate.certfile), Door(plain), folder)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site shared by tests that do not affect each other."""
    with ExitStack() as stack:
        yield before(stack, tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def pair(site: Site) -> Iterator[tuple[Program, Program]]:
    """Alice and Bob on this site."""
    with ExitStack() as stack:
        yield site.people(stack)


def open_socket(door: Door, token: str, source: str = "127.0.0.1") -> socket.socket:
    """An open socket through nginx."""
    raw = door.dial(source)
    raw.sendall(upgrade(token, Host=f"{NAME}:{door.port}", Origin=door.url))
    answer = take(raw, until=b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 101"), answer
    return raw


def events(listener: Listener) -> Iterator[Any]:
    """The events from the server, until the socket closes."""
    while frames := listener.read():
        yield from (json.loads(frame.data) for frame in frames if isinstance(frame, TextMessage))


def tell(door: Door, request: str, name: str = NAME) -> bytes:
    """The whole answer to these lines."""
    with door.dial(name=name) as raw:
        raw.sendall(request.replace("\n", "\r\n").encode())
        return take(raw)


# ---- What nginx passes ----


def test_browsers_get_http2_and_pages_of_the_same_origin_can_post(site: Site) -> None:
    with httpx.Client(http2=True, verify=ssl.create_default_context(cafile=str(site.door.cafile))) as client:
        page = client.get(site.door.url)
        assert (page.status_code, page.http_version) == (200, "HTTP/2")
        assert "EZ-DMS" in page.text
        for origin, status in ((site.door.url, 400), ("https://elsewhere.invalid", 403), (f"https://{NAME}", 403)):
            assert client.post(f"{site.door.url}/login", json={}, headers={"Origin": origin}).status_code == status


async def test_ezdms_verify_passes_behind_nginx(site: Site) -> None:
    report = await verify(site.door.url, cafile=site.door.cafile, register=True)
    assert (report.verdict, names(report, FAILED), names(report, WARNING)) == ("passed", set(), {"banner"})


def test_a_message_arrives_live_over_wss(site: Site, pair: tuple[Program, Program]) -> None:
    alice, bob = pair
    with open_socket(site.door, bob.token) as raw:
        heard = events(Listener(raw))
        assert next(heard)["event"] == "connected"
        alice.send(bob, "hello")
        assert next(heard)["conversation_id"] == crypto.conversation_id(alice.keys.fp, bob.keys.fp)


def test_the_cookie_is_limited_to_this_host_and_to_tls(site: Site, pair: tuple[Program, Program]) -> None:
    for forged in ({}, FORGED, {"X-Forwarded-Proto": "http"}):
        assert IS_SAFE.match(site.door.cookie(pair[0], "127.0.0.2", forged))


@pytest.mark.parametrize("source", ["127.0.0.2", "127.0.0.3"])
@pytest.mark.parametrize("forged", [{}, FORGED, {"X-Forwarded-For": "127.0.0.1"}], ids=["", "forged", "the proxy's"])
def test_the_server_sees_the_real_client_address_despite_forged_headers(
    site: Site, pair: tuple[Program, Program], source: str, forged: dict[str, str]
) -> None:
    assert site.door.seen(pair[0], source, forged) == source


@pytest.mark.parametrize("wire", ["port", "unix socket"])
def test_forged_headers_do_not_bypass_the_login_limit(tmp_path: Path, wire: str) -> None:
    wrong = {"login_id": "A" * 22, "auth_key": "A" * 43}
    path = tmp_path / "s"
    by_unix = {"unix": str(path), "trusted_proxies": "unix"} if wire == "unix socket" else {}
    to_unix: dict[str, object] = {"server 127.0.0.1:5000": f"server unix:{path}"} if by_unix else {}
    with ExitStack() as stack:
        site = before(stack, tmp_path, to_unix, limit_login="2/hour", **by_unix)
        door = site.door
        forged = [dict.fromkeys(FORGED, f"127.0.0.{n}") for n in range(3, 6)]
        tries = [door.ask("/login", wrong, "127.0.0.2", **headers).status for headers in forged]
        assert tries == [401, 401, 429]
        assert door.ask("/login", wrong, "127.0.0.3").status == 401
        answer = door.ask("/register", registration(PEOPLE["alice"], "alice"), "127.0.0.2", **FORGED)
        assert IS_SAFE.match(str(answer.headers["Set-Cookie"]))
        token = json.loads(answer.body)["token"]
        [session] = json.loads(door.ask("/sessions", Authorization=f"Bearer {token}").body)
        assert session["address"] == "127.0.0.2"
        with open_socket(door, token) as raw:
            assert next(events(Listener(raw)))["event"] == "connected"
        assert site.server.complaints() == ""


# ---- What it blocks ----


@pytest.mark.parametrize(
    "request_",
    [
        "GET / HTTP/1.1\nHost: evil.example\nConnection: close\n\n",
        "GET https://evil.example/ HTTP/1.1\nHost: localhost\nConnection: close\n\n",
        "GET / HTTP/1.0\n\n",
        "GET /.well-known/acme-challenge/token HTTP/1.1\nHost: evil.example\n\n",
    ],
)
def test_a_request_for_another_host_gets_no_answer(site: Site, request_: str) -> None:
    for door in (site.door, site.plain):
        assert tell(door, "GET / HTTP/1.1\nHost: localhost\nConnection: close\n\n").startswith(b"HTTP/1.1 ")
        assert tell(door, request_) == b""


def test_a_tls_handshake_for_another_name_gets_no_certificate(site: Site) -> None:
    with pytest.raises(ssl.SSLError, match="UNRECOGNIZED_NAME"):
        site.door.dial(name="evil.example")


def test_forged_host_headers_do_not_reach_the_app_or_the_page(site: Site) -> None:
    evil = {"X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example", "Accept": "text/html"}
    for lines in ("GET / HTTP/1.1\nHost: localhost", "GET https://localhost/ HTTP/1.1\nHost: evil.example"):
        given = "\n".join([lines, *(f"{name}: {value}" for name, value in evil.items())])
        assert b"evil" not in tell(site.door, f"{given}\nConnection: close\n\n")
    forged = (
        "POST https://localhost/login HTTP/1.1\nHost: evil.example\nOrigin: https://evil.example\nContent-Length: 0"
    )
    assert b"another website" in tell(site.door, f"{forged}\nConnection: close\n\n")


def test_every_header_is_sent_once_on_every_kind_of_answer(site: Site) -> None:
    script = "/static/js/boot.js"
    answers = {
        (200, "/"): site.door.ask("/", Accept="text/html"),
        (200, script): site.door.ask(script, Accept_Encoding="gzip"),
        (401, "/sessions"): site.door.ask("/sessions"),
        (404, "/none"): site.door.ask("/none"),
        (400, "/login"): site.door.ask("/login", {}),
    }
    for (status, path), answer in answers.items():
        assert answer.status == status, path
        fences = of_a_page() if path == "/" else HEADERS
        for name, value in {**fences, "Strict-Transport-Security": "max-age=31536000"}.items():
            assert answer.headers.get_all(name) == [value], (path, name)
        assert len(answer.headers.get_all("Cache-Control", [])) == 1, path
        assert answer.headers.get_all("Server") == ["nginx"]


def test_pages_and_files_are_compressed_and_what_belongs_to_one_person_is_not(site: Site) -> None:
    for path, encoding in (("/me", None), ("/", ["gzip"]), ("/protection", ["gzip"]), ("/static/js/boot.js", ["gzip"])):
        answer = site.door.ask(path, Accept="text/html", Accept_Encoding="gzip, br")
        assert (answer.status, answer.headers.get_all("Content-Encoding")) == (200 if encoding else 401, encoding)
    etag = answer.headers["ETag"]
    assert site.door.ask("/static/js/boot.js", Accept_Encoding="gzip", If_None_Match=etag).status == 304


def test_plain_http_redirects_to_https_except_for_acme_files(site: Site) -> None:
    answer = site.plain.ask("/c/x?y=1")
    assert (answer.status, answer.headers["Location"]) == (308, f"https://{NAME}/c/x?y=1")
    folder = site.folder / "www" / ".well-known" / "acme-challenge"
    folder.mkdir(parents=True)
    (folder / "token").write_text("proof")
    answer = site.plain.ask("/.well-known/acme-challenge/token")
    assert (answer.status, answer.body) == (200, b"proof")


def test_oversized_requests_are_refused_by_the_app_or_by_nginx(site: Site, pair: tuple[Program, Program]) -> None:
    for size, status, reason in ((60_000, 400, b'"code"'), (1_900_000, 413, b'"code"'), (2_200_000, 413, b"nginx")):
        answer = site.door.ask("/send_message", {"x": "x" * size}, Authorization=f"Bearer {pair[0].token}")
        assert answer.status == status
        assert reason in answer.body


def test_one_address_can_hold_200_sockets_without_blocking_others(site: Site, pair: tuple[Program, Program]) -> None:
    with ExitStack() as stack:
        for _ in range(200):
            stack.enter_context(open_socket(site.door, pair[1].token, "127.0.0.4"))
        refused = site.door.ask("/ping", source="127.0.0.4")
        assert (refused.status, refused.headers["Retry-After"]) == (503, "1")
        assert site.door.ask("/ping", source="127.0.0.5").status == 200
