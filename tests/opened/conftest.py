"""A server that may lie, and opened pages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.browser.lies.liar import Liar
from tests.conftest import Server
from tests.opened.opening import Opening, Visit


@pytest.fixture
async def liar(server: Server) -> AsyncIterator[Liar]:
    """A lying proxy in front of this test's server."""
    liar = Liar(server)
    await liar.start()
    yield liar
    await liar.stop()


@pytest.fixture
def opened(server: Server, tmp_path: Path) -> Iterator[Opening]:
    """An opened page for the real server."""
    with Opening(server.url, tmp_path) as opened:
        yield opened
    assert "Traceback" not in opened.log.read_text()


@pytest.fixture
async def fooled(liar: Liar, tmp_path: Path) -> AsyncIterator[Visit]:
    """A visitor of an opened page whose server may lie."""
    opening = Opening(liar.url, tmp_path)
    await asyncio.to_thread(opening.start)  # in a thread, because the liar runs in this one
    async with Visit(opening) as visit:
        yield visit
    await asyncio.to_thread(opening.end)
    assert "Traceback" not in opening.log.read_text()
