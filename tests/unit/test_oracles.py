"""Other JOSE libraries open our envelopes and verify our signatures, and we open what they seal."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, cast

import jwcrypto.jwe
import jwcrypto.jwk
import jwcrypto.jws
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from joserfc import jwe as joserfc_jwe
from joserfc import jws as joserfc_jws
from joserfc.jwk import OKPKey, RSAKey

from ezdms import crypto
from ezdms.protocol import envelope
from ezdms.protocol.encoding import b64u_decode, b64u_encode
from tests.conftest import skip_or_fail
from tests.support.node import run_node
from tests.support.people import PEOPLE

ALICE, BOB = PEOPLE["alice"], PEOPLE["bob"]
TEXT = 'Grüße, 漢字 👍🏽 — "quoted" \\ and\nmore'
MESSAGE = crypto.seal_message(ALICE, BOB.ik, BOB.spki, n=1, p="", a=(0, ""), ts=1_790_000_000_000, text=TEXT)
FOR_BOB = MESSAGE.content_for_a if BOB.fp < ALICE.fp else MESSAGE.content_for_b
HEADER = b64u_decode(FOR_BOB.split(".")[0]).decode()


def pem(keys: crypto.Keys) -> str:
    return keys.encryption.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def public_pem(keys: crypto.Keys) -> str:
    return (
        keys.encryption.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def ed25519_jwk(keys: crypto.Keys) -> dict[str, Any]:
    return {"kty": "OKP", "crv": "Ed25519", "x": b64u_encode(keys.ik)}


def open_as_bob(sealed: str) -> str:
    claims: dict[str, Any] = {"message_id": MESSAGE.message_id, "n": 1, "hash": MESSAGE.hash}
    return crypto.open_message(BOB, ALICE.ik, BOB.ik, sealed, **claims).text


def test_joserfc_opens_our_envelope_and_verifies_our_signature() -> None:
    opened = joserfc_jwe.decrypt_compact(FOR_BOB, RSAKey.import_key(pem(BOB)), algorithms=["RSA-OAEP-256", "A256GCM"])
    assert opened.plaintext is not None
    jws = joserfc_jws.deserialize_compact(
        opened.plaintext, OKPKey.import_key(ed25519_jwk(ALICE)), algorithms=["Ed25519"]
    )
    assert json.loads(jws.payload)["b"] == TEXT
    statement = crypto.sign_statement(ALICE, "alice", 1, 0)
    known = joserfc_jws.deserialize_compact(statement, OKPKey.import_key(ed25519_jwk(ALICE)), algorithms=["Ed25519"])
    assert json.loads(known.payload)["name"] == "alice"


def test_we_open_what_joserfc_seals() -> None:
    sealed = joserfc_jwe.encrypt_compact(
        json.loads(HEADER), MESSAGE.jws, RSAKey.import_key(public_pem(BOB)), algorithms=["RSA-OAEP-256", "A256GCM"]
    )
    assert open_as_bob(sealed) == TEXT


def test_jwcrypto_opens_our_envelope_and_verifies_our_signature() -> None:
    envelope_ = jwcrypto.jwe.JWE(algs=["RSA-OAEP-256", "A256GCM"])
    envelope_.deserialize(FOR_BOB, key=jwcrypto.jwk.JWK.from_pem(pem(BOB).encode()))
    # jwcrypto knows Ed25519 by its older JOSE name: the same signature, verified over the same bytes.
    header, body, signature = envelope_.payload.decode().split(".")
    key = jwcrypto.jwk.JWK(**ed25519_jwk(ALICE)).get_op_key("verify")
    key.verify(b64u_decode(signature), f"{header}.{body}".encode())
    assert json.loads(b64u_decode(body))["b"] == TEXT
    with pytest.raises(InvalidSignature):  # make sure that the check can fail
        key.verify(b64u_decode(signature), f"{header}.{body}x".encode())


def test_we_open_what_jwcrypto_seals() -> None:
    key = jwcrypto.jwk.JWK.from_pem(public_pem(BOB).encode())
    sealed = jwcrypto.jwe.JWE(MESSAGE.jws.encode(), protected=HEADER, recipient=key).serialize(compact=True)
    assert sealed.split(".")[0] == envelope.envelope_header(envelope.key_id(BOB.spki))
    assert open_as_bob(sealed) == TEXT


def ask_jose(question: dict[str, Any]) -> dict[str, str]:
    """Ask npm's jose one question."""
    if not (Path(os.environ.get("NODE_PACKAGES", "")) / "node_modules" / "jose").is_dir():
        skip_or_fail("npm's jose is missing: run bin/test on a machine with node and npm")
    return cast(dict[str, str], run_node(Path(__file__).with_name("jose_oracle.mjs"), given=question))


def test_npm_jose_opens_our_envelope_and_verifies_our_signature() -> None:
    answer = ask_jose({"jwe": FOR_BOB, "pkcs8": pem(BOB), "ik": b64u_encode(ALICE.ik)})
    assert json.loads(answer["body"])["b"] == TEXT


def test_we_open_what_npm_jose_seals() -> None:
    question = {"spki": public_pem(BOB), "ik": b64u_encode(ALICE.ik), "text": {"header": HEADER, "jws": MESSAGE.jws}}
    assert open_as_bob(ask_jose(question)["jwe"]) == TEXT
