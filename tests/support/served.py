"""Helpers for a server process: programs over HTTP, raw bytes, raw frames, and process information."""

from __future__ import annotations

import asyncio
import http.client
import json
import select
import socket
import struct
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing, suppress
from http.client import HTTPMessage
from pathlib import Path
from typing import Any

from hypercorn.asyncio import serve as hypercorn_serve
from quart import Quart
from wsproto.connection import Connection, ConnectionType
from wsproto.events import CloseConnection, Event

from ezdms.db import now
from ezdms.edge import patch, runner
from ezdms.hosting import serve
from ezdms.settings import Settings
from tests.conftest import Server
from tests.support.people import JSON, PEOPLE, Writer, registration, sign_act

SOON = 10.0  # seconds to wait for something that must arrive, even on a busy machine
TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA
CONTINUATION = 0x0


class Program(Writer):
    """Someone with keys who uses a server process as a program does."""

    def __init__(self, server: Server, name: str, username: str = "", **more: str) -> None:
        super().__init__(PEOPLE[name])
        self._wire = http.client.HTTPConnection("127.0.0.1", server.port, timeout=SOON)
        self.username = username or name
        self.fields = registration(self.keys, self.username) | more
        self.token = ""
        self.search_pin = str(self.ask("/register", self.fields)["search_pin"])
        self.log_in()

    @classmethod
    def of(cls, server: Server, other: Program) -> Program:
        """The same person with the same session at another address."""
        same = cls.__new__(cls)
        same.__dict__.update(other.__dict__)
        same._wire = http.client.HTTPConnection("127.0.0.1", server.port, timeout=SOON)
        return same

    @staticmethod
    def registers(server: Server, name: str, **more: str) -> int:
        """Register; returns the status."""
        wire = http.client.HTTPConnection("127.0.0.1", server.port, timeout=SOON)
        body = json.dumps(registration(PEOPLE[name], name) | more)
        wire.request("POST", "/register", body, JSON | {"Content-Type": "application/json"})
        with closing(wire):
            return wire.getresponse().status

    def ask(self, path: str, fields: dict[str, Any] | None = None) -> Any:
        """POST the fields, else GET; the JSON of an answer that is no error."""
        status, body = self.exchange(path, fields)
        assert 200 <= status < 300, (status, body)
        return json.loads(body or b"null")

    def exchange(self, path: str, fields: dict[str, Any] | None = None) -> tuple[int, bytes]:
        """Status and body."""
        status, _, body = self.exchange_all(path, fields)
        return status, body

    def exchange_all(self, path: str, fields: dict[str, Any] | None = None) -> tuple[int, HTTPMessage, bytes]:
        """Status, headers and body, over a kept connection that is reopened if the server has closed it."""
        method, body = ("GET", None) if fields is None else ("POST", json.dumps(fields))
        headers = JSON | {"Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        for _ in range(2):
            try:
                self._wire.request(method, path, body, headers)
                response = self._wire.getresponse()
                return response.status, response.headers, response.read()
            except (ConnectionError, http.client.HTTPException):
                self._wire.close()
        raise AssertionError("the server does not answer")

    def close(self) -> None:
        """Close the kept connection."""
        self._wire.close()

    def log_in(self) -> str:
        """Log in; returns the token, which later requests send."""
        self.token = ""
        self.token = str(self.ask("/login", {name: self.fields[name] for name in ("login_id", "auth_key")})["token"])
        return self.token

    def act(self, act: str, purpose: str = "") -> str:
        """Sign an act with the current time."""
        return sign_act(self.keys, str(self.ask("/deployment")["deployment_id"]), act, purpose, now())

    def start(self, other: Program) -> str:
        """Start a conversation, which the other accepts; returns its id."""
        found = self.ask("/start_conversation", {"partner_search_pin": other.search_pin})
        other.ask(f"/conversations/{found['conversation_id']}/accept", {})
        return str(found["conversation_id"])

    def send(self, other: Program, text: str) -> None:
        """Send the next message."""
        self.ask("/send_message", self.seal(other, text))


@asynccontextmanager
async def serving(app: Quart, folder: Path, **settings: Any) -> AsyncIterator[int]:
    """Serve the app with the hypercorn of `ezdms serve` in this process, for tests to inspect; yields the port."""
    patch.use()
    stop = asyncio.Event()
    chosen = Settings(data_dir=folder / "data", port=0, **settings)
    with runner.listen(chosen.host, 0) as listener:
        config = serve._config(chosen, listener)
        config.keep_alive_timeout = 0.5
        task = asyncio.create_task(hypercorn_serve(app, config, shutdown_trigger=stop.wait))
        yield int(listener.getsockname()[1])
        stop.set()
        await asyncio.wait_for(task, SOON)


def call(server: Server, *, receive_buffer: int | None = None) -> socket.socket:
    """A raw connection; with a small receive buffer, a slow reader is noticed sooner."""
    raw = socket.socket()
    if receive_buffer is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    raw.settimeout(SOON)
    raw.connect(("127.0.0.1", server.port))
    return raw


def take(raw: socket.socket, *, until: bytes | None = None) -> bytes:
    """Read up to and including `until`, else until the connection closes or is reset."""
    taken = bytearray()
    with suppress(ConnectionError):
        while (until is None or until not in taken) and (piece := raw.recv(1 if until else 65536)):
            taken += piece
    return bytes(taken)


def upgrade(token: str, **changed: str) -> bytes:
    """The WebSocket handshake of a program."""
    given = {
        "Host": "127.0.0.1",
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-WebSocket-Protocol": "ezdms.json",
        "Authorization": f"Bearer {token}",
    } | {name.replace("_", "-"): value for name, value in changed.items()}
    lines = ["GET /ws HTTP/1.1", *(f"{name}: {value}" for name, value in given.items() if value), "", ""]
    return "\r\n".join(lines).encode("latin-1")


def open_socket(server: Server, token: str, *, receive_buffer: int | None = None) -> socket.socket:
    """An open socket of this session."""
    raw = call(server, receive_buffer=receive_buffer)
    raw.sendall(upgrade(token))
    answer = take(raw, until=b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 101"), answer
    return raw


def frame(opcode: int, content: bytes, *, fin: bool = True, rsv: int = 0, mask: bool = True) -> bytes:
    """One frame, with a mask of zeros, which is valid."""
    size = len(content)
    bit = 0x80 if mask else 0
    if size < 126:
        length = struct.pack("!B", bit | size)
    elif size < 65536:
        length = struct.pack("!BH", bit | 126, size)
    else:
        length = struct.pack("!BQ", bit | 127, size)
    return bytes([(0x80 if fin else 0) | rsv | opcode]) + length + (bytes(4) if mask else b"") + content


def wish(event: str, conversation_id: str, **more: Any) -> bytes:
    """The frame of a join or leave."""
    return frame(TEXT, json.dumps({"event": event, "conversation_id": conversation_id, **more}).encode())


class Listener:
    """Reads frames from a raw socket."""

    def __init__(self, raw: socket.socket) -> None:
        self.raw = raw
        self.code: int | None = None
        self._connection = Connection(ConnectionType.CLIENT)

    def read(self, size: int = 65536) -> list[Event]:
        """The frames in the next bytes, [] at the end; sets `code` when a close frame arrives."""
        try:
            piece = self.raw.recv(size)
        except ConnectionError:
            return []
        if not piece:
            return []
        self._connection.receive_data(piece)
        events = list(self._connection.events())
        for event in events:
            if isinstance(event, CloseConnection):
                self.code = event.code
        return events or self.read(size)

    def closed_with(self) -> int | None:
        """Read to the end; returns the close code or None."""
        while self.code is None and self.read():
            pass
        return self.code

    def has_more(self) -> bool:
        """True if there is something to read."""
        return bool(select.select([self.raw], [], [], 0)[0])


def wait(condition: Callable[[], bool], *, within: float = SOON) -> None:
    """Wait until the condition holds."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "it did not come to hold"
        time.sleep(0.02)


def process(server: Server) -> Path:
    """The /proc folder of the server process."""
    assert server.process is not None
    return Path(f"/proc/{server.process.pid}")


def memory(server: Server) -> int:
    """The anonymous memory of the process in bytes; the kernel decides about mapped files."""
    lines = (process(server) / "status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon:")) * 1024


def is_held(port: int, raw: socket.socket) -> bool:
    """True if the process that listens on this port still has its end of the connection open."""
    ends = f":{port:04X}", f":{raw.getsockname()[1]:04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
    # A closed end that the peer has not read completely belongs to the kernel and has no inode.
    return any((row[1][-5:], row[2][-5:]) == ends and row[9] != "0" for row in rows)


def holds(server: Server, raw: socket.socket) -> bool:
    """True if the server process still has its end of this connection open."""
    return is_held(server.port, raw)


def stops_at_once(server: Server) -> bool:
    """True if no connection task is left over: hypercorn would wait 4 s for it before stopping."""
    before = time.monotonic()
    assert server.stop() == 0
    return time.monotonic() - before < 3.5


def fill(path: Path) -> None:
    """Write until the disk is full."""
    with path.open("wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue
