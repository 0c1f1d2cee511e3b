"""`ezdms verify` passes the real server, bare and behind nginx, and keeps what its documentation promises."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ezdms import __version__
from ezdms.verify import FAILED, OK, WARNING, Report, place, verify
from ezdms.verify.loads import loads_of
from ezdms.verify.report import CANNOT_PROVE
from ezdms.views import assets
from tests.conftest import ROOT, Server
from tests.support import forked
from tests.support.forked import environment
from tests.support.nginx import make_certificate, nginx_before
from tests.support.reports import names, said


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command as from a shell."""
    clean = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "SSL_CERT_FILE")}
    return forked.run("verify", *arguments, cwd=ROOT, env=clean | environment, timeout=120)


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    """A server process with its own TLS, and the certificate to trust."""
    folder = tmp_path_factory.mktemp("secure")
    certificate = make_certificate(folder)
    running = Server(folder, certfile=str(certificate.certfile), keyfile=str(certificate.keyfile))
    running.start()
    yield running, certificate.certfile
    running.kill()


@pytest.fixture(scope="module")
def registered(secure: tuple[Server, Path]) -> Report:
    """What is found there with an account."""
    server, certfile = secure
    return asyncio.run(verify(server.url, cafile=certfile, register=True))


# ---- The real server ----


async def test_the_bare_server_passes_on_localhost(shared_server: Server) -> None:
    for address in (shared_server.url, f"http://localhost:{shared_server.port}/"):
        report = await verify(address)
        assert (report.verdict, names(report, FAILED), names(report, WARNING)) == ("passed", set(), {"tls"})
        files = sum(path.is_file() for path in (ROOT / "ezdms" / "static").rglob("*"))
        assert said(report, "files") == f"All {files} files are the release's, byte for byte."


@pytest.mark.parametrize("registration", ["invite", "closed"])
async def test_a_server_with_a_name_a_notice_and_limited_registration_passes(tmp_path: Path, registration: str) -> None:
    with Server(tmp_path, server_name="Chess <club>", notice="Ask “Ada” & co.", registration=registration) as server:
        report = await verify(server.url, register=True)
    assert (names(report, FAILED), names(report, WARNING)) == (set(), {"tls", "cookie"}), report.findings
    assert said(report, "register") == "Refused with 403, as a malformed registration must be; no cookie."
    assert "no new accounts" in said(report, "cookie")


def test_the_bare_server_passes_with_tls_and_a_secure_cookie(secure: tuple[Server, Path], registered: Report) -> None:
    server, report = secure[0], registered
    assert (names(report, FAILED), names(report, WARNING)) == (set(), set()), report.findings
    assert "TLSv1.3" in said(report, "tls")
    assert said(report, "cookie") == "__Host-ezdms_session with httponly, path=/, samesite=lax, secure."
    assert re.fullmatch(
        r"The account verify-[0-9a-f]{12} was created for this check and deleted\.", said(report, "account")
    )
    with closing(sqlite3.connect(server.data_dir / "ezdms.db")) as connection:
        for table in ("users", "sessions", "search_pins"):
            assert connection.execute(f"SELECT * FROM {table}").fetchall() == []  # noqa: S608


def test_a_certificate_in_ssl_cert_file_is_trusted(secure: tuple[Server, Path]) -> None:
    server, certfile = secure
    doubted = run(server.url)
    assert doubted.returncode == 1
    assert "is not valid: self-signed certificate" in doubted.stdout
    believed = run(server.url, SSL_CERT_FILE=str(certfile))
    assert believed.returncode == 0, believed.stdout


async def test_the_server_behind_nginx_passes(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    with Server(tmp_path, trusted_proxies="127.0.0.1") as server:
        with nginx_before(server, certificate, tmp_path) as nginx:
            report = await verify(nginx.url, cafile=certificate.certfile, register=True)
            assert (report.verdict, names(report, FAILED), names(report, WARNING)) == ("passed", set(), {"banner"})
            assert said(report, "banner").startswith("“server: nginx” names the proxy in front")
            assert said(report, "cookie").startswith("__Host-ezdms_session with")
            assert (await place.check_plain_http("127.0.0.1", nginx.plain_port)).status == OK
        with nginx_before(server, certificate, tmp_path, "server_tokens on;") as nginx:
            report = await verify(nginx.url, cafile=certificate.certfile)
            assert names(report, FAILED) == {"banner"}
        old = "ssl_protocols TLSv1.1 TLSv1.2; ssl_ciphers DEFAULT:@SECLEVEL=0;"
        with nginx_before(server, certificate, tmp_path, old) as nginx:
            report = await verify(nginx.url, cafile=certificate.certfile)
            assert names(report, FAILED) == {"tls"}
            assert said(report, "tls") == "Expected nothing older than TLSv1.2, but TLSv1.1 is also supported."


async def test_checks_blocked_by_a_rate_limit_are_reported_as_skipped(tmp_path: Path) -> None:
    with Server(tmp_path, limit_login="2/minute", limit_register="1/minute") as server:
        first, second = await verify(server.url), await verify(server.url, register=True)
    assert (first.verdict, names(first, WARNING)) == ("passed", {"tls"})
    assert (second.verdict, names(second, WARNING)) == ("passed", {"tls", "kinds", "login", "register", "cookie"})
    assert said(second, "login") == "Not checked: too many requests from here. Try again in a minute."


# ---- A release other than the installed one ----


def test_a_server_of_another_release_is_checked_against_its_signed_manifest(tmp_path: Path) -> None:
    newer = tmp_path / "newer"
    shutil.copytree(ROOT / "ezdms", newer / "ezdms")  # with what was compiled
    shutil.copytree(ROOT / "migrations", newer / "migrations")
    (newer / "ezdms" / "__init__.py").write_text(
        (ROOT / "ezdms" / "__init__.py").read_text().replace(__version__, "99.0.0")
    )
    with (newer / "ezdms" / "static" / "js" / "vault.js").open("a") as script:
        script.write("// newer\n")
    there: dict[str, Any] = {"cwd": newer, "env": environment(PYTHONPATH=str(newer))}
    ezdms = [sys.executable, "-m", "ezdms"]
    key, manifest = tmp_path / "key", tmp_path / "manifest"
    subprocess.run([*ezdms, "release-key", str(key)], check=True, capture_output=True, **there)
    signed = subprocess.run([*ezdms, "manifest", "--sign", str(key)], check=True, capture_output=True, **there)
    manifest.write_bytes(signed.stdout)
    serve = [*ezdms, "serve", "--port", "0", "--data-dir", str(tmp_path / "data")]
    with subprocess.Popen(serve, stdout=subprocess.PIPE, text=True, **there) as server:
        assert server.stdout is not None
        try:
            address = re.search(r"http://[0-9.:]+", server.stdout.readline())[0]  # type: ignore[index]
            alone = run(address)
            assert (alone.returncode, "it says it runs 99.0.0" in alone.stdout) == (1, True)
            good = run(address, "--manifest", str(manifest), "--key", f"{key}.pub")
            assert (good.returncode, good.stderr) == (0, ""), good.stdout
            assert "compared with EZ-DMS 99.0.0" in good.stdout
            manifest.write_bytes(signed.stdout.replace(b"<title>", b"<title>Not "))
            for words, sentence in (
                (("--manifest", str(manifest), "--key", f"{key}.pub"), "The signature of this manifest is invalid"),
                (("--manifest", str(manifest)), "together"),
                (("--key", f"{key}.pub"), "together"),
            ):
                assert sentence in run(address, *words).stderr
        finally:
            server.terminate()


# ---- The command and its documentation ----


def test_the_command_prints_a_table_a_verdict_and_its_limitations(shared_server: Server) -> None:
    for settings in ({}, {"NO_COLOR": "1"}):
        done = run(shared_server.url, **settings)
        assert (done.returncode, done.stderr) == (0, "")
        assert "\x1b" not in done.stdout
        assert re.search(r"^ok +pages +The pages at 8 addresses are the release's, byte", done.stdout, re.MULTILINE)
        assert re.search(
            rf"^PASSED: {shared_server.url}, compared with EZ-DMS {__version__}: \d+ ok, 1 warning, 0 failed\.$",
            done.stdout,
            re.MULTILINE,
        )
        assert re.search(r"  Correct on all \d+ responses that must have it\.$", done.stdout, re.MULTILINE)
        for sentence in CANNOT_PROVE:
            assert f"- {sentence}\n" in done.stdout


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_an_unreachable_server_fails_without_a_comparison(host: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://{host}:{taken.getsockname()[1]}"
        done = run(address)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout == (
        f"FAILED   answer  {address} cannot be reached: nothing listens there.\n\n"
        f"FAILED: nothing at {address} could be compared.\n"
    )


def test_the_json_has_the_documented_form_and_the_exit_code_is_the_verdict(shared_server: Server) -> None:
    done = run(shared_server.url, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads(done.stdout)
    assert list(report) == ["address", "version", "verdict", "findings", "cannot_prove"]
    assert (report["address"], report["version"], report["verdict"]) == (shared_server.url, __version__, "passed")
    assert {tuple(finding) for finding in report["findings"]} == {("name", "status", "sentence")}
    assert {finding["status"] for finding in report["findings"]} == {"ok", "warning"}
    gone = run("https://nowhere.invalid", "--json")
    assert (gone.returncode, gone.stderr) == (1, "")
    assert json.loads(gone.stdout)["verdict"] == "failed"


def test_invalid_arguments_exit_with_2(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    for arguments in (
        ("http://chat.example",),
        (),
        ("https://a", "--cafile", "/none"),
        ("https://a", "--cafile", str(empty)),
    ):
        done = run(*arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert "Traceback" not in done.stderr
    assert run("https://a", SSL_CERT_FILE=str(empty)).returncode == 2


def test_the_documentation_lists_every_finding_and_member(registered: Report) -> None:
    text, report = (ROOT / "docs" / "verify.md").read_text("utf-8"), registered
    found = {finding.name for finding in report.findings} | {"answer", "time", "http"}
    for name in sorted(found | set(report.as_json()) | {"name", "status", "sentence"}):
        assert f"`{name}`" in text, name
    for page in ("README.md", "SECURITY.md"):
        assert "](docs/verify.md)" in (ROOT / page).read_text("utf-8")


def test_verify_does_not_load_server_code() -> None:
    program = "import sys; import ezdms.verify, ezdms.commands.checks.verify; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert "ezdms.edge.headers" in loaded
    for name in (
        "quart",
        "hypercorn",
        "aiosqlite",
        "sqlite3",
        "ezdms.db",
        "ezdms.models",
        "ezdms.routes",
        "ezdms.crypto",
    ):
        assert name not in loaded


def test_every_script_is_reachable_from_the_pages_with_or_without_a_login() -> None:
    origin = "https://chat.example"
    files = {assets.address_of(str(path.relative_to(assets.FOLDER))): path for path in assets.FOLDER.rglob("*.*")}
    scripts = {assets.address_of(name) for name in assets.scripts()}
    reached, waiting = set[str](), [path for path in scripts if path.endswith(("/boot.js", "/scheme.js"))]
    while waiting:
        path = waiting.pop()
        reached.add(path)
        loads = {one.removeprefix(origin) for one in loads_of(origin + path, path, files[path].read_bytes())}
        assert loads <= set(files)
        waiting += loads - reached
    assert scripts <= reached
