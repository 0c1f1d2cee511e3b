"""The client's connections to a server: none is left open, whenever a request is cancelled."""

from __future__ import annotations

import asyncio

from ezdms.client.transport import POLICY, Transport
from tests.support.someone import until

HEAD = f"HTTP/1.1 200 OK\r\nContent-Security-Policy: {POLICY}base-uri 'none'\r\nContent-Length: 2\r\n\r\n"
AT_ONCE = 3
STEPS = 25  # of the event loop; a whole request takes fewer


class Leaving:
    """A server that answers once `AT_ONCE` requests are there, and ends the connections once it `leaves`."""

    def __init__(self) -> None:
        self.open = self.ended = self._asked = 0
        self._all, self.leaves = asyncio.Event(), asyncio.Event()

    async def hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            await reader.readuntil(b"\r\n\r\n")
            self._asked += 1
            if self._asked == AT_ONCE:
                self._all.set()
            await self._all.wait()
            writer.write(HEAD.encode() + b"{}")
            await self.leaves.wait()
            self.ended += 1
            writer.write_eof()
            await reader.read()  # until the client closes it, too
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open -= 1
            writer.close()


async def is_left_clean(steps: int) -> None:
    """Cancel a request at this step, and wait until the server sees all connections closed."""
    leaving = Leaving()
    async with await asyncio.start_server(leaving.hear, "127.0.0.1", 0) as server:
        transport = Transport(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", patience=0)
        await asyncio.gather(*(transport.get("/contacts") for _ in range(AT_ONCE)))
        leaving.leaves.set()
        await until(lambda: leaving.ended == AT_ONCE)
        another = asyncio.create_task(transport.get("/contacts"))
        for _ in range(steps):
            await asyncio.sleep(0)
        another.cancel()
        await asyncio.gather(another, return_exceptions=True)
        await transport.close()
        await until(lambda: leaving.open == 0)


async def test_a_request_that_is_cancelled_after_the_server_left_leaves_no_connection_open() -> None:
    """At each of its steps."""
    for steps in range(STEPS):
        await is_left_clean(steps)
