"""WebSocket frames of a client, split where they end (RFC 6455, 5.2). The usual one is read here: a whole, short text.

wsproto reads all others, and whatever is against the rules: it takes twenty times as long for each.
"""

from __future__ import annotations

from collections.abc import Iterator

from websockets.frames import apply_mask  # type: ignore[attr-defined]  # in C, where there is a compiler's work

WHOLE_TEXT, WHOLE_PONG = 0x81, 0x8A  # FIN and opcode
FIN, RESERVED, MASKED, CONTROL = 0x80, 0x70, 0x80, 0x08


class Frames:
    """What came of the frames of one socket; none is kept that is larger than `largest` bytes."""

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self._rest = b""  # the beginning of a frame
        self._is_within = False  # the message before is not at its end
        self._is_lost = False  # from here on wsproto alone knows where a frame ends

    def take(self, octets: bytes) -> Iterator[str | bytes]:
        """The text of each whole message, or bytes for wsproto, in order. An answer to our own ping is left out."""
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
