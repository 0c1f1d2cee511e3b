"""The fixtures of a lying server, for every folder of tests in which one stands before a browser."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.browser.lies.liar import Liar
from tests.conftest import Server

__all__ = ["liar", "truth"]


@pytest.fixture(scope="package")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The real server behind the lies."""
    running = Server(tmp_path_factory.mktemp("truth"))
    running.start()
    yield running
    running.kill()


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def liar(truth: Server) -> AsyncIterator[Liar]:
    """Between every browser of these tests and the real server."""
    liar = Liar(truth)
    await liar.start()
    yield liar
    await liar.stop()
