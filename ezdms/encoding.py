"""How bytes and JSON are written down (docs/protocol.md, Notation), each in one canonical form only."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford base32
LARGEST_INTEGER = 2**53 - 1  # what JavaScript counts exactly


class EnvelopeError(ValueError):
    """Something is not of the form that the protocol demands; the sentence can be shown, it holds no secret."""


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
    """The bytes of the one canonical encoding; `size` demands so many bytes. Raises EnvelopeError."""
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
    """A JSON object in strict UTF-8, no member twice, no NaN. Raises EnvelopeError."""
    try:
        members = json.loads(octets.decode("utf-8"), object_pairs_hook=_refuse_twins, parse_constant=_refuse_constant)
        json.dumps(members, ensure_ascii=False).encode()  # an escaped lone surrogate
    except (ValueError, RecursionError) as error:
        raise EnvelopeError("Expected well-formed JSON.") from error
    if not isinstance(members, dict):
        raise EnvelopeError("Expected a JSON object.")
    return members


def is_integer(value: Any, low: int, high: int = LARGEST_INTEGER) -> bool:
    """True for a JSON integer from `low` to `high`; booleans and 1.0 are none."""
    return type(value) is int and low <= value <= high


def _refuse_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member twice")
    return members


def _refuse_constant(name: str) -> None:
    raise ValueError(name)
