"""What the installed release serves to anybody: the page of every address, and every file a page may load."""

from __future__ import annotations

import hashlib
import re
from functools import cache
from pathlib import PurePosixPath

from ezdms.assets import FOLDER, address_of
from ezdms.views.shells import ADDRESSES, Shell, missing, shells

# Script and style mean the same bytes in every one of these; another type or charset could give them another meaning.
TYPES = {
    ".js": {"text/javascript", "application/javascript"},
    ".css": {"text/css"},
    ".svg": {"image/svg+xml"},
    ".woff2": {"font/woff2"},
}
OTHER_TYPES = {"text/plain", "application/octet-stream"}  # licences


PAGES = tuple(path for paths in ADDRESSES.values() for path in paths)
NOTHING = "There is nothing at this address."  # what the page of an unknown address says


def pages(host: dict[str, str]) -> dict[str, Shell]:
    """The page of each address that a person opens. Nothing in it depends on who asks or when.

    `host`: the server's name, notice and registration, as its /deployment gives them; they stand in the page as text.
    """
    rendered = shells(host)
    return {path: rendered[name] for name, paths in ADDRESSES.items() for path in paths}


def missing_page() -> bytes:
    """The page of an address where there is nothing."""
    return missing(NOTHING)


@cache
def files() -> dict[str, bytes]:
    """Every file of the release by its path, which names the digest of them all."""
    found = sorted(path for path in FOLDER.rglob("*") if path.is_file())
    return {address_of(path.relative_to(FOLDER).as_posix()): path.read_bytes() for path in found}


def is_hashed(path: str) -> bool:
    """True for the address of a file that names a digest, whichever: a browser may keep what comes for good."""
    return re.match(r"/static/[0-9a-f]{12}/", path) is not None


def is_type(path: str, content_type: str) -> bool:
    """True if this Content-Type leaves a page or file what it is."""
    essence, *parameters = (part.strip() for part in content_type.lower().split(";"))
    expected = {"text/html"} if path in PAGES else TYPES.get(PurePosixPath(path).suffix, OTHER_TYPES)
    return essence in expected and all(one in ("charset=utf-8", 'charset="utf-8"') for one in parameters)


def fingerprint(octets: bytes) -> str:
    """Size and SHA-256, cut to what tells two apart."""
    return f"{len(octets)} bytes, SHA-256 {hashlib.sha256(octets).hexdigest()[:16]}…"
