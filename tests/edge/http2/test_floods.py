"""Floods and protocol violations over HTTP/2 affect only their own connection."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count, islice
from typing import Any

import pytest
from h2.errors import ErrorCodes
from h2.settings import SettingCodes
from hpack import Encoder
from hypercorn.asyncio.worker_context import WorkerContext
from hypercorn.config import Config
from hypercorn.events import RawData

from ezdms.edge import http2
from ezdms.views.assets import digest
from tests.conftest import Server
from tests.edge.http2.streams import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    GOAWAY,
    HEADERS,
    PADDED,
    PING,
    PREFACE,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Peer,
    dial,
    frame,
    odd_connection,
    requests,
    setting,
)
from tests.support.nginx import Certificate
from tests.support.served import memory, take

MEBIBYTE = 1024 * 1024
FORM = (b"content-type", b"application/x-www-form-urlencoded")
JSON = (b"content-type", b"application/json")


def forever(*frames: bytes) -> Iterator[bytes]:
    """All frames once, then the last one forever."""
    yield from frames[:-1]
    while True:
        yield frames[-1]


def head_of(path: bytes = b"/login", flags: int = END_HEADERS) -> bytes:
    """The headers of the first request on a connection."""
    fields = [(b":method", b"POST"), (b":scheme", b"https"), (b":authority", b"x"), (b":path", path)]
    return frame(HEADERS, 1, Encoder().encode(fields), flags)


FLOODS: dict[str, Callable[[], Iterator[bytes]]] = {
    "ping": lambda: forever(frame(PING, content=bytes(8))),
    "ping ack": lambda: forever(frame(PING, content=bytes(8), flags=ACK)),
    "settings": lambda: forever(frame(SETTINGS)),
    "settings ack": lambda: forever(frame(SETTINGS, flags=ACK)),
    "table size": lambda: forever(frame(SETTINGS, content=setting(1, 0) + setting(1, 2**32 - 1))),
    "unknown settings": lambda: (
        frame(SETTINGS, content=b"".join(setting(n, 1) for n in range(start, start + 2_700)))
        for start in range(100, 60_000, 2_700)
    ),
    "unknown settings, then none": lambda: forever(
        *(
            frame(SETTINGS, content=b"".join(setting(n, 1) for n in range(start, start + 2_700)))
            for start in range(100, 13_000, 2_700)
        ),
        frame(SETTINGS) * 100,
    ),
    "window": lambda: forever(frame(WINDOW_UPDATE, content=bytes([0, 0, 0, 1]))),
    "window of a stream": lambda: forever(head_of(), frame(WINDOW_UPDATE, 1, bytes([0, 0, 0, 1]))),
    "priority": lambda: (
        frame(PRIORITY, n, (n - 2 if n % 4 == 1 else n + 2).to_bytes(4) + b"\x10") for n in count(3, 2)
    ),
    "circular priorities": lambda: (
        frame(PRIORITY, n % 400 + 1, (0x80000000 | ((n * 7) % 200 * 2 + 401)).to_bytes(4) + b"\x10")
        for n in count(0, 2)
    ),
    "empty data": lambda: forever(head_of(), frame(DATA, 1)),
    "padding": lambda: forever(head_of(), frame(DATA, 1, b"\xff" + bytes(255), PADDED)),
    "crumbs": lambda: forever(head_of(), frame(DATA, 1, b"A")),
    "data of an answered stream": lambda: forever(head_of(b"/ping"), frame(DATA, 1, b"A" * 100)),
    "data of a reset stream": lambda: forever(head_of(), frame(RST_STREAM, 1, bytes(4)), frame(DATA, 1)),
    "unknown frames": lambda: forever(frame(0x77, 1, bytes(100))),
    "continuation": lambda: forever(head_of(flags=0), frame(CONTINUATION, 1)),
    "large continuation": lambda: forever(head_of(flags=0), frame(CONTINUATION, 1, bytes(16_000))),
    "rapid reset": lambda: requests(Encoder(), resets=True),
    "resets alone": lambda: (frame(RST_STREAM, n, bytes(4)) for n in count(1, 2)),
    "requests": lambda: requests(Encoder()),
    "unfinished requests": lambda: requests(Encoder(), flags=END_HEADERS),
    "oversized frame": lambda: forever(frame(0x77, 1, bytes(16_385))),
    "pushes": lambda: forever(frame(PUSH_PROMISE, 1, bytes(8), END_HEADERS)),
    "goaway": lambda: forever(frame(7, content=bytes(8))),
    "continuation without headers": lambda: forever(head_of(), frame(CONTINUATION, 1, b"", END_HEADERS)),
    "stream depending on itself": lambda: forever(frame(PRIORITY, 3, bytes([0, 0, 0, 3, 9]))),
    "window overflow": lambda: forever(frame(WINDOW_UPDATE, content=(2**31 - 1).to_bytes(4))),
    "shrinking window": lambda: forever(
        head_of(), frame(SETTINGS, content=setting(4, 0)), frame(SETTINGS, content=setting(4, 2**31 - 1))
    ),
}


@pytest.mark.parametrize("kind", FLOODS)
def test_a_flood_closes_only_its_own_connection(
    server: Server, certificate: Certificate, dialler: Callable[..., Peer], kind: str
) -> None:
    honest = dialler()
    assert honest.ask().status == 200
    before, sent = memory(server), 0
    with dial(server.port, certificate.certfile, "h2") as raw:
        raw.sendall(PREFACE + frame(SETTINGS))
        frames, more = FLOODS[kind](), b"."
        while sent < MEBIBYTE // 2 and more:  # twice what the server tolerates
            more = b"".join(islice(frames, 200))
            raw.sendall(more)
            sent += len(more)
        began = time.monotonic()
        assert honest.ask().status == 200
        assert time.monotonic() - began < 1
        codes = [content[4:8] for what, content in frames_of(take(raw)) if what == GOAWAY]
    assert codes or kind == "goaway"
    assert codes[:1] != [bytes(4)]
    assert memory(server) - before < 16 * MEBIBYTE


async def test_other_tasks_run_during_a_flood() -> None:
    async def send(event: Any) -> None:
        pass

    given: Any = (None, Config(), WorkerContext(None), None, {}, True, None, None, send)
    protocol = http2.Http2(*given)
    await protocol.initiate()
    flood = asyncio.create_task(
        protocol.handle(RawData(PREFACE + frame(SETTINGS) + frame(PING, content=bytes(8)) * 3_000))
    )
    turns = 0
    while not flood.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 40  # turns of a millisecond or two


def frames_of(came: bytes) -> Iterator[tuple[int, bytes]]:
    """The kind and content of each frame."""
    while came:
        size = int.from_bytes(came[:3])
        yield came[3], came[9 : 9 + size]
        came = came[9 + size :]


def test_a_peer_that_disconnects_midway_logs_nothing(dialler: Callable[..., Peer]) -> None:
    font = f"/static/{digest()}/fonts/inter-latin-ext-wght-normal.woff2".encode()
    for way in ("reset", "nonsense", "end of TCP"):
        for window in (None, 0, 100, 2**24):
            peer = dialler(window=window)
            peer.write(frame(WINDOW_UPDATE, content=(2**24).to_bytes(4)))
            for n in range(90):
                peer.open(peer.fields(path=(font, b"*", b"/nowhere", b"/ping")[n % 4]))
            if way == "reset":
                peer.raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                peer.raw.close()
            elif way == "end of TCP":
                peer.raw.shutdown(socket.SHUT_WR)
            else:
                peer.write(frame(PUSH_PROMISE, 1, b"nonsense"))
                peer.end()


def test_frames_of_every_kind_in_any_order(
    server: Server, certificate: Certificate, dialler: Callable[..., Peer]
) -> None:
    honest, before = dialler(), memory(server)
    for seed in range(200):
        chance = random.Random(seed)  # noqa: S311
        with dial(server.port, certificate.certfile, "h2") as raw, suppress(OSError):
            for content in odd_connection(chance):
                raw.sendall(content)
            if chance.random() < 0.5:
                raw.shutdown(socket.SHUT_WR)
        if seed % 20 == 0:
            assert honest.ask().status == 200
    assert memory(server) - before < 16 * MEBIBYTE


def test_a_peer_that_sends_goaway_is_disconnected_with_its_open_requests(peer: Peer) -> None:
    late = peer.open(peer.fields(b"POST", b"/login", [JSON]), end=False)
    assert peer.ask().status == 200
    began = time.monotonic()
    peer.write(frame(GOAWAY, content=bytes(8)))
    assert peer.end() is None
    assert time.monotonic() - began < Config.keep_alive_timeout - 1
    assert peer.answers[late].status == 0


def test_a_connection_is_limited_to_a_hundred_open_streams(dialler: Callable[..., Peer]) -> None:
    peer = dialler()
    peer.until(lambda: SettingCodes.MAX_CONCURRENT_STREAMS in peer.settings)
    assert peer.settings[SettingCodes.MAX_CONCURRENT_STREAMS] == 100
    streams = [peer.open(peer.fields(b"POST", b"/login", [JSON]), end=False) for _ in range(100)]
    for stream_id in streams:
        peer.send(stream_id, b"{}", end=True)
    assert {peer.wait(stream_id).status for stream_id in streams} == {400}
    for _ in range(100):
        peer.open(peer.fields(b"POST", b"/login", [JSON]), end=False)
    peer.h2.remote_settings[SettingCodes.MAX_CONCURRENT_STREAMS] = 200
    peer.h2.remote_settings.acknowledge()
    peer.open(peer.fields())
    assert peer.end() == ErrorCodes.PROTOCOL_ERROR


def test_a_connection_answers_a_thousand_requests_and_refuses_more(
    dialler: Callable[..., Peer],
) -> None:
    peer = dialler()
    streams: list[int] = []
    while len(streams) < 1_000:
        some = [peer.open(peer.fields()) for _ in range(50)]
        streams += [stream_id for stream_id in some if peer.wait(stream_id)]
    assert {peer.answers[stream_id].status for stream_id in streams} == {200}
    peer.until(lambda: peer.goodbye is not None)
    assert peer.goodbye is not None
    assert (peer.goodbye.error_code, peer.goodbye.last_stream_id) == (ErrorCodes.NO_ERROR, streams[-1])
    assert peer.ask().reset == ErrorCodes.REFUSED_STREAM


def test_the_compression_table_for_answers_stays_small(dialler: Callable[..., Peer]) -> None:
    peer = dialler()
    peer.h2.update_settings({SettingCodes.HEADER_TABLE_SIZE: 2**32 - 1})
    peer.h2.decoder.max_allowed_table_size = 2**32 - 1
    for _ in range(3):
        assert peer.ask().status == 200
    assert peer.h2.decoder.header_table_size == http2.TABLE


def test_priorities_are_ignored(peer: Peer) -> None:
    content = b"".join(frame(PRIORITY, n, (0x80000000 | (n + 2)).to_bytes(4) + b"\x10") for n in range(1, 8_001, 2))
    peer.write(content)
    for n in (3, 5, 4_001, 2**31 - 1):
        peer.write(frame(PRIORITY, 1, n.to_bytes(4) + b"\xff") + frame(PRIORITY, n, b"\x80\0\0\1\xff"))
        assert peer.ask().status == 200
