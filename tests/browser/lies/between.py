"""Fixtures of a lying server, for all test folders that put one in front of a browser."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.browser.lies.liar import Liar
from tests.conftest import Server

__all__ = ["liar", "truth"]


@pytest.fixture(scope="session")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The real server behind the lies."""
    with Server(tmp_path_factory.mktemp("truth")) as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def liar(truth: Server) -> AsyncIterator[Liar]:
    """The lying server between the browsers of these tests and the real server."""
    liar = Liar(truth)
    await liar.start()
    yield liar
    await liar.stop()
