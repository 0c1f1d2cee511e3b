"""Two popular servers for comparison: Debian's ejabberd and Prosody, over their own WebSocket (RFC 7395).

Both archive all messages (XEP-0313); otherwise they keep Debian's defaults. Neither waits for the disk.
"""

from __future__ import annotations

import asyncio
import base64
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

from bench import processes
from bench.filled import make_pairs
from bench.load import SOON, Heard, Socket, at_full_speed
from bench.report import Report

PAIRS, WINDOW = 50, 8
DOMAIN, PASSWORD = "localhost", "only for this run"
EBIN = "/usr/lib/*/ejabberd-*/ebin"

PROSODY = """
run_as_root = true
pidfile = "{folder}/prosody.pid"
data_path = "{folder}"
log = {{ {{ levels = {{ min = "error" }}, to = "console" }} }}
interfaces = {{ "127.0.0.1" }}
http_ports = {{ {port} }}
http_interfaces = {{ "127.0.0.1" }}
https_ports = {{}}
c2s_ports = {{}}
s2s_ports = {{}}
legacy_ssl_ports = {{}}
modules_enabled = {{ "saslauth", "disco", "register_ibr", "websocket", "mam" }}
modules_disabled = {{ "s2s", "tls" }}
allow_registration = true
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
consider_websocket_secure = true
authentication = "internal_hashed"
storage = "internal"
default_archive_policy = true
VirtualHost "{domain}"
  http_host = "127.0.0.1"
"""
EJABBERD = """
hosts: [{domain}]
loglevel: error
listen:
  - port: {port}
    ip: 127.0.0.1
    module: ejabberd_http
    request_handlers:
      /xmpp-websocket: ejabberd_http_ws
auth_method: internal
registration_timeout: infinity
shaper_rules: {{}}
modules:
  mod_register: {{ip_access: all, access: all, password_strength: 0}}
  mod_mam: {{default: always, request_activates_archiving: false}}
"""


async def measure(report: Report, folder: Path, *, quick: bool) -> None:
    """Measure each server that is installed."""
    body = make_pairs(folder / "bodies", 1)[0].fields()["content_for_a"]
    for name, program, start in (("ejabberd", "ejabberdctl", _ejabberd), ("Prosody", "prosody", _prosody)):
        if not shutil.which(program):
            report.add(f"peer: {name}", f"not installed (on Debian: apt install {name.lower()})")
            continue
        (folder / name).mkdir()
        with _started(start(folder / name, port := _free_port()), folder / name):
            for window in (1, WINDOW):
                async with _talking(port, body, f"w{window}") as senders:
                    calls = [send for send in senders for _ in range(window)]
                    rate = await at_full_speed(calls, 2.0 if quick else 8.0)
                report.add(f"peer: {name}, {window} in flight for each of {PAIRS} senders", f"{rate:,.0f}/s")


def _prosody(folder: Path, port: int) -> tuple[list[str], dict[str, str]]:
    (folder / "prosody.cfg.lua").write_text(PROSODY.format(folder=folder, port=port, domain=DOMAIN))
    return ["prosody", "--config", f"{folder}/prosody.cfg.lua", "-F"], {}


def _ejabberd(folder: Path, port: int) -> tuple[list[str], dict[str, str]]:
    (folder / "ejabberd.yml").write_text(EJABBERD.format(port=port, domain=DOMAIN))
    modules = [str(path) for path in Path("/").glob(EBIN[1:])]
    arguments = ["erl", "-noinput", "-pa", *modules, "-mnesia", "dir", f'"{folder}/database"', "-s", "ejabberd"]
    return arguments, {"EJABBERD_CONFIG_PATH": f"{folder}/ejabberd.yml", "EJABBERD_LOG_PATH": f"{folder}/log"}


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextmanager
def _started(command: tuple[list[str], dict[str, str]], folder: Path) -> Iterator[None]:
    """Run a server on one core, like EZ-DMS. Kills it and everything it started at the end."""
    arguments, environment = command
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            arguments,
            cwd=folder,
            env=os.environ | environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=lambda: os.sched_setaffinity(0, [processes.SERVER_CORE]),
        )
        try:
            yield
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


class _Stream:
    """One user's XMPP stream, with one stanza per frame."""

    def __init__(self) -> None:
        self.socket: Socket
        self.stanzas: asyncio.Queue[str] = asyncio.Queue()
        self.heard: Callable[[], None] | None = None

    def hear(self, frame: bytes) -> None:
        """Handle a frame: an answer while logging in, a message afterwards."""
        if self.heard is None:
            self.stanzas.put_nowait(frame.decode())
        elif frame.startswith(b"<message"):
            self.heard()

    def say(self, stanza: str) -> None:
        """Send a stanza."""
        self.socket.send(stanza.encode())

    async def ask(self, stanza: str, expected: str) -> None:
        """Send a stanza and wait for an answer that contains `expected`."""
        self.say(stanza)
        while True:
            answer = await asyncio.wait_for(self.stanzas.get(), SOON)
            if expected in answer:
                return
            if "error" in answer or "<failure" in answer:
                raise RuntimeError(f"expected {expected}, got {answer[:300]}")

    @classmethod
    async def of(cls, port: int, name: str) -> _Stream:
        """Create an account, log in, and announce presence."""
        stream = cls()
        stream.socket = await Socket.to(port, "/xmpp-websocket", stream.hear, {"Sec-WebSocket-Protocol": "xmpp"})
        framing = f"<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='{DOMAIN}' version='1.0'/>"
        fields = f"<username>{name}</username><password>{PASSWORD}</password>"
        secret = base64.b64encode(f"\0{name}\0{PASSWORD}".encode()).decode()
        sasl = "xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'"
        bind = "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>one</resource></bind>"
        await stream.ask(framing, "features")
        await stream.ask(
            f"<iq xmlns='jabber:client' type='set' id='1'><query xmlns='jabber:iq:register'>{fields}</query></iq>",
            "result",
        )
        await stream.ask(f"<auth {sasl}>{secret}</auth>", "<success")
        await stream.ask(framing, "features")
        await stream.ask(f"<iq xmlns='jabber:client' type='set' id='2'>{bind}</iq>", "result")
        await stream.ask("<presence xmlns='jabber:client'/>", "<presence")
        return stream


@asynccontextmanager
async def _talking(port: int, body: str, mark: str) -> AsyncIterator[list[Callable[[], Any]]]:
    """Pairs of a sender and a receiver. A message counts once the receiver has it."""
    await _until_it_serves(port)
    people = [await _Stream.of(port, f"{mark}-{side}-{number}") for number in range(PAIRS) for side in "ab"]

    def sender(number: int) -> Callable[[], Any]:
        writer, reader = people[2 * number], people[2 * number + 1]
        heard, issued = Heard(), 0
        reader.heard, writer.heard = heard.add, lambda: None
        to = f"{mark}-b-{number}@{DOMAIN}/one"
        stanza = f"<message xmlns='jabber:client' to='{to}' type='chat'><body>{body}</body></message>"

        async def send() -> None:
            nonlocal issued
            issued += 1
            expected = issued
            writer.say(stanza)
            await heard.until(expected)

        return send

    try:
        yield [sender(number) for number in range(PAIRS)]
    finally:
        for stream in people:
            stream.socket.close()


async def _until_it_serves(port: int) -> None:
    for _ in range(int(SOON / 0.1)):
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        await asyncio.sleep(0.1)
    raise RuntimeError("the peer does not answer")
