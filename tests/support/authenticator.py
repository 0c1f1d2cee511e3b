"""An authenticator: makes a passkey and answers challenges (WebAuthn Level 3), each step as a test wants it."""

from __future__ import annotations

import hashlib
import json
import secrets
import struct
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from ezdms.protocol.encoding import b64u_encode

USER_PRESENT, USER_VERIFIED, BACKED_UP, HAS_CREDENTIAL, HAS_EXTENSIONS = 0x01, 0x04, 0x10, 0x40, 0x80


@dataclass
class Authenticator:
    """One passkey. `flags` are those of every answer. `cose`, `extensions`: CBOR in place of the key
    and of nothing."""

    origin: str = "http://localhost"
    host: str = "localhost"
    flags: int = USER_PRESENT | USER_VERIFIED
    count: int = 0
    fmt: str = "none"
    cose: bytes = b""
    extensions: bytes = b""
    credential_id: bytes = field(default_factory=lambda: secrets.token_bytes(20))
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    @property
    def id(self) -> str:
        """The credential id, b64u."""
        return b64u_encode(self.credential_id)

    def makes(self, options: dict[str, Any], **changed: Any) -> str:
        """The answer to PublicKeyCredentialCreationOptionsJSON."""
        numbers = self.key.public_key().public_numbers()
        public: Any = {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
        attested = (
            bytes(16)
            + struct.pack("!H", len(self.credential_id))
            + self.credential_id
            + (self.cose or cbor2.dumps(public))
        )
        data = self._data(HAS_CREDENTIAL | (HAS_EXTENSIONS if self.extensions else 0)) + attested + self.extensions
        attestation = cbor2.dumps({"fmt": self.fmt, "attStmt": {}, "authData": data})
        client = self._client_data("webauthn.create", options)
        response = {"clientDataJSON": b64u_encode(client), "attestationObject": b64u_encode(attestation)}
        return self._answer(response, changed)

    def answers(self, options: dict[str, Any], **changed: Any) -> str:
        """The answer to PublicKeyCredentialRequestOptionsJSON."""
        self.count += 1
        data = self._data(HAS_EXTENSIONS if self.extensions else 0) + self.extensions
        client = self._client_data("webauthn.get", options)
        signature = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        response = {
            "clientDataJSON": b64u_encode(client),
            "authenticatorData": b64u_encode(data),
            "signature": b64u_encode(signature),
        }
        return self._answer(response, changed)

    def _data(self, more: int) -> bytes:
        return hashlib.sha256(self.host.encode()).digest() + bytes([self.flags | more]) + struct.pack("!I", self.count)

    def _client_data(self, kind: str, options: dict[str, Any]) -> bytes:
        said = {"type": kind, "challenge": options["challenge"], "origin": self.origin, "crossOrigin": False}
        return json.dumps(said).encode()

    def _answer(self, response: dict[str, str], changed: dict[str, Any]) -> str:
        whole = {"id": self.id, "rawId": self.id, "type": "public-key", "response": response}
        return json.dumps(whole | {"clientExtensionResults": {}} | changed)
