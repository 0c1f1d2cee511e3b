"""Debian's WebKitGTK, the engine of Safari: a window for each of two people, kept for all tests, and one server."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.browser.lies.peers import Peer
from tests.conftest import Server, skip_or_fail
from tests.webkit.somebody import Somebody
from tests.webkit.window import MISSING, Window


def pytest_configure(config: pytest.Config) -> None:
    """Selenium warns of itself."""
    config.addinivalue_line("filterwarnings", "ignore:setting remote_server_addr:DeprecationWarning")


@pytest.fixture(scope="session")
def display() -> Iterator[str]:
    """A screen that nobody sees, of a number that is free."""
    xvfb = shutil.which("Xvfb")
    if xvfb is None:
        skip_or_fail(MISSING)
    number, told = os.pipe()
    command = [str(xvfb), "-displayfd", str(told), "-screen", "0", "1600x1200x24", "-nolisten", "tcp"]
    process = subprocess.Popen(command, pass_fds=[told], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.close(told)
    try:
        with os.fdopen(number) as answer:
            yield f":{answer.readline().strip()}"
    finally:
        process.terminate()
        process.wait(timeout=10)


@pytest.fixture(scope="session")
def new_window(display: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Window]]:
    """Opens a window; all are closed in the end."""
    windows: list[Window] = []

    def opened() -> Window:
        windows.append(Window(display, tmp_path_factory.mktemp("webkit")))
        return windows[-1]

    yield opened
    for window in windows:
        window.close()


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server of all tests here: whom a test makes up to talk to, no other test knows."""
    running = Server(tmp_path_factory.mktemp("host"))
    running.start()
    yield running
    running.kill()


@pytest.fixture(scope="session")
def people(new_window: Callable[[], Window], host: Server) -> tuple[Somebody, Somebody]:
    """Alice and Bob, each with a window and an account."""

    def arrive(name: str) -> Somebody:
        return Somebody(new_window(), host, name).creates_an_account()

    with ThreadPoolExecutor() as both:
        alice, bob = both.map(arrive, ("alice", "bob"))
    return alice, bob


@pytest.fixture
def alice(people: tuple[Somebody, Somebody]) -> Somebody:
    """At her list, whatever the test before did."""
    return people[0].is_at_the_list()


@pytest.fixture
def bob(people: tuple[Somebody, Somebody]) -> Somebody:
    """At his list, whatever the test before did."""
    return people[1].is_at_the_list()


@pytest.fixture
async def friend(host: Server, alice: Somebody) -> AsyncIterator[Peer]:
    """Somebody new who started a conversation with Alice; a program."""
    peer = await Peer.arrives(host)
    await peer.starts_with(alice.search_pin)
    yield peer
    await peer.leaves()
