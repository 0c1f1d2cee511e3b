"""A lying server, and each browser twice: with the pin and without."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import pytest_asyncio

from ezdms.release import pin
from ezdms.release.manifest import installed
from tests.browser.lies.between import liar, truth
from tests.browser.lies.liar import Liar
from tests.pinned.windows import Window, chromium, firefox, keep

__all__ = ["liar", "truth"]

BROWSERS: dict[str, Callable[[Path, Path | None], Awaitable[Window]]] = {"chromium": chromium, "firefox": firefox}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each module in this folder names one browser, so that two of them can run in parallel."""
    for name in {"pair", "browser_name"} & set(metafunc.fixturenames):
        metafunc.parametrize(name, [metafunc.module.BROWSER], indirect=name == "pair", scope="package")


class Pair(NamedTuple):
    """The same browser without the pin and with it."""

    name: str
    bare: Window
    pinned: Window


@pytest.fixture(scope="package")
def extension(liar: Liar, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The extension, as written by `ezdms pin`."""
    folder = tmp_path_factory.mktemp("pin") / "extension"
    pin.write(folder, pin.origin_of(liar.url), [installed()])
    return folder


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def kept(extension: Path, browser_name: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The profile of a browser in which the extension was installed earlier."""
    profile = tmp_path_factory.mktemp("kept") / "profile"
    await keep(browser_name, profile, extension)
    return profile


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def pair(
    request: pytest.FixtureRequest, extension: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Pair]:
    """A browser without the pin, and one with it."""
    folder = tmp_path_factory.mktemp(request.param)
    opening = BROWSERS[request.param]
    pair = Pair(request.param, await opening(folder / "bare", None), await opening(folder / "pinned", extension))
    yield pair
    await pair.bare.close()
    await pair.pinned.close()
