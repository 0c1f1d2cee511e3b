"""The client side of an HTTP/2 connection: h2 for well-formed frames, hand-made frames for what h2 refuses to send."""

from __future__ import annotations

import random
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RemoteSettingsChanged,
    ResponseReceived,
    StreamEnded,
    StreamReset,
)
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes
from hpack import Encoder

from tests.support.served import SOON

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED = 1, 1, 4, 8
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

Header = tuple[bytes, bytes]


def frame(kind: int, stream_id: int = 0, content: bytes = b"", flags: int = 0) -> bytes:
    """One frame, valid or not."""
    return len(content).to_bytes(3) + bytes([kind, flags]) + stream_id.to_bytes(4) + content


def dial(port: int, certfile: Path, *protocols: str, receive_buffer: int | None = None, source: str = "") -> Any:
    """A TLS connection that offers these protocols."""
    raw = socket.socket()
    if receive_buffer is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    raw.settimeout(SOON)
    raw.bind((source, 0))
    raw.connect(("127.0.0.1", port))
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    context = ssl.create_default_context(cafile=str(certfile))
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return context.wrap_socket(raw, server_hostname="127.0.0.1")


@dataclass
class Answer:
    """What has arrived on a stream."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    is_whole: bool = False
    reset: int | None = None

    @property
    def is_over(self) -> bool:
        """True if nothing more will arrive."""
        return self.is_whole or self.reset is not None


class Peer:
    """A connection and what has arrived on it. Without `takes`, it never reopens its flow-control windows."""

    def __init__(self, port: int, certfile: Path, *, takes: bool = True, window: int | None = None, **dialled: Any):
        self.raw = dial(port, certfile, "h2", **dialled)
        self.authority = f"127.0.0.1:{port}".encode()
        self.takes = takes
        self.answers: dict[int, Answer] = {}
        self.settings: dict[int, int] = {}
        self.goodbye: ConnectionTerminated | None = None
        self.is_closed = False
        self.h2 = H2Connection(H2Configuration(validate_outbound_headers=False, normalize_outbound_headers=False))
        if window is not None:
            self.h2.local_settings[SettingCodes.INITIAL_WINDOW_SIZE] = window
            self.h2.local_settings.acknowledge()
        self.h2.initiate_connection()
        self.flush()

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_: object) -> None:
        self.raw.close()

    def write(self, content: bytes) -> None:
        """Send h2's pending data, then raw bytes; the server may have closed the connection already."""
        with suppress(OSError):
            self.raw.sendall(self.h2.data_to_send() + content)

    def flush(self) -> None:
        """Send h2's pending data."""
        self.write(b"")

    def fields(self, method: bytes = b"GET", path: bytes = b"/ping", more: Iterable[Header] = ()) -> list[Header]:
        """The headers of a request."""
        own = [(b":method", method), (b":scheme", b"https"), (b":authority", self.authority), (b":path", path)]
        return [*own, (b"accept", b"application/json"), *more]

    def open(self, fields: Iterable[Header], *, end: bool = True, and_then: bytes = b"") -> int:
        """Send headers, valid or not, and optional raw bytes in the same write; returns the stream id."""
        stream_id = self.h2.get_next_available_stream_id()
        self.answers[stream_id] = Answer()
        self.h2.send_headers(stream_id, list(fields), end)
        self.write(and_then)
        return stream_id

    def send(self, stream_id: int, content: bytes, *, end: bool = False) -> None:
        """Send a part of a body as the flow control allows, until the server stops reading it."""
        while content and not self.answers[stream_id].is_over and not self.is_closed:
            try:
                size = min(self.h2.local_flow_control_window(stream_id), 16384, len(content))
                if size:
                    self.h2.send_data(stream_id, content[:size])
                    self.flush()
                    content = content[size:]
                else:
                    self.read()
            except ProtocolError:
                return
        if end and not self.answers[stream_id].is_over:
            self.h2.end_stream(stream_id)
            self.flush()

    def ask(
        self, method: bytes = b"GET", path: bytes = b"/ping", more: Iterable[Header] = (), body: bytes | None = None
    ) -> Answer:
        """Send a request and wait for its answer."""
        stream_id = self.open(self.fields(method, path, more), end=body is None)
        if body is not None:
            self.send(stream_id, body, end=True)
        return self.wait(stream_id)

    def wait(self, stream_id: int) -> Answer:
        """The answer on this stream, once it is complete or reset."""
        self.until(lambda: self.answers[stream_id].is_over)
        return self.answers[stream_id]

    def until(self, condition: Callable[[], bool]) -> None:
        """Read until the condition holds."""
        while not condition():
            assert self.read(), f"the connection ended: {self.goodbye}"

    def end(self) -> int | None:
        """Read to the end; returns the error code of the server's GOAWAY."""
        while self.read():
            pass
        return None if self.goodbye is None else int(self.goodbye.error_code or 0)

    def read(self, size: int = 65_536) -> bool:
        """Process the next data; False at the end."""
        try:
            came = self.raw.recv(size)
        except (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError):
            came = b""
        if not came:
            self.is_closed = True
            return False
        for event in self.h2.receive_data(came):
            self._note(event)
        self.flush()
        return True

    def _note(self, event: Event) -> None:
        if isinstance(event, ConnectionTerminated):
            self.goodbye = event
            self.h2.state_machine.state = type(self.h2.state_machine.state).CLIENT_OPEN  # answers may still arrive
        elif isinstance(event, RemoteSettingsChanged):
            self.settings |= {int(code): changed.new_value for code, changed in event.changed_settings.items()}
        answer = self.answers.get(getattr(event, "stream_id", 0) or 0)
        if answer is None:
            return
        if isinstance(event, ResponseReceived):
            answer.headers = {str(name, "latin-1"): str(value, "latin-1") for name, value in event.headers}
            answer.status = int(answer.headers[":status"])
        elif isinstance(event, DataReceived):
            answer.body += event.data
            if self.takes:
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, StreamEnded):
            answer.is_whole = True
        elif isinstance(event, StreamReset):
            answer.reset = int(event.error_code or 0)


def odd_connection(chance: random.Random) -> list[bytes]:
    """Frames of a sloppy client: most are well-formed, and some are valid where they are."""
    encoder, opened, sent = Encoder(), [1], [PREFACE + frame(SETTINGS)]
    sizes = {PRIORITY: 5, RST_STREAM: 4, SETTINGS: 6, PING: 8, WINDOW_UPDATE: 4}
    kinds = (HEADERS,) * 8 + (DATA,) * 6 + (RST_STREAM, WINDOW_UPDATE) * 2 + (PRIORITY, SETTINGS, PING, 0x77)
    for _ in range(chance.randrange(1, 60)):
        kind, stream_id = chance.choice(kinds), chance.choice(opened[-4:])
        content, flags = bytes(sizes.get(kind, chance.choice((0, 1, 3_000)))), chance.choice((0, 0, 0, END_STREAM))
        if kind == HEADERS:
            method, path = (
                chance.choice((b"GET", b"POST", b"HEAD", b"\xff")),
                chance.choice((b"/ping", b"*", b"/login", b"/\xff")),
            )
            fields = [(b":method", method), (b":path", path), (b":scheme", b"https"), (b":authority", b"x")]
            opened.append(opened[-1] + 2)
            stream_id, content, flags = opened[-1], encoder.encode(fields), flags | END_HEADERS
        elif kind in (SETTINGS, PING):
            stream_id = 0
        elif kind == WINDOW_UPDATE:
            stream_id, content = chance.choice((0, stream_id)), chance.choice((1, 100, 65_535)).to_bytes(4)
        if chance.random() < 0.01:
            kind, flags, content = chance.randrange(12), chance.randrange(256), chance.randbytes(chance.randrange(20))
        sent.append(frame(kind, stream_id, content, flags))
    return sent


def requests(
    encoder: Encoder,
    *,
    path: bytes = b"/",
    more: Iterable[Header] = (),
    resets: bool = False,
    flags: int = END_HEADERS | END_STREAM,
    first: int = 1,
) -> Iterator[bytes]:
    """Endless requests, optionally each with a reset."""
    method = b"GET" if flags & END_STREAM else b"POST"
    head = [(b":method", method), (b":scheme", b"https"), (b":authority", b"x"), (b":path", path), *more]
    for stream_id in count(first, 2):
        yield frame(HEADERS, stream_id, encoder.encode(head), flags)
        if resets:
            yield frame(RST_STREAM, stream_id, bytes([0, 0, 0, 8]))


def setting(code: int, value: int) -> bytes:
    return code.to_bytes(2) + value.to_bytes(4)
