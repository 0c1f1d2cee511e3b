"""Runs the tests of tests/browser/test_vectors.py with the served crypto.js in WebKitGTK."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable

import pytest
import pytest_asyncio

from tests.browser import test_vectors
from tests.conftest import Server
from tests.webkit.window import Window

globals().update(
    {
        re.sub("chromium|the_browser", "webkit", name): value
        for name, value in vars(test_vectors).items()
        if name.startswith("test_") and "page" in inspect.signature(value).parameters
    }
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def page(shared_server: Server, new_window: Callable[[], Window]) -> Window:
    """A stand-in for a Playwright page, with `evaluate`. One for all tests: they leave nothing in it."""
    window = new_window()
    window.open(shared_server.url)
    await test_vectors.prepare(window)
    return window


@pytest.fixture
def flip_every() -> int:
    """Of the characters of an envelope, one in seven: each costs three times as much as in the other browsers, in which
    every character is flipped."""
    return 7


def test_every_browser_vector_test_runs_in_webkit_too() -> None:
    here = [name for name in globals() if name.startswith("test_")]
    assert len(here) > 11
    assert "test_vector_in_webkit" in here
