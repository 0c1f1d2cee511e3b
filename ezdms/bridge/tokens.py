"""The bridge's bearer token. Anyone who has it can read and send messages as every logged-in user."""

from __future__ import annotations

import os
import re
import secrets
import stat
from pathlib import Path

from ezdms.protocol.encoding import b64u_encode

TOKEN = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


class TokenError(Exception):
    """The token file cannot be used; the message says why."""


def new_token() -> str:
    """32 random bytes, b64u."""
    return b64u_encode(secrets.token_bytes(32))


def token_of(path: Path) -> str:
    """The token in this file. Creates the file, readable only by its owner, if missing. Raises TokenError."""
    try:
        return _make(path)
    except FileExistsError:
        return _read(path)
    except OSError as error:
        raise TokenError(f"The token cannot be written to {path}: {error.strerror}.") from error


def _make(path: Path) -> str:
    token = new_token()
    with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="ascii") as file:
        file.write(token + "\n")
    return token


def _read(path: Path) -> str:
    try:  # do not follow a link: it could lead to someone else's file
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), encoding="ascii") as file:
            kept = os.fstat(file.fileno())
            if not stat.S_ISREG(kept.st_mode) or kept.st_uid != os.geteuid() or kept.st_mode & 0o077:
                raise TokenError(f"Other users can access {path}. Run chmod 600, or choose a new token file.")
            token = file.read(100).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise TokenError(f"The token cannot be read from {path}.") from error
    if not TOKEN.fullmatch(token):
        raise TokenError(f"There is no token in {path}. Delete the file to get a new one.")
    return token
