"""HTTP/2 with peers that read slowly or not at all, and with idle connections."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import time
from contextlib import ExitStack, closing
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import uvloop
from h2.errors import ErrorCodes
from h2.settings import SettingCodes
from hpack import Encoder
from quart import Quart

from ezdms.app import create_app
from ezdms.edge import connection, http2, runner
from ezdms.protocol import envelope
from ezdms.settings import Settings
from ezdms.views.assets import digest
from tests.conftest import NO_LIMITS
from tests.edge.http2.streams import (
    END_HEADERS,
    PREFACE,
    SETTINGS,
    WINDOW_UPDATE,
    Peer,
    dial,
    frame,
    requests,
    setting,
)
from tests.support.nginx import Certificate
from tests.support.people import Person
from tests.support.served import is_held, serving, wait
from tests.support.vaults import noise_vault
from tests.websocket.test_live import until

MEBIBYTE = 1024 * 1024
FORM = (b"content-type", b"application/x-www-form-urlencoded")
JSON = (b"content-type", b"application/json")


async def with_vault(alice: Person) -> tuple[bytes, bytes]:
    """Store a large vault for Alice; returns the header with which it can be fetched."""
    fields = {"version": "1", "blob": noise_vault(alice.keys, 55 * envelope.VAULT_STEP)}
    assert (await alice.client.put("/vault", form=fields, headers=alice.headers)).status_code == 200
    return b"authorization", alice.headers["Authorization"].encode()


async def test_a_stream_that_is_not_read_is_reset_without_blocking_others(
    app: Quart, alice: Person, tmp_path: Path, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http2, "TAKEN_WITHIN", 0.5)
    token = await with_vault(alice)

    def talk(port: int, window: int) -> None:
        with Peer(port, certificate.certfile, window=window, takes=False) as peer:
            stuck = [peer.open(peer.fields(path=path, more=[token])) for path in (b"/vault", b"*", b"/vault")]
            for _ in range(3):
                assert peer.wait(peer.open(peer.fields(b"HEAD", b"/ping"))).status == 200
            assert not any(peer.answers[stream_id].is_over for stream_id in stuck)
            assert [peer.wait(stream_id).reset for stream_id in stuck] == [ErrorCodes.CANCEL] * 3
            assert [peer.answers[stream_id].status for stream_id in stuck] == [200, 400, 200]
            assert peer.end() == ErrorCodes.NO_ERROR  # idle, since no stream is left

    async with serving(app, tmp_path, certfile=certificate.certfile, keyfile=certificate.keyfile) as port:
        await asyncio.gather(*(asyncio.to_thread(talk, port, window) for window in (0, 10)))


async def test_an_answer_larger_than_its_window_is_sent_as_the_window_opens(
    app: Quart, alice: Person, tmp_path: Path, certificate: Certificate
) -> None:
    token = await with_vault(alice)

    def talk(port: int) -> None:
        with Peer(port, certificate.certfile) as peer:
            assert len(peer.ask(path=b"/vault", more=[token]).body) > 390_000
        with Peer(port, certificate.certfile, window=0) as peer:
            stream_id = peer.open(peer.fields())
            peer.until(lambda: peer.answers[stream_id].status == 200)
            peer.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 65_535})
            peer.flush()
            assert json.loads(peer.wait(stream_id).body) == {"status": "ok"}

    async with serving(app, tmp_path, certfile=certificate.certfile, keyfile=certificate.keyfile) as port:
        await asyncio.to_thread(talk, port)


async def test_a_peer_that_reads_nothing_is_disconnected(
    app: Quart, alice: Person, tmp_path: Path, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name in ((http2, "TAKEN_WITHIN"), (connection, "LAST_BYTES")):
        monkeypatch.setattr(module, name, 0.5)
    token = await with_vault(alice)

    async with serving(app, tmp_path, certfile=certificate.certfile, keyfile=certificate.keyfile) as port:
        how: dict[str, Any] = {"window": 2**31 - 1, "receive_buffer": 4096}
        with await asyncio.to_thread(Peer, port, certificate.certfile, **how) as deaf:
            deaf.h2.increment_flow_control_window(2**31 - 1 - 65_535)
            streams = [deaf.open(deaf.fields(path=b"/vault", more=[token])) for _ in range(20)]
            await until(lambda: not is_held(port, deaf.raw))
        assert not any(deaf.answers[stream_id].is_over for stream_id in streams)


# The garbage collector closes a file whose stream was cut off while it was being sent.
@pytest.mark.filterwarnings("ignore:.*FileIO:pytest.PytestUnraisableExceptionWarning")
def test_a_half_closed_peer_that_reads_nothing_is_disconnected(
    tmp_path: Path, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name in ((http2, "TAKEN_WITHIN"), (connection, "LAST_BYTES")):
        monkeypatch.setattr(module, name, 0.5)
    font = f"/static/{digest()}/fonts/inter-latin-wght-normal.woff2".encode()

    def talk(port: int) -> None:
        with ExitStack() as stack:
            deaf = []
            for number in (8, 10, 12, 14):  # one just exceeds what the kernel buffers, but blocks no write
                old = dial(port, certificate.certfile, "http/1.1", receive_buffer=4096)
                old.sendall(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % font * number)
                new = dial(port, certificate.certfile, "h2", receive_buffer=4096)
                new.sendall(PREFACE + frame(SETTINGS, content=setting(4, 2**31 - 1)))
                new.sendall(frame(WINDOW_UPDATE, content=(2**31 - 65_536).to_bytes(4)))
                asked = requests(Encoder(), path=font)
                new.sendall(b"".join(islice(asked, number)))
                late = requests(Encoder(), path=b"/login", flags=END_HEADERS, first=101)
                new.sendall(b"".join(islice(late, 20)))  # nobody reads these answers
                deaf += [stack.enter_context(closing(raw)) for raw in (old, new)]
            time.sleep(0.5)
            for raw in deaf:
                raw.shutdown(socket.SHUT_WR)  # of TCP only, without closing TLS
            assert any(is_held(port, raw) for raw in deaf)
            wait(lambda: not any(is_held(port, raw) for raw in deaf))

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(runner.report)
        app = create_app(Settings(data_dir=tmp_path / "data", **NO_LIMITS))
        app.config.update(RESPONSE_TIMEOUT=0.5, BODY_TIMEOUT=1)
        async with (
            app.test_app(),
            serving(app, tmp_path, certfile=certificate.certfile, keyfile=certificate.keyfile) as port,
        ):
            await asyncio.to_thread(talk, port)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as uv:  # uvloop has its own TLS
        uv.run(main())


async def test_a_slow_reader_is_not_disconnected(
    app: Quart, alice: Person, tmp_path: Path, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http2, "TAKEN_WITHIN", 0.4)
    token = await with_vault(alice)

    def talk(port: int) -> None:
        with Peer(port, certificate.certfile, window=2**24, receive_buffer=16_384) as slow:
            slow.h2.increment_flow_control_window(2**24)
            streams = [slow.open(slow.fields(path=b"/vault", more=[token])) for _ in range(5)]
            began = time.monotonic()
            while not all(slow.answers[stream_id].is_whole for stream_id in streams):
                assert slow.read(16_384)
                taken = sum(len(slow.answers[stream_id].body) for stream_id in streams)
                time.sleep(max(0.0, began + taken / 900_000 - time.monotonic()))

    async with serving(app, tmp_path, certfile=certificate.certfile, keyfile=certificate.keyfile) as port:
        await asyncio.to_thread(talk, port)


async def test_answers_queued_behind_a_slow_write_are_sent_even_after_a_reset(
    app: Quart, alice: Person, tmp_path: Path, certificate: Certificate
) -> None:
    app.config["BODY_TIMEOUT"] = 0.4
    token = await with_vault(alice)

    def talk(port: int) -> None:
        with Peer(port, certificate.certfile, window=2**24, receive_buffer=4096) as peer:
            peer.h2.increment_flow_control_window(2**24)
            late = [peer.open(peer.fields(b"POST", b"/login", [FORM]), end=False) for _ in range(5)]
            large = [peer.open(peer.fields(path=b"/vault", more=[token])) for _ in range(5)]
            time.sleep(0.8)  # by now the large answers block, and those of the late requests are queued
            for stream_id in late:
                peer.h2.reset_stream(stream_id, ErrorCodes.CANCEL)
            peer.flush()
            time.sleep(0.2)
            assert {peer.wait(stream_id).is_whole for stream_id in large} == {True}
            late = [peer.open(peer.fields(b"POST", b"/login", [FORM]), end=False)]
            assert peer.wait(late[0]).status == 408  # its headers are compressed against those of the earlier answers

    async with serving(app, tmp_path, certfile=certificate.certfile, keyfile=certificate.keyfile) as port:
        await asyncio.to_thread(talk, port)


async def test_a_connection_with_only_reset_streams_is_idle_and_keeps_no_state(
    app: Quart, tmp_path: Path, certificate: Certificate
) -> None:
    def talk(port: int) -> None:
        with Peer(port, certificate.certfile, window=0) as peer:
            streams = [peer.open(peer.fields(path=path)) for path in (b"/ping", b"*", b"/login")]
            peer.until(lambda: all(peer.answers[stream_id].status for stream_id in streams))
            (held,) = [
                one for one in gc.get_objects() if type(one) is http2.Http2 and one.server == ("127.0.0.1", port)
            ]
            assert len(held.streams) == 3
            for stream_id in streams:
                peer.h2.reset_stream(stream_id)
            peer.flush()
            while peer.goodbye is None:
                assert peer.read()
            assert peer.goodbye.error_code == ErrorCodes.NO_ERROR
            assert not any((held.streams, held.stream_buffers, held.priority._streams.keys() - {0}))

    async with serving(app, tmp_path, certfile=certificate.certfile, keyfile=certificate.keyfile) as port:
        await asyncio.to_thread(talk, port)
        began = time.monotonic()
    assert time.monotonic() - began < 3.5  # hypercorn would wait 4 s for a task that is left over


async def test_a_slow_http2_body_is_408_without_blocking_others(
    app: Quart, tmp_path: Path, certificate: Certificate
) -> None:
    app.config["BODY_TIMEOUT"] = 0.5

    def talk(port: int) -> None:
        with Peer(port, certificate.certfile) as peer:
            late = [peer.open(peer.fields(b"POST", b"/login", [FORM]), end=False) for _ in range(3)]
            for stream_id in late:
                peer.send(stream_id, b"login_id=")
            assert peer.ask().status == 200
            assert not any(peer.answers[stream_id].status for stream_id in late)
            for stream_id in late:
                assert peer.wait(stream_id).status == 408

    async with serving(app, tmp_path, certfile=certificate.certfile, keyfile=certificate.keyfile) as port:
        await asyncio.to_thread(talk, port)
