"""hypercorn's end of the app, fixed: it comes after the last connection (docs/decisions/sockets.md)."""

from __future__ import annotations

import asyncio

from hypercorn.asyncio.lifespan import Lifespan

from ezdms.edge.connection import OpenConnections

LOOK_EVERY = 0.02  # seconds; longer than an accepted connection takes to be counted
LAST_CONNECTIONS = 1.0  # seconds for them, at most


class PatientLifespan(Lifespan):
    """Shuts the app down after the connections that were accepted while the listener closed. hypercorn knows only those
    whose task had begun, and would end the app under the others.
    """

    async def wait_for_shutdown(self) -> None:
        """Wait for the last connections, then shut the app down."""
        for _ in range(round(LAST_CONNECTIONS / LOOK_EVERY)):
            await asyncio.sleep(LOOK_EVERY)
            if not OpenConnections.of(self.config):
                break
        await super().wait_for_shutdown()
