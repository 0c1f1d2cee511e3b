"""A lying server, and each browser with its pin: without one, the same server has another name."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

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
    if "browser_name" in metafunc.fixturenames:
        metafunc.parametrize("browser_name", [metafunc.module.BROWSER], scope="package")


@pytest.fixture(scope="package")
def bare(liar: Liar) -> str:
    """An address of the lying server for which no browser has a pin."""
    return liar.url.replace("127.0.0.1", "bare.localhost")


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
async def browser(
    browser_name: str, extension: Path, hasty: tuple[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Window]:
    """A browser with the pin, and with the hasty one."""
    window = await BROWSERS[browser_name](tmp_path_factory.mktemp(browser_name) / "profile", extension)
    await window.install(hasty[1])
    yield window
    await window.close()


@pytest_asyncio.fixture(loop_scope="session")
async def window(browser: Window) -> AsyncIterator[Window]:
    """A new tab of that browser, in the foreground."""
    async with browser.tab() as tab:
        yield tab
