"""Canonical encodings of bytes and JSON (docs/protocol.md, Notation)."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Any

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford base32
LARGEST_INTEGER = 2**53 - 1  # the largest that JavaScript represents exactly
LATEST_TIME = 253_402_300_799_999  # ms: the last moment of the year 9999
MEMBER_NAME = re.compile(r"[a-z_]{1,16}", re.ASCII)
DEEPEST = 8  # nested objects and arrays, including the outermost


class EnvelopeError(ValueError):
    """Data does not have the form the protocol requires. The message contains no secret and can be shown."""


def label(name: str) -> bytes:
    """The domain-separating prefix L(name) of every hash and derivation."""
    return f"ezdms/1 {name}".encode() + b"\0"


def sha256(octets: bytes) -> bytes:
    """H: 32 bytes."""
    return hashlib.sha256(octets).digest()


def b64u_encode(raw: bytes) -> str:
    """base64url without padding (RFC 4648, 5)."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def b64u_decode(text: str, size: int | None = None) -> bytes:
    """Decode canonical base64url, of exactly `size` bytes if given. Raises EnvelopeError."""
    if "+" in text or "/" in text or "=" in text:
        raise EnvelopeError("Expected base64url without padding.")
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError as error:
        raise EnvelopeError("Expected base64url without padding.") from error
    rest = len(raw) % 3  # the last character of an incomplete group has bits that must be zero
    if rest and b64u_encode(raw[-rest:]) != text[-rest - 1 :]:
        raise EnvelopeError("Expected base64url in its canonical form.")
    if size is not None and len(raw) != size:
        raise EnvelopeError(f"Expected {size} bytes in base64url, got {len(raw)}.")
    return raw


def crockford_encode(raw: bytes) -> str:
    """Crockford base32 of a multiple of 5 bytes, big-endian."""
    if len(raw) % 5:
        raise ValueError(f"expected a multiple of 5 bytes, got {len(raw)}")
    number = int.from_bytes(raw, "big")
    return "".join(ALPHABET[number >> shift & 31] for shift in range(len(raw) * 8 - 5, -1, -5))


def in_groups(text: str, size: int) -> str:
    """`text` in groups of `size` characters with dashes between."""
    return "-".join(text[i : i + size] for i in range(0, len(text), size))


def parse_json(octets: bytes) -> dict[str, Any]:
    """Parse a JSON object in strict UTF-8, without duplicate members or NaN. Raises EnvelopeError."""
    try:
        members = json.loads(octets.decode("utf-8"), object_pairs_hook=_refuse_twins, parse_constant=_refuse_constant)
        json.dumps(members, ensure_ascii=False).encode()  # an escaped lone surrogate
    except (ValueError, RecursionError) as error:
        raise EnvelopeError("Expected well-formed JSON.") from error
    if not isinstance(members, dict):
        raise EnvelopeError("Expected a JSON object.")
    return members


def compact(members: dict[str, Any]) -> bytes:
    """JSON as it is signed: UTF-8, no white space, minimal escapes. Raises EnvelopeError."""
    try:
        return json.dumps(members, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    except (ValueError, TypeError, RecursionError) as error:
        raise EnvelopeError("Expected plain JSON and well-formed text.") from error


def parse_canonical(octets: bytes) -> dict[str, Any]:
    """Parse a JSON object that every parser reads the same way, in the form that `compact` writes.

    Parsers can differ on duplicate members, 5.0, 1e3, 2^53 + 1, or a lone surrogate. So names, numbers and depth are
    restricted, and encoding the parsed object again in its order must give the same bytes. Raises EnvelopeError.
    (docs/protocol.md, One body, one reading)
    """
    try:
        members = json.loads(octets.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise EnvelopeError("Expected well-formed JSON.") from error
    if not isinstance(members, dict):
        raise EnvelopeError("Expected a JSON object.")
    _check_plain(members, 1)
    if compact(members) != octets:
        raise EnvelopeError("Expected JSON in its canonical form.")
    return members


def is_integer(value: Any, low: int, high: int = LARGEST_INTEGER) -> bool:
    """True for a JSON integer from `low` to `high`; not for booleans or 1.0."""
    return type(value) is int and low <= value <= high


def _check_plain(value: Any, depth: int) -> None:
    if isinstance(value, dict | list):
        if depth > DEEPEST:
            raise EnvelopeError(f"Expected JSON nested at most {DEEPEST} deep.")
        if isinstance(value, dict) and not all(map(MEMBER_NAME.fullmatch, value)):
            raise EnvelopeError("Expected names of 1 to 16 lowercase letters and underscores.")
        for inner in value.values() if isinstance(value, dict) else value:
            _check_plain(inner, depth + 1)
    elif isinstance(value, float) or (type(value) is int and not is_integer(value, -LARGEST_INTEGER)):
        raise EnvelopeError("Expected integers of at most 53 bits.")


def _refuse_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("duplicate member")
    return members


def _refuse_constant(name: str) -> None:
    raise ValueError(name)
