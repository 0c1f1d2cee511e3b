"""Shared fixtures: a real server process, real browsers, and the app on a real database."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Self

import pytest
from playwright.async_api import expect
from quart import Quart

from ezdms.app import create_app
from ezdms.db import Database
from ezdms.settings import Settings
from tests.support import cheap, engines, forked, once, requests
from tests.support.people import PEOPLE, Person

if TYPE_CHECKING:
    from tests.support.buckets import S3

cheap.use()
once.use()
once.share_rsa_keys()
ROOT = Path(__file__).parents[1]
NO_LIMITS: dict[str, Any] = {
    f"limit_{name}": None
    for name in (
        "register",
        "login",
        "send",
        "start",
        "socket",
        "frame",
        "vault",
        "register_net",
        "signal",
        "report",
        "upload",
    )
} | {"quota_account": None, "quota_files": None, "max_sockets": None, "max_connections": None, "disk_floor": 0}
# The headless shell is the same engine without the browser UI; a new context costs a third.
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, BROWSERS)), None)
FIREFOX = next(filter(None, map(shutil.which, ("firefox-esr", "firefox"))), None)
CHROMIUM_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def skip_or_fail(reason: str) -> NoReturn:
    """Something that the machine lacks: the test is skipped with the reason, or fails in CI."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI must have everything: {reason}")
    pytest.skip(reason)


PATIENCE = 40_000  # ms; how long to wait for a condition on a busy machine
expect.set_options(timeout=PATIENCE)


RUN_AGAIN, AGAIN_AT_MOST = 86, 20  # an exit status of our own, and the most tests that get a second chance
WITH_OTHERS = ("browser", "client", "hosting", "opened", "pinned", "several", "verify", "webkit")
# The slowest files start first, so that no worker is left with one of them at the end; those that wait are spread.
SLOWEST = (
    "browser/test_talk.py",
    "pinned/test_pinned_in_firefox.py",
    "pinned/test_pinned.py",
    "browser/test_meeting.py",
    "browser/test_writing.py",
    "browser/test_account.py",
    "browser/lies/test_rows.py",
    "browser/test_changing.py",
    "browser/test_reading.py",
    "opened/test_life.py",
    "browser/test_access.py",
    "browser/lies/test_unchanged.py",
    "browser/test_signals.py",
    "browser/lies/test_headers.py",
    "browser/test_attaching.py",
    "browser/test_hostile_server.py",
    "browser/test_outbox.py",
    "browser/lies/test_answers.py",
    "webkit/test_talking.py",
    "browser/test_thread.py",
    "browser/test_search.py",
    "browser/test_who.py",
    "browser/test_two_step.py",
    "browser/lies/test_taken_back.py",
    "browser/lies/test_signals.py",
    "browser/test_everything.py",
    "browser/test_files.py",
    "verify/test_verify_finds.py",
    "browser/test_traces.py",
    "browser/test_disk.py",
    "browser/test_page.py",
    "browser/test_passkeys.py",
    "client/test_hostile.py",
    "browser/test_hostile_chain.py",
    "browser/test_accounts.py",
    "client/test_bridge_errors.py",
    "edge/test_fuzz_app.py",
    "hosting/test_upgrades.py",
    "browser/lies/test_files.py",
    "client/hostile/test_turns.py",
    "browser/test_timers.py",
    "browser/lies/test_order.py",
    "browser/lies/test_uploading.py",
    "browser/test_organizing.py",
    "hosting/test_stop.py",
    "browser/lies/test_parts.py",
    "browser/test_languages.py",
    "verify/test_verify.py",
    "browser/lies/test_whole_documents.py",
    "browser/test_live.py",
    "browser/lies/test_fragments.py",
    "browser/test_notifications.py",
    "browser/test_list.py",
    "hosting/test_two_proxies.py",
    "browser/lies/test_integrity.py",
    "opened/test_odd_answers.py",
    "browser/test_comfort.py",
    "browser/lies/test_two_step.py",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """--engine postgresql: apps of tests have their database there. Servers in processes of their own have SQLite."""
    parser.addoption("--engine", choices=("sqlite", "postgresql"), default="sqlite")
    words = "of a test with parameters that make the same queries, run the first only"
    parser.addoption("--first-only", action="store_true", help=words)


def deselect(config: pytest.Config, items: list[pytest.Item], others: list[pytest.Item]) -> None:
    """Leave these out."""
    config.hook.pytest_deselected(items=others)
    items[:] = [item for item in items if item not in others]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run the slowest files first (bin/test has xdist keep this order)."""
    if config.getoption("--engine") == "postgresql":
        deselect(config, items, [item for item in items if item.get_closest_marker("sqlite_only")])
    if config.getoption("--first-only"):
        first = {item.nodeid.partition("[")[0]: item for item in reversed(items)}.values()
        rest = [item for item in items if item not in first and not item.get_closest_marker("other_queries")]
        deselect(config, items, rest)
    order = {ROOT / "tests" / name: place for place, name in enumerate(SLOWEST)}
    items.sort(key=lambda item: order.get(item.path, len(SLOWEST)))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI, tell bin/test if only a few tests failed that talk to browsers or to servers in processes of their own: it
    runs them once more, alone, because on two busy cores these sometimes lose an event or come too late."""
    reporter: Any = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") == "true" and session.exitstatus == pytest.ExitCode.TESTS_FAILED and reporter:
        failed = [one for kind in ("failed", "error") for one in reporter.stats.get(kind, [])]
        if len(failed) <= AGAIN_AT_MOST and all(one.nodeid.split("/")[1] in WITH_OTHERS for one in failed):
            session.exitstatus = RUN_AGAIN


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the ten slowest files, including setup."""
    seconds: dict[str, float] = {}
    for report in (one for reports in terminalreporter.stats.values() for one in reports):
        if isinstance(report, pytest.TestReport):
            file = report.nodeid.partition("::")[0]
            seconds[file] = seconds.get(file, 0.0) + report.duration
    terminalreporter.section("ten slowest files")
    for name, spent in sorted(seconds.items(), key=lambda one: -one[1])[:10]:
        terminalreporter.line(f"{spent:7.1f} s  {name}")


@pytest.fixture(autouse=True)
def nothing_of_a_developer_is_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Python client without its own folder keeps its files in the test's, never among the developer's accounts."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("EZDMS_HOME", raising=False)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[engines.PostgreSQL]:
    """A PostgreSQL server, for this process of pytest."""
    with _postgresql() as server:
        yield server


@pytest.fixture
def own_postgresql() -> Iterator[engines.PostgreSQL]:
    """A PostgreSQL server for this test alone, which may stop it."""
    with _postgresql() as server:
        yield server


@contextmanager
def _postgresql() -> Iterator[engines.PostgreSQL]:
    if engines.programs() is None or find_spec("psycopg") is None:
        skip_or_fail("PostgreSQL or psycopg is not installed")
    with engines.started() as server:
        yield server


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    """An S3 server, for this process of pytest."""
    if find_spec("obstore") is None:
        skip_or_fail("obstore is not installed")
    from tests.support import buckets  # loads the client

    if not buckets.PROGRAM.exists():
        skip_or_fail("SeaweedFS is not installed")
    with buckets.started(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(scope="session")
def migrated(postgresql: engines.PostgreSQL) -> str:
    """The name of a database with our schema, to copy."""
    address = postgresql.create()

    async def migrate() -> None:
        await (await Database.open(address)).close()

    asyncio.run(migrate())
    return postgresql.name(address)


@pytest.fixture(autouse=True)
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The engine that the apps of this test have."""
    chosen: str = request.config.getoption("--engine")
    if chosen == "postgresql":
        server, template = request.getfixturevalue("postgresql"), request.getfixturevalue("migrated")
        places = engines.places

        def place_of(settings: Settings) -> str:
            if settings.data_dir not in places:
                places[settings.data_dir] = server.take(template)
            return places[settings.data_dir]

        monkeypatch.setattr("ezdms.app.place_of", place_of)
        monkeypatch.setattr("ezdms.store.postgresql.database.READERS", 2)  # each is a process of PostgreSQL
    yield chosen
    while engines.places:
        server.give_back(engines.places.popitem()[1])


class Server:
    """`python -m ezdms serve` as its own process, with its own data folder and log."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.data_dir = folder / "data"
        self.log = folder / "server.log"
        self.settings = dict.fromkeys(NO_LIMITS, "off") | settings
        self.python = sys.executable
        self.module = "tests.support.cheap"  # "ezdms": as in production
        self.has_requests = False  # else everyone accepts every request at once: few tests are about what comes before
        self.port = 0
        self.url = ""
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start, or restart on the same port; returns once requests are answered."""
        settings = {f"EZDMS_{name.upper()}": value for name, value in self.settings.items()}
        settings |= {"EZDMS_DATA_DIR": str(self.data_dir), "EZDMS_PORT": str(self.port)}
        with self.log.open("a") as log:
            is_forked = self.python == sys.executable and self.module.startswith("tests.support.")
            given: dict[str, Any] = {"env": forked.environment(**settings), "stdout": subprocess.PIPE, "stderr": log}
            self.process = forked.launch("serve", module=self.module, python="" if is_forked else self.python, **given)
        assert self.process.stdout is not None
        announced = self.process.stdout.readline()
        match = re.fullmatch(r"EZ-DMS is at (https?://127\.0\.0\.1:([0-9]+)|unix:.+)\n", announced)
        assert match, f"expected the address, got {announced!r}; log:\n{self.log.read_text()}"
        self.url, self.port = match[1], int(match[2] or 0)
        if not self.has_requests:
            requests.accept_all(self.data_dir)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def complaints(self) -> str:
        """The log without the events of a healthy server."""
        return "".join(line for line in self.log.read_text().splitlines(True) if not re.match(r"\S+ INFO ", line))

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=10)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.process = None
        return code

    def kill(self) -> None:
        """Kill the process if it is still running."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(timeout=10)
            assert self.process.stdout is not None
            self.process.stdout.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A running server for this test only, without limits."""
    with Server(tmp_path) as running:
        yield running


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running server for tests that only read."""
    with Server(tmp_path_factory.mktemp("shared")) as running:
        yield running


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[Quart]:
    """The app on a real database, without limits."""
    app = create_app(Settings(data_dir=tmp_path / "data", **NO_LIMITS))
    async with app.test_app():
        yield app


@pytest.fixture
async def alice(app: Quart) -> Person:
    """Registered."""
    return await Person(app, PEOPLE["alice"], "alice").register()


@pytest.fixture
async def bob(app: Quart) -> Person:
    """Registered."""
    return await Person(app, PEOPLE["bob"], "bob").register()


@pytest.fixture
async def eve(app: Quart) -> Person:
    """Registered, but not part of what Alice and Bob do."""
    return await Person(app, PEOPLE["eve"], "eve").register()


@pytest.fixture
async def conversation(alice: Person, bob: Person) -> str:
    """Alice's with Bob: its id."""
    return await alice.start(bob)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A separate file system of 2 MiB."""
    yield from mounted(tmp_path / "disk", "size=2m")


def mounted(folder: Path, options: str) -> Iterator[Path]:
    """Mount a separate file system in memory."""
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=False).returncode:
        skip_or_fail("a small file system cannot be mounted here (that takes root)")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
