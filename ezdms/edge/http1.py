"""hypercorn's HTTP/1.1, fixed (docs/decisions/sockets.md)."""

from __future__ import annotations

from typing import Any

from h11 import ERROR, LocalProtocolError
from h11 import Request as H11Request
from h11 import Response as H11Response
from hypercorn.events import Closed, RawData
from hypercorn.protocol import h11

from ezdms.edge.websocket import SocketStream


class Http1(h11.H11Protocol):
    """HTTP/1.1 without upgrades to HTTP/2. Sends the head of a response together with its body, in one packet."""

    _head = b""

    async def _check_protocol(self, event: H11Request) -> None:
        """Do not switch to HTTP/2, by its preface or by Upgrade."""

    async def _create_stream(self, request: H11Request) -> None:
        """Refuse request smuggling: two body lengths, or Transfer-Encoding in HTTP/1.0."""
        names = {name for name, _ in request.headers}
        if b"transfer-encoding" in names and (b"content-length" in names or request.http_version < b"1.1"):
            await self._send_error_response(400)
            await self.send(Closed())
        else:
            await super()._create_stream(request)

    async def handle(self, event: Any) -> None:
        """Pass bytes for an open WebSocket directly to it, to avoid copies."""
        if isinstance(event, RawData) and isinstance(self.stream, SocketStream) and self.stream.is_open:
            await self.stream.take(event.data)
        else:
            await super().handle(event)

    async def _send_h11_event(self, event: Any) -> None:
        """Join the head with the body; hypercorn writes the head, the body and the (empty) end separately."""
        try:
            written = self._head + (self.connection.send(event) or b"")
        except LocalProtocolError:
            if self.connection.their_state != ERROR:
                raise
            return
        self._head = written if isinstance(event, H11Response) else b""
        if written and not self._head:
            await self.send(RawData(data=written))
