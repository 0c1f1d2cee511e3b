"""A lying server, and two browsers that look at it, each with the pin and without."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import pytest_asyncio

from ezdms.release import pin
from ezdms.release.manifest import installed
from tests.browser.lies.liar import Liar
from tests.conftest import Server
from tests.pinned.windows import Window, chromium, firefox

BROWSERS: dict[str, Callable[[Path, Path | None], Awaitable[Window]]] = {"chromium": chromium, "firefox": firefox}


class Pair(NamedTuple):
    """The same browser twice."""

    name: str
    bare: Window
    pinned: Window


@pytest.fixture(scope="package")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The real server behind the lies."""
    running = Server(tmp_path_factory.mktemp("truth"))
    running.start()
    yield running
    running.kill()


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def liar(truth: Server) -> AsyncIterator[Liar]:
    """Between both browsers and the real server."""
    liar = Liar(truth)
    await liar.start()
    yield liar
    await liar.stop()


@pytest.fixture(scope="package")
def extension(liar: Liar, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pin, as `ezdms pin` writes it."""
    folder = tmp_path_factory.mktemp("pin") / "extension"
    pin.write(folder, pin.parse_origin(liar.url), [installed()])
    return folder


@pytest_asyncio.fixture(scope="package", loop_scope="session", params=BROWSERS)
async def pair(
    request: pytest.FixtureRequest, extension: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Pair]:
    """One browser without the pin, and one with it."""
    folder = tmp_path_factory.mktemp(request.param)
    opening = BROWSERS[request.param]
    pair = Pair(request.param, await opening(folder / "bare", None), await opening(folder / "pinned", extension))
    yield pair
    await pair.bare.close()
    await pair.pinned.close()
