"""What an authenticator's answer contains as CBOR, checked before it is decoded: with tags, a few bytes can refer to
each other, and stand for gigabytes."""

from __future__ import annotations

DEEPEST = 6  # items within each other
FORMATS = ("none", "packed")  # what browsers hand on if no attestation is asked for
CREDENTIAL, EXTENSIONS = 0x40, 0x80  # flags (WebAuthn Level 3, 6.1)
FLAGS_AT, DATA_AT, ID_LENGTH_AT = 32, 37, 53  # places in the authenticator data


def check_attestation(attestation: bytes) -> None:
    """Raises an error unless it is safe to decode, and of one of FORMATS."""
    from webauthn.helpers import parse_cbor

    _check_items(attestation, 1)
    members = parse_cbor(attestation)
    if members["fmt"] not in FORMATS:
        raise ValueError("Expected no attestation.")
    check_data(members["authData"])


def check_data(data: bytes) -> None:
    """Raises an error unless this authenticator data is safe to decode."""
    if len(data) < DATA_AT:
        raise ValueError("Expected authenticator data.")
    flags, at = data[FLAGS_AT], DATA_AT
    if flags & CREDENTIAL:
        at = ID_LENGTH_AT + 2 + int.from_bytes(data[ID_LENGTH_AT : ID_LENGTH_AT + 2], "big")
    _check_items(data[at:], bool(flags & CREDENTIAL) + bool(flags & EXTENSIONS))


def _check_items(octets: bytes, count: int) -> None:
    from webauthn.helpers import encode_cbor, parse_cbor

    at = 0
    for _ in range(count):
        end = _end_of(octets, at)
        item = octets[at:end]
        if len(encode_cbor(parse_cbor(item))) != len(item):  # others would look for the next one elsewhere
            raise ValueError("Expected the shortest encoding.")
        at = end
    if at != len(octets):
        raise ValueError("Expected nothing more.")


def _end_of(octets: bytes, at: int, depth: int = 1) -> int:
    """Where the item that begins there ends. Raises ValueError for tags and what has no length."""
    if at >= len(octets) or depth > DEEPEST:
        raise ValueError("Expected an item.")
    major, value = octets[at] >> 5, octets[at] & 31
    at += 1
    if value >= 28 or major == 6:
        raise ValueError("Expected neither a tag nor an item without length.")
    if value >= 24:
        size = 1 << value - 24
        value, at = int.from_bytes(octets[at : at + size], "big"), at + size
    if major in (2, 3):
        at += value
    for _ in range(value * (major - 3) if major in (4, 5) else 0):
        at = _end_of(octets, at, depth + 1)
    if at > len(octets):
        raise ValueError("Expected a whole item.")
    return at
