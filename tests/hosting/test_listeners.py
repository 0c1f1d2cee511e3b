"""The server on a Unix socket, and on a socket that systemd opened."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import ROOT, Server, skip_or_fail
from tests.hosting.test_doctor import examine
from tests.support.dynamic import USER, readable_by_all
from tests.support.forked import environment
from tests.support.operated import operate, refused
from tests.support.served import wait
from tests.support.unix_wire import status_of

WRONG = {"login_id": "A" * 22, "auth_key": "A" * 43}


def connects_as(path: Path, user: int, group: int) -> bool:
    """Whether a process of this user and group can connect."""
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setgid(group)
        os.setuid(user)
        try:
            with socket.socket(socket.AF_UNIX) as wire:
                wire.connect(str(path))
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_only_owner_and_group_can_connect_and_the_socket_is_gone_after_a_stop() -> None:
    with readable_by_all() as folder, Server(folder, unix=str(folder / "s")) as server:
        path = folder / "s"
        assert server.url == f"unix:{path}"
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        assert connects_as(path, USER, os.getegid())
        assert not connects_as(path, USER, USER)
        assert status_of(path, "/ping") == 200
        assert server.stop() == 0
        assert not path.exists()


def test_a_dead_servers_socket_is_replaced_and_a_live_one_or_a_file_is_left_alone(tmp_path: Path) -> None:
    path, other = tmp_path / "s", tmp_path / "other"
    with Server(tmp_path, unix=str(path)) as server:
        sentence = refused(operate(other, "serve", "--unix", str(path)))
        assert f"Another server is listening on {path}. Stop it, or choose another with --unix." in sentence
        assert status_of(path, "/ping") == 200
        server.kill()
        assert path.is_socket()
        server.start()
        assert status_of(path, "/ping") == 200
    file = tmp_path / "precious"
    file.write_text("precious")
    assert "exists, and is not a socket" in refused(operate(other, "serve", "--unix", str(file)))
    assert file.read_text() == "precious"
    for bad in (tmp_path / "missing" / "s", tmp_path / ("x" * 120)):
        assert f"Cannot listen on {bad}: " in refused(operate(other, "serve", "--unix", str(bad)))


def test_clients_that_cannot_be_told_apart_are_reported_in_the_log_and_by_the_doctor(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with Server(tmp_path, unix=str(path)) as server:
        assert "WARNING all clients count as one" in server.complaints()
        assert "EZDMS_TRUSTED_PROXIES=unix" in server.complaints()
        status, sentence = examine(server)["proxy"]
        assert status == "failed"
        assert "--trusted-proxies unix" in sentence
    server.log.unlink()
    server.settings |= {"trusted_proxies": "unix", "limit_login": "1/hour"}
    with server:
        assert examine(server)["proxy"][0] == "ok"
        assert server.complaints() == ""
        assert [status_of(path, "/login", WRONG) for _ in range(3)] == [401, 429, 429]  # a proxy that names no client
        [line] = server.complaints().splitlines()
        assert "all clients count as one" in line
        assert "the proxy on the Unix socket does not name them" in line


def test_an_invitation_needs_the_public_address_if_the_server_has_only_a_socket(tmp_path: Path) -> None:
    with Server(tmp_path, unix=str(tmp_path / "s"), registration="invite") as server:
        assert "public address is unknown" in refused(operate(server.data_dir, "invite"))


# ---- Socket activation ----

# Like systemd: the listening socket as descriptor 3, and the process's own number.
ACTIVATE = 'exec 3<&"$1"; shift; LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"'


@contextmanager
def activated(folder: Path, listener: socket.socket, *flags: str) -> Iterator[subprocess.Popen[str]]:
    """A server with this listener, once it has printed its address."""
    command = [sys.executable, "-m", "tests.support.cheap", "serve", *flags]
    with (folder / "log").open("a") as log:
        process = subprocess.Popen(
            ["bash", "-c", ACTIVATE, "bash", str(listener.fileno()), *command],
            env=environment(EZDMS_DATA_DIR=str(folder / "data")),
            pass_fds=[listener.fileno()],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_no_connection_is_lost_while_the_server_restarts_on_systemds_socket(tmp_path: Path) -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    port, stop = listener.getsockname()[1], threading.Event()
    answers: list[str] = []

    def ask_on() -> None:
        while not stop.is_set():
            wire = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            try:
                wire.request("GET", "/ping", headers={"Connection": "close"})
                answers.append(str(wire.getresponse().status))
            except (OSError, http.client.HTTPException) as error:
                answers.append(repr(error))
            wire.close()

    asking = [threading.Thread(target=ask_on) for _ in range(4)]
    with listener:
        for one in asking:
            one.start()  # they wait in the queue until the first server is there
        try:
            for _ in range(3):
                with activated(tmp_path, listener) as process:
                    assert process.stdout is not None
                    assert process.stdout.readline() == f"EZ-DMS is at http://127.0.0.1:{port}\n"
                    before = len(answers)
                    wait(lambda: len(answers) > before + 100)  # noqa: B023 - called at once
                    process.send_signal(signal.SIGTERM)
                    assert process.wait(timeout=20) == 0
            with activated(tmp_path, listener) as process:
                stop.set()  # whoever waits is answered
                for one in asking:
                    one.join(timeout=60)
                process.send_signal(signal.SIGTERM)
                assert process.wait(timeout=20) == 0
        finally:
            stop.set()
    assert set(answers) == {"200"}
    assert re.search("ERROR|WARNING|Traceback", (tmp_path / "log").read_text()) is None


def test_a_socket_that_cannot_be_used_is_refused_with_the_line_to_change(tmp_path: Path) -> None:
    with socket.socket() as unheard, activated(tmp_path, unheard) as process:
        assert process.wait(timeout=20) == 1
    assert "Expected a socket from systemd that listens: ListenStream=" in (tmp_path / "log").read_text()


def test_real_systemd_starts_the_server_with_the_first_connection(tmp_path: Path) -> None:
    activate = shutil.which("systemd-socket-activate")
    if activate is None:
        skip_or_fail("systemd-socket-activate is missing (Debian: apt install systemd)")
    path = tmp_path / "s"
    given = {"EZDMS_DATA_DIR": str(tmp_path / "data"), "PYTHONPATH": str(ROOT), "EZDMS_TRUSTED_PROXIES": "unix"}
    command = [str(activate), f"--listen={path}", *(f"--setenv={name}={value}" for name, value in given.items())]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [*command, sys.executable, "-m", "ezdms", "serve"], env=environment(), stdout=log, stderr=log
        )
    try:
        wait(path.is_socket)
        assert status_of(path, "/ping") == 200
        assert f"EZ-DMS is at unix:{path}" in (tmp_path / "log").read_text()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
        assert path.is_socket()  # systemd's, not ours to remove
    finally:
        process.kill()
        process.wait()
