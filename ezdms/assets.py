"""The files a browser loads. Under an address that carries their hash they are kept for good, else asked for anew."""

from __future__ import annotations

import hashlib
import re
from functools import cache
from pathlib import Path

from quart import Response, send_from_directory
from werkzeug.exceptions import NotFound

FOLDER = Path(__file__).parent / "static"
FOR_GOOD = "public, max-age=31536000, immutable"
ASKED_ANEW = "no-cache"  # kept, but an ETag is asked about each time


@cache
def digest() -> str:
    """12 hex digits of SHA-256 over every file: one changed byte anywhere changes the address of them all.

    One digest for all, because modules import each other, and styles their fonts, by relative address.
    """
    whole = hashlib.sha256()
    for path in sorted(path for path in FOLDER.rglob("*") if path.is_file()):
        name = path.relative_to(FOLDER).as_posix().encode()
        whole.update(name + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()[:12]


def address_of(filename: str) -> str:
    """Where a page finds a file of `static/`."""
    return f"/static/{digest()}/{filename}"


async def send(filename: str) -> Response:
    """A file by its name, with or without a digest before it; 404 if there is none.

    A page that was opened before an upgrade still asks with the old digest: it gets today's file, but not for good.
    """
    before, name = re.fullmatch(r"(?:([0-9a-f]{12})/)?(.*)", filename, re.DOTALL).groups()  # type: ignore[union-attr]
    try:
        response = await send_from_directory(FOLDER, name)
    except OSError as error:  # a name that no file system takes
        raise NotFound from error
    response.headers["Cache-Control"] = FOR_GOOD if before == digest() else ASKED_ANEW
    response.headers.pop("Expires", None)
    return response
