"""A program that runs beside the tests until it is stopped."""

from __future__ import annotations

import signal
import subprocess
from typing import Any


class Daemon:
    """A program that one can start, send signals to, and stop."""

    ENDS_BY = signal.SIGKILL
    _process: subprocess.Popen[Any] | None = None

    @property
    def pid(self) -> int | None:
        """Its process, or the first of them, while it runs."""
        return self._process.pid if self._process is not None else None

    def send_signal(self, number: signal.Signals) -> None:
        """SIGSTOP: it hangs. SIGCONT: it goes on."""
        assert self._process is not None
        self._process.send_signal(number)

    def stop(self) -> None:
        """Stop it at once, as in a failure."""
        if self._process is not None:
            self._process.send_signal(self.ENDS_BY)
            self._process.wait(timeout=10)
            self._process = None
