"""Sockets of a server process: real handshakes, real frames, and a stop that tells clients to reconnect."""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import socket
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import pytest
import websockets
from websockets.asyncio.client import ClientConnection, connect

from tests.conftest import Server
from tests.support.people import PEOPLE, registration
from tests.support.served import call, take


def register(server: Server, name: str) -> str:
    """Register over HTTP; returns the token."""
    request = urllib.request.Request(  # noqa: S310
        f"{server.url}/register",
        data=json.dumps(registration(PEOPLE[name], name)).encode(),
        headers={"Content-Type": "application/json", "Accept": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
        return str(json.load(response)["token"])


def listen(server: Server, token: str) -> connect:
    """Open a socket with the token that offers compression, as browsers do."""
    return connect(
        server.url.replace("http", "ws") + "/ws",
        additional_headers={"Authorization": f"Bearer {token}"},
        subprotocols=[websockets.Subprotocol("ezdms.json")],
        compression="deflate",
    )


async def closed_with(connection: ClientConnection) -> int | None:
    """Read until the server closes; returns the close code."""
    try:
        while True:
            await asyncio.wait_for(connection.recv(), 10)
    except websockets.ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else None


async def test_a_stop_tells_every_socket_to_reconnect_and_logs_no_errors(server: Server) -> None:
    token = register(server, "alice")
    async with listen(server, token) as first, listen(server, token) as second:
        stopping = asyncio.get_running_loop().run_in_executor(None, server.stop)
        assert [await closed_with(first), await closed_with(second)] == [1012, 1012]
        assert await asyncio.wait_for(stopping, 6) == 0
    assert server.complaints() == ""


async def test_a_dead_peer_does_not_delay_the_stop(server: Server) -> None:
    token = register(server, "alice")
    with socket.create_connection(("127.0.0.1", server.port)) as dead:
        dead.sendall(
            b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            b"Authorization: Bearer " + token.encode() + b"\r\n\r\n"
        )
        assert dead.recv(12) == b"HTTP/1.1 101"
        loop = asyncio.get_running_loop()
        assert await asyncio.wait_for(loop.run_in_executor(None, server.stop), 8) == 0


async def test_compression_is_not_negotiated(server: Server) -> None:
    async with listen(server, register(server, "alice")) as connection:
        assert connection.response is not None
        assert "Sec-WebSocket-Extensions" not in connection.response.headers
        assert connection.protocol.extensions == []
        assert connection.subprotocol == "ezdms.json"


@pytest.mark.parametrize("size", [70_000, 5_000_000])
async def test_an_oversized_frame_closes_only_its_socket(server: Server, size: int) -> None:
    token = register(server, "alice")
    async with listen(server, token) as connection:
        with contextlib.suppress(websockets.ConnectionClosed):  # while it is still being sent
            await connection.send("x" * size)
        assert await closed_with(connection) == 1009
    async with listen(server, token) as connection:
        assert "connected" in str(await connection.recv())


async def test_a_refused_socket_gets_its_http_status(server: Server) -> None:
    with pytest.raises(websockets.InvalidStatus) as refused:
        async with listen(server, "A" * 43):
            pass
    assert refused.value.response.status_code == 401
    assert json.loads(refused.value.response.body or b"")["code"] == "no_session"


def test_connections_can_exceed_the_default_limit_of_open_files(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    server = Server(tmp_path)
    with ExitStack() as opened:
        opened.callback(server.kill)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (128, before[1]))
            server.start()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
        connections = [opened.enter_context(call(server)) for _ in range(300)]
        connections[-1].sendall(b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
        assert take(connections[-1], until=b'"ok"').startswith(b"HTTP/1.1 200")
    assert server.complaints() == ""
