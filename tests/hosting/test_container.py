"""The container setup, tested without a container: the Dockerfile's steps run here, and Caddy proxies a real server."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import venv
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

import pytest
import redis

from ezdms.settings import PREFIX, Settings
from ezdms.verify import FAILED, WARNING, verify
from tests.conftest import ROOT, Server, skip_or_fail
from tests.hosting.test_nginx import IS_SAFE, events, open_socket, tell
from tests.support import buses
from tests.support.borrowed import link
from tests.support.nginx import NAME, Door, deployed, free_ports
from tests.support.reports import names
from tests.support.served import Listener, Program, wait
from tests.unit.test_proxy import FORGED

DEPLOY = ROOT / "deploy"
KNOWN = {"FROM", "WORKDIR", "ARG", "COPY", "RUN", "ENV", "USER", "VOLUME", "EXPOSE", "HEALTHCHECK", "CMD"}


def instructions() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile, with continued lines joined; unknown ones fail."""
    text = re.sub(r"^#.*\n", "", (DEPLOY / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = re.sub(r" *\\\n *", " ", text).splitlines()
    said = [(word, rest) for word, _, rest in (line.partition(" ") for line in lines if line)]
    assert {word for word, _ in said} == KNOWN
    return said


def said(word: str) -> str:
    """The arguments of the only instruction with this name."""
    (rest,) = [rest for name, rest in instructions() if name == word]
    return rest


def is_sent(path: str) -> bool:
    """True if .dockerignore lets this into the build; the last matching line decides."""
    parts, kept = PurePosixPath(path).parts, True
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!")
        depth = pattern.count("/") + 1
        fits = pattern[3:] in parts if pattern[:3] == "**/" else fnmatchcase("/".join(parts[:depth]), pattern)
        if line and line[0] != "#" and fits:
            kept = line[0] == "!"
    return kept


class Image:
    """What the Dockerfile builds, in a folder with its three paths and a new environment of this Python."""

    def __init__(self, folder: Path) -> None:
        self.python = folder / "python"
        self.data = folder / "data"
        self._paths = {"/usr/local/bin": self.python / "bin", "/app": folder / "app", "/data": self.data}
        self._folder = folder
        self._arguments: dict[str, str] = {}
        self.environment = {"PATH": f"{self.python}/bin:/usr/bin:/bin"}
        self.environment |= {name: value for name, value in os.environ.items() if re.match("PIP_|SSL_|HTTPS?_", name)}
        self.environment["PIP_NO_COMPILE"] = "1"  # most of it is never imported
        venv.create(self.python)
        link("pip", next(self.python.glob("lib/*/site-packages")))
        (self.python / "bin" / "pip").write_text('#!/bin/sh\nexec python -m pip "$@"\n')
        (self.python / "bin" / "pip").chmod(0o755)
        for word, rest in instructions():
            getattr(self, f"_{word.lower()}", lambda rest: None)(rest)

    def here(self, text: str) -> str:
        """The text with this image's paths, and the current user instead of the container's."""
        owner = f"{os.geteuid()}:{os.getegid()}"
        found = re.compile(r"(?<![\w/.])(/usr/local/bin|/app|/data)\b")
        return found.sub(lambda match: str(self._paths[match[1]]), text).replace("10001:10001", owner)

    def _workdir(self, rest: str) -> None:
        self._folder = Path(self.here(rest))
        self._folder.mkdir()

    def _arg(self, rest: str) -> None:
        name, _, default = rest.partition("=")
        self._arguments[f"${name}"] = default

    def _copy(self, rest: str) -> None:
        name, target = (self._arguments.get(word, word) for word in rest.split())
        source = ROOT / name
        for path in [source] if source.is_file() else source.rglob("*"):
            if path.is_file() and is_sent(path.relative_to(ROOT).as_posix()):
                copy = self._folder / target / path.relative_to(source)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, copy)

    def _run(self, rest: str) -> None:
        shell = ["/bin/sh", "-c", self.here(rest)]
        done = subprocess.run(shell, cwd=self._folder, env=self.environment, capture_output=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def _env(self, rest: str) -> None:
        self.environment |= dict(pair.split("=", 1) for pair in shlex.split(self.here(rest)))


def test_the_container_starts_reports_healthy_and_stops_on_sigterm(tmp_path: Path) -> None:
    image = Image(tmp_path)
    (port,) = free_ports(1)
    assert image.environment["EZDMS_HOST"] == "0.0.0.0"  # noqa: S104 - the container's own; here it stays inside
    image.environment |= {"EZDMS_HOST": "127.0.0.1", "EZDMS_PORT": str(port)}
    check = json.loads(said("HEALTHCHECK").partition(" CMD ")[2])
    assert f":{said('EXPOSE')}/ping" in check[-1]
    check = [word.replace(f"127.0.0.1:{said('EXPOSE')}", f"127.0.0.1:{port}") for word in check]

    def is_well() -> bool:
        return subprocess.run(check, env=image.environment, capture_output=True, check=False).returncode == 0

    assert not is_well()
    process = subprocess.Popen(
        json.loads(said("CMD")), env=image.environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == f"EZ-DMS is at http://127.0.0.1:{port}\n"
        assert is_well()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0  # Docker waits 10 s
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # a shell that does not forward the signal leaves the server running
        process.communicate()
    assert (image.data / "ezdms.db").exists()
    assert not is_well()


def test_the_image_runs_unprivileged_with_one_volume() -> None:
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-[a-z]+@sha256:[0-9a-f]{64}", said("FROM"))
    assert re.fullmatch(r"[1-9]\d{4}:[1-9]\d{4}", said("USER"))
    words = [word for word, _ in instructions()]
    assert {"RUN", "COPY"}.isdisjoint(words[words.index("USER") :])  # the image's files belong to root
    assert said("VOLUME") == "/data"
    assert "--require-hashes -r requirements.lock" in " ".join(rest for word, rest in instructions() if word == "RUN")


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("ezdms/app.py", True),
        ("migrations/0001_first.sql", True),
        ("ezdms/models/__pycache__/user.pyc", False),
        ("data/ezdms.db", False),
        ("deploy/.env", False),
        (".git/config", False),
        ("tests/ezdms/x.py", False),
    ],
)
def test_private_files_are_excluded_from_the_build(path: str, sent: bool) -> None:
    assert is_sent(path) == sent


def test_compose_exposes_only_caddy_and_trusts_only_caddy() -> None:
    text = re.sub(r"^ *#.*\n", "", (DEPLOY / "compose.yaml").read_text(), flags=re.MULTILINE)
    services = text[text.index("\nservices:\n") : text.index("\nnetworks:\n")]
    ezdms, caddy = re.split(r"^  (?:ezdms|caddy):\n", services, flags=re.MULTILINE)[1:]
    assert "ports:" not in ezdms
    assert re.findall(r'"(\d+:\d+)"', caddy) == ["80:80", "443:443"]
    (address,) = re.findall(r"ipv4_address: (\S+)", caddy)
    settings = dict(re.findall(rf"({PREFIX}\w+): (\S+)", ezdms))
    assert settings == {"EZDMS_TRUSTED_PROXIES": address}
    assert [str(network) for network in Settings.load(settings).trusted_proxies] == [f"{address}/32"]
    assert "dockerfile: deploy/Dockerfile" in ezdms
    assert "- data:/data" in ezdms
    assert "./Caddyfile:/etc/caddy/Caddyfile:ro" in caddy
    assert re.search(r"image: caddy:\d+\.\d+-", caddy)
    assert "reverse_proxy {$EZDMS:ezdms:5000} " in (DEPLOY / "Caddyfile").read_text()


def test_compose_for_several_exposes_only_caddy_and_has_no_secret_in_it() -> None:
    text = re.sub(r"^ *#.*\n", "", (DEPLOY / "compose-several.yaml").read_text(), flags=re.MULTILINE)
    assert re.findall(r'"(\d+:\d+)"', text) == ["80:80", "443:443"]
    (address,) = re.findall(r"ipv4_address: (\S+)", text)
    settings = dict(re.findall(rf"({PREFIX}\w+): (\S+)", text))
    assert settings == {
        "EZDMS_TRUSTED_PROXIES": address,
        "EZDMS_DATABASE_URL_FILE": "/run/secrets/database-url",
        "EZDMS_BUS_URL_FILE": "/run/secrets/bus-url",
    }
    assert "EZDMS: ezdms1:5000 ezdms2:5000\n" in text
    assert re.findall(r"^  (ezdms\d): \*ezdms$", text, re.MULTILINE) == ["ezdms1", "ezdms2"]
    assert "LOCK: requirements-several.lock" in text
    assert is_sent("requirements-several.lock")
    assert "internal: true" in text
    assert not is_sent("deploy/secrets/database-url")


def test_the_bus_of_compose_is_no_root_needs_its_password_and_takes_every_option(tmp_path: Path) -> None:
    if buses.program() is None:
        skip_or_fail("Redis is not installed")
    text = (DEPLOY / "compose-several.yaml").read_text()
    assert re.search(r"image: valkey/valkey:8\n    user: valkey ", text)
    (tmp_path / "password").write_text("correct\n")
    (folded,) = re.findall(r"command: >-\n((?: {6}\S.*\n)+)", text)  # one line, in which $$ is $
    shell, option, script = shlex.split(" ".join(folded.split()).replace("$$", "$"))
    script = script.replace("exec valkey-server", "printf '%s\\n'").replace("/run/secrets/bus-password", "password")
    options = subprocess.run([shell, option, script], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    with buses.started(tmp_path, *options.splitlines()) as bus:
        with pytest.raises(redis.AuthenticationError):
            redis.Redis.from_url(bus.address).ping()
        with redis.Redis.from_url(bus.address, password="correct") as wire:
            assert wire.config_get("maxmemory-policy", "save") == {"maxmemory-policy": "volatile-ttl", "save": ""}
            limits = wire.config_get("client-output-buffer-limit")["client-output-buffer-limit"]
            assert f"pubsub {32 << 20} {8 << 20} 60" in limits


def test_caddy_sends_requests_to_every_process_that_compose_names() -> None:
    program = shutil.which("caddy")
    if program is None:
        skip_or_fail("caddy is not there (bin/test fetches it on Debian)")
    text = (DEPLOY / "compose-several.yaml").read_text()
    (named,) = re.findall(r"EZDMS: (.+)", text)
    command = [program, "adapt", "--config", str(DEPLOY / "Caddyfile")]
    environment = dict(os.environ) | {"EZDMS": named, "SITE": NAME}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    dialed = [{"dial": f"{name}:5000"} for name in re.findall(r"^  (\w+): \*ezdms$", text, re.MULTILINE)]
    assert json.dumps(dialed, separators=(",", ":")) in done.stdout


# ---- Caddy ----


@pytest.fixture(scope="module")
def caddy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Door, Door]]:
    """A server behind Debian's Caddy with deploy/Caddyfile, with and without TLS."""
    program, folder = shutil.which("caddy"), tmp_path_factory.mktemp("caddy")
    if program is None:
        skip_or_fail("caddy is not there (bin/test fetches it on Debian)")
    server = Server(folder, trusted_proxies="127.0.0.1")
    server.start()
    port, plain = free_ports(2)
    options = ["admin off", "skip_install_trust", "default_bind 127.0.0.1", f"https_port {port}", f"http_port {plain}"]
    here = "\n\t".join(["{", *options, "servers"])
    changed = {"{\n\tservers": here, "proxy {$EZDMS:ezdms:5000}": f"proxy 127.0.0.1:{server.port}"}
    (folder / "Caddyfile").write_text(deployed("Caddyfile", changed))
    environment = {"SITE": NAME, **dict.fromkeys(("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"), str(folder))}
    log, root = folder / "caddy.log", folder / "caddy" / "pki" / "authorities" / "local" / "root.crt"
    with log.open("w") as output:
        process = subprocess.Popen(
            [str(program), "run", "--config", str(folder / "Caddyfile")], env=environment, stdout=output, stderr=output
        )
    door = Door(port, root)

    def is_open() -> bool:
        try:
            door.dial().close()
        except OSError:
            return process.poll() is not None
        return True

    try:
        wait(is_open)
        assert process.poll() is None, log.read_text()
        yield server, door, Door(plain)
    finally:
        process.terminate()
        process.wait(timeout=10)
        server.kill()


async def test_ezdms_verify_passes_behind_caddy(caddy: tuple[Server, Door, Door]) -> None:
    _, door, plain = caddy
    report = await verify(door.url, cafile=door.cafile, register=True)
    assert (report.verdict, names(report, FAILED)) == ("passed", set())
    assert names(report, WARNING) == {"certificate"}  # Caddy's own certificates for localhost are valid for hours
    assert door.ask("/").headers.get_all("Strict-Transport-Security") == ["max-age=31536000"]
    for path, encoding in (("/me", None), ("/", ["gzip"]), ("/static/js/boot.js", ["gzip"])):
        assert door.ask(path, Accept_Encoding="gzip").headers.get_all("Content-Encoding") == encoding
    assert plain.ask("/x").headers["Location"].startswith(f"https://{NAME}")


def test_behind_caddy_sockets_work_and_forged_headers_and_hosts_are_rejected(caddy: tuple[Server, Door, Door]) -> None:
    server, door, _ = caddy
    with closing(Program(server, "eve")) as eve:
        for source, forged in (("127.0.0.2", {}), ("127.0.0.3", FORGED), ("127.0.0.4", {"Forwarded": "for=127.0.0.1"})):
            assert door.seen(eve, source, forged) == source
            assert IS_SAFE.match(door.cookie(eve, source, forged))
        with open_socket(door, eve.token) as raw:
            assert next(events(Listener(raw)))["event"] == "connected"
    assert b"EZ-DMS" not in tell(door, "GET / HTTP/1.1\nHost: evil.example\nConnection: close\n\n")


def test_caddy_holds_requests_while_the_server_restarts(caddy: tuple[Server, Door, Door]) -> None:
    server, door, _ = caddy
    server.stop()
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(door.ask, "/ping")
        with pytest.raises(TimeoutError):
            waiting.result(timeout=0.5)
        server.start()
        assert waiting.result().status == 200
