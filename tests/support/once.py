"""What costs much and need not be new is computed once per process: keys from PINs, checks of private keys, the list of
certificate authorities, RSA keys, the code that builds URLs, and the parts of URLs."""

from __future__ import annotations

import functools
import itertools
import os
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import certifi
import httpx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from werkzeug.routing import Rule

from ezdms import crypto
from ezdms.app import create_app
from ezdms.settings import Settings

CHEAP = "TEST"  # a Login PIN that begins like this costs a thousandth
RSA_KEYS = 48  # more than the people of any test, so that no two of them have the same
EXPONENT = 65537
PRIMES = 11  # whose pairs are enough for that many keys

# The lists of certificate authorities that an HTTP client reads if it is told nothing; tests change neither.
LISTS = (certifi.where(), os.environ.get("SSL_CERT_FILE"))

_stretch = crypto._pbkdf2
_create = ssl.create_default_context
_turns = itertools.count()
_compile = Rule._compile_builder
_take_cookies = httpx.Cookies.extract_cookies
_compiled: dict[tuple[Any, ...], Callable[..., tuple[str, str]]] = {}


@functools.cache
def _trusting(authorities: str) -> ssl.SSLContext:
    """Trusts what every HTTP client trusts unless it is told otherwise; nothing changes it."""
    return _create(cafile=authorities)


def _context(*given: Any, **named: Any) -> ssl.SSLContext:
    if not given and [*named] == ["cafile"] and named["cafile"] in LISTS:
        return _trusting(named["cafile"])
    return _create(*given, **named)


@functools.cache
def _primes() -> list[int]:
    """Each key that is generated brings two; that takes 40 ms."""
    made = [rsa.generate_private_key(public_exponent=EXPONENT, key_size=2048) for _ in range((PRIMES + 1) // 2)]
    return [prime for key in made for prime in (key.private_numbers().p, key.private_numbers().q)][:PRIMES]


@functools.cache
def _rsa_key(number: int) -> Any:
    """One of many keys from few primes."""
    q, p = sorted([*itertools.combinations(_primes(), 2)][number])
    d = rsa.rsa_recover_private_exponent(EXPONENT, p, q)
    crt = rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q)
    numbers = rsa.RSAPrivateNumbers(p, q, d, *crt, rsa.RSAPublicNumbers(EXPONENT, p * q))
    return numbers.private_key(unsafe_skip_rsa_key_validation=True)


def _compile_once(rule: Rule, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
    """Werkzeug compiles two functions per route, which are the same for every app: they find converters in the rule."""
    if rule.defaults:
        return _compile(rule, append_unknown)
    key = (rule.rule, *rule._trace, append_unknown)
    if key not in _compiled:
        _compiled[key] = _compile(rule, append_unknown)
    return _compiled[key]


def _take_what_there_is(cookies: httpx.Cookies, response: httpx.Response) -> None:
    """An HTTP client has the standard library look for cookies in every response; most have none."""
    if any(name.lower() == b"set-cookie" for name, _ in response.headers.raw):
        _take_cookies(cookies, response)


def _generate_keys() -> crypto.Keys:
    """A new identity, which is what tells people apart; its RSA key served others before."""
    return crypto.Keys(Ed25519PrivateKey.generate(), _rsa_key(next(_turns) % RSA_KEYS))


def share_rsa_keys() -> None:
    """Let people of this process take turns with RSA keys: making one takes 40 ms."""
    crypto.generate_keys = _generate_keys


real_login_pin = crypto.new_login_pin


def cheap_login_pin() -> str:
    """A Login PIN for programs alone: a browser, or an `ezdms` that is executed and not forked, cannot log in with it.

    Keys are derived from it at once. That 600,000 rounds are made for all others is in tests/vectors.
    """
    return CHEAP + real_login_pin()[len(CHEAP) :]


@functools.cache
def _pbkdf2(pin: str, salt: bytes, iterations: int) -> bytes:
    return _stretch(pin, salt, iterations // 1000 if pin.startswith(CHEAP) else iterations)


def use() -> None:
    """Compute them once in this process and in those forked from it."""
    crypto._pbkdf2 = _pbkdf2
    # It tests whether the factors of an RSA key are primes, which takes 36 ms at each login.
    serialization.load_der_private_key = functools.cache(serialization.load_der_private_key)  # type: ignore[assignment]
    ssl.create_default_context = _context
    Rule._compile_builder = _compile_once  # type: ignore[method-assign,assignment]
    # Half of the time that a program of a test takes is its HTTP client's, and a sixth of that is these two.
    urls: Any = httpx._urls
    urls.urlparse = functools.lru_cache(4096)(urls.urlparse)
    httpx.Cookies.extract_cookies = _take_what_there_is  # type: ignore[method-assign,assignment]


def prepare() -> None:
    """Compute now what does not depend on the test, in the process that others are forked from."""
    use()
    crypto.new_login_pin = cheap_login_pin
    for authorities in filter(None, LISTS):
        _trusting(authorities)
    create_app(Settings(data_dir=Path("unused")))  # it is not opened
