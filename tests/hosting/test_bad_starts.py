"""A server that cannot start says why in one sentence, with the next step."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from sqlite3 import connect

import pytest

from tests.conftest import Server, mounted, skip_or_fail
from tests.support.operated import operate, refused, said


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A folder on a read-only file system."""
    yield from mounted(tmp_path / "disk", "ro,mode=700")


def test_a_data_folder_that_cannot_be_written(read_only: Path) -> None:
    sentence = refused(operate(read_only, "serve", "--port", "0"))
    assert f"The data folder {read_only} cannot be written: Read-only file system." in sentence
    assert "choose another with --data-dir" in sentence
    assert "cannot be created" in refused(operate(read_only / "data", "serve", "--port", "0"))


def test_a_data_folder_of_another_user(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        skip_or_fail("only root can give a folder away")
    (tmp_path / "data").mkdir()
    os.chown(tmp_path / "data", 54321, 54321)
    sentence = refused(operate(tmp_path / "data", "serve", "--port", "0"))
    assert "belongs to user 54321, but you are root. Start EZ-DMS as user 54321" in sentence


def test_a_data_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("not a folder")
    assert "is a file. Choose another with --data-dir" in refused(operate(tmp_path / "data", "serve", "--port", "0"))


def test_an_invalid_certificate_or_one_that_does_not_match_its_key(tmp_path: Path) -> None:
    for name in ("a", "b"):
        said(operate(tmp_path, "cert", "--out", str(tmp_path / name)))
    (tmp_path / "no.pem").write_text("not a certificate")
    for certfile, keyfile in (("a/cert.pem", "b/key.pem"), ("no.pem", "a/key.pem"), ("a/cert.pem", "no.pem")):
        pair = ["--certfile", str(tmp_path / certfile), "--keyfile", str(tmp_path / keyfile)]
        sentence = refused(operate(tmp_path / "data", "serve", "--port", "0", *pair))
        assert "`ezdms cert` makes a pair" in sentence
        assert str(tmp_path / certfile) in sentence


def test_a_clock_that_was_set_back_is_reported_at_the_start(tmp_path: Path) -> None:
    server = Server(tmp_path)
    server.start()
    assert server.stop() == 0
    with closing(connect(server.data_dir / "ezdms.db")) as connection, connection:
        connection.execute("INSERT INTO conversations VALUES ('C', 1, 1, 9000000000000, 0)")
    with server:
        assert "the clock is behind what is stored" in server.complaints()
        assert len(server.complaints().splitlines()) == 1


def test_a_self_signed_certificate_works_and_is_reused(tmp_path: Path) -> None:
    told = said(operate(tmp_path, "cert", "box.lan", "192.168.7.7", "--out", str(tmp_path / "tls")))
    assert "Browsers will warn" in told
    assert (tmp_path / "tls" / "key.pem").stat().st_mode & 0o777 == 0o600
    assert "already exists" in refused(operate(tmp_path, "cert", "--out", str(tmp_path / "tls")))
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "cert.pem").touch()
    assert "cert.pem already exists" in refused(operate(tmp_path, "cert", "--out", str(tmp_path / "half")))
    assert not (tmp_path / "half" / "key.pem").exists()  # a certificate that does not match
    pair = {"certfile": str(tmp_path / "tls" / "cert.pem"), "keyfile": str(tmp_path / "tls" / "key.pem")}
    with Server(tmp_path, **pair) as server:
        trusting = ssl.create_default_context(cafile=pair["certfile"])
        for name in ("localhost", "127.0.0.1", "box.lan", "192.168.7.7"):
            pem = name_on_certificate(server.port, name, trusting)
            assert pem == "EZ-DMS"
        with pytest.raises(ssl.SSLCertVerificationError):
            name_on_certificate(server.port, "elsewhere.example", trusting)


def name_on_certificate(port: int, host: str, context: ssl.SSLContext) -> str:
    """The certificate's common name, after it was verified for `host`."""
    with socket.create_connection(("127.0.0.1", port)) as raw, context.wrap_socket(raw, server_hostname=host) as tls:
        subject = tls.getpeercert()["subject"]  # type: ignore[index]
        return str(subject[0][0][1])
