"""hypercorn's HTTP/2, fixed: nothing a peer sends can raise, hang, or use unlimited memory (docs/decisions)."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from typing import Any

import h2.events
from h2.connection import ConnectionState
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError, StreamClosedError
from h2.settings import SettingCodes
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.protocol.events import Body, EndBody, Response, StreamClosed
from hypercorn.protocol.events import Event as StreamEvent
from hypercorn.protocol.h2 import H2Protocol

TAKEN_WITHIN = 30.0  # seconds for a peer to accept the next bytes of a response
FRAME = 16 * 1024  # bytes of a response per frame, so that streams take turns
PIECE = 1024  # bytes read at once; then others get a turn, and patience is checked
PATIENCE = 256 * 1024  # bytes without a request or body: limits every kind of flood
FOR_AN_ANSWER = 64 * 1024  # regained with each response, since that much of a body may be in flight
FOR_A_RESET = 2 * 1024  # spent for each stream the peer resets, and each setting it changes
TABLE = 4096  # bytes of compression table for sending; the peer may ask for 4 GiB
METHOD = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
TARGET = re.compile(rb"[\x21-\x7e]+")


class Http2(H2Protocol):
    """HTTP/2 without WebSockets, push and priorities. A response waits in the app's task until the peer accepts it."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        del self.connection.local_settings[SettingCodes.ENABLE_CONNECT_PROTOCOL]
        self.connection.decoder.max_header_list_size = (
            self.config.h2_max_header_list_size
        )  # otherwise it is only announced
        self._patience = PATIENCE
        self._is_full = False
        self._opened = asyncio.Event()  # the peer opened a window; never stays set
        self._writing = asyncio.Lock()

    async def initiate(self, headers: Any = None, settings: Any = None) -> None:
        """Send our settings. hypercorn would start a sending task here."""
        self.connection.initiate_connection()
        await self._flush()

    async def handle(self, event: Event) -> None:
        """Handle received bytes, or the end of the connection."""
        if isinstance(event, RawData):
            for start in range(0, len(event.data), PIECE):
                if not self.closed:
                    await self._read(event.data[start : start + PIECE])
                    await asyncio.sleep(0)  # 64 KiB of empty frames would take 100 ms
            return
        if not self.closed and not self._writing.locked():  # otherwise it may be a write that found the peer gone
            if self.connection.state_machine.state != ConnectionState.CLOSED:
                self.connection.close_connection()
            await self._flush()
        await super().handle(event)

    async def _read(self, piece: bytes) -> None:
        self._patience -= len(piece)
        try:
            events = self.connection.receive_data(piece)
        except ProtocolError:  # its GOAWAY is still to be sent
            await self._end()
            return
        await self._handle_events(events)
        if self._patience < 0:
            self.connection.close_connection(ErrorCodes.ENHANCE_YOUR_CALM)
            await self._end()

    async def _handle_events(self, events: list[h2.events.Event]) -> None:
        for event in events:
            if isinstance(event, h2.events.RequestReceived):
                await self._receive_request(event)
            elif isinstance(event, h2.events.DataReceived):
                await self._receive_body(event)
            elif isinstance(event, h2.events.StreamEnded) and event.stream_id in self.streams:
                await self.streams[event.stream_id].handle(EndBody(stream_id=event.stream_id))
            elif isinstance(event, h2.events.StreamReset):
                self._patience -= FOR_A_RESET
                await self._close_stream(event.stream_id)
            elif isinstance(event, h2.events.RemoteSettingsChanged):
                self._patience -= FOR_A_RESET * len(event.changed_settings)
                self.connection.encoder.header_table_size = min(self.connection.encoder.header_table_size, TABLE)
                self._wake()
            elif isinstance(event, h2.events.WindowUpdated):
                self._wake()
            elif isinstance(event, h2.events.ConnectionTerminated):
                await self._end()
        await self._flush()

    async def _receive_request(self, event: h2.events.RequestReceived) -> None:
        """Start the app, unless the request is invalid or too late."""
        stream_id, fields = event.stream_id, dict(event.headers)
        method, target = fields.get(b":method", b""), fields.get(b":path", b"")
        if self._is_full or self.context.terminated.is_set():
            with suppress(ProtocolError):
                self.connection.reset_stream(stream_id, ErrorCodes.REFUSED_STREAM)
        elif method.upper() == b"CONNECT" or not METHOD.fullmatch(method) or not TARGET.fullmatch(target):
            with suppress(ProtocolError):
                head = [(b":status", b"400"), (b"content-length", b"0")]
                self.connection.send_headers(stream_id, head, end_stream=True)
                self.connection.reset_stream(stream_id)
        else:
            await self.send(Updated(idle=False))
            await self._create_stream(event)
            del self.stream_buffers[stream_id]  # both are for the sending task
            self.priority.remove_stream(stream_id)
        if stream_id // 2 + 1 >= self.config.keep_alive_max_requests and not self._is_full:
            self._is_full = True
            state = self.connection.state_machine.state
            self.connection.close_connection()
            self.connection.state_machine.state = state  # otherwise h2 would not send the pending responses

    async def _receive_body(self, event: h2.events.DataReceived) -> None:
        """Pass it to the app, unless the app has already answered."""
        if event.stream_id in self.streams and event.data:
            self._patience += len(event.data)
            await self.streams[event.stream_id].handle(Body(stream_id=event.stream_id, data=event.data))
        self.connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)

    async def stream_send(self, event: StreamEvent) -> None:
        """Send a part of a response. Waits until the peer accepts it; does nothing once the stream is closed."""
        with suppress(ProtocolError):
            if isinstance(event, Response):
                await super().stream_send(event)
            elif isinstance(event, Body):
                await self._send_body(event.stream_id, memoryview(event.data))
            elif isinstance(event, EndBody):
                self.connection.end_stream(event.stream_id)
                self._patience = min(self._patience + FOR_AN_ANSWER, PATIENCE)
                self.connection.reset_stream(event.stream_id)  # raises if the request is complete
            elif isinstance(event, StreamClosed):
                await self._close_stream(event.stream_id)
        await self._flush()

    async def _send_body(self, stream_id: int, rest: memoryview) -> None:
        try:
            while rest:
                async with asyncio.timeout(TAKEN_WITHIN):
                    while (window := self._window_of(stream_id)) <= 0:
                        await self._opened.wait()
                self.connection.send_data(stream_id, rest[:window])
                rest = rest[window:]
                await self._flush()
        except TimeoutError:
            await self._close_stream(stream_id)

    def _window_of(self, stream_id: int) -> int:
        """Bytes that the peer accepts now."""
        if stream_id not in self.streams:
            raise StreamClosedError(stream_id)
        return min(FRAME, self.connection.local_flow_control_window(stream_id))

    async def _close_stream(self, stream_id: int) -> None:
        """Close both sides. hypercorn leaves the peer's open, and does not mark the connection as idle."""
        with suppress(ProtocolError):
            self.connection.reset_stream(stream_id, ErrorCodes.CANCEL)
        await super()._close_stream(stream_id)
        self._wake()
        if self.context.terminated.is_set() and not (self.streams or self.closed):
            await self._end()
        elif not (self.streams or self.closed):
            await self.send(Updated(idle=True))

    def _wake(self) -> None:
        """Let waiting senders check their windows."""
        self._opened.set()
        self._opened.clear()

    async def _flush(self) -> None:
        async with self._writing:  # frames are taken inside the lock, so a canceled task loses none
            try:
                async with asyncio.timeout(TAKEN_WITHIN):
                    await super()._flush()
            except OSError:  # including TimeoutError
                await super().handle(Closed())
                self.task_group.spawn(self.send, Closed())

    async def _end(self) -> None:
        await self.handle(Closed())
        await self.send(Closed())
