"""The limit on open WebSockets per account."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from quart import Quart
from quart.testing.connections import WebsocketResponseError

from ezdms.app import create_app
from ezdms.settings import Settings
from tests.conftest import NO_LIMITS
from tests.http.test_sessions import log_in
from tests.support.people import PEOPLE, Person
from tests.websocket.test_live import listening, until

MOST = 3


@pytest.fixture
async def small(tmp_path: Path) -> AsyncIterator[Quart]:
    """The app with a low limit of sockets per account."""
    app = create_app(Settings(data_dir=tmp_path / "data", **NO_LIMITS | {"max_sockets": MOST}))
    async with app.test_app():
        yield app


async def refusal(person: Person) -> tuple[int, str]:
    """The status and code when one socket too many is opened."""
    with pytest.raises(WebsocketResponseError) as refused:
        async with listening(person):
            pass
    response = refused.value.response
    assert int(response.headers["Retry-After"]) > 0
    return response.status_code, (await response.get_json())["code"]


async def test_sockets_per_account_are_limited(small: Quart) -> None:
    alice = await Person(small, PEOPLE["alice"], "alice").register()
    bob = await Person(small, PEOPLE["bob"], "bob").register()
    other = await log_in(small, alice)
    async with AsyncExitStack() as stack:
        for _ in range(MOST - 1):
            await stack.enter_async_context(listening(alice))
        async with listening(other):
            for person in (alice, other):
                assert await refusal(person) == (429, "too_many_sockets")
            async with listening(bob):
                pass
        await until(lambda: len(alice.hub.mailboxes(alice.user_id)) < MOST)
        async with listening(alice):
            pass
    assert len(small.extensions["ezdms.hub"]) == 0


async def test_concurrent_sockets_cannot_exceed_the_limit(small: Quart) -> None:
    alice = await Person(small, PEOPLE["alice"], "alice").register()
    is_over = asyncio.Event()

    async def open_one() -> bool:
        try:
            async with listening(alice):
                await is_over.wait()
        except WebsocketResponseError:
            return False
        return True

    opening = [asyncio.create_task(open_one()) for _ in range(4 * MOST)]
    await until(lambda: sum(task.done() for task in opening) == 3 * MOST)
    assert len(alice.hub.mailboxes(alice.user_id)) == MOST
    is_over.set()
    assert sum(await asyncio.gather(*opening)) == MOST


def test_the_default_is_thirty_two() -> None:
    assert Settings().max_sockets == 32
