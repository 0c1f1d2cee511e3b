"""`ezdms doctor`: every problem is found, named and explained, and a healthy server passes."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import sqlite3
import subprocess
import urllib.request
from contextlib import closing
from pathlib import Path

from tests.conftest import Server
from tests.support.forked import environment, launch
from tests.support.nginx import make_certificate, nginx_before
from tests.support.operated import operate, refused, said


def examine(server: Server, *arguments: str, **settings: str) -> dict[str, tuple[str, str]]:
    """name → (status, sentence)."""
    done = operate(server.data_dir, "doctor", "--json", *arguments, **settings)
    findings = json.loads(done.stdout)
    assert done.returncode == any(one["status"] == "failed" for one in findings)
    return {one["name"]: (one["status"], one["sentence"]) for one in findings}


def test_a_healthy_server_passes_with_advice_on_what_is_missing(server: Server) -> None:
    found = examine(server, server.url)
    assert {name for name, (status, _) in found.items() if status == "failed"} == set()
    assert found["backup"][0] == "warning"
    assert "ezdms backup FILE" in found["backup"][1]
    assert {"python", "sqlite", "permissions", "disk", "server", "database", "clock", "proxy", "push services"} <= set(
        found
    )
    passed = re.fullmatch(rf"{server.url}: (\d+) of (\d+) checks from outside passed\.", found["public address"][1])
    assert passed
    assert 20 < int(passed[1]) == int(passed[2]) - 1  # the other warning: plain http
    said(operate(server.data_dir, "backup", str(server.data_dir.parent / "b.db")))
    assert examine(server)["backup"][0] == "ok"


def test_sqlite_before_3_51_3_is_reported(server: Server) -> None:
    _, sentence = examine(server)["sqlite"]
    is_old = sqlite3.sqlite_version_info < (3, 51, 3)
    assert ("writes through one connection" in sentence) is is_old


def test_open_permissions_an_old_backup_and_a_clock_set_back_are_found(server: Server) -> None:
    server.data_dir.chmod(0o755)
    (server.data_dir / "last_backup.json").write_text('{"at": 1700000000.0}')
    with closing(sqlite3.connect(server.data_dir / "ezdms.db")) as connection, connection:
        connection.execute("INSERT INTO conversations VALUES ('C', 1, 1, 9000000000000, 0)")
    found = examine(server)
    assert found["permissions"][0] == "warning"
    assert "chmod -R go=" in found["permissions"][1]
    assert found["backup"][0] == "warning"
    assert "Make one every day" in found["backup"][1]
    assert found["clock"][0] == "failed"
    assert "timedatectl" in found["clock"][1]


def test_a_damaged_database_a_stopped_server_and_an_unreachable_address_are_found(server: Server) -> None:
    url = server.url
    assert server.stop() == 0
    path = server.data_dir / "ezdms.db"
    content = bytearray(path.read_bytes())
    content[8192:12288] = os.urandom(4096)
    path.write_bytes(content)
    found = examine(server, url)
    assert found["database"][0] == "failed"
    assert "ezdms restore FILE" in found["database"][1]
    assert "another backup" not in found["database"][1]  # this is the database
    assert found["server"] == ("warning", "None is running with this data folder. Start it with: ezdms serve")
    assert found["answer"][0] == "failed"
    assert "Check that the server runs" in found["answer"][1]


def test_an_untrusted_proxy_is_found_with_the_setting_that_fixes_it(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    for trusted, status in (("", "failed"), ("127.0.0.1", "ok")):
        with Server(tmp_path, trusted_proxies=trusted) as server:
            with nginx_before(server, certificate, tmp_path) as nginx:
                found = examine(server, nginx.url, "--cafile", str(certificate.certfile))
            assert server.stop() == 0
        assert found["proxy"][0] == status
        assert "127.0.0.1" in found["proxy"][1]
        assert ("--trusted-proxies 127.0.0.1" in found["proxy"][1]) is (status == "failed")


def test_a_proxy_without_websockets_or_with_duplicate_headers_is_found(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    more = """
      location = /ws { proxy_pass %s; proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Proto $scheme; }
      add_header Referrer-Policy no-referrer always;
    """
    with Server(tmp_path, trusted_proxies="127.0.0.1") as server:
        with nginx_before(server, certificate, tmp_path, more % server.url) as nginx:
            found = examine(server, nginx.url, "--cafile", str(certificate.certfile))
        assert server.stop() == 0
    assert found["socket"][0] == "failed"
    assert "must pass on Upgrade and Connection" in found["socket"][1]
    assert found["Referrer-Policy"][0] == "failed"
    assert "2 of them" in found["Referrer-Policy"][1]
    assert "".join(one for _, one in found.values()).count("deploy/nginx.conf shows a proxy that gets this right.") == 1


def test_a_certificate_that_expires_soon_is_found_with_its_file(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path, days=3)
    with Server(tmp_path, certfile=str(certificate.certfile), keyfile=str(certificate.keyfile)) as server:
        found = examine(server)  # asks the server for the file, as it is not set in this environment
        assert server.stop() == 0
    assert found["certificate file"][0] == "warning"
    assert "Renew it and restart" in found["certificate file"][1]


def test_an_address_with_a_path_is_explained(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(0o700)
    done = operate(tmp_path / "data", "doctor", "https://example.org/chat/")
    assert done.returncode == 1
    assert "EZ-DMS needs a host name of its own" in " ".join(done.stdout.split())
    told = refused(operate(tmp_path / "data", "serve", EZDMS_PUBLIC_URL="https://example.org/chat"))
    assert "EZ-DMS needs a host name of its own" in told


def test_a_missing_folder_is_reported(tmp_path: Path) -> None:
    done = operate(tmp_path / "nowhere", "doctor")
    assert done.returncode == 1
    assert "Set the right one with --data-dir." in done.stdout


def test_the_doctor_page_shows_the_report_and_refuses_another_host_name(server: Server) -> None:
    words, own = ("doctor", "--page", "--port", "0", server.url), environment(EZDMS_DATA_DIR=str(server.data_dir))
    process = launch(*words, env=own, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        address = process.stdout.readline().split()[-1]
        assert address.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(address, timeout=30) as response:  # noqa: S310
            page = response.read().decode()
            policy = response.headers["Content-Security-Policy"]
            assert policy.startswith("default-src 'none'; ")
            assert "script-src" not in policy
        for name in ("python", "database", "public address", "proxy"):
            assert f"<dt>{name} <span" in page
        assert "<script" not in page
        wire = http.client.HTTPConnection("127.0.0.1", int(address.rpartition(":")[2]), timeout=10)
        wire.request("GET", "/", headers={"Host": "rebound.example"})
        assert wire.getresponse().status == 403
        wire.close()
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 0
        process.stdout.close()
