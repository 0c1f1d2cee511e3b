"""Runs servers as separate processes, with all of their threads on one core. The load generator has the other core."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).parents[1]
CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, LOAD_CORE = CORES[0], CORES[-1]
HIGH = "1000000/second"  # active but never reached
LIMITS = ("REGISTER", "REGISTER_NET", "LOGIN", "SEND", "START", "SOCKET", "FRAME", "VAULT", "UPLOAD")
NO_END = {f"EZDMS_LIMIT_{name}": HIGH for name in LIMITS}
NO_END |= {"EZDMS_MAX_SOCKETS": "1000000", "EZDMS_QUOTA_ACCOUNT": "1000000GiB", "EZDMS_DISK_FLOOR": "0"}
NO_END |= {"EZDMS_QUOTA_FILES": "off"}


class Process:
    """A server process that prints one line when it is ready."""

    def __init__(
        self,
        arguments: list[str],
        environment: dict[str, str] | None = None,
        cores: int = 1,
        *,
        before: Sequence[str] = (),
        files: Sequence[int] = (),
    ) -> None:
        """`before`: a command that runs this one. `files`: descriptors that it gets."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("EZDMS_")}
        self._process = subprocess.Popen(
            [*before, sys.executable, "-m", *arguments],
            env=inherited | (environment or {}) | {"PYTHONPATH": str(ROOT)},
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: os.sched_setaffinity(0, CORES[:cores]),
            pass_fds=files,
        )
        assert self._process.stdout is not None
        self.announced = self._process.stdout.readline()
        if not self.announced:
            raise RuntimeError(f"{arguments} did not start")

    @property
    def pid(self) -> int:
        return self._process.pid

    def memory(self) -> int:
        """Resident memory of the process, in bytes."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) * 1024

    def cpu(self) -> float:
        """CPU time used by all threads, in seconds."""
        return cpu(self.pid)

    def kill(self) -> None:
        """End it at once, as in a failure."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """Send SIGTERM, then SIGKILL if the process is still running after 10 seconds."""
        self._process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=10)
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


def cpu(pid: int) -> float:
    """CPU time used by all threads of a process, in seconds; to the nanosecond, unlike /proc."""
    return time.clock_gettime(~pid << 3 | 2)


def children(pid: int) -> list[int]:
    """The processes that this one has started, and that are there."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if int(path.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(path.parent.name))
    return found


def free_port() -> int:
    """A port that nobody listens to now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def commits(metrics_port: int) -> int:
    """How often a running EZ-DMS has committed."""
    with urllib.request.urlopen(f"http://127.0.0.1:{metrics_port}/metrics") as answer:
        return int(float(re.search(r"^ezdms_commit_seconds_count (.+)$", answer.read().decode(), re.MULTILINE)[1]))


def _environment(folder: Path, settings: dict[str, str]) -> dict[str, str]:
    """For EZ-DMS on a data folder, with every check on and high limits."""
    environment = NO_END | {"EZDMS_DATA_DIR": str(folder), "EZDMS_PORT": "0"}
    return environment | {f"EZDMS_{name.upper()}": value for name, value in settings.items()}


def start_apart(folder: Path, cores: int, settings: dict[str, str], before: list[str]) -> tuple[Process, int]:
    """Start EZ-DMS behind this command, which may put it into another network, on a socket of this one, as systemd
    does. Returns the process and its port."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        number = listener.fileno()
        shell = f'export LISTEN_PID=$$ LISTEN_FDS=1; exec "$@" 3<&{number}'
        before = ["bash", "-c", shell, "bash", *before]  # sh would take one digit alone
        process = Process(["ezdms", "serve"], _environment(folder, settings), cores, before=before, files=[number])
        return process, int(listener.getsockname()[1])


def start(folder: Path, cores: int, settings: dict[str, str]) -> tuple[Process, int]:
    """Start EZ-DMS. Returns the process and its port."""
    process = Process(["ezdms", "serve"], _environment(folder, settings), cores)
    match = re.search(r":([0-9]+)\n", process.announced)
    assert match, process.announced
    return process, int(match[1])


@contextmanager
def ezdms(folder: Path, *, cores: int = 1, **settings: str) -> Iterator[tuple[Process, int]]:
    """Run EZ-DMS as `start` does. Yields the process and its port."""
    process, port = start(folder, cores, settings)
    try:
        yield process, port
    finally:
        process.stop()


@contextmanager
def baseline(name: str) -> Iterator[tuple[Process, list[int]]]:
    """Run one of bench.baselines. Yields the process and its ports."""
    process = Process(["bench.baselines", name])
    try:
        yield process, [int(port) for port in process.announced.split()]
    finally:
        process.stop()
