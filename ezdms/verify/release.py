"""What a release serves, by its manifest: the page at every address, every file, and a page's headers."""

from __future__ import annotations

import hashlib
import re

from ezdms.edge.headers import HEADERS
from ezdms.release.manifest import MISSING, Manifest
from ezdms.views.assets import type_of
from ezdms.views.languages import ENGLISH
from ezdms.views.page_policy import of_a_page

ALSO_SAFE = {"text/javascript": "application/javascript", "text/plain": "application/octet-stream"}  # by a proxy


class Release:
    """The release that a server should run, with this host's words filled in.

    `host`: the server's name, notice, registration and retention from its /deployment, shown in the pages as text.
    `pages`: address → page in English. `translations`: other language → the same. `missing`: language → the page for an
    unknown address. `files`: path, which contains the digest of them all → SHA-256 in hex.
    """

    def __init__(self, manifest: Manifest, host: dict[str, str]) -> None:
        self.version = manifest.version
        self.files = manifest.files
        self.missing = {code: manifest.shell(MISSING, host, code) for code in manifest.shells}
        self.translations = {code: _pages(manifest, host, code) for code in manifest.shells}
        self.pages = self.translations.pop(ENGLISH.code)
        self._of_a_page = {**of_a_page(), "Content-Security-Policy": manifest.csp}

    def path_of(self, name: str) -> str:
        """The permanent path of a file in `static/`."""
        return next((path for path in self.files if path.split("/", 3)[3] == name), f"/static/{name}")

    def fences(self, *, is_page: bool) -> dict[str, str]:
        """The security headers of a response. Only pages may run scripts."""
        return self._of_a_page if is_page else HEADERS

    def is_type(self, path: str, content_type: str) -> bool:
        """True if this Content-Type is safe for the page or file: with another one, the same bytes could mean something
        else."""
        essence, *parameters = (part.strip() for part in content_type.lower().split(";"))
        right = "text/html" if path in self.pages else type_of(path).partition(";")[0]
        return essence in (right, ALSO_SAFE.get(right)) and all(
            one in ("charset=utf-8", 'charset="utf-8"') for one in parameters
        )


def _pages(manifest: Manifest, host: dict[str, str], code: str) -> dict[str, bytes]:
    bodies = {name: manifest.shell(name, host, code) for name in manifest.addresses}
    return {path: bodies[name] for name, paths in manifest.addresses.items() for path in paths}


def digest_of(octets: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(octets).hexdigest()


def is_hashed(path: str) -> bool:
    """True for a file's address with any digest: a browser may cache that forever."""
    return re.match(r"/static/[0-9a-f]{12}/", path) is not None


def fingerprint(octets: bytes) -> str:
    """Size and shortened SHA-256."""
    return f"{len(octets)} bytes, {shown_digest(digest_of(octets))}"


def shown_digest(digest: str) -> str:
    """Shortened SHA-256."""
    return f"SHA-256 {digest[:16]}…"
