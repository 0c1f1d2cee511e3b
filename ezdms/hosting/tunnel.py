"""An ngrok tunnel: a public address with TLS for a server on a laptop. ngrok's SDK runs inside this process."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from ipaddress import ip_network
from typing import Any

TOKEN = "NGROK_AUTHTOKEN"  # noqa: S105 - the name of the variable that the SDK reads
HOP = ip_network("127.0.0.1")  # the SDK forwards requests from here; there is no other hop


class TunnelError(Exception):
    """The tunnel could not be opened; the message says what to do."""


@asynccontextmanager
async def open_tunnel(port: int) -> AsyncIterator[str]:
    """Open a public https address that forwards to this port of 127.0.0.1; yields it. Raises TunnelError."""
    try:
        ngrok: Any = import_module("ngrok")
    except ImportError as error:
        raise TunnelError(
            "ngrok is not installed. Start with bin/ezdms, which installs it, or: pip install 'ezdms[ngrok]'"
        ) from error
    if not os.environ.get(TOKEN):
        raise TunnelError(
            f"ngrok needs an account: sign up at ngrok.com (free), copy your authtoken from its dashboard, and start "
            f"again with {TOKEN}=… in the environment."
        )
    try:
        listener = await ngrok.forward(f"127.0.0.1:{port}", authtoken_from_env=True)
    except Exception as error:  # its message may contain the token
        code = re.search(r"ERR_NGROK_\d+", str(error))
        told = f" ({code[0]})" if code else ""
        raise TunnelError(
            f"ngrok could not open a tunnel{told}. Check that this machine is online, and check {TOKEN}."
        ) from error
    try:
        yield str(listener.url())
    finally:
        await listener.close()
