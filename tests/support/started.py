"""A long-running command as its own process: `ezdms bridge` and `ezdms open`."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support.forked import environment, launch


class Started:
    """A running command for one server. `said` is its output."""

    def __init__(self, server: str, folder: Path, name: str, *flags: str) -> None:
        self.home, self.log = folder / "home", folder / f"{name}.log"
        self.name = name
        self.flags = ["--server", server, "--home", str(self.home), *flags]
        self.said = ""
        self.port = 0
        self.is_executed = False  # not forked, for tests that inspect the process from outside
        self.process: subprocess.Popen[str] | None = None

    def launch(self, *flags: str, **more: str) -> None:
        """Start it with additional flags and settings; returns when it has printed its first line."""
        with self.log.open("a") as log:
            given: dict[str, Any] = {"env": environment() | more, "stdout": subprocess.PIPE, "stderr": log}
            python = sys.executable if self.is_executed else ""
            self.process = launch(self.name, *flags, *self.flags, python=python, **given)
        self.said = self.next_line()

    def next_line(self) -> str:
        """The next line of its output."""
        assert self.process is not None
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def end(self, how: signal.Signals) -> int:
        """Stop it and return its exit code; the rest of its output is added to `said`."""
        assert self.process is not None
        self.process.send_signal(how)
        code = self.process.wait(timeout=10)
        assert self.process.stdout is not None
        self.said += self.process.stdout.read()
        self.process.stdout.close()
        self.process = None
        return code
