"""A network that is as slow as one between machines: a relay, run as a program, that hands everything on later.

    python -m bench.delay MILLISECONDS ADDRESS...

Each address is a path (a Unix socket). Prints the port of each: what is said there, and what is answered, takes so many
milliseconds longer. tc's netem would be more exact, but not every kernel has it.
"""

from __future__ import annotations

import asyncio
import selectors
import socket
import sys


async def main(delay: float, paths: list[str]) -> None:
    """Relay until the end."""
    loop = asyncio.get_running_loop()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            loop.call_later(delay, writer.write, data)
        loop.call_later(delay, writer.close)

    def relay(path: str) -> asyncio.Server:
        async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            there, back = await asyncio.open_unix_connection(path)
            writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await asyncio.gather(carry(reader, back), carry(there, writer), return_exceptions=True)

        return asyncio.start_server(meet, "127.0.0.1", 0)

    servers = [await relay(path) for path in paths]
    print(*(server.sockets[0].getsockname()[1] for server in servers), flush=True)
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    # epoll counts in milliseconds, and select in microseconds
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())) as runner:
        runner.run(main(float(sys.argv[1]) / 1000, sys.argv[2:]))
