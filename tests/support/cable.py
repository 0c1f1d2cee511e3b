"""A way to a Unix socket that can be cut, or hold everything back, as networks between machines do."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from pathlib import Path
from typing import Self


class Cable:
    """Forwards bytes between a port of 127.0.0.1 and a Unix socket."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._flows = threading.Event()  # set while bytes are forwarded
        self._flows.set()
        self._ends: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._listen()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()
        self._flows.set()

    def hold(self) -> None:
        """Forward nothing, and leave every connection open: nobody is told."""
        self._flows.clear()

    def cut(self) -> None:
        """Break every connection, and refuse new ones."""
        for end in (self._listener, *self._ends):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self._ends.clear()

    def mend(self) -> None:
        """Forward everything again, also what was held back."""
        self._flows.set()
        if self._listener.fileno() == -1:
            self._listener = socket.create_server(("127.0.0.1", self.port))
            self._listen()

    def _listen(self) -> None:
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                near, far = listener.accept()[0], socket.socket(socket.AF_UNIX)
                self._ends |= {near, far}
                try:
                    far.connect(str(self._path))
                except OSError:
                    self._end(near, far)
                    continue
                for ends in ((near, far), (far, near)):
                    threading.Thread(target=self._pump, args=ends, daemon=True).start()

    def _pump(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while octets := one.recv(65536):
                self._flows.wait()
                other.sendall(octets)
        self._end(one, other)

    def _end(self, *ends: socket.socket) -> None:
        for end in ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
            self._ends.discard(end)
