"""What costs much and always has the same result is computed once per process: keys from PINs, and the list of CAs."""

from __future__ import annotations

import functools
import ssl
from typing import Any

import certifi

from ezdms import crypto

_create = ssl.create_default_context


@functools.cache
def _with_certifi() -> ssl.SSLContext:
    """Trusts what every HTTP client trusts unless it is told otherwise; nothing changes it."""
    return _create(cafile=certifi.where())


def _context(*given: Any, **named: Any) -> ssl.SSLContext:
    if not given and named == {"cafile": certifi.where()}:
        return _with_certifi()
    return _create(*given, **named)


def use() -> None:
    """Compute them once in this process and in those forked from it."""
    crypto._pbkdf2 = functools.cache(crypto._pbkdf2)
    ssl.create_default_context = _context


def prepare() -> None:
    """Compute now what does not depend on the test."""
    use()
    _with_certifi()
