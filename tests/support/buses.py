"""A bus for tests: Redis or Valkey, on a Unix socket."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from tests.support.daemon import Daemon
from tests.support.served import wait

UNPACKED = Path(sys.prefix) / "redis"  # by bin/test, where nothing can be installed


@cache
def program() -> str | None:
    """Where the server is; None if there is none."""
    names = ("redis-server", "valkey-server")
    unpacked = UNPACKED / "usr" / "bin" / names[0]
    return next(filter(None, map(shutil.which, names)), str(unpacked) if unpacked.exists() else None)


class Redis(Daemon):
    """A running server. It keeps nothing on the disk: once it is stopped, all that it knew is lost."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.path = folder / "redis.sock"
        self.address = f"unix://{self.path}"
        self._options = options

    def start(self) -> None:
        """Start it; returns once it listens."""
        self.path.unlink(missing_ok=True)
        found = program()
        assert found is not None
        libraries = [str(path) for path in (UNPACKED / "usr" / "lib").glob("*-linux-gnu")]
        quiet = ("--port", "0", "--unixsocket", str(self.path), "--save", "", "--dir", str(self.folder))
        with (self.folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(
                [found, *quiet, *self._options],
                stdout=log,
                stderr=log,
                env=dict(os.environ) | ({"LD_LIBRARY_PATH": ":".join(libraries)} if libraries else {}),
            )
        wait(self._listens)

    def _listens(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "redis.log").read_text()
        return self.path.exists()


@contextmanager
def started(folder: Path, *options: str) -> Iterator[Redis]:
    """A running server with nothing in it."""
    server = Redis(folder, *options)
    server.start()
    try:
        yield server
    finally:
        server.stop()
