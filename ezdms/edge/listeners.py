"""Listeners that are not a port: a Unix socket, for a proxy on this machine, or a socket that systemd opened."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ezdms.edge.runner import BACKLOG, AddressError

CLOSED_TO_OTHERS = 0o117  # umask: the socket's owner and group may connect, nobody else
FIRST = 3  # the descriptor of the first socket from systemd (sd_listen_fds(3))
PATIENCE = 1.0  # seconds for another server to accept; if it is too busy, it is there
ADVICE = "Choose another with --unix."


@contextmanager
def unix(path: Path) -> Iterator[socket.socket]:
    """A listening Unix socket, removed at the end. Replaces one that a dead server left. Raises AddressError."""
    _make_room(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with listener:
        before = os.umask(CLOSED_TO_OTHERS)
        try:
            listener.bind(os.fspath(path))
            listener.listen(BACKLOG)
            own = path.stat()
        except OSError as error:
            raise AddressError(f"Cannot listen on {path}: {error.strerror or error}. {ADVICE}") from error
        finally:
            os.umask(before)
        try:
            yield listener
        finally:
            with suppress(OSError):
                if path.stat().st_ino == own.st_ino:
                    path.unlink()


def _make_room(path: Path) -> None:
    """Remove a socket on which nobody listens. Raises AddressError for anything else."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise AddressError(f"{path} exists, and is not a socket. {ADVICE}")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as wire:
            wire.settimeout(PATIENCE)
            wire.connect(os.fspath(path))
    except FileNotFoundError:
        pass
    except ConnectionRefusedError:
        with suppress(OSError):  # then the caller cannot bind, and says why
            path.unlink()
    except TimeoutError as error:
        raise _in_use(path) from error
    except OSError as error:
        raise AddressError(f"Cannot listen on {path}: {error.strerror or error}. {ADVICE}") from error
    else:
        raise _in_use(path)


def _in_use(path: Path) -> AddressError:
    return AddressError(f"Another server is listening on {path}. Stop it, or choose another with --unix.")


def inherited() -> socket.socket | None:
    """The socket that systemd opened for this process; None if there is none. Raises AddressError.

    systemd keeps it open: while the server restarts, clients wait instead of being refused.
    """
    told = {name: os.environ.pop(name, "") for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")}
    if told["LISTEN_PID"] != str(os.getpid()) or not told["LISTEN_FDS"]:
        return None
    if told["LISTEN_FDS"] != "1":
        raise AddressError(f"Expected one socket from systemd, got {told['LISTEN_FDS']}. Keep one line ListenStream=.")
    listener = socket.socket(fileno=FIRST)
    listener.set_inheritable(False)
    if listener.type != socket.SOCK_STREAM or not listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        listener.close()
        raise AddressError("Expected a socket from systemd that listens: ListenStream=, and no Accept=yes.")
    return listener
