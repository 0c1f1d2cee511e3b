"""Debian's WebKitGTK, the engine of Safari: one server, and a window for Alice in all tests."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Generator, Iterator

import pytest
from selenium.common.exceptions import InvalidSessionIdException

from tests.browser.lies.peers import Peer
from tests.conftest import Server, skip_or_fail
from tests.webkit.user import DESKTOP, WebKitUser
from tests.webkit.window import MISSING, Window

MOST_CRASHES = 2
crashed: list[str] = []


def pytest_configure(config: pytest.Config) -> None:
    """Silence Selenium's own warnings."""
    config.addinivalue_line("filterwarnings", "ignore:setting remote_server_addr:DeprecationWarning")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """A test whose browser crashed has no verdict, and is skipped; if that happens often, it fails."""
    try:
        yield
    except InvalidSessionIdException:
        crashed.append(item.nodeid)
        if len(crashed) > MOST_CRASHES:
            raise
        pytest.skip("WebKitGTK crashed, as it does now and then on a busy machine")


@pytest.fixture(scope="package")
def display() -> Iterator[str]:
    """A virtual display with a free number."""
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


@pytest.fixture(scope="package")
def new_window(display: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Window]]:
    """Open windows, and close them all at the end."""
    windows: list[Window] = []

    def opened() -> Window:
        windows.append(Window(display, tmp_path_factory.mktemp("webkit")))
        return windows[-1]

    yield opened
    for window in windows:
        window.close()


@pytest.fixture(scope="package")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server for all tests here: each test brings its own contact."""
    with Server(tmp_path_factory.mktemp("host")) as running:
        yield running


@pytest.fixture(scope="package")
def first(new_window: Callable[[], Window], host: Server) -> WebKitUser:
    """Alice, with a window and an account."""
    return WebKitUser(new_window(), host, "alice").creates_an_account()


def ready(user: WebKitUser, new_window: Callable[[], Window]) -> WebKitUser:
    """The user with a large screen, at any page; at their list in a new window if their browser has crashed."""
    try:
        user.window.resize(*DESKTOP)
    except InvalidSessionIdException:
        user.window = new_window()
        user.is_at_the_list()
    return user


@pytest.fixture
def alice(first: WebKitUser, new_window: Callable[[], Window]) -> WebKitUser:
    """Alice, who is logged in, whatever the previous test did."""
    return ready(first, new_window)


@pytest.fixture
async def friend(host: Server, alice: WebKitUser) -> AsyncIterator[Peer]:
    """A program that has just started a conversation with Alice."""
    peer = await Peer.arrives(host)
    await peer.starts_with(alice.search_pin)
    yield peer
    await peer.leaves()
