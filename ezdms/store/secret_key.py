"""The key in the data folder that encrypts what is stored as a secret in the database. It is in no backup of that."""

from __future__ import annotations

import os
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from contextlib import suppress
from pathlib import Path

from ezdms.store import data_folder

SIZE = 32  # bytes


def load(folder: Path) -> bytes:
    """The key, which is made if there is none. Raises FolderError if the file is damaged, or OSError."""
    path = folder / data_folder.KEY
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        _make(folder)
        text = path.read_bytes()
    with suppress(ValueError):
        key = urlsafe_b64decode(text.strip())
        if len(key) == SIZE:
            return key
    raise data_folder.FolderError(
        f"{path} is damaged. Restore it from where you keep a copy of it, or move it away: then a new one is made, and "
        "people with two-step login need a recovery code for their next login."
    )


def _make(folder: Path) -> None:
    """Write a new key, whole or not at all. If another process was faster, its key stays."""
    path = folder / data_folder.KEY
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            data_folder.give(file.fileno(), folder)
            file.write(urlsafe_b64encode(secrets.token_bytes(SIZE)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(part, path)
    finally:
        part.unlink(missing_ok=True)
