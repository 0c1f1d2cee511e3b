"""Serves the app: one process per data folder, with a graceful stop within seconds."""

from __future__ import annotations

import logging
import socket
import ssl
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, AsyncExitStack
from dataclasses import replace
from importlib.util import find_spec

from hypercorn.config import Config

from ezdms import __version__, logs
from ezdms.actions.upkeep import kept_up
from ezdms.app import close_database, create_app, open_database
from ezdms.db import Database
from ezdms.edge import certificate, connection, listeners, runner
from ezdms.hosting import tunnel
from ezdms.hosting.operator.actions import Running
from ezdms.hosting.operator.channel import open_channel
from ezdms.models.deployment import select_ahead
from ezdms.settings import UNIX, Settings
from ezdms.store import data_folder
from ezdms.store.file_store import NEEDS, StoreError
from ezdms.store.schema import DatabaseError

LARGEST_FRAME = 64 * 1024  # bytes of a WebSocket message
HANDSHAKE = 10.0  # seconds for TLS, before a connection is counted
PING_INTERVAL = 20.0  # seconds; keeps idle sockets open behind proxies
Announce = Callable[[str, str | None], None]
ADVICE = "Choose another with --host and --port."


class CertificateError(Exception):
    """These files do not work for TLS; the message says why."""


def serve(settings: Settings, announce: Announce) -> None:
    """Serve until SIGTERM, Ctrl-C, or the terminal closes. Calls `announce` with the local and the tunnel's address
    once ready.

    Raises AddressError, CertificateError, FolderError, DatabaseError, StoreError or TunnelError; OSError for a file it
    cannot read.
    """
    _check_certificate(settings)
    logs.use(as_json=settings.log_json)
    data_folder.make(settings.data_dir)
    _check_drivers(settings)
    with data_folder.held(settings.data_dir, shared=settings.database_url is not None), _listen(settings) as listener:
        runner.run(lambda: _serve(settings, listener, announce))


def _listen(settings: Settings) -> AbstractContextManager[socket.socket]:
    """The socket that systemd opened, a Unix socket, or a port. Raises AddressError."""
    given = listeners.inherited()
    if given is not None:
        return given
    if settings.unix is not None:
        return listeners.unix(settings.unix)
    return runner.listen(settings.host, settings.port, ADVICE)


def _note_unix(trusted: tuple[object, ...], seen: dict[str, bool]) -> None:
    """Clients on a Unix socket have no address of their own: they count as one, unless the proxy there is trusted."""
    seen[UNIX] = UNIX in trusted
    if not seen[UNIX]:
        logs.event(
            logging.WARNING,
            "all clients count as one",
            why="the proxy on the Unix socket is not trusted",
            fix="EZDMS_TRUSTED_PROXIES=unix",
        )


def _check_certificate(settings: Settings) -> None:
    """Raises CertificateError, or OSError for a file that cannot be read."""
    if settings.certfile is None or settings.keyfile is None:
        return
    for path in (settings.certfile, settings.keyfile):
        path.open().close()  # the error names the file; the TLS library's does not
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(settings.certfile, settings.keyfile)
    except ssl.SSLError as error:
        why = "do not belong together" if "MISMATCH" in str(error.reason) else "are not a certificate and a key in PEM"
        raise CertificateError(
            f"{settings.certfile} and {settings.keyfile} {why}. `ezdms cert` makes a pair."
        ) from error


def _check_drivers(settings: Settings) -> None:
    """Raises DatabaseError or StoreError if what the settings need is not installed."""
    if settings.database_url is not None and not (find_spec("psycopg") and find_spec("hiredis")):
        raise DatabaseError("EZDMS_DATABASE_URL needs more packages: pip install 'ezdms[several]' (docs/scaling.md).")
    if settings.files_url is not None and not find_spec("obstore"):
        raise StoreError(NEEDS)


def _renew(settings: Settings, context: ssl.SSLContext | None) -> None:
    """Use the certificate files as they are now, for new connections. If they do not work, keep the old ones."""
    if context is None or settings.certfile is None:
        logs.event(logging.INFO, "nothing to reload", why="there is no certificate")
        return
    try:
        _check_certificate(settings)
        context.load_cert_chain(settings.certfile, settings.keyfile)
    except (CertificateError, OSError) as error:
        logs.event(logging.ERROR, "the certificate was not reloaded", why=str(error))
    else:
        logs.event(logging.INFO, "the certificate was reloaded", days=certificate.days_left(settings.certfile))


async def _check_clock(database: Database) -> None:
    """Log a warning if the clock was set back: message times and session expiry depend on it."""
    minutes = await database.read(select_ahead) // 60_000
    if minutes >= 1:
        logs.event(logging.WARNING, "the clock is behind what is stored", minutes=minutes)


def _config(settings: Settings, listener: socket.socket) -> Config:
    config = runner.config_of(listener)
    config.websocket_max_message_size = LARGEST_FRAME
    config.websocket_ping_interval = PING_INTERVAL
    config.alpn_protocols = ["h2", "http/1.1"]
    config.h2_max_header_list_size = config.h11_max_incomplete_size
    if settings.certfile is not None:
        config.certfile, config.keyfile = str(settings.certfile), str(settings.keyfile)
        config.ssl_handshake_timeout = HANDSHAKE
        setattr(config, connection.MOST_CONNECTIONS, settings.max_connections)
    return config


async def _serve(settings: Settings, listener: socket.socket, announce: Announce) -> None:
    if settings.ngrok:
        settings = replace(settings, trusted_proxies=(*settings.trusted_proxies, tunnel.HOP))
    app = create_app(settings)
    hub = app.extensions["ezdms.hub"]
    address = runner.address_of(listener, "http" if settings.certfile is None else "https")
    is_unix = listener.family == socket.AF_UNIX
    if is_unix and settings.ngrok:
        raise runner.AddressError("ngrok needs a port, but systemd opened a Unix socket.")
    if is_unix:
        _note_unix(settings.trusted_proxies, app.extensions["ezdms.proxies"])
    public = None

    async def started() -> None:
        logs.event(logging.INFO, "started", version=__version__, python=sys.version.split()[0], address=address)
        announce(address, public)

    def stopping() -> None:
        logs.event(logging.INFO, "stopping", sockets=len(hub))
        hub.close_all()

    async with AsyncExitStack() as opened:
        await open_database(app)
        opened.push_async_callback(close_database, app)
        await _check_clock(app.extensions["ezdms.database"])
        if settings.ngrok:
            public = await opened.enter_async_context(tunnel.open_tunnel(listener.getsockname()[1]))
        running = Running(
            app.extensions["ezdms.database"],
            hub,
            app.extensions["ezdms.eraser"],
            registration=settings.registration,
            address="" if is_unix else address,
            public_url=public or settings.public_url,
            certfile=None if settings.certfile is None else str(settings.certfile.absolute()),
            proxies=app.extensions["ezdms.proxies"],
        )
        if settings.database_url is None:  # else the operator's commands use the database themselves
            await opened.enter_async_context(open_channel(settings.data_dir, running))
        if settings.metrics_port:
            from ezdms.hosting import metrics  # off by default

            limiter = app.extensions["ezdms.limiter"]
            measured = metrics.Measured(app.extensions["ezdms.database"], hub, limiter.hits, settings.data_dir)
            await opened.enter_async_context(metrics.served(settings.metrics_port, measured))
        await opened.enter_async_context(kept_up(app.extensions["ezdms.database"], hub))
        config = _config(settings, listener)
        context = config.create_ssl_context()
        config.create_ssl_context = lambda: context  # type: ignore[method-assign]  # this one, so that it can be renewed
        await runner.serve_until_told(
            app, config, started=started, stopping=stopping, reload=lambda: _renew(settings, context)
        )
    logs.event(logging.INFO, "stopped")
