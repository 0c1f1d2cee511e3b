"""Hashes auth_keys and recovery codes with scrypt, off the event loop and at low priority, so that users who are logged
in do not wait."""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from typing import TypeVar

from werkzeug.security import check_password_hash, generate_password_hash

from ezdms.db import Busy

T = TypeVar("T")

MOST_WAITING = 64  # hashes, of about 90 ms and 32 MiB each; more are refused at once
NICENESS = 10  # of the hashing threads, so that short work goes first
METHOD = "scrypt:32768:8:1"  # N, r, p as OWASP advises; werkzeug stores them in each hash
AT_ONCE = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


async def hash_auth_key(auth_key: str) -> str:
    """werkzeug's scrypt of the auth_key (b64u). Raises db.Busy."""
    return await _threads().run(generate_password_hash, auth_key, METHOD)


async def check_auth_key(stored: str | None, auth_key: str) -> bool:
    """Check the auth_key. Hashes once even if the login_id is unknown, so that timing leaks nothing. Raises db.Busy."""
    matches = await _threads().run(check_password_hash, stored or _nobody(), auth_key)
    return matches and stored is not None


async def hash_recovery_code(code: str, salt: str) -> str:
    """scrypt of a recovery code (50 random bits), hex. Raises db.Busy."""
    return await _threads().run(_hash_salted, code, salt)


def _hash_salted(code: str, salt: str) -> str:
    n, r, p = map(int, METHOD.split(":")[1:])
    return hashlib.scrypt(code.encode(), salt=salt.encode(), n=n, r=r, p=p, maxmem=256 * n * r * p).hex()


@cache
def _nobody() -> str:
    return generate_password_hash(secrets.token_urlsafe(32), METHOD)


class _Threads:
    """A thread per core, with a bounded queue."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(AT_ONCE, "scrypt", initializer=_step_back)
        self._count = 0

    async def run(self, function: Callable[..., T], *args: str) -> T:
        """Run the function on one of the threads. Raises Busy."""
        if self._count >= MOST_WAITING + AT_ONCE:
            raise Busy
        self._count += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, function, *args)
        finally:
            self._count -= 1


@cache
def _threads() -> _Threads:
    return _Threads()


def _step_back() -> None:
    """Lower the priority of this thread. Only Linux supports this per thread."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
