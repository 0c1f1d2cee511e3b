"""Boxes: short texts that only this server can read or make, because their key comes from that of the data folder."""

from __future__ import annotations

import hmac
import secrets

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

IV = 12  # bytes


class Box:
    """AES-256-GCM under a key for one `purpose`. `key`: of the data folder (store/secret_key.py)."""

    def __init__(self, key: bytes, purpose: bytes) -> None:
        self._gcm = AESGCM(hmac.digest(key, purpose, "sha256"))

    def seal(self, text: str, owner: str = "") -> bytes:
        """A new IV and the encrypted text. `owner`: whose it is; it opens for nobody else."""
        iv = secrets.token_bytes(IV)
        return iv + self._gcm.encrypt(iv, text.encode(), owner.encode())

    def open(self, sealed: bytes, owner: str = "") -> str:
        """The text. Raises cryptography's InvalidTag if it was sealed with another key, purpose or owner, ValueError if
        it is too short."""
        return self._gcm.decrypt(sealed[:IV], sealed[IV:], owner.encode()).decode()
