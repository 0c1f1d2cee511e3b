"""SIGHUP renews the certificate; a terminal that closes stops the server."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
from pathlib import Path

from ezdms.edge.certificate import write_pair
from tests.conftest import Server
from tests.support.forked import environment
from tests.support.served import wait

PING = b"GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n"


def dial(server: Server) -> ssl.SSLSocket:
    """A TLS connection that accepts any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(socket.create_connection(("127.0.0.1", server.port), timeout=20))


def answers(connection: ssl.SSLSocket) -> bool:
    """Whether a request over this connection is answered."""
    connection.sendall(PING)
    return connection.recv(4096).startswith(b"HTTP/1.1 200")


def shown_by(server: Server) -> str:
    """The fingerprint of the certificate that a new connection gets."""
    with dial(server) as connection:
        assert answers(connection)
        return hashlib.sha256(connection.getpeercert(binary_form=True) or b"").hexdigest()


def written(certfile: Path) -> str:
    """The fingerprint of a certificate file."""
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(certfile.read_text())).hexdigest()


def hang_up(server: Server, event: str) -> None:
    """Send SIGHUP, and wait until the log has this event."""
    assert server.process is not None
    server.process.send_signal(signal.SIGHUP)
    wait(lambda: event in server.log.read_text())


def test_sighup_renews_the_certificate_and_disconnects_nobody(tmp_path: Path) -> None:
    certfile, keyfile = write_pair(tmp_path / "tls", ["127.0.0.1"])
    with Server(tmp_path, certfile=str(certfile), keyfile=str(keyfile)) as server:
        first = written(certfile)
        with dial(server) as kept:
            assert answers(kept)
            assert shown_by(server) == first
            newer = write_pair(tmp_path / "newer", ["127.0.0.1"])

            newer[0].replace(certfile)  # the key is still the old one
            hang_up(server, "do not belong together")
            assert shown_by(server) == first

            newer[1].replace(keyfile)
            hang_up(server, "the certificate was reloaded")
            assert shown_by(server) == written(certfile) != first
            assert answers(kept)
        assert len(server.complaints().splitlines()) == 1


def test_sighup_without_a_certificate_changes_nothing(server: Server) -> None:
    hang_up(server, "nothing to reload")
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(PING)
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
    assert server.stop() == 0


def test_closing_the_terminal_stops_the_server(tmp_path: Path) -> None:
    log, (master, slave) = tmp_path / "log", os.openpty()
    with log.open("w") as written_to:
        process = subprocess.Popen(
            ["setsid", "--ctty", sys.executable, "-m", "ezdms", "serve", "--port", "0"],
            env=environment(EZDMS_DATA_DIR=str(tmp_path / "data")),
            stdin=slave,
            stdout=slave,
            stderr=written_to,
        )
    os.close(slave)
    try:
        assert re.match(rb"EZ-DMS is at http://127\.0\.0\.1:[0-9]+\r\n", os.read(master, 4096))
        process.send_signal(signal.SIGHUP)  # the terminal is still there: reload
        wait(lambda: "nothing to reload" in log.read_text())
        assert process.poll() is None
        os.close(master)
        assert process.wait(timeout=20) == 0
        assert log.read_text().splitlines()[-1].endswith("stopped")
    finally:
        process.kill()
        process.wait()
