"""A server that may lie, and an opened page for it: one for all tests here, except for those that stop one of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.browser.lies.between import liar, truth
from tests.browser.lies.liar import Liar
from tests.conftest import Server
from tests.opened.opening import Opening, Visit

__all__ = ["liar", "truth"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run these tests in the event loop of the lying server."""
    for item in items:
        if Path(__file__).parent in item.path.parents and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def everybodys(liar: Liar, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Opening]:
    """An opened page for the server that may lie."""
    opening = Opening(liar.url, tmp_path_factory.mktemp("opened"))
    await asyncio.to_thread(opening.start)  # in a thread, because the liar runs in this one
    yield opening
    await asyncio.to_thread(opening.end)


@pytest.fixture
def opened(everybodys: Opening) -> Iterator[Opening]:
    """The opened page, which reports no error of its own during this test."""
    yield everybodys
    assert "Traceback" not in everybodys.log.read_text()


@pytest_asyncio.fixture(loop_scope="session")
async def fooled(opened: Opening) -> AsyncIterator[Visit]:
    """A new visitor of the opened page, whose server may lie."""
    async with Visit(opened) as visit:
        yield visit


@pytest.fixture
def own(server: Server, tmp_path: Path) -> Iterator[Opening]:
    """An opened page for the server of this test alone, which may stop."""
    with Opening(server.url, tmp_path) as opening:
        yield opening
    assert "Traceback" not in opening.log.read_text()
