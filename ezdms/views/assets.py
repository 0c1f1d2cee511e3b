"""The files a browser loads, and their addresses. Independent of the web framework, for `ezdms verify`."""

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
ASKED_ANEW = "no-cache"  # cached, but revalidated by ETag each time
TYPES = {  # by the end of the name: the same on every machine, whatever its own table says
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
    ".json": "application/json",
    ".png": "image/png",
    ".webmanifest": "application/manifest+json",
}
OTHER_TYPE = "text/plain; charset=utf-8"  # licenses
IMPORT = re.compile(r'^import (?:[^"(]* from )?"([^"]+)";', re.MULTILINE)


@cache
def digest() -> str:
    """12 hex digits of SHA-256 over all files: one changed byte anywhere changes the address of every file.

    One digest for all, because modules import each other, and styles their fonts, by relative address.
    """
    whole = hashlib.sha256()
    for path in sorted(path for path in FOLDER.rglob("*") if path.is_file()):
        name = path.relative_to(FOLDER).as_posix().encode()
        whole.update(name + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()[:12]


def address_of(filename: str) -> str:
    """The address of a file in `static/`."""
    return f"/static/{digest()}/{filename}"


def type_of(filename: str) -> str:
    """The content type of a file in `static/`."""
    return TYPES.get(posixpath.splitext(filename)[1], OTHER_TYPE)


def integrity(octets: bytes) -> str:
    """Integrity metadata with one hash (W3C Subresource Integrity, 3.2), which browsers check before running it."""
    return "sha256-" + base64.b64encode(hashlib.sha256(octets).digest()).decode()


@cache
def integrity_of(filename: str) -> str:
    """The integrity of a file in `static/`."""
    return integrity((FOLDER / filename).read_bytes())


@cache
def modules() -> tuple[str, ...]:
    """boot.js and everything it imports, to load them all at once instead of level by level.

    boot.js is the first, so that all of them run in one moment, as it imports them: no other begins alone.
    """
    found = ["js/boot.js"]
    for name in found:  # grows during the loop
        for imported in IMPORT.findall((FOLDER / name).read_text()):
            path = posixpath.normpath(posixpath.join(posixpath.dirname(name), imported))
            if path not in found:
                found.append(path)
    return tuple(found)


SCHEME = "js/scheme.js"  # the only one that is no module: it runs before anything is drawn


@cache
def scripts() -> tuple[str, ...]:
    """Every script that a page loads."""
    return tuple(sorted({*modules(), SCHEME}))


@cache
def import_map() -> str:
    """The page's only inline script: the integrity of every script, since imports have no integrity attribute."""
    hashes = {address_of(name): integrity_of(name) for name in scripts()}
    return json.dumps({"integrity": hashes}, separators=(",", ":"))
