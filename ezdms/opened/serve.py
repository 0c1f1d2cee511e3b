"""Serves the page, only on this machine, until Ctrl-C; then ends the sessions that began here."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress

import httpx

from ezdms import logs
from ezdms.bridge.tokens import new_token
from ezdms.edge import runner
from ezdms.opened.app import Opened, create_app
from ezdms.opened.gate import FIRST
from ezdms.opened.relay import LARGEST_WISH
from ezdms.opened.remote import Remote
from ezdms.opened.visitors import Visitors

HOST = "127.0.0.1"
PING_INTERVAL = 20.0  # seconds
LAST_WORDS = 2.0  # seconds to end sessions at the server


def listen(port: int) -> socket.socket:
    """A listening socket; port 0 picks a free one. Raises AddressError."""
    return runner.listen(HOST, port)


def serve(listener: socket.socket, opened: Opened, announce: Callable[[str], None]) -> None:
    """Serve until SIGTERM or Ctrl-C. Calls `announce` with the first address once ready."""
    logs.use(as_json=False)
    origin = runner.address_of(listener).removesuffix(":80")  # as browsers write it
    secret = new_token()

    async def started() -> None:
        announce(f"{origin}{FIRST}{secret}")

    async def main() -> None:
        remote, visitors = Remote(opened.server), Visitors()
        app = create_app(opened, remote, visitors, origin, secret)
        config = runner.config_of(listener)
        config.websocket_max_message_size, config.websocket_ping_interval = LARGEST_WISH, PING_INTERVAL
        await runner.serve_until_told(app, config, started=started, stopping=app.extensions["ezdms.stopping"].set)
        await _end_sessions(remote, visitors)
        await remote.close()

    with listener:
        runner.run(main)


async def _end_sessions(remote: Remote, visitors: Visitors) -> None:
    """End all sessions: their tokens are forgotten on exit, so only another device could end them later."""
    with suppress(TimeoutError, httpx.HTTPError):
        async with asyncio.timeout(LAST_WORDS):
            await asyncio.gather(*map(remote.end, visitors.tokens()), return_exceptions=True)
