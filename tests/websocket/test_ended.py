"""What a connection that has ended leaves behind: nothing that the collector of cycles has to find."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path

from quart import Quart

from ezdms.sockets import Http1
from tests.served import SOON, serving
from tests.websocket.test_live import until


def living() -> int:
    return sum(isinstance(one, Http1) for one in gc.get_objects())


async def test_a_connection_that_has_ended_is_freed_at_once(app: Quart, tmp_path: Path) -> None:
    async with serving(app, tmp_path) as port:
        gc.collect()
        gc.disable()
        try:
            before = living()
            for _ in range(5):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                assert (await asyncio.wait_for(reader.readline(), SOON)).split()[1] == b"200"
                writer.close()
                await writer.wait_closed()
            await until(lambda: living() == before)
        finally:
            gc.enable()
