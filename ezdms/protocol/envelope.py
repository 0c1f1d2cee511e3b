"""Strict checks of public keys, key statements and the outside of envelopes. Handles no secrets.

The part of docs/protocol.md that a server can check, and that the client (crypto.py) builds on.
"""

from __future__ import annotations

import re
import string
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ezdms.protocol.encoding import (
    ALPHABET,
    EnvelopeError,
    b64u_decode,
    b64u_encode,
    crockford_encode,
    in_groups,
    is_integer,
    label,
    parse_canonical,
    parse_json,
    sha256,
)

MAX_TEXT = 500  # code points
WRAP_ITER_MIN = 200_000
WRAP_ITER_MAX = 2_000_000
BUCKETS = (512, 1024, 2048, 4096, 8192, 16384, 32768)  # bytes of a padded message body
CHUNK = 65_536  # bytes of a file that are sealed at once
TAG = 16  # bytes after each sealed chunk
USERNAME = re.compile(r"[a-zA-Z0-9_-]{3,32}", re.ASCII)
LIKE_A_LOGIN_PIN = re.compile(
    r"(?=.*[-0-9])[0-9a-tv-z]{4}([-_]?)[0-9a-tv-z]{4}\1[0-9a-tv-z]{4}\1[0-9a-tv-z]{4}", re.ASCII | re.IGNORECASE
)

LOGIN_PIN_LENGTH = 16  # characters
SEARCH_PIN_LENGTH = 25
LARGEST_STATEMENT = 8192  # characters

STATEMENT_HEADER = b'{"alg":"Ed25519","typ":"ezdms-keys+jws"}'
MESSAGE_HEADER = b'{"alg":"Ed25519","typ":"ezdms-msg+jws"}'
VAULT_HEADER = b'{"alg":"Ed25519","typ":"ezdms-vault+jws"}'
SIGNAL_HEADER = b'{"alg":"Ed25519","typ":"ezdms-signal+jws"}'
MARK_HEADER = b'{"alg":"Ed25519","typ":"ezdms-hide+jws"}'
LARGEST_MARK = 512  # characters
ACT_HEADER = b'{"alg":"Ed25519","typ":"ezdms-act+jws"}'
LARGEST_ACT = 512  # characters
ACT_LIFETIME = 10 * 60 * 1000  # ms between the signer's clock and the server's

# Low-order points of edwards25519, top bit of the last byte cleared. With one of these as key, forged signatures
# verify (RFC 8032 leaves the check to the application).
SMALL_ORDER = frozenset(
    bytes.fromhex(point)
    for point in (
        "00" * 32,
        "01" + "00" * 31,
        "ec" + "ff" * 30 + "7f",
        "ed" + "ff" * 30 + "7f",
        "ee" + "ff" * 30 + "7f",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    )
)
SPKI_LENGTH = 294  # bytes
SPKI_BEGIN = bytes.fromhex("30820122300d06092a864886f70d01010105000382010f003082010a0282010100")
SPKI_END = bytes.fromhex("0203010001")


class SignatureError(EnvelopeError):
    """The signature is not by this key: possibly a forgery, not just damage."""


class ClockError(EnvelopeError):
    """Valid, except that the signing time is too far from this machine's clock."""


class PinError(EnvelopeError):
    """The typed text is not a PIN of the expected kind."""


def check_username(name: str) -> None:
    """Raises EnvelopeError unless it is a valid username."""
    if not USERNAME.fullmatch(name):
        raise EnvelopeError("A username has 3 to 32 letters (a to z), digits, _ or -.")


def check_new_username(name: str) -> None:
    """Raises EnvelopeError unless a new account may have this username.

    A name in the form of a Search PIN would be mistaken for that PIN; one in the form of a Login PIN was probably typed
    into the wrong field. Existing statements with such a name stay valid: only registration is refused.
    """
    check_username(name)
    if looks_like_search_pin(name):
        raise EnvelopeError("This looks like a Search PIN. Choose another username.")
    if LIKE_A_LOGIN_PIN.fullmatch(name):
        raise EnvelopeError("This looks like a Login PIN. Choose another username.")


# ---- 5  Keys ----


def check_identity_key(ik: bytes) -> None:
    """Raises EnvelopeError unless `ik` is 32 bytes and not a point of small order."""
    if len(ik) != 32:
        raise EnvelopeError(f"Expected an identity key of 32 bytes, got {len(ik)}.")
    if ik[:31] + bytes([ik[31] & 0x7F]) in SMALL_ORDER:
        raise EnvelopeError("Signatures can be forged with this identity key.")


def check_encryption_key(spki: bytes) -> None:
    """Raises EnvelopeError unless `spki` is the DER of an RSA key of 2048 bits with exponent 65537."""
    if (
        len(spki) != SPKI_LENGTH
        or not spki.startswith(SPKI_BEGIN)
        or spki[len(SPKI_BEGIN)] < 0x80
        or not spki.endswith(SPKI_END)
    ):
        raise EnvelopeError("Expected an RSA encryption key of 2048 bits with exponent 65537.")


def fingerprint(ik: bytes) -> bytes:
    """fp: 32 bytes that name an identity."""
    return sha256(label("identity") + ik)


def key_id(spki: bytes) -> str:
    """kid: b64u of the first 16 bytes of the key's hash."""
    return b64u_encode(sha256(spki)[:16])


# ---- 7  Key statement ----


@dataclass(frozen=True, slots=True)
class Statement:
    """A signed statement about one's keys: raw Ed25519 key (32 bytes), RSA SPKI (294 bytes), `ts` in ms."""

    ik: bytes
    seq: int
    ts: int
    name: str
    suites: tuple[int, ...]
    spki: bytes


def parse_statement(jws: str) -> Statement:
    """Verify a key statement with the key inside it. The caller must check that it is the expected key."""
    parts = jws.split(".") if isinstance(jws, str) and len(jws) <= LARGEST_STATEMENT else []
    if len(parts) != 3 or parts[0] != b64u_encode(STATEMENT_HEADER):
        raise EnvelopeError("Expected a signed key statement.")
    members = parse_json(b64u_decode(parts[1]))
    statement = _read_statement(members)
    signature = b64u_decode(parts[2], 64)
    verify_signature(statement.ik, f"{parts[0]}.{parts[1]}".encode(), signature)
    return statement


def verify_signature(ik: bytes, signed: bytes, signature: bytes) -> None:
    """Raises SignatureError unless `signature` (64 bytes, RFC 8032) over `signed` is by `ik`. Also checks `ik`."""
    check_identity_key(ik)
    try:
        Ed25519PublicKey.from_public_bytes(ik).verify(signature, signed)
    except (InvalidSignature, ValueError) as error:
        raise SignatureError("The signature is invalid.") from error


def _read_statement(members: dict[str, Any]) -> Statement:
    ik, name, suites, keys = (members.get(member) for member in ("ik", "name", "suites", "ek"))
    seq, ts = members.get("seq"), members.get("ts")
    if not is_integer(members.get("v"), 1, 1) or not is_integer(seq, 1) or not is_integer(ts, 0):
        raise EnvelopeError("Expected a key statement of version 1 with a number and a time.")
    if not isinstance(ik, str) or not isinstance(name, str):
        raise EnvelopeError("Expected a key statement with an identity key and a name.")
    check_username(name)
    if not isinstance(suites, list) or 1 not in suites or not all(is_integer(suite, 1) for suite in suites):
        raise EnvelopeError("Expected a key statement that offers suite 1.")
    if not isinstance(keys, list) or not all(isinstance(key, dict) for key in keys):
        raise EnvelopeError("Expected a key statement with a list of encryption keys.")
    first = [key for key in keys if is_integer(key.get("s"), 1, 1)]
    if len(first) != 1 or not isinstance(first[0].get("spki"), str):
        raise EnvelopeError("Expected a key statement with one encryption key for suite 1.")
    raw_ik, spki = b64u_decode(ik, 32), b64u_decode(first[0]["spki"])
    check_identity_key(raw_ik)
    check_encryption_key(spki)
    return Statement(ik=raw_ik, seq=int(seq or 0), ts=int(ts or 0), name=name, suites=tuple(suites), spki=spki)


# ---- 11  Signature ----


def check_original(jws: str, *, ik: bytes, hash: str) -> None:
    """Verify that this is the signed message with this hash, by the owner of `ik`. Says nothing about its content.
    Raises EnvelopeError."""
    parts = jws.split(".") if isinstance(jws, str) and jws.isascii() and len(jws) <= LARGEST_ORIGINAL else []
    if len(parts) != 3 or parts[0] != b64u_encode(MESSAGE_HEADER):
        raise EnvelopeError("Expected a signed message.")
    if b64u_encode(sha256(jws.encode())) != hash:
        raise EnvelopeError("Expected the message with this hash.")
    verify_signature(ik, f"{parts[0]}.{parts[1]}".encode(), b64u_decode(parts[2], 64))


# ---- 22  Marks ----


def check_mark(jws: str, *, ik: bytes, conversation_id: str, message_id: str, hash: str) -> None:
    """Verify a mark: the owner of `ik` removed this message from their own sight. Raises EnvelopeError."""
    parts = jws.split(".") if isinstance(jws, str) and len(jws) <= LARGEST_MARK else []
    if len(parts) != 3 or parts[0] != b64u_encode(MARK_HEADER):
        raise EnvelopeError("Expected a signed mark.")
    members = parse_canonical(b64u_decode(parts[1]))
    if not is_integer(members.get("v"), 1, 1):
        raise EnvelopeError("Expected a mark of version 1.")
    own = b64u_encode(fingerprint(ik))
    if members != {"v": 1, "c": conversation_id, "f": own, "id": message_id, "hash": hash}:
        raise EnvelopeError("Expected your own mark for this message.")
    verify_signature(ik, f"{parts[0]}.{parts[1]}".encode(), b64u_decode(parts[2], 64))


# ---- 23  Acts ----


CHANGE_PIN_FIELDS = (
    "new_login_id",
    "new_auth_key",
    "new_salt",
    "new_iterations",
    "new_wrapped_sig",
    "new_wrapped_enc",
)


def change_pin_purpose(fields: Mapping[str, object]) -> str:
    """The `for` of a change of the Login PIN: one hash over the six new fields, iterations in decimal."""
    return b64u_encode(sha256(".".join(str(fields[name]) for name in CHANGE_PIN_FIELDS).encode()))


def check_act(jws: str, *, ik: bytes, deployment_id: str, act: str, purpose: str, now: int, last_ts: int) -> int:
    """Verify an act signed by `ik` for this deployment and purpose, later than the last one. Returns its time (ms).

    Neither a stolen session nor a Login PIN typed at another server can sign one. Raises ClockError if only the time is
    wrong, EnvelopeError otherwise.
    """
    parts = jws.split(".") if len(jws) <= LARGEST_ACT else []
    if len(parts) != 3 or parts[0] != b64u_encode(ACT_HEADER):
        raise EnvelopeError("Expected a signed act.")
    members = parse_canonical(b64u_decode(parts[1]))
    ts = members.pop("ts", None)
    if not is_integer(members.get("v"), 1, 1) or not is_integer(ts, 0):
        raise EnvelopeError("Expected an act of version 1 with a time.")
    if members != {"v": 1, "d": deployment_id, "act": act, "for": purpose}:
        raise EnvelopeError("Expected an act for this server and this purpose.")
    verify_signature(ik, f"{parts[0]}.{parts[1]}".encode(), b64u_decode(parts[2], 64))
    if ts <= last_ts:
        raise EnvelopeError("Expected an act later than the last one.")
    if abs(now - ts) > ACT_LIFETIME:
        raise ClockError("Expected an act signed within the last ten minutes.")
    return int(ts)


# ---- 3, 8  PINs ----


def fold_pin(typed: str) -> str:
    """Normalize a typed PIN: upper case, no dashes or white space, O is 0, I and L are 1."""
    folded = "".join(letter for letter in typed if letter != "-" and not letter.isspace())
    if folded.isascii():  # upper() turns some other letters, such as the dotless i, into ASCII
        folded = folded.upper()
    return folded.translate(str.maketrans("OIL", "011"))


def is_in_alphabet(pin: str) -> bool:
    """True if every character is one of Crockford's 32."""
    return all(letter in ALPHABET for letter in pin)


def looks_like_search_pin(typed: str) -> bool:
    """True for the form of a Search PIN, even with a typo."""
    pin = fold_pin(typed)
    return len(pin) == SEARCH_PIN_LENGTH and is_in_alphabet(pin)


def search_pin(ik: bytes, salt: bytes) -> str:
    """The Search PIN that commits to `ik` (32 bytes) with `salt` (16 bytes), in its shown form."""
    digits = crockford_encode(sha256(label("search-pin") + salt + ik)[:15])
    return in_groups(digits + _check_character(digits), 5)


def normalise_search_pin(typed: str) -> str:
    """The shown form of a typed Search PIN. Raises PinError with a helpful message."""
    pin = fold_pin(typed)
    if len(pin) == LOGIN_PIN_LENGTH and is_in_alphabet(pin):
        raise PinError("This looks like a Login PIN. Never give yours away; ask for the Search PIN, which is longer.")
    if not pin:
        raise PinError("Enter their Search PIN.")
    if len(pin) != SEARCH_PIN_LENGTH:
        raise PinError(f"A Search PIN has {SEARCH_PIN_LENGTH} letters and digits; this has {len(pin)}.")
    if not is_in_alphabet(pin):
        raise PinError("A Search PIN has only digits, and letters except U.")
    if pin[-1] != _check_character(pin[:-1]):
        raise PinError("There is a typo in this Search PIN. Please check it.")
    return in_groups(pin, 5)


def _check_character(digits: str) -> str:
    return ALPHABET[sha256(label("search-pin-check") + digits.encode("ascii"))[0] & 31]


# ---- 9  Conversation ----


def in_order(fp_x: bytes, fp_y: bytes) -> tuple[bytes, bytes]:
    """(lo, hi): participant a has the lower fingerprint."""
    return (fp_x, fp_y) if fp_x < fp_y else (fp_y, fp_x)


def conversation_id(fp_x: bytes, fp_y: bytes) -> str:
    """24 characters, the same for both sides."""
    lo, hi = in_order(fp_x, fp_y)
    return crockford_encode(sha256(label("conversation") + lo + hi)[:15])


# ---- 12  Envelope, seen from outside ----


HEADER = '{"alg":"RSA-OAEP-256","enc":"A256GCM","typ":"%s","kid":"%s"}'
MESSAGE_TYP = "ezdms-msg+jwe"
VAULT_TYP = "ezdms-vault+jwe"
SIGNAL_TYP = "ezdms-signal+jwe"
SEALED_HEADER = re.compile((re.escape(HEADER) % ("([a-z+-]+)", "([A-Za-z0-9_-]{22})")).encode())
LARGEST_TAKEN = 8192  # bytes: no kind of message needs a larger bucket yet
VAULT_STEP = 4096  # bytes
LARGEST_VAULT = 1024 * 1024  # bytes
SIGNAL_SIZE = 512  # bytes of a padded signal: all look alike


def envelope_header(kid: str, typ: str = MESSAGE_TYP) -> str:
    """b64u of the one protected header that a reader with key id `kid` accepts (RFC 7516)."""
    return b64u_encode((HEADER % (typ, kid)).encode())


def _encoded(size: int) -> int:
    """Characters of b64u for `size` bytes."""
    return (size * 4 + 2) // 3


def _jws(header: bytes, size: int) -> int:
    """Characters of a JWS (header . payload of `size` bytes . signature of 64)."""
    return _encoded(len(header)) + 1 + _encoded(size) + 1 + _encoded(64)


def _sealed_jws(header: bytes, size: int) -> int:
    """Characters of the ciphertext part: b64u of a JWS."""
    return _encoded(_jws(header, size))


# Accepted padded sizes in bytes, by the characters of their ciphertext.
MESSAGE_SIZES = {_sealed_jws(MESSAGE_HEADER, size): size for size in BUCKETS if size <= LARGEST_TAKEN}
VAULT_SIZES = {
    _sealed_jws(VAULT_HEADER, size): size for size in range(VAULT_STEP, LARGEST_VAULT + VAULT_STEP, VAULT_STEP)
}
LARGEST_ORIGINAL = _jws(MESSAGE_HEADER, LARGEST_TAKEN)  # characters of a signed message
SIGNAL_SIZES = {_sealed_jws(SIGNAL_HEADER, SIGNAL_SIZE): SIGNAL_SIZE}

# The five parts (RFC 7516, 7.1): header, wrapped key of 256 bytes, iv of 12, ciphertext, tag of 16. Unused bits of a
# last character must be zero; otherwise the same bytes would have several encodings.
SEALED = re.compile(
    r"([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]{341}[AQgw]\.[A-Za-z0-9_-]{16}\.([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]{21}[AQgw]"
)
LAST_CHARACTERS = {
    0: string.ascii_letters + string.digits + "-_",
    2: "AQgw",
    3: "AEIMQUYcgkosw048",
}  # by the length modulo 4


def key_id_of(sealed: str) -> str:
    """The key id that `sealed` is encrypted for. Raises EnvelopeError unless it looks like a message from outside."""
    return _outside_of(sealed, MESSAGE_TYP, MESSAGE_SIZES)[0]


def key_id_and_size_of_vault(sealed: str) -> tuple[str, int]:
    """The key id that a vault is encrypted for, and its padded size in bytes. Raises EnvelopeError."""
    return _outside_of(sealed, VAULT_TYP, VAULT_SIZES)


def key_id_of_signal(sealed: str) -> str:
    """The key id that a signal is encrypted for. Raises EnvelopeError unless it looks like one from outside."""
    return _outside_of(sealed, SIGNAL_TYP, SIGNAL_SIZES)[0]


def _outside_of(sealed: str, typ: str, sizes: Mapping[int, int]) -> tuple[str, int]:
    parts = SEALED.fullmatch(sealed)
    if parts is None:
        raise EnvelopeError("Expected a sealed envelope of five parts.")
    header, ciphertext = parts.groups()
    size = sizes.get(len(ciphertext))
    if size is None or ciphertext[-1] not in LAST_CHARACTERS[len(ciphertext) % 4]:
        raise EnvelopeError("Expected a sealed envelope of one of the padded sizes.")
    return _key_id_in(header, typ), size


@lru_cache(4096)
def _key_id_in(header: str, typ: str) -> str:
    members = SEALED_HEADER.fullmatch(b64u_decode(header))
    if members is None or members[1].decode() != typ:
        raise EnvelopeError("Expected a sealed envelope with the header of suite 1.")
    return members[2].decode()


def padded_size(size: int) -> int:
    """The size of a file when padded (Padmé): it tells at most the first few bits of the size."""
    if size < 2:
        return size
    exponent = size.bit_length() - 1
    rest = (1 << (exponent - exponent.bit_length())) - 1
    return (size + rest) & ~rest


def sealed_size(size: int) -> int:
    """The size of a file once sealed: padded, and a tag for each chunk. An empty file has one chunk."""
    padded = padded_size(size)
    return padded + max(1, -(-padded // CHUNK)) * TAG
