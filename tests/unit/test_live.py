"""The bell of the Python client: a failed fetch rings again later, but only once."""

from __future__ import annotations

import asyncio

from ezdms.client.live import Bell
from ezdms.client.transport import Transport


class Counting(Bell):
    """A Bell that records each ring."""

    rung: tuple[str | None, ...] = ()

    def ring(self, where: str | None) -> None:
        """As Bell."""
        self.rung += (where,)
        super().ring(where)


async def test_repeated_requests_to_ring_later_ring_once() -> None:
    transport = Transport("http://127.0.0.1:9")
    bell = Counting(transport)
    for _ in range(2):
        for where in ("one", None, "one", "one", None):
            bell.ring_later(where, 0)
        await asyncio.sleep(0.01)
    assert bell.rung == ("one", None) * 2
    await transport.close()
