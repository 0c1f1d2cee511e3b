"""The page's WebSocket: text frames and close codes of the server, and valid frames of the page, are forwarded."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import websockets
from websockets.asyncio.client import ClientConnection, connect

from ezdms import crypto
from tests.browser.lies.liar import Liar
from tests.browser.lies.peers import Peer, milliseconds
from tests.conftest import Server
from tests.opened.opening import Opening, Visit, newcomer, run_open
from tests.support.nginx import make_certificate
from tests.support.someone import until

WHERE = "0" * 24
CLOSING = ("FRAME ", "FRAME \x03\xe8")  # of the relay itself: without a code, or with 1000


@asynccontextmanager
async def socket_of(visit: Visit) -> AsyncIterator[ClientConnection]:
    """Open the WebSocket as the page does."""
    async with connect(
        visit.opening.origin.replace("http", "ws") + "/ws",
        origin=visit.opening.origin,  # type: ignore[arg-type]
        additional_headers={"Cookie": visit.cookie},
        max_size=None,
    ) as socket:
        yield socket


async def closed_with(socket: ClientConnection) -> int:
    """Read until the socket closes; returns the close code."""
    async with asyncio.timeout(20):
        while True:
            try:
                await socket.recv()
            except websockets.ConnectionClosed as closed:
                return closed.rcvd.code if closed.rcvd else 1006


async def test_frames_are_forwarded_in_both_directions(fooled: Visit, truth: Server, liar: Liar) -> None:
    keys = newcomer()
    account = await fooled.registers(keys, "alice")
    bob = await Peer.arrives(truth)
    where = await bob.starts_with(account["search_pin"])
    async with socket_of(fooled) as socket, asyncio.timeout(20):
        await socket.send(json.dumps({"event": "join", "conversation_id": where}))
        assert f'data-conversation-id="{where}"' in str(await socket.recv())
        await bob.writes("hello")
        while "<message-row" not in str(await socket.recv()):
            pass
        await socket.send('{"event":"ping"}')
        assert await socket.recv() == '{"event":"pong"}'
        typing = crypto.seal_signal(keys, bob.keys.ik, bob.keys.spki, kind="typing", m=(0, ""), ts=milliseconds())
        frame = json.dumps({"event": "signal", "conversation_id": where, "slot": "", "sealed": typing})
        await socket.send(frame)
        await until(lambda: f"FRAME {frame}" in liar.heard)
        for frame in ('{"event": "hidden"}', '{"event": "visible"}'):
            await socket.send(frame)
            await until(lambda frame=frame: f"FRAME {frame}" in liar.heard)  # type: ignore[misc]
    await bob.leaves()


async def test_binary_and_oversized_frames_are_not_forwarded(fooled: Visit, liar: Liar) -> None:
    await fooled.registers(newcomer(), "alice")
    async with socket_of(fooled) as socket:
        liar.slip("<conversation-item></conversation-item>")
        assert await socket.recv() == "<conversation-item></conversation-item>"  # the page checks its content
        liar.slip(b"\x00bytes")
        assert await closed_with(socket) == 1003
    async with socket_of(fooled) as socket:
        liar.slip("x" * (128 * 1024 + 1))
        assert await closed_with(socket) == 1011


async def test_the_servers_close_code_is_forwarded(fooled: Visit, liar: Liar) -> None:
    await fooled.registers(newcomer(), "alice")
    for said, heard in [(1000, 1000), (1008, 1008), (1012, 1012), (1013, 1013), (4000, 1011)]:
        async with socket_of(fooled) as socket:
            liar.close_sockets(said)
            assert await closed_with(socket) == heard, said


async def test_logging_out_closes_the_socket(fooled: Visit) -> None:
    await fooled.registers(newcomer(), "alice")
    async with socket_of(fooled) as socket:
        assert (await fooled.asks("/logout", {})).status_code == 204
        assert await closed_with(socket) == 1008


INVALID: list[str | bytes] = [
    b"bytes",
    "no JSON",
    "[]",
    "[" * 900,
    '{"event":"send_message","conversation_id":"000000000000000000000000"}',
    '{"event":"join","conversation_id":"x"}',
    '{"event":"join","conversation_id":"000000000000000000000000","more":1}',
    '{"event":["join"],"conversation_id":"000000000000000000000000"}',
    '{"event":"signal","conversation_id":"000000000000000000000000"}',
    '{"event":"signal","conversation_id":"000000000000000000000000","slot":"","sealed":1}',
    '{"event":"signal","conversation_id":"000000000000000000000000","slot":"","sealed":"x","more":"x"}',
    '{"event":"signal","conversation_id":"x","slot":"","sealed":"x"}',
    '{"event":"join","conversation_id":"000000000000000000000000","slot":"","sealed":"x"}',
    '{"event":"send_message","conversation_id":"000000000000000000000000","slot":"","sealed":"x"}',
    '{"event":"ping","conversation_id":"000000000000000000000000"}',
    '{"event":"ping","more":1}',
    '{"event":"visible","more":1}',
    '{"event":"pong"}',
]


async def test_invalid_frames_from_the_page_are_not_forwarded(fooled: Visit, liar: Liar) -> None:
    await fooled.registers(newcomer(), "alice")
    valid = json.dumps({"event": "leave", "conversation_id": WHERE})
    for frame in INVALID:
        since = len(liar.heard)
        async with socket_of(fooled) as socket:
            await socket.send(valid)
            await socket.send(frame)
            assert await closed_with(socket) == 1003, frame

        async def is_left() -> bool:
            return not liar.has_socket

        await until(is_left)
        heard = [one for one in liar.heard[since:] if one.startswith("FRAME") and one not in CLOSING]
        assert heard == [f"FRAME {valid}"], frame


async def test_oversized_frames_from_the_page_are_not_forwarded(fooled: Visit) -> None:
    await fooled.registers(newcomer(), "alice")
    async with socket_of(fooled) as socket:
        await socket.send("x" * 5000)
        assert await closed_with(socket) == 1009


async def test_a_socket_requires_a_session_and_a_server(server: Server, own: Opening) -> None:
    async with Visit(own) as visit:
        with pytest.raises(websockets.InvalidStatus) as refused:
            async with socket_of(visit):
                pass
        assert refused.value.response.status_code == 401
        await visit.registers(newcomer(), "alice")
        server.stop()
        with pytest.raises(websockets.InvalidStatus) as refused:
            async with socket_of(visit):
                pass
        assert refused.value.response.status_code == 502
        server.start()
        async with socket_of(visit) as socket:
            server.stop()
            assert await closed_with(socket) == 1012
        server.start()


async def test_closing_the_page_closes_the_socket_to_the_server(fooled: Visit, liar: Liar) -> None:
    await fooled.registers(newcomer(), "alice")
    async with socket_of(fooled):
        assert liar.has_socket

    async def is_closed() -> bool:
        return not liar.has_socket

    await until(is_closed)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
async def test_the_page_is_notified_at_shutdown(truth: Server, tmp_path: Path, how: signal.Signals) -> None:
    with Opening(truth.url, tmp_path) as opening:
        async with Visit(opening) as visit:
            await visit.registers(newcomer(), "alice")
            async with socket_of(visit) as socket:
                before = time.monotonic()
                ending = asyncio.create_task(asyncio.to_thread(opening.end, how))
                assert await closed_with(socket) == 4000
            assert await ending == 0
            assert time.monotonic() - before < 8
    assert "Traceback" not in opening.log.read_text()


async def test_tls_certificates_are_verified(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    server = Server(tmp_path, certfile=str(certificate.certfile), keyfile=str(certificate.keyfile))
    server.start()
    refused = await asyncio.to_thread(run_open, "--server", server.url, "--home", str(tmp_path / "home"))
    assert (refused.returncode, "cannot be reached" in refused.stderr) == (4, True)
    with Opening(server.url, tmp_path, SSL_CERT_FILE=str(certificate.certfile)) as opening:
        async with Visit(opening) as visit:
            account = await visit.registers(newcomer(), "alice")
            assert (await visit.asks("/me")).json()["user_id"] == account["user_id"]
            async with socket_of(visit) as socket:
                assert (await visit.asks("/logout", {})).status_code == 204
                assert await closed_with(socket) == 1008
    server.kill()
