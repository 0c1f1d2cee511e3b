"""A stop takes seconds regardless of connections, on every Python; a data folder has one server at a time."""

from __future__ import annotations

import json
import signal
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.conftest import Server
from tests.support.operated import operate
from tests.support.pythons import VERSIONS, python_for
from tests.support.served import Listener, Program, call, open_socket, take, upgrade

SOCKETS = 200


@pytest.mark.parametrize("version", VERSIONS)
def test_a_stop_with_200_sockets_a_dead_peer_and_a_request_in_flight(version: str, tmp_path: Path) -> None:
    python = python_for(version)
    if python is None:
        pytest.skip(f"there is no Python {version} on this machine")
    server = Server(tmp_path)
    server.python = python
    server.start()
    with ExitStack() as opened:
        opened.callback(server.kill)
        alice = Program(server, "alice")
        opened.callback(alice.close)
        listeners = [Listener(opened.enter_context(open_socket(server, alice.token))) for _ in range(SOCKETS)]
        dead, idle, slow = (opened.enter_context(call(server)) for _ in range(3))
        # dead: from now on it answers nothing, not even the close frame
        dead.sendall(upgrade(alice.token))
        assert take(dead, until=b"\r\n\r\n").startswith(b"HTTP/1.1 101")
        idle.sendall(b"GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b'"ok"' in take(idle, until=b'"ok"')
        body = json.dumps({name: alice.fields[name] for name in ("login_id", "auth_key")}).encode()
        slow.sendall(
            b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Accept: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body[:10]
        )
        assert server.process is not None
        before = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert [listener.closed_with() for listener in listeners] == [1012] * SOCKETS
        slow.sendall(body[10:])
        answer = take(slow)
        assert answer.startswith(b"HTTP/1.1 200"), answer
        assert b'"token"' in answer
        assert server.process.wait(timeout=10) == 0
        assert time.monotonic() - before < 5.5
        assert server.complaints() == ""


def test_ctrl_c_stops_the_server(server: Server) -> None:
    assert server.process is not None
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(timeout=10) == 0
    assert [line.split(" ", 2)[2].split(":")[0].strip() for line in server.log.read_text().splitlines()] == [
        "started",
        "stopping",
        "stopped",
    ]


def test_a_second_server_on_the_same_data_folder_is_refused(server: Server) -> None:
    second = operate(server.data_dir, "serve", "--port", "0")
    assert server.process is not None
    assert (second.returncode, second.stdout) == (1, "")
    assert f"Another EZ-DMS (process {server.process.pid}) is using the data folder" in second.stderr
    assert "Traceback" not in second.stderr


def test_deleting_the_lock_file_does_not_let_a_second_server_start(server: Server) -> None:
    (server.data_dir / "ezdms.lock").unlink()
    for arguments in (("serve", "--port", "0"), ("restore", "backup.db", "--replace")):
        second = operate(server.data_dir, *arguments, EZDMS_PORT="0")
        assert (second.returncode, second.stdout) == (1, "")
        assert "Another EZ-DMS (process unknown) is using the data folder" in second.stderr
    assert server.stop() == 0
    server.start()


def test_killing_a_server_releases_its_data_folder(server: Server) -> None:
    server.kill()
    server.start()
    assert server.stop() == 0
