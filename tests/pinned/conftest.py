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


LONGEST, SHORTER = "const LONGEST = 20000;", "const LONGEST = 2000;"  # how long the pin waits for a page to load


@pytest.fixture(scope="package")
def hasty(liar: Liar, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """Another address of the lying server, and an extension for it that waits for nothing for 20 seconds."""
    origin = liar.url.replace("127.0.0.1", "localhost")
    folder = tmp_path_factory.mktemp("hasty") / "extension"
    pin.write(folder, pin.origin_of(origin), [installed()])
    for name in ("content.js", "background.js"):
        text = (folder / name).read_text()
        assert text.count(LONGEST) == 1, name
        (folder / name).write_text(text.replace(LONGEST, SHORTER))
    return origin, folder


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def kept(extension: Path, browser_name: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The profile of a browser in which the extension was installed earlier."""
    profile = tmp_path_factory.mktemp("kept") / "profile"
    await keep(browser_name, profile, extension)
    return profile


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def pair(
    request: pytest.FixtureRequest,
    extension: Path,
    hasty: tuple[str, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Pair]:
    """A browser without the pin, and one with it, and with the hasty one."""
    folder = tmp_path_factory.mktemp(request.param)
    opening = BROWSERS[request.param]
    pair = Pair(request.param, await opening(folder / "bare", None), await opening(folder / "pinned", extension))
    await pair.pinned.install(hasty[1])
    yield pair
    await pair.bare.close()
    await pair.pinned.close()
