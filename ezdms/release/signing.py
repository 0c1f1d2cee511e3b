"""Signs and verifies manifests with Ed25519 (RFC 8032). Keys are PEM files that OpenSSL can read and write."""

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

SIGNED = FORMAT.encode() + b"\0"  # prefix of the signed manifest, so that the signature is valid for nothing else
SIGNATURE = "signature"
LARGEST_KEY = 4096  # bytes of a PEM file


def make_key(file: Path) -> Path:
    """Write a new private key to `file`, readable only by its owner, and the public key next to it, as FILE.pub.

    Raises FileExistsError, and changes nothing, if either exists.
    """
    public = file.with_name(file.name + ".pub")
    if os.path.lexists(public):
        raise FileExistsError(17, "File exists", str(public))
    key = Ed25519PrivateKey.generate()
    write_new(file, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), 0o600)
    write_new(public, key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), 0o644)
    return public


def fingerprint(key: Ed25519PublicKey) -> str:
    """The b64u of the first 16 bytes of SHA-256 over the 32 raw bytes: short enough to read out loud."""
    return b64u_encode(sha256(key.public_bytes_raw())[:16])


def load_private(file: Path) -> Ed25519PrivateKey:
    """Load a private key. Raises OSError, or ManifestError if it is not one, or others may read it."""
    try:
        key = load_pem_private_key(_read(file), password=None)
    except (ValueError, TypeError) as error:
        raise ManifestError(f"{file} has no private key, or one with a password, which is not supported.") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ManifestError(f"{file} is not an Ed25519 key. Make one with ezdms release-key.")
    if file.stat().st_mode & 0o077:
        raise ManifestError(f"Other users can read {file}. First run: chmod 600 {file}")
    return key


def load_public(file: Path) -> Ed25519PublicKey:
    """Load a public key. Raises OSError, or ManifestError if it is not one."""
    try:
        key = load_pem_public_key(_read(file))
    except ValueError as error:
        raise ManifestError(f"{file} has no public key. Use the file that ends in .pub.") from error
    if not isinstance(key, Ed25519PublicKey):
        raise ManifestError(f"{file} is not an Ed25519 key.")
    return key


def sign(manifest: Manifest, key: Ed25519PrivateKey) -> bytes:
    """The canonical manifest plus a member with its signature."""
    signature = key.sign(SIGNED + manifest.canonical())
    return canonical({**read(manifest.canonical()), SIGNATURE: b64u_encode(signature)})


def open_file(file: Path, key: Ed25519PublicKey) -> Manifest:
    """Read a manifest signed by this key from a file. Raises ManifestError or OSError."""
    with file.open("rb") as opened:
        return open_signed(opened.read(LARGEST + 1), key)


def open_signed(octets: bytes, key: Ed25519PublicKey) -> Manifest:
    """Read a manifest signed by this key. Raises ManifestError."""
    members = read(octets)
    signature = members.pop(SIGNATURE, None)
    if not isinstance(signature, str):
        raise ManifestError("This manifest is not signed, so anyone could have written it. Do not use it.")
    try:
        key.verify(b64u_decode(signature, 64), SIGNED + canonical(members))
    except (InvalidSignature, EnvelopeError) as error:
        raise ManifestError(
            "The signature of this manifest is invalid: it was changed, or signed by a key other than "
            f"{fingerprint(key)}. Do not use it."
        ) from error
    return of_members(members)


def _read(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(LARGEST_KEY)


def write_new(file: Path, octets: bytes, mode: int) -> None:
    """Write a new file. Follows no link. Raises OSError if it exists."""
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as opened:
        opened.write(octets)
