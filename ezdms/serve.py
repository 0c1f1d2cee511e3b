"""Serve the app with hypercorn from code: one process, and a stop that takes seconds and loses nobody."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable

import uvloop
from hypercorn.asyncio import serve as hypercorn_serve
from hypercorn.config import Config
from quart import Quart

from ezdms import sockets
from ezdms.app import close_database, create_app, open_database
from ezdms.settings import Settings

BACKLOG = 1024  # connections that wait to be accepted; hypercorn's default is 100
SEND_BUFFER = 128 * 1024  # bytes that the kernel holds for a peer that does not read; left alone, Linux goes to 4 MiB
LARGEST_FRAME = 64 * 1024  # bytes of a WebSocket message
PING_INTERVAL = 20.0  # seconds; keeps quiet sockets open behind proxies
STOP_WITHIN = 5.0  # seconds


class AddressError(Exception):
    """The address cannot be listened on; the sentence says why."""


def serve(settings: Settings, announce: Callable[[str], None]) -> None:
    """Serve until SIGTERM or Ctrl-C. `announce` gets the address once requests are answered.

    Raises AddressError, DatabaseError, or OSError for a folder or file that cannot be used.
    """
    os.umask(0o077)
    for path in filter(None, (settings.certfile, settings.keyfile)):
        path.open().close()  # says which one cannot be read; the TLS library does not
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    sockets.use()
    app = create_app(settings)
    with _listen(settings) as listener, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(app, settings, listener, announce))


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)  # what is accepted inherits it
        listener.bind((settings.host, settings.port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise AddressError(
            f"Cannot listen on {settings.host}, port {settings.port}: {error.strerror or error}. "
            "Choose another with --host and --port."
        ) from error
    return listener


def _config(settings: Settings, listener: socket.socket) -> Config:
    config = Config()
    config.bind = [f"fd://{os.dup(listener.fileno())}"]  # hypercorn closes its own
    config.backlog = BACKLOG
    config.websocket_max_message_size = LARGEST_FRAME
    config.websocket_ping_interval = PING_INTERVAL
    config.graceful_timeout = STOP_WITHIN - 1
    config.include_server_header = False
    config.alpn_protocols = ["http/1.1"]  # docs/decisions/sockets.md says why not HTTP/2
    config.errorlog = logging.getLogger("hypercorn.error")
    config.accesslog = None
    if settings.certfile is not None:
        config.certfile, config.keyfile = str(settings.certfile), str(settings.keyfile)
    return config


async def _serve(app: Quart, settings: Settings, listener: socket.socket, announce: Callable[[str], None]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)

    async def until_told() -> None:
        announce(_address(settings, listener))  # hypercorn asks for this once it accepts connections
        await stop.wait()
        app.extensions["ezdms.hub"].close_all()

    await open_database(app)
    serving = asyncio.create_task(hypercorn_serve(app, _config(settings, listener), shutdown_trigger=until_told))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not serving.done():
        await asyncio.wait({serving}, timeout=STOP_WITHIN)
    stopping.cancel()
    if not serving.done():  # a peer that is dead, or Python >= 3.12 waiting for open connections: go all the same
        serving.cancel()
        await asyncio.wait({serving}, timeout=1)
    await close_database(app)
    if serving.done() and not serving.cancelled():
        serving.result()


def _address(settings: Settings, listener: socket.socket) -> str:
    scheme = "http" if settings.certfile is None else "https"
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"{scheme}://{host}:{listener.getsockname()[1]}"
