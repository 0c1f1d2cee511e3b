"""Python processes that start in a hundredth of a second: forked from one that has imported everything already.

They are processes like any other, with their own environment, folder and descriptors, and children of the test: they
are waited for and killed as if `python -m ezdms` had been executed. They fork from `python -m tests.support.forked FD`.
"""

from __future__ import annotations

import array
import atexit
import ctypes
import gc
import importlib
import json
import os
import pkgutil
import runpy
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PR_SET_CHILD_SUBREAPER = 36  # prctl(2): orphans of this process's descendants become its own children
LARGEST = 1 << 20  # bytes of one request

_parent: socket.socket | None = None


class Forked(subprocess.Popen[Any]):
    """`Popen(["tests.support.cheap", "serve"], env=…, cwd=…, stdout=…)`: a module and its arguments."""

    def _execute_child(self, args: list[str], _: object, *more: Any) -> None:
        """In place of fork and exec. Called by Popen, in every Python so far with its arguments in this order."""
        cwd, env = more[3], more[4]
        pipes = more[8:14]  # the child's and our end of stdin, then ours and the child's of stdout and of stderr
        given = [pipes[0], pipes[3], pipes[5]]
        files = [own if own != -1 else standard for standard, own in enumerate(given)]
        request = {"args": args, "cwd": os.fspath(cwd or os.getcwd()), "env": dict(os.environ if env is None else env)}
        to_parent = _start()
        packed = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))]
        to_parent.sendmsg([json.dumps(request).encode()], packed)
        self.pid = int(to_parent.recv(32))
        self._child_created = True
        self._close_pipe_fds(*pipes)  # type: ignore[attr-defined]


def launch(*words: str, module: str = "ezdms", **given: Any) -> subprocess.Popen[str]:
    """`python -m MODULE WORDS`, with what Popen takes."""
    return Forked([module, *words], text=True, **given)


def run(*words: str, typed: str | None = None, timeout: float = 60, **given: Any) -> subprocess.CompletedProcess[str]:
    """The same for a command that ends: its exit code, and what it printed. It is typed to, or finds no input."""
    given.setdefault("stdin", subprocess.DEVNULL if typed is None else subprocess.PIPE)
    process = launch(*words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **given)
    with process:
        try:
            printed, complained = process.communicate(typed, timeout=timeout)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(words, process.returncode, printed, complained)


def _start() -> socket.socket:
    """The process to fork from, once for each that runs tests."""
    global _parent
    if _parent is None:
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        _parent, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [sys.executable, "-m", "tests.support.forked", str(theirs.fileno())]
            process = subprocess.Popen(command, cwd=ROOT, pass_fds=[theirs.fileno()])
        atexit.register(_end, _parent, process)
    return _parent


def _end(to_parent: socket.socket, process: subprocess.Popen[bytes]) -> None:
    to_parent.close()
    process.wait(timeout=10)


def _import_everything() -> None:
    import ezdms

    for module in pkgutil.walk_packages(ezdms.__path__, "ezdms."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    gc.collect()
    gc.freeze()  # or the first collection would copy every page


def _next(requests: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """What is to be started, with its stdin, stdout and stderr; None if whoever asked is gone."""
    message, packed, *_ = requests.recvmsg(LARGEST, socket.CMSG_SPACE(3 * array.array("i").itemsize))
    if not message:
        return None
    files = array.array("i")
    files.frombytes(packed[0][2])
    return json.loads(message), list(files)


def _fork() -> int:
    """As fork(2), but the child has no parent left, and so becomes one of whoever is the subreaper."""
    reading, writing = os.pipe()
    between = os.fork()
    if between == 0:
        child = os.fork()
        if child == 0:
            return 0
        os.write(writing, str(child).encode())
        os._exit(0)
    os.waitpid(between, 0)
    child = int(os.read(reading, 32))
    os.close(reading)
    os.close(writing)
    return child


def _become(request: dict[str, Any], files: list[int]) -> list[str]:
    """What exec would have done: descriptors, environment, folder. Returns the module and its arguments."""
    for standard, own in enumerate(files):
        os.dup2(own, standard)
    os.closerange(3, 256)
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    is_unbuffered = bool(os.environ.get("PYTHONUNBUFFERED"))
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=stream.isatty(), write_through=is_unbuffered)  # type: ignore[union-attr]
    args: list[str] = request["args"]
    return args


def main() -> None:
    """Serve until whoever asks is gone; in each child, run what was asked for as `python -m` does."""
    requests = socket.socket(fileno=int(sys.argv[1]))
    _import_everything()
    while (asked := _next(requests)) is not None:
        child = _fork()
        if child == 0:
            module, *arguments = _become(*asked)
            sys.argv = [module, *arguments]
            runpy.run_module(module, run_name="__main__", alter_sys=True)
            return
        for file in asked[1]:
            os.close(file)
        requests.send(str(child).encode())


if __name__ == "__main__":
    main()
