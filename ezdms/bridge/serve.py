"""Serves the bridge, only on this machine because its responses are plain text."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from ipaddress import ip_address

from ezdms import logs
from ezdms.bridge.accounts import People
from ezdms.bridge.app import create_app
from ezdms.client import ClientError
from ezdms.client.answers import read_deployment
from ezdms.client.transport import Transport
from ezdms.edge import runner

HOST = "127.0.0.1"


def listen(port: int, host: str = HOST) -> socket.socket:
    """A listening socket; port 0 picks a free one. Raises AddressError, always for a non-loopback address."""
    if not _is_loopback(host):
        raise runner.AddressError(f"The bridge uses plain text, so it listens only on {HOST}, not on {host}.")
    return runner.listen(HOST, port)


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
    logs.use(as_json=False)

    async def started() -> None:
        announce(runner.address_of(listener))

    async def main() -> None:
        looking = asyncio.create_task(_look_for(people.server, warn))
        app = create_app(people, token, origins)
        await runner.serve_until_told(app, runner.config_of(listener), started=started, stopping=lambda: None)
        looking.cancel()
        await asyncio.wait({looking}, timeout=1)
        await people.close()

    with listener:
        runner.run(main)


async def _look_for(server: str, warn: Callable[[str], None]) -> None:
    """Warn if the server cannot be reached. It may come up later."""
    transport = Transport(server, patience=0)
    try:
        read_deployment(await transport.get("/deployment"))
    except ClientError as error:
        warn(f"{error} The bridge keeps running and will use it when it is back.")
    finally:
        await transport.close()
