"""Alice, Bob and Eve of the vectors, with their public test keys, and what tests do in their names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_der_private_key

from ezdms import crypto
from ezdms.envelope import b64u_decode

VECTORS = Path(__file__).parent / "vectors"


def load_vectors(name: str) -> list[dict[str, Any]]:
    """The cases of one vector file."""
    return cast(list[dict[str, Any]], json.loads((VECTORS / f"{name}.json").read_text("utf-8"))["cases"])


PEOPLE = {
    name: crypto.Keys(
        Ed25519PrivateKey.from_private_bytes(b64u_decode(person["seed"])),
        cast(RSAPrivateKey, load_der_private_key(b64u_decode(person["pkcs8"]), None)),
    )
    for name, person in load_vectors("people")[0].items()
}
