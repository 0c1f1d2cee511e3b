"""Frames of every kind, few of which an honest peer would send."""

from __future__ import annotations

import random
from collections.abc import Iterator

from tests.support import junk
from tests.support.served import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, frame, wish


def odd_frames() -> Iterator[bytes]:
    """The bytes of each case, each for a new socket."""
    for text in junk.FRAMES:
        if isinstance(text, str):
            yield frame(TEXT, text.encode("utf-8", "surrogatepass"))
        else:
            yield frame(BINARY, text)
            yield frame(TEXT, text)
    for event in ("join", "leave", "JOIN", "new_message", "close", ""):
        for conversation_id in ("FOREIGN", "0" * 24, "", "\x00", "\ud800", "\U0001f600" * 500, "a" * 4_000):
            yield wish(event, conversation_id)
    for opcode in range(16):
        for content in (b"", b"{}", b"A" * 126, b"A" * 66_000):
            yield frame(opcode, content)
            yield frame(opcode, content, fin=False)
            yield frame(opcode, content, mask=False)
        for rsv in (0x40, 0x20, 0x10, 0x70):  # 0x40 marks it as compressed
            yield frame(opcode, b"{}", rsv=rsv)
    for code in (0, 1, 999, 1000, 1004, 1005, 1006, 1015, 1016, 2999, 3000, 5000, 65535):
        yield frame(CLOSE, code.to_bytes(2, "big") + b"\xff")
        yield frame(CLOSE, code.to_bytes(2, "big") + b"reason")
    yield frame(CLOSE, b"\x03")
    for invalid in (b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\x80"):
        yield frame(TEXT, invalid)
        yield frame(TEXT, invalid, fin=False) + frame(CONTINUATION, b"\x80")
    yield frame(CONTINUATION, b"{}")
    yield frame(TEXT, b"{", fin=False) + frame(TEXT, b"}")
    yield frame(TEXT, b"", fin=False) + frame(CONTINUATION, b"", fin=False) * 5_000 + frame(CONTINUATION, b"")
    yield frame(TEXT, b"{", fin=False) + frame(PING, b"A" * 125) * 500 + frame(CONTINUATION, b"}")
    yield frame(PONG, b"never asked for") * 1_000
    for length in (b"\x7e\x00\x01", b"\x7f" + bytes(7) + b"\x01", b"\x7f\xff" + b"\xff" * 7, b"\x7f\x7f" + b"\xff" * 7):
        yield b"\x81" + bytes([length[0] | 0x80]) + length[1:] + bytes(4) + b"A" * 1_000
    chance = random.Random(2)  # noqa: S311
    for _ in range(100):
        yield chance.randbytes(chance.randrange(1, 300))
