"""nginx restarted under load, and nginx behind another proxy, such as ngrok."""

from __future__ import annotations

import asyncio
import re
import select
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from functools import partial
from http.client import HTTPException, RemoteDisconnected
from pathlib import Path
from typing import Any

import pytest
from wsproto.events import Ping

from ezdms import crypto
from ezdms.client import Client
from tests.conftest import Server
from tests.hosting.test_nginx import IS_SAFE, before, events, open_socket
from tests.support.nginx import NAME, Door, NginxProcess, deployed, free_ports, make_certificate
from tests.support.once import cheap_login_pin
from tests.support.player import Player
from tests.support.served import Listener, Program, wait
from tests.unit.test_proxy import FORGED

READ_TIMEOUT = 21  # seconds; the server pings after 20
ROUNDS = 3  # each with a reload and a restart


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Everything started in it stops with the test."""
    with ExitStack() as stack:
        yield stack


class Sender(threading.Thread):
    """A program that sends without pause and repeats what was not acknowledged."""

    def __init__(self, program: Program, other: Program) -> None:
        super().__init__()
        self.acknowledged: list[str] = []
        self.again = 0
        self.stopped = threading.Event()
        self._program, self._other = program, other

    def run(self) -> None:
        """Send until stopped."""
        while not self.stopped.is_set():
            fields = self._program.seal(self._other, f"raw {len(self.acknowledged)}")
            wait(partial(self._hand_over, fields))
            self.acknowledged.append(fields["message_id"])

    def _hand_over(self, fields: dict[str, Any]) -> bool:
        try:
            return self._program.exchange("/send_message", fields)[0] in (200, 201)
        except (OSError, HTTPException, AssertionError):  # no answer
            self.again += 1
            return False


# Python's ssl leaks a socket whose peer disconnects between connect and handshake.
@pytest.mark.filterwarnings("ignore:.*SSLSocket:pytest.PytestUnraisableExceptionWarning")
async def test_reloading_and_restarting_nginx_under_load_loses_and_duplicates_nothing(
    stack: ExitStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = before(stack, tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(site.door.cafile))
    carol, dave = [
        Player(await Client.register(site.door.url, name, pin, home=tmp_path / name), pin, tmp_path / name)
        for name, pin in (("carol", cheap_login_pin()), ("dave", cheap_login_pin()))
    ]
    contact = await carol.client.start(dave.listen().client.search_pin)
    alice, bob = site.people(stack)
    raw, sent = Sender(alice, bob), list[str]()

    async def send() -> None:
        while not raw.stopped.is_set():
            await carol.client.send(contact, f"python {len(sent)}")
            sent.append(f"python {len(sent)}")

    async def go_on() -> None:
        """Wait until both have sent more messages."""
        some = len(sent) + 3, len(raw.acknowledged) + 3
        await asyncio.to_thread(wait, lambda: len(sent) >= some[0] and len(raw.acknowledged) >= some[1])

    async def restart() -> None:
        """Restart nginx with a gap that at least one request fails in."""
        await asyncio.to_thread(site.nginx.stop)
        before = raw.again
        await asyncio.to_thread(wait, lambda: raw.again > before)
        await asyncio.to_thread(site.nginx.start)

    raw.start()
    sending = asyncio.create_task(send())
    try:
        for _ in range(ROUNDS):
            await asyncio.to_thread(site.nginx.reload)
            await go_on()
            await restart()
            await go_on()
    finally:
        raw.stopped.set()
        await asyncio.gather(sending, asyncio.to_thread(raw.join))
    await dave.hears(*sent)
    assert {(message.place, message.alarm) for message in dave.heard} == {("ok", "")}
    where, stored = crypto.conversation_id(alice.keys.fp, bob.keys.fp), list[str]()
    while rows := bob.ask(f"/messages/{where}?limit=200&after={len(stored)}"):
        stored += [row["message_id"] for row in rows]
    assert stored == raw.acknowledged
    for player in (carol, dave):
        await player.leave()


def test_server_pings_keep_an_idle_socket_open_past_the_nginx_timeout(stack: ExitStack, tmp_path: Path) -> None:
    site = before(stack, tmp_path, {"proxy_read_timeout 75s": f"proxy_read_timeout {READ_TIMEOUT}s"})
    alice, bob = site.people(stack)
    raw = stack.enter_context(open_socket(site.door, bob.token))
    opened, listener, heard = time.monotonic(), Listener(raw), list[type]()
    while time.monotonic() < opened + READ_TIMEOUT + 1:
        if select.select([raw], [], [], 0.1)[0]:
            frames = listener.read()
            assert frames, "nginx ended it"
            heard += [type(frame) for frame in frames]
    assert heard[-1] is Ping
    alice.send(bob, "still there?")
    assert next(events(listener))["event"] == "conversation"


async def test_while_the_app_is_down_nginx_answers_503_clients_wait_and_nothing_is_logged(
    stack: ExitStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = before(stack, tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(site.door.cafile))
    async with await Client.register(site.door.url, "alice", cheap_login_pin(), home=tmp_path) as alice:
        site.server.stop()
        for accept in ("text/html", "application/json"):
            answer = site.door.ask("/", Accept=accept)
            assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
            assert answer.headers.get_all("Strict-Transport-Security") == ["max-age=31536000"]
            assert answer.body == b"EZ-DMS is restarting or very busy. Please try again in a few seconds.\n"
        waiting = asyncio.create_task(alice.contacts())
        assert await asyncio.wait({waiting}, timeout=0.5) == (set(), {waiting})
        await asyncio.to_thread(site.server.start)
        assert await waiting == []
    for log in ("access.log", "error.log", "nginx.log"):
        assert (tmp_path / log).read_text() == ""


# ---- One proxy behind another ----

# What ngrok does with these headers according to its documentation, and a proxy that overwrites them.
APPENDS = {
    "X-Forwarded-For": "$proxy_add_x_forwarded_for",
    "X-Forwarded-Proto": '"$http_x_forwarded_proto, $scheme"',
    "X-Forwarded-Host": "$http_x_forwarded_host",
}
SETS = {"X-Forwarded-For": "$remote_addr", "X-Forwarded-Proto": "$scheme", "X-Forwarded-Host": "$host"}
OUTER = """
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {certificate.certfile}; ssl_certificate_key {certificate.keyfile};
    location / {{
      proxy_pass http://127.0.0.1:{inner}; proxy_bind {address}; proxy_http_version 1.1;
      proxy_set_header Host $http_host; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;
      {headers}
    }}
  }}
"""


def two_before(
    stack: ExitStack, folder: Path, told: dict[str, str], address: str = "127.0.0.1", trusted: str = "127.0.0.1"
) -> tuple[Server, Door, Door]:
    """A server behind deploy/nginx-behind-ngrok.conf, which is behind a proxy like ngrok at this address."""
    server = Server(folder, trusted_proxies=trusted)
    server.start()
    stack.callback(server.kill)
    certificate = make_certificate(folder, NAME)
    port, inner = free_ports(2)
    headers = " ".join(f"proxy_set_header {name} {value};" for name, value in told.items())
    changed = {
        "listen 127.0.0.1:8080": f"listen 127.0.0.1:{inner}",
        "server_name chat.example.org": f"server_name {NAME}",
        "server 127.0.0.1:5000": f"server 127.0.0.1:{server.port}",
        "/var/log/nginx/error.log": folder / "error.log",
    }
    outer = OUTER.format(port=port, certificate=certificate, inner=inner, address=address, headers=headers)
    for name, site, own in (("inner", deployed("nginx-behind-ngrok.conf", changed), inner), ("outer", outer, port)):
        nginx = NginxProcess(folder / name, site, own)
        stack.callback(nginx.stop)
        nginx.start()
    return server, Door(port, certificate.certfile), Door(inner)


@pytest.mark.parametrize("told", [APPENDS, SETS], ids=["appends", "sets"])
def test_behind_two_proxies_the_client_address_is_that_of_the_outer_one(
    stack: ExitStack, tmp_path: Path, told: dict[str, str]
) -> None:
    server, outer, inner = two_before(stack, tmp_path, told)
    eve = stack.enter_context(closing(Program(server, "eve")))
    for forged in ({}, FORGED, dict.fromkeys(FORGED, "127.0.0.1"), {"X-Forwarded-Proto": "http"}):
        assert outer.seen(eve, "127.0.0.3", forged) == "127.0.0.3"
        assert IS_SAFE.match(outer.cookie(eve, "127.0.0.3", forged))
    with open_socket(outer, eve.token, "127.0.0.3") as raw:
        assert next(events(Listener(raw)))["event"] == "connected"
    evil = {"X_Forwarded_Host": "evil.example", "Accept": "text/html"}
    page = outer.ask("/", source="127.0.0.3", **evil)
    assert (page.status, b"evil" in page.body) == (200, False)
    with pytest.raises(RemoteDisconnected):
        inner.ask("/", Host="evil.example")


def test_header_lines_added_by_an_outer_proxy_are_read_from_the_last(stack: ExitStack, tmp_path: Path) -> None:
    server, _, inner = two_before(stack, tmp_path, APPENDS)
    eve = stack.enter_context(closing(Program(server, "eve")))
    lines = {"X-Forwarded-For": "1.2.3.4", "x-forwarded-for": "127.0.0.9", "X-Forwarded-Proto": "http"}
    lines |= {"x-forwarded-proto": "https"}
    assert inner.seen(eve, "127.0.0.1", lines) == "127.0.0.9"
    assert IS_SAFE.match(inner.cookie(eve, "127.0.0.1", lines))
    assert inner.seen(eve, "127.0.0.5", lines) == "127.0.0.5"  # not a proxy


@pytest.mark.parametrize(("trusted", "address"), [("127.0.0.1", "127.0.0.2"), ("127.0.0.1,127.0.0.2", "127.0.0.3")])
def test_an_outer_proxy_on_another_host_must_be_trusted_too(
    stack: ExitStack, tmp_path: Path, trusted: str, address: str
) -> None:
    server, outer, _ = two_before(stack, tmp_path, APPENDS, "127.0.0.2", trusted)
    eve = stack.enter_context(closing(Program(server, "eve")))
    assert outer.seen(eve, "127.0.0.3", FORGED) == address


def test_the_ngrok_site_differs_only_in_tls_and_appended_addresses() -> None:
    names = ("nginx-behind-ngrok.conf", "nginx.conf")
    said, other = (set(re.sub(r" *#.*", "", deployed(name, {})).splitlines()) for name in names)
    assert {line.strip() for line in said - other} == {
        "listen 127.0.0.1:8080 default_server;",
        "listen 127.0.0.1:8080;",
        "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
    }
