"""Serve the bridge on this machine alone: its answers are plain text."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

import uvloop
from hypercorn.asyncio import serve as hypercorn_serve
from hypercorn.config import Config

from ezdms import sockets
from ezdms.bridge.app import create_app
from ezdms.bridge.people import People
from ezdms.client import ClientError
from ezdms.client.transport import Transport

HOST = "127.0.0.1"
STOP_WITHIN = 3.0  # seconds


class AddressError(Exception):
    """The address cannot be listened on; the sentence says why."""


def listen(port: int, host: str = HOST) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises AddressError, always for an address others can reach."""
    if not _is_loopback(host):
        raise AddressError(f"The bridge speaks plain text, so it listens on {HOST} and nowhere else, not on {host}.")
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen()
    except OSError as error:
        listener.close()
        raise AddressError(
            f"Cannot listen on {HOST}, port {port}: {error.strerror or error}. Choose another with --port."
        ) from error
    return listener


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def serve(
    listener: socket.socket,
    people: People,
    *,
    token: str | None,
    origins: tuple[str, ...],
    announce: Callable[[str], None],
    warn: Callable[[str], None],
) -> None:
    """Serve until SIGTERM or Ctrl-C. `announce` gets the address once requests are answered."""
    os.umask(0o077)
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    sockets.use()
    with listener, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(listener, people, token, origins, announce, warn))


def _config(listener: socket.socket) -> Config:
    config = Config()
    config.bind = [f"fd://{os.dup(listener.fileno())}"]  # hypercorn closes its own
    config.graceful_timeout = STOP_WITHIN - 1
    config.include_server_header = False
    config.errorlog = logging.getLogger("hypercorn.error")
    config.accesslog = None
    return config


async def _serve(
    listener: socket.socket,
    people: People,
    token: str | None,
    origins: tuple[str, ...],
    announce: Callable[[str], None],
    warn: Callable[[str], None],
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_report)
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)

    async def until_told() -> None:
        announce(f"http://{HOST}:{listener.getsockname()[1]}")  # hypercorn asks for this once it accepts connections
        await stop.wait()

    app = create_app(people, token, origins)
    looking = asyncio.create_task(_look_for(people.server, warn))
    serving = asyncio.create_task(hypercorn_serve(app, _config(listener), shutdown_trigger=until_told))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not serving.done():
        await asyncio.wait({serving}, timeout=STOP_WITHIN)
    for task in (stopping, looking, serving):
        task.cancel()
    await asyncio.wait({stopping, looking, serving}, timeout=1)
    await people.close()
    if serving.done() and not serving.cancelled():
        serving.result()


def _report(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Python 3.11 calls it an error that a connection is cancelled when the bridge stops."""
    if not isinstance(context.get("exception"), asyncio.CancelledError):
        loop.default_exception_handler(context)


async def _look_for(server: str, warn: Callable[[str], None]) -> None:
    """Say so now if the server is not there: it may come later."""
    transport = Transport(server, patience=0)
    try:
        await transport.get("/deployment")
    except ClientError as error:
        warn(f"{error} The bridge waits for it.")
    finally:
        await transport.close()
