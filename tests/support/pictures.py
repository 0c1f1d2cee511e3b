"""Pictures made by hand: real ones, and such as only pretend."""

from __future__ import annotations

import struct
import zlib

RED, BLUE = (200, 40, 40), (40, 60, 200)


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack("!I", len(content)) + name + content + struct.pack("!I", zlib.crc32(name + content))


def png(width: int, height: int, color: tuple[int, int, int] = RED, *, noise: bytes = b"") -> bytes:
    """One color. `noise`: bytes that only make it larger."""
    rows = (b"\0" + bytes(color) * width) * height
    more = _chunk(b"noIs", noise) if noise else b""
    return png_of(width, height, more + _chunk(b"IDAT", zlib.compress(rows, 9)))


def png_of(width: int, height: int, content: bytes = b"") -> bytes:
    """A PNG that says that it has this size."""
    head = _chunk(b"IHDR", struct.pack("!IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + content + _chunk(b"IEND", b"")


def bomb(side: int) -> bytes:
    """A valid PNG of a few kilobytes that decodes to side × side pixels."""
    size = side * (1 + 3 * side)  # zeros: packed once, and repeated as they are packed
    count, rest = divmod(size, 2**21)
    packer = zlib.compressobj(9, wbits=-15)
    packed = (packer.compress(bytes(2**21)) + packer.flush(zlib.Z_FULL_FLUSH)) * count
    packed += packer.compress(bytes(rest)) + packer.flush()
    checksum = struct.pack("!HH", size % 65521, 1)
    return png_of(side, side, _chunk(b"IDAT", b"\x78\xda" + packed + checksum))


def gif_of(screen: int, frame: int) -> bytes:
    """A GIF whose first frame is larger than its screen."""
    sides = struct.pack("<HHHHB", 0, 0, frame, frame, 0)
    return b"GIF89a" + struct.pack("<HHBBB", screen, screen, 0, 0, 0) + b"\x2c" + sides


def jpeg_of(width: int, height: int) -> bytes:
    """The beginning of a JPEG of this size."""
    exif = b"\xff\xe1" + struct.pack("!H", 10) + b"\xff\xc0\xff\xc0\xff\xc0\xff\xc0"  # what looks like a frame is none
    frame = b"\xff\xc0" + struct.pack("!HBHHB", 11, 8, height, width, 1) + b"\1\x11\0"
    return b"\xff\xd8" + exif + frame + b"\xff\xd9"


def hidden_jpeg_of(width: int, height: int) -> bytes:
    """The beginning of a JPEG of 8 by 8 that seems to be of this size, if a marker without a length is read as one that
    has one."""
    real, other = (
        b"\xff\xc0" + struct.pack("!HBHHB", 11, 8, *sides, 1) + b"\1\x11\0" for sides in ((8, 8), (height, width))
    )
    return b"\xff\xd8\xff\x01" + struct.pack("!H", 2 + len(real)) + real + other + b"\xff\xd9"


def webp_of(width: int, height: int) -> bytes:
    """The beginning of a WebP (extended) of this size."""
    body = b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + (width - 1).to_bytes(3, "little")
    body += (height - 1).to_bytes(3, "little")
    return b"RIFF" + struct.pack("<I", len(body)) + body
