"""The files a browser loads, and their addresses. Knows no web: `ezdms verify` compares a server with them."""

from __future__ import annotations

import hashlib
import posixpath
import re
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "static"
FOR_GOOD = "public, max-age=31536000, immutable"
ASKED_ANEW = "no-cache"  # kept, but an ETag is asked about each time
IMPORT = re.compile(r'^import (?:[^"(]* from )?"([^"]+)";', re.MULTILINE)


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


def modules() -> list[str]:
    """boot.js and all that it imports: whoever asks for them at once waits once, not once for each level."""
    found = ["js/boot.js"]
    for name in found:  # which grows meanwhile
        for imported in IMPORT.findall((FOLDER / name).read_text()):
            path = posixpath.normpath(posixpath.join(posixpath.dirname(name), imported))
            if path not in found:
                found.append(path)
    return found
