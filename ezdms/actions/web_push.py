"""Web Push: seals a payload for a browser (RFC 8291) and signs requests to its push service (RFC 8292)."""

from __future__ import annotations

import json
import os
import struct
from typing import NamedTuple
from urllib.parse import urlsplit

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ezdms.protocol.encoding import EnvelopeError, b64u_decode, b64u_encode

CURVE = ec.SECP256R1()
RECORD_SIZE = 4096  # bytes, as every push service accepts (RFC 8291, 4)
LAST_RECORD = b"\x02"  # the delimiter before the padding (RFC 8188, 2)
HOURS = 12  # for which a signed request is valid; services allow 24 (RFC 8292, 2)


class Subscription(NamedTuple):
    """A browser's address at its push service, the public key for its payloads (65 bytes, uncompressed), and its
    secret for authentication (16 bytes)."""

    endpoint: str
    p256dh: bytes
    auth: bytes


def new_key() -> str:
    """A new private key of this server for RFC 8292: b64u of its 32 bytes."""
    return b64u_encode(ec.generate_private_key(CURVE).private_numbers().private_value.to_bytes(32, "big"))


def private_key(text: str) -> ec.EllipticCurvePrivateKey:
    """The key from b64u of its 32 bytes."""
    return ec.derive_private_key(int.from_bytes(b64u_decode(text, 32), "big"), CURVE)


def public_bytes(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The public key: 65 bytes, uncompressed."""
    return key.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)


def parse_subscription(endpoint: str, p256dh: str, auth: str) -> Subscription:
    """From b64u. Raises EnvelopeError for a key that is no uncompressed point of the curve, or wrong lengths."""
    point, secret = b64u_decode(p256dh, 65), b64u_decode(auth, 16)
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(CURVE, point)
    except ValueError as error:
        raise EnvelopeError("Expected an uncompressed point of P-256.") from error
    return Subscription(endpoint, point, secret)


def seal(
    payload: bytes,
    subscription: Subscription,
    *,
    key: ec.EllipticCurvePrivateKey | None = None,
    salt: bytes | None = None,
) -> bytes:
    """The body of a request with `Content-Encoding: aes128gcm`: one record. `key` and `salt` (16 bytes): new ones by
    default."""
    key, salt = key or ec.generate_private_key(CURVE), salt or os.urandom(16)
    own = public_bytes(key)
    shared = key.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(CURVE, subscription.p256dh))
    info = b"WebPush: info\0" + subscription.p256dh + own
    secret = _derive(shared, subscription.auth, info, 32)
    content_key = _derive(secret, salt, b"Content-Encoding: aes128gcm\0", 16)
    nonce = _derive(secret, salt, b"Content-Encoding: nonce\0", 12)
    header = salt + struct.pack("!LB", RECORD_SIZE, len(own)) + own
    return header + AESGCM(content_key).encrypt(nonce, payload + LAST_RECORD, None)


def authorization(key: ec.EllipticCurvePrivateKey, endpoint: str, *, contact: str, moment: int) -> str:
    """The value of the header Authorization (RFC 8292, 3). `contact`: an address of the host (mailto: or https:), for
    the push service's operator. `moment`: ms."""
    parts = urlsplit(endpoint)
    claims = {"aud": f"{parts.scheme}://{parts.netloc}", "exp": moment // 1000 + HOURS * 3600, "sub": contact}
    signed = ".".join(b64u_encode(json.dumps(each).encode()) for each in ({"typ": "JWT", "alg": "ES256"}, claims))
    r, s = decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
    signature = b64u_encode(r.to_bytes(32, "big") + s.to_bytes(32, "big"))
    return f"vapid t={signed}.{signature}, k={b64u_encode(public_bytes(key))}"


def _derive(secret: bytes, salt: bytes, info: bytes, size: int) -> bytes:
    return HKDF(hashes.SHA256(), size, salt, info).derive(secret)
