"""hypercorn's WebSocket stream mended: no compression, a bound on frames that holds, and an end that is one."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace

from hypercorn.protocol import h2, h11
from hypercorn.protocol.events import Event, Request, StreamClosed
from hypercorn.protocol.ws_stream import WSStream
from wsproto.events import CloseConnection
from wsproto.events import Event as WSProtoEvent
from wsproto.frame_protocol import CloseReason


class SocketStream(WSStream):
    """Put in the place of hypercorn's own by `use`."""

    _pinging: asyncio.Task[None] | None = None

    async def handle(self, event: Event) -> None:
        """Drop the offer of permessage-deflate (a bomb of 300 KB takes 500 MB), and stop pinging a closed socket."""
        if isinstance(event, Request):
            kept = [(name, value) for name, value in event.headers if name.lower() != b"sec-websocket-extensions"]
            event = replace(event, headers=kept)
        await super().handle(event)
        if isinstance(event, StreamClosed) and self._pinging is not None:
            self._pinging.cancel()

    async def _send_wsproto_event(self, event: WSProtoEvent) -> None:
        """After "too big" nothing more is read: the rest of such a frame could be any number of gigabytes."""
        await super()._send_wsproto_event(event)
        if isinstance(event, CloseConnection) and event.code == CloseReason.MESSAGE_TOO_BIG:
            await self.send(StreamClosed(stream_id=self.stream_id))

    async def _send_pings(self) -> None:
        """hypercorn 0.18 sleeps on for a whole interval after the close, and holds the connection for as long."""
        self._pinging = asyncio.current_task()
        with suppress(asyncio.CancelledError):
            await super()._send_pings()


def use() -> None:
    """Make hypercorn's two protocols build this stream."""
    h11.WSStream = SocketStream  # type: ignore[attr-defined]
    h2.WSStream = SocketStream  # type: ignore[attr-defined]
