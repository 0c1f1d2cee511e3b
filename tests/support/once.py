"""What costs much and need not be new is computed once per process: keys from PINs, the list of certificate
authorities, and RSA keys."""

from __future__ import annotations

import functools
import itertools
import ssl
from typing import Any

import certifi
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from ezdms import crypto

RSA_KEYS = 48  # more than the people of any test, so that no two of them have the same

_create = ssl.create_default_context
_turns = itertools.count()


@functools.cache
def _with_certifi() -> ssl.SSLContext:
    """Trusts what every HTTP client trusts unless it is told otherwise; nothing changes it."""
    return _create(cafile=certifi.where())


def _context(*given: Any, **named: Any) -> ssl.SSLContext:
    if not given and named == {"cafile": certifi.where()}:
        return _with_certifi()
    return _create(*given, **named)


@functools.cache
def _rsa_key(number: int) -> Any:
    return generate_private_key(public_exponent=65537, key_size=2048)


def _generate_keys() -> crypto.Keys:
    """A new identity, which is what tells people apart; its RSA key served others before."""
    return crypto.Keys(Ed25519PrivateKey.generate(), _rsa_key(next(_turns) % RSA_KEYS))


def share_rsa_keys() -> None:
    """Let people of this process take turns with RSA keys: making one takes 40 ms."""
    crypto.generate_keys = _generate_keys


def use() -> None:
    """Compute them once in this process and in those forked from it."""
    crypto._pbkdf2 = functools.cache(crypto._pbkdf2)
    ssl.create_default_context = _context


def prepare() -> None:
    """Compute now what does not depend on the test."""
    use()
    _with_certifi()
