"""HTTP over a Unix socket."""

from __future__ import annotations

import http.client
import json
import socket
from contextlib import closing
from pathlib import Path

from tests.support.people import JSON
from tests.support.served import SOON


class UnixWire(http.client.HTTPConnection):
    """A connection to the socket at this path."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=SOON)
        self._path = path

    def connect(self) -> None:
        """Connect."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(SOON)
        self.sock.connect(str(self._path))


def status_of(path: Path, address: str, fields: dict[str, str] | None = None) -> int:
    """POST the fields, else GET; returns the status."""
    with closing(UnixWire(path)) as wire:
        body = None if fields is None else json.dumps(fields)
        wire.request("GET" if fields is None else "POST", address, body, JSON | {"Content-Type": "application/json"})
        return wire.getresponse().status
