"""Everything to check a release with: its manifest, the signature, and a pin for a browser.

ReleaseError
├── ManifestError   not a manifest, or its signature is invalid
└── PinError        the extension could not be written
"""

from __future__ import annotations

import re

from ezdms.protocol.encoding import b64u_encode, sha256

# Version numbers as Python packages (PEP 440) and semantic versioning write them, and nothing that could be read as
# words: `ezdms pin` and its extension show people what a server says it runs, in this form only.
VERSION = re.compile(
    r"[0-9]{1,5}(\.[0-9]{1,5}){1,3}(-?(a|b|alpha|beta|rc)\.?[0-9]{0,5})?(\.post[0-9]{1,5})?(\.dev[0-9]{1,5})?", re.ASCII
)
BUILD_SHOWN = 12  # characters of a build's digest that people compare: 72 bits


def digest_of(import_map: str) -> str:
    """The digest of a build: the b64u of SHA-256 over the import map, which has the hash of every script."""
    return b64u_encode(sha256(import_map.encode()))


def name_of(version: str, digest: str) -> str:
    """The name of a build, as shown to people everywhere."""
    return f"EZ-DMS {version}, build {digest[:BUILD_SHOWN]}"


class ReleaseError(ValueError):
    """An operation on a release failed; the message says why."""
