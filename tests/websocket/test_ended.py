"""Ended connections leave no reference cycles behind."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path

from quart import Quart

from ezdms.edge.http1 import Http1
from ezdms.edge.quart_asgi import SocketConnection
from tests.support.people import Person
from tests.support.served import SOON, serving, upgrade
from tests.websocket.test_live import until

PAGE = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def living() -> int:
    return sum(isinstance(one, Http1 | SocketConnection) for one in gc.get_objects())


async def open_and_close(port: int, asked: bytes, status: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(asked)
    assert (await asyncio.wait_for(reader.readline(), SOON)).split()[1] == status
    writer.close()
    await writer.wait_closed()


async def test_an_ended_connection_is_freed_without_the_garbage_collector(
    app: Quart, alice: Person, tmp_path: Path
) -> None:
    socket = upgrade(str(alice.account["token"]))
    async with serving(app, tmp_path) as port:
        for asked, status in ((PAGE, b"200"), (socket, b"101")):
            gc.collect()
            gc.disable()
            try:
                before = living()
                for _ in range(5):
                    await open_and_close(port, asked, status)
                await until(lambda before=before: living() == before)  # type: ignore[misc]
            finally:
                gc.enable()
