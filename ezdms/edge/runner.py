"""Runs an ASGI app with hypercorn from code: one listener, one process, and a graceful stop within seconds."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import resource
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import uvloop
from hypercorn.asyncio import serve as hypercorn_serve
from hypercorn.config import Config

from ezdms.edge import patch

BACKLOG = 1024  # connections waiting to be accepted; hypercorn's default is 100
SEND_BUFFER = 128 * 1024  # bytes that the kernel buffers for a slow peer; Linux's default goes to 4 MiB
MOST_FILES = 65_536  # open at a time; each connection is one
GARBAGE = 10_000  # new objects between garbage collections
STOP_WITHIN = 5.0  # seconds, at most
LET_GO = 1.0  # of these, for whatever did not finish in time


class AddressError(Exception):
    """Cannot listen on this address; the message says why."""


def listen(host: str, port: int, advice: str = "Choose another with --port.") -> socket.socket:
    """A listening socket; port 0 picks a free one. Raises AddressError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)  # accepted connections inherit it
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise AddressError(f"Cannot listen on {host}, port {port}: {error.strerror or error}. {advice}") from error
    return listener


def address_of(listener: socket.socket, scheme: str = "http") -> str:
    """scheme://host:port, or unix:PATH."""
    if listener.family == socket.AF_UNIX:
        return f"unix:{listener.getsockname()}"
    host, port = listener.getsockname()[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def config_of(listener: socket.socket) -> Config:
    """The hypercorn configuration shared by all apps."""
    config = Config()
    config.bind = [f"fd://{os.dup(listener.fileno())}"]  # hypercorn closes its own
    config.backlog = BACKLOG
    config.graceful_timeout = STOP_WITHIN - LET_GO
    config.include_server_header = False
    config.errorlog = logging.getLogger("hypercorn.error")
    config.accesslog = None
    return config


def run(main: Callable[[], Awaitable[None]]) -> None:
    """Run `main` on uvloop with the hypercorn fixes. Files it creates are readable only by their owner."""
    os.umask(0o077)
    _allow_open_files()
    patch.use()

    async def with_reports() -> None:
        asyncio.get_running_loop().set_exception_handler(report)
        await main()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(with_reports())


def _allow_open_files() -> None:
    """Raise the limit of open files as far as allowed: the usual 1,024 allows fewer connections than people expect."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def report(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Ignore canceled connections at shutdown, which Python 3.11 reports as errors."""
    if not isinstance(context.get("exception"), asyncio.CancelledError):
        loop.default_exception_handler(context)


async def serve_until_told(
    app: Any,
    config: Config,
    *,
    started: Callable[[], Awaitable[None]],
    stopping: Callable[[], None],
    reload: Callable[[], None] | None = None,
) -> None:
    """Serve until SIGTERM, Ctrl-C, or the terminal closes. Calls `started` once requests are answered, `stopping`
    before that ends. Any other SIGHUP calls `reload`; without it, it stops too.

    Waits for requests in flight, but not for dead peers: returns within STOP_WITHIN.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    terminal = next((descriptor for descriptor in range(3) if os.isatty(descriptor)), None)

    def hung_up() -> None:
        if reload is None or (terminal is not None and not os.isatty(terminal)):  # a closed terminal is none any more
            stop.set()
        else:
            reload()

    loop.add_signal_handler(signal.SIGHUP, hung_up)

    async def until_told() -> None:
        await started()  # hypercorn calls this once it accepts connections
        gc.collect()
        gc.freeze()  # existing objects stay, and need no collection
        gc.set_threshold(GARBAGE)
        await stop.wait()
        stopping()

    serving = asyncio.create_task(hypercorn_serve(app, config, shutdown_trigger=until_told))
    told = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, told}, return_when=asyncio.FIRST_COMPLETED)
    await asyncio.wait({serving}, timeout=STOP_WITHIN - LET_GO + 0.5)
    told.cancel()
    if not serving.done():  # Python >= 3.12 waits for open connections forever
        serving.cancel()
        await asyncio.wait({serving}, timeout=LET_GO - 0.5)
    if serving.done() and not serving.cancelled():
        serving.result()


@asynccontextmanager
async def served_beside(app: Any, config: Config) -> AsyncIterator[None]:
    """Serve a second app while this is open; its connections end within LET_GO."""
    stop = asyncio.Event()
    config.graceful_timeout = LET_GO / 2
    task = asyncio.create_task(hypercorn_serve(app, config, shutdown_trigger=stop.wait))
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait({task}, timeout=LET_GO)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
