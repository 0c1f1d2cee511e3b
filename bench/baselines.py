"""Baselines: a bare Quart route, a bare relay, an idle socket, a commit, and minimal servers based on a C library.

Run as a program, it serves one of them and prints its ports: python -m bench.baselines quart|quart-asyncio|echo
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any, ClassVar

import picows
import uvloop
from hypercorn.asyncio import serve
from hypercorn.config import Config
from quart import Quart, Response, request, websocket

from ezdms.edge.runner import listen
from ezdms.store.sqlite.wal import PRAGMAS


def bare_app() -> Quart:
    """A minimal Quart app: POST / reads the body and answers, GET / sends 25 MiB, /ws sends each frame to both sockets
    of a pair."""
    app, file = Quart(__name__), bytes(25 * 1024 * 1024)
    pairs: dict[str, list[Any]] = {}

    @app.post("/")
    async def post() -> dict[str, str]:
        await request.get_data()
        return {"status": "ok"}

    @app.get("/")
    async def get() -> Response:
        return Response(file)

    @app.websocket("/ws")
    async def relay() -> None:
        await websocket.accept()
        sockets, own = pairs.setdefault(websocket.args.get("pair", ""), []), websocket._get_current_object()
        sockets.append(own)
        try:
            while True:
                frame = await websocket.receive()
                for socket in sockets:
                    await socket.send(frame)
        finally:
            sockets.remove(own)

    return app


async def serve_quart() -> None:
    """Serve the bare app on stock hypercorn, without logs."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    listener = listen("127.0.0.1", 0)
    config = Config()
    config.bind = [f"fd://{os.dup(listener.fileno())}"]
    config.accesslog = None
    config.errorlog = None
    config.graceful_timeout = 1

    async def until_told() -> None:
        print(listener.getsockname()[1], flush=True)
        await stop.wait()

    await serve(bare_app(), config, shutdown_trigger=until_told)


class Echo(picows.WSListener):
    """Sends each frame to both sockets of its pair, and nothing else."""

    pairs: ClassVar[dict[bytes, list[picows.WSTransport]]] = {}

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        self.sockets = self.pairs.setdefault(transport.request.path, [])
        self.sockets.append(transport)

    def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
        self.sockets.remove(transport)

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        if frame.msg_type == picows.WSMsgType.TEXT:
            text = frame.get_payload_as_bytes()
            for socket in self.sockets:
                socket.send(picows.WSMsgType.TEXT, text)


class Answerer(asyncio.Protocol):
    """Answers every POST with the same bytes."""

    answer = b"HTTP/1.1 200 OK\r\ncontent-length: 15\r\n\r\n" + json.dumps({"status": "ok"}).encode()[:15]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.taken = b""

    def data_received(self, data: bytes) -> None:
        self.taken += data
        head = self.taken.find(b"\r\n\r\n")
        if head > 0:
            length = int(self.taken[self.taken.index(b"Content-Length: ") + 16 : head].split(b"\r\n")[0])
            if len(self.taken) >= head + 4 + length:
                self.taken = b""
                self.transport.write(self.answer)  # type: ignore[attr-defined]


async def serve_echo() -> None:
    """Serve as cheaply as possible, to find the load generator's own ceiling."""
    sockets = await picows.ws_create_server(lambda request: Echo(), "127.0.0.1", 0)
    answers = await asyncio.get_running_loop().create_server(Answerer, "127.0.0.1", 0)
    print(sockets.sockets[0].getsockname()[1], answers.sockets[0].getsockname()[1], flush=True)
    await asyncio.sleep(3600)


def commits_per_second(folder: Path, seconds: float) -> float:
    """Commits per second of raw SQLite, opened as the server opens it, with one message-sized row per commit."""
    path = folder / "commits.db"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript(PRAGMAS)
    connection.execute("CREATE TABLE rows (number INTEGER PRIMARY KEY, sealed TEXT)")
    sealed = "A" * 3200
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO rows (sealed) VALUES (?)", (sealed,))
        connection.execute("COMMIT")
        count += 1
    elapsed = time.perf_counter() - began
    connection.close()
    return count / elapsed


if __name__ == "__main__":
    name = sys.argv[1]
    run = asyncio.run if name == "quart-asyncio" else uvloop.run
    run(serve_echo() if name == "echo" else serve_quart())
