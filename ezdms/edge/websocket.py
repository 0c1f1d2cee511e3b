"""hypercorn's WebSocket, fixed: enforced size limits and reliable closing (docs/decisions/sockets.md)."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import Any

from hypercorn.protocol.events import Event, Request, StreamClosed
from hypercorn.protocol.ws_stream import ASGIWebsocketState, WSStream
from wsproto.events import CloseConnection
from wsproto.events import Event as WSProtoEvent
from wsproto.frame_protocol import CloseReason

from ezdms.edge import connection
from ezdms.edge.frames import Frames

LAST_WORDS = 3.0  # seconds for a peer to receive the close frame, so that it learns the reason
LAST_WORDS_OF_SESSION = 0.5  # seconds, if its session has ended


class SocketStream(WSStream):
    """A WebSocket without compression, with enforced size limits and reliable closing."""

    _pinging: asyncio.Task[None] | None = None
    _connection: connection.Connection
    _frames: Frames

    async def handle(self, event: Event) -> None:
        """Drop the offer of permessage-deflate (a bomb of 300 KB takes 500 MB), and stop pinging a closed socket."""
        if isinstance(event, Request):
            self._connection = connection.current.get()
            self._frames = Frames(self.config.websocket_max_message_size)
            kept = [(name, value) for name, value in event.headers if _is_kept(name.lower(), value)]
            event = replace(event, headers=kept, http_version=min(event.http_version, "1.1"))
        await super().handle(event)
        if isinstance(event, StreamClosed) and self._pinging is not None:
            self._pinging.cancel()

    @property
    def is_open(self) -> bool:
        """True between the handshake and the close."""
        return self.state is ASGIWebsocketState.CONNECTED and not self.closed

    async def take(self, octets: bytes) -> None:
        """Handle bytes of frames. Ignores everything after the close."""
        for piece in self._frames.take(octets):
            if not self.is_open:
                return
            if isinstance(piece, str):
                await self.app_put({"type": "websocket.receive", "bytes": None, "text": piece})  # type: ignore[misc]
            else:
                self.connection.receive_data(piece)
                await self._handle_events()

    async def app_send(self, message: Any) -> None:
        """Send a text directly as one frame, bypassing six layers."""
        is_text = message is not None and message["type"] == "websocket.send" and message.get("text") is not None
        if is_text and self.is_open:
            await self._connection.write(_text_frame(message["text"].encode()))
        else:
            await super().app_send(message)

    async def _send_error_response(self, status_code: int) -> None:
        """Close the stream, too: hypercorn leaves the connection open, and the app waiting."""
        await super()._send_error_response(status_code)
        await self.send(StreamClosed(stream_id=self.stream_id))

    async def _send_wsproto_event(self, event: WSProtoEvent) -> None:
        """Limit the time for our close frame to be received. After "too big", stop reading: there may be gigabytes."""
        if isinstance(event, CloseConnection):
            is_ended = event.code == CloseReason.POLICY_VIOLATION
            seconds = LAST_WORDS_OF_SESSION if is_ended else LAST_WORDS
            asyncio.get_running_loop().call_later(seconds, self._connection.writer.transport.abort)
        await super()._send_wsproto_event(event)
        if isinstance(event, CloseConnection) and event.code == CloseReason.MESSAGE_TOO_BIG:
            await self.send(StreamClosed(stream_id=self.stream_id))

    async def _send_pings(self) -> None:
        """Make pings cancelable: hypercorn 0.18 sleeps for a whole interval after the close, keeping the connection."""
        self._pinging = asyncio.current_task()
        with suppress(asyncio.CancelledError):
            await super()._send_pings()


def _text_frame(content: bytes) -> bytes:
    """A complete text message from a server: FIN, opcode 1, no mask (RFC 6455, 5.2)."""
    size = len(content)
    if size < 126:
        return bytes((0x81, size)) + content
    if size < 1 << 16:
        return b"\x81\x7e" + size.to_bytes(2, "big") + content
    return b"\x81\x7f" + size.to_bytes(8, "big") + content


def _is_kept(name: bytes, value: bytes) -> bool:
    """Drop extensions, and non-ASCII handshake headers, on which hypercorn raises."""
    if name == b"sec-websocket-extensions":
        return False
    return value.isascii() or not (name == b"connection" or name.startswith(b"sec-websocket-"))
