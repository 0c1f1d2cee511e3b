"""Who vouches for a manifest: an Ed25519 key (RFC 8032) in PEM files, as OpenSSL writes and reads them."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from ezdms.protocol.encoding import EnvelopeError, b64u_decode, b64u_encode, sha256
from ezdms.release.manifest import FORMAT, LARGEST, Manifest, ManifestError, canonical, of_members, read

SIGNED = FORMAT.encode() + b"\0"  # before the canonical manifest: what is signed is nothing else
SIGNATURE = "signature"
LARGEST_KEY = 4096  # bytes of a PEM file


def make_key(file: Path) -> Path:
    """Write a new private key to `file`, readable by its owner alone, and the public key beside it, as FILE.pub.

    Raises FileExistsError, and leaves what is there, if either exists.
    """
    public = file.with_name(file.name + ".pub")
    if os.path.lexists(public):
        raise FileExistsError(17, "File exists", str(public))
    key = Ed25519PrivateKey.generate()
    write_new(file, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), 0o600)
    write_new(public, key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), 0o644)
    return public


def fingerprint(key: Ed25519PublicKey) -> str:
    """The b64u of the first 16 bytes of SHA-256 over its 32 raw bytes: short enough to read out."""
    return b64u_encode(sha256(key.public_bytes_raw())[:16])


def load_private(file: Path) -> Ed25519PrivateKey:
    """Raises OSError, or ManifestError if it holds no such key, or others may read it."""
    try:
        key = load_pem_private_key(_read(file), password=None)
    except (ValueError, TypeError) as error:
        raise ManifestError(
            f"{file} holds no private key, or one with a password, which cannot be used here."
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ManifestError(f"{file} holds a key of another kind. Make one with ezdms release-key.")
    if file.stat().st_mode & 0o077:
        raise ManifestError(f"Others on this machine may read {file}. Change that first: chmod 600 {file}")
    return key


def load_public(file: Path) -> Ed25519PublicKey:
    """Raises OSError, or ManifestError if it holds no such key."""
    try:
        key = load_pem_public_key(_read(file))
    except ValueError as error:
        raise ManifestError(f"{file} holds no public key (the file that ends in .pub).") from error
    if not isinstance(key, Ed25519PublicKey):
        raise ManifestError(f"{file} holds a key of another kind: Ed25519 was expected.")
    return key


def sign(manifest: Manifest, key: Ed25519PrivateKey) -> bytes:
    """The canonical manifest with one member more, its signature."""
    signature = key.sign(SIGNED + manifest.canonical())
    return canonical({**read(manifest.canonical()), SIGNATURE: b64u_encode(signature)})


def open_file(file: Path, key: Ed25519PublicKey) -> Manifest:
    """The manifest in this file, which this key signed. Raises ManifestError or OSError."""
    with file.open("rb") as opened:
        return open_signed(opened.read(LARGEST + 1), key)


def open_signed(octets: bytes, key: Ed25519PublicKey) -> Manifest:
    """The manifest that this key signed. Raises ManifestError."""
    members = read(octets)
    signature = members.pop(SIGNATURE, None)
    if not isinstance(signature, str):
        raise ManifestError("This manifest is not signed, so anybody can have written it. Do not use it.")
    try:
        key.verify(b64u_decode(signature, 64), SIGNED + canonical(members))
    except (InvalidSignature, EnvelopeError) as error:
        raise ManifestError(
            "The signature of this manifest does not hold: it was changed, or signed by another key than "
            f"{fingerprint(key)}. Do not use it."
        ) from error
    return of_members(members)


def _read(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(LARGEST_KEY)


def write_new(file: Path, octets: bytes, mode: int) -> None:
    """A file that was not there: no link is followed. Raises OSError."""
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as opened:
        opened.write(octets)
