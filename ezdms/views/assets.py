"""The files a browser loads, and their addresses. Knows no web: `ezdms verify` compares a server with them."""

from __future__ import annotations

import base64
import hashlib
import json
import posixpath
import re
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "static"
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


def integrity(octets: bytes) -> str:
    """Integrity metadata of one hash (W3C Subresource Integrity, 3.2), which a browser compares before it runs them."""
    return "sha256-" + base64.b64encode(hashlib.sha256(octets).digest()).decode()


@cache
def integrity_of(filename: str) -> str:
    """The integrity of a file of `static/`."""
    return integrity((FOLDER / filename).read_bytes())


@cache
def modules() -> tuple[str, ...]:
    """boot.js and all that it imports: whoever asks for them at once waits once, not once for each level.

    boot.js is the first, so that all of them run in one moment, as it imports them: no other begins alone.
    """
    found = ["js/boot.js"]
    for name in found:  # which grows meanwhile
        for imported in IMPORT.findall((FOLDER / name).read_text()):
            path = posixpath.normpath(posixpath.join(posixpath.dirname(name), imported))
            if path not in found:
                found.append(path)
    return tuple(found)


@cache
def scripts() -> tuple[str, ...]:
    """Every script of the release, also those that are loaded when they are needed."""
    return tuple(sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.js")))


@cache
def import_map() -> str:
    """The page's only inline script: the integrity of every script, for imports, which have no attribute to say it."""
    hashes = {address_of(name): integrity_of(name) for name in scripts()}
    return json.dumps({"integrity": hashes}, separators=(",", ":"))
