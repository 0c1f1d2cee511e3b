"""Python processes that start in 10 ms, because they are forked from a process that has imported everything.

They have their own environment, working directory and descriptors, and are children of the test, which can wait for
and kill them as if it had executed `python -m ezdms`. They fork from `python -m tests.support.forked FD`.
"""

from __future__ import annotations

import array
import atexit
import ctypes
import gc
import importlib
import io
import json
import os
import pkgutil
import runpy
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).parents[2]
PR_SET_CHILD_SUBREAPER = 36  # prctl(2): orphaned descendants become children of this process
LARGEST = 1 << 20  # bytes per request
# What is imported on first use. Python may be in root's home, which another user (dynamic.py) cannot read by then.
LAZY = (
    "anyio._backends._asyncio",
    "certifi",
    "encodings.idna",
    "encodings.unicode_escape",
    "encodings.utf_8_sig",
    "httpcore",
    "websockets.asyncio.client",
)

_parent: socket.socket | None = None


class Forked(subprocess.Popen[Any]):
    """`Popen(["tests.support.cheap", "serve"], env=…, cwd=…, stdout=…)`: a module and its arguments."""

    def _execute_child(self, args: list[str], _: object, *more: Any) -> None:
        """Replaces fork and exec. Popen calls it with these positional arguments in all Python versions so far."""
        cwd, env = more[3], more[4]
        pipes = more[8:14]  # the child's and our end of stdin, then our and the child's ends of stdout and stderr
        given = [pipes[0], pipes[3], pipes[5]]
        files = [own if own != -1 else standard for standard, own in enumerate(given)]
        request = {"args": args, "cwd": os.fspath(cwd or os.getcwd()), "env": dict(os.environ if env is None else env)}
        to_parent = _start()
        packed = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))]
        _adopt(True)
        try:
            to_parent.sendmsg([json.dumps(request).encode()], packed)
            self.pid = int(to_parent.recv(32))
        finally:
            _adopt(False)  # orphans of browsers are not waited for here
        self._child_created = True
        self._close_pipe_fds(*pipes)  # type: ignore[attr-defined]


def environment(**settings: str) -> dict[str, str]:
    """This process's own, without the developer's settings but with these, for a program of this checkout."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("EZDMS_")}
    return clean | {"PYTHONPATH": str(ROOT)} | settings


def launch(*words: str, module: str = "ezdms", python: str = "", **given: Any) -> subprocess.Popen[str]:
    """Start `python -m MODULE WORDS`, with the arguments of Popen: executed by `python` if given, else forked."""
    if python:
        return subprocess.Popen([python, "-m", module, *words], text=True, **given)
    return Forked([module, *words], text=True, **given)


def run(*words: str, typed: str | None = None, timeout: float = 60, **given: Any) -> subprocess.CompletedProcess[str]:
    """Run it to the end; returns its exit code and output. Its input is `typed`, or empty."""
    given.setdefault("stdin", subprocess.DEVNULL if typed is None else subprocess.PIPE)
    process = launch(*words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **given)
    with process:
        try:
            printed, complained = process.communicate(typed, timeout=timeout)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(words, process.returncode, printed, complained)


def _adopt(orphans: bool) -> None:
    """Whether orphaned descendants become children of this process, instead of those of init."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, int(orphans), 0, 0, 0)


def _start() -> socket.socket:
    """Start the process to fork from, once per test process."""
    global _parent
    if _parent is None:
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
    for name in LAZY:
        importlib.import_module(name)
    importlib.import_module("tests.support.once").prepare()
    gc.collect()
    gc.freeze()  # otherwise, the first collection would copy every page


def _next(requests: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """The next request, with its stdin, stdout and stderr; None if the test process has exited."""
    message, packed, *_ = requests.recvmsg(LARGEST, socket.CMSG_SPACE(3 * array.array("i").itemsize))
    if not message:
        return None
    files = array.array("i")
    files.frombytes(packed[0][2])
    return json.loads(message), list(files)


def _fork() -> int:
    """Like fork(2), but the child is orphaned and so becomes a child of the subreaper."""
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
    """Set up descriptors, environment and working directory, like exec. Returns the module and its arguments."""
    for descriptor, own in enumerate(files):
        os.dup2(own, descriptor)
    os.closerange(3, 256)
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    sys.path[:0] = os.environ.get("PYTHONPATH", "").split(os.pathsep)  # for what is imported from now on
    encoding, errors = os.environ.get("PYTHONIOENCODING", "utf-8"), {"stderr": "backslashreplace"}
    streams = {"stdin": open(0, encoding=encoding, closefd=False)}  # noqa: SIM115
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        raw = open(descriptor, "wb", closefd=False)  # noqa: SIM115
        is_by_line = raw.isatty() or name == "stderr"
        streams[name] = io.TextIOWrapper(raw, encoding, errors.get(name), line_buffering=is_by_line)
    vars(sys).update(streams | {f"__{name}__": stream for name, stream in streams.items()})
    args: list[str] = request["args"]
    return args


def _run(module: str) -> NoReturn:
    """Run it and exit as Python does, but without taking apart every module, which would copy every page."""
    code = 0
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        if isinstance(ended.code, str):
            sys.stderr.write(f"{ended.code}\n")
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        code = 120
    os._exit(code)


def main() -> None:
    """Serve until the test process exits; each child runs the requested module like `python -m`."""
    requests = socket.socket(fileno=int(sys.argv[1]))
    _import_everything()
    while (asked := _next(requests)) is not None:
        child = _fork()
        if child == 0:
            module, *arguments = _become(*asked)
            sys.argv = [module, *arguments]
            _run(module)
        for file in asked[1]:
            os.close(file)
        requests.send(str(child).encode())


if __name__ == "__main__":
    main()
