"""A network that is as slow as one between machines: a relay, run as a program, that hands everything on later.

    python -m bench.delay MILLISECONDS ADDRESS...

Each address is a path (a Unix socket). Prints the port of each: what is said there, and what is answered, takes so many
milliseconds longer. It can run in another network than what it relays to. tc's netem would be more exact, but not every
kernel has it.

It shares the cores with what is measured, so it is one loop without asyncio, which would take three times as much time,
and goes before all else if it may: a network does not wait for a core.
"""

from __future__ import annotations

import os
import select
import socket
import sys
import time
from collections import deque
from contextlib import suppress


def main(delay: float, paths: list[str]) -> None:
    """Relay until the end."""
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    listeners = {socket.create_server(("127.0.0.1", 0)): path for path in paths}
    print(*(listener.getsockname()[1] for listener in listeners), flush=True)
    others: dict[socket.socket, socket.socket] = {}
    due: deque[tuple[float, socket.socket, bytes]] = deque()  # the delay is the same for all, so they are in order
    while True:
        # epoll counts in milliseconds, and select in microseconds
        wait = max(0.0, due[0][0] - time.monotonic()) if due else None
        readable, _, _ = select.select([*listeners, *others], [], [], wait)
        for one in readable:
            if one in listeners:
                taken, _ = one.accept()
                taken.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                there = socket.socket(socket.AF_UNIX)
                there.connect(listeners[one])
                others |= {taken: there, there: taken}
            else:
                data = b""
                with suppress(OSError):
                    data = one.recv(1 << 18)
                due.append((time.monotonic() + delay, others[one], data))
                if not data:
                    del others[one]
        moment = time.monotonic()
        while due and due[0][0] <= moment:
            _, to, data = due.popleft()
            with suppress(OSError):
                to.sendall(data)
            if not data:
                others.pop(to, to).close()
                to.close()


if __name__ == "__main__":
    main(float(sys.argv[1]) / 1000, sys.argv[2:])
