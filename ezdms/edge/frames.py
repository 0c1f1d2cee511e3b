"""Splits a client's bytes into WebSocket frames (RFC 6455, 5.2), and reads the usual one here: a complete, short text.

wsproto reads all others, and invalid ones; it takes twenty times as long per frame.
"""

from __future__ import annotations

from collections.abc import Iterator

from websockets.frames import apply_mask  # type: ignore[attr-defined]  # in C, where compiled

WHOLE_TEXT, WHOLE_PONG = 0x81, 0x8A  # FIN and opcode
FIN, RESERVED, MASKED, CONTROL = 0x80, 0x70, 0x80, 0x08


class Frames:
    """The incoming frames of one socket. Frames larger than `largest` bytes are not buffered."""

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self._rest = b""  # the beginning of a frame
        self._is_within = False  # inside a fragmented message
        self._is_lost = False  # from here on, only wsproto knows where a frame ends

    def take(self, octets: bytes) -> Iterator[str | bytes]:
        """Yields the text of each complete message, or bytes for wsproto, in order. Drops pongs."""
        octets, at = self._rest + octets, 0
        while not self._is_lost and len(octets) - at >= 2:
            first, size, begin = octets[at], octets[at + 1] & 0x7F, at + 6
            if size == 126:
                size, begin = int.from_bytes(octets[at + 2 : at + 4], "big"), at + 8
            is_known = not first & RESERVED and octets[at + 1] & MASKED and begin - at == (6 if size < 126 else 8)
            if len(octets) < begin:
                break
            if not is_known or size > self._largest:
                self._is_lost = True
                break
            end = begin + size
            if len(octets) < end:
                break
            if first == WHOLE_TEXT and not self._is_within:
                try:
                    yield apply_mask(octets[begin:end], octets[begin - 4 : begin]).decode()
                except UnicodeDecodeError:
                    self._is_lost = True
                    break
            elif first != WHOLE_PONG:
                if not first & CONTROL:
                    self._is_within = not first & FIN
                yield octets[at:end]
            at = end
        self._rest = b"" if self._is_lost else octets[at:]
        if self._is_lost and at < len(octets):
            yield octets[at:]
