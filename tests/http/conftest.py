"""Fixtures of the tests in this folder."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from quart import Quart

from ezdms.app import create_app
from ezdms.settings import Settings
from tests.conftest import NO_LIMITS
from tests.support.usage import ROOM


@pytest.fixture
async def small(tmp_path: Path) -> AsyncIterator[Quart]:
    """The app with a small quota for each account."""
    app = create_app(Settings(data_dir=tmp_path / "small", **NO_LIMITS | {"quota_account": ROOM}))
    async with app.test_app():
        yield app
