"""Connections that a server accepts in its very last moment are answered, before the app shuts down."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import uvloop

from ezdms.edge import patch, runner

REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


class App:
    """Answers 200 until it has shut down, and 500 from then on."""

    has_ended = False

    async def __call__(self, scope: Any, receive: Callable[[], Any], send: Callable[[Any], Any]) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            self.has_ended = True
            await send({"type": "lifespan.shutdown.complete"})
            return
        await asyncio.sleep(0.02)
        await send({"type": "http.response.start", "status": 500 if self.has_ended else 200, "headers": []})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def answer_to_a_connection_made_while_stopping(turns: int) -> bytes | None:
    """The status line that it received, having connected so many turns of the event loop after the stop began. None if
    the server no longer listened by then.
    """
    loop = asyncio.get_running_loop()
    with runner.listen("127.0.0.1", 0) as listener, socket.socket() as wire:

        def connect(left: int) -> None:
            if left:
                loop.call_soon(connect, left - 1)
            else:
                wire.connect(listener.getsockname())
                wire.sendall(REQUEST)

        async def started() -> None:
            signal.raise_signal(signal.SIGTERM)

        config = runner.config_of(listener)
        await runner.serve_until_told(App(), config, started=started, stopping=lambda: connect(turns))
        listener.setblocking(False)
        try:
            listener.accept()[0].close()
        except BlockingIOError:
            wire.settimeout(2)  # the server has ended: whatever it sent is here
            return wire.recv(100).partition(b"\r\n")[0]
    return None


def answers(turns: range) -> list[bytes | None]:
    """The answers of one server for each of these."""
    patch.use()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop:
        return [loop.run(answer_to_a_connection_made_while_stopping(count)) for count in turns]


def test_a_connection_accepted_in_the_last_moment_is_answered_before_the_app_shuts_down() -> None:
    # a process of its own, as a server changes what its whole process does (garbage collection, signals)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        first, *later = process.submit(answers, range(8)).result(timeout=60)
    assert first == b"HTTP/1.1 200 "
    assert set(later) <= {first, None}
