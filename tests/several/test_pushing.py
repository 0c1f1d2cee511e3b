"""One push for one message, from the process that took it, unless the person looks at a page anywhere."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.several.conftest import Ear, Site
from tests.support import buses, engines
from tests.support.push_service import Browser, PushService
from tests.support.served import TEXT, Program, frame
from tests.websocket.test_live import until


@pytest.fixture
def local(tmp_path: Path, postgresql: engines.PostgreSQL, migrated: str, bus: buses.Redis) -> Iterator[Site]:
    """Two processes that may push to this machine."""
    site = Site(tmp_path, postgresql.create(migrated), bus)
    site.servers = [site.server(number, push_allow_local="on") for number in range(2)]
    with ExitStack() as opened:
        for server in site.servers:
            opened.enter_context(server)
        yield site


async def test_a_message_is_one_push_whoever_took_it_and_none_while_its_reader_looks_elsewhere(local: Site) -> None:
    async with PushService() as service:

        async def pushes(count: int) -> None:
            await until(lambda: len(service.pushed) >= count)
            await asyncio.sleep(0.5)  # no second one comes
            assert len(service.pushed) == count

        def begin() -> tuple[Program, Program, Program]:
            alice, bob = Program(local.servers[0], "alice"), Program(local.servers[1], "bob")
            alice.start(bob)
            assert bob.exchange("/push", Browser().fields(f"{service.url}/bob"))[0] == 200
            return alice, Program.of(local.servers[1], alice), bob

        people = await asyncio.to_thread(begin)
        at_first, at_second, bob = people
        await asyncio.to_thread(at_first.send, bob, "where he has not subscribed")
        await pushes(1)
        await asyncio.to_thread(at_second.send, bob, "where he has")
        await pushes(2)

        def look() -> Ear:
            ear = Ear(local.servers[1], bob.token)
            for event in ("visible", "ping"):
                ear.raw.sendall(frame(TEXT, json.dumps({"event": event}).encode()))
            ear.hears("pong")
            return ear

        with closing(await asyncio.to_thread(look)) as his:
            await asyncio.sleep(0.3)
            await asyncio.to_thread(at_first.send, bob, "he looks, at the other process")
            await asyncio.to_thread(his.hears, "conversation")
            await pushes(2)
        await asyncio.sleep(0.3)
        await asyncio.to_thread(at_first.send, bob, "he looks no more")
        await pushes(3)
        for person in people:
            person.close()
