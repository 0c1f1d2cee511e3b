"""The shells: what every address that a person opens answers, the same bytes for everybody.

They depend on the release and the host's public words alone, so anybody can check them from outside. What belongs to a
person comes afterwards, as data, and is drawn in the browser.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from ezdms.views.rendering import render

APP = "app"
PROTECTION = "protection"
NOTHING = "There is nothing at this address."
ADDRESSES = {  # of each shell, an address at which it is served
    APP: ("/", "/welcome", "/search-pin", "/sessions", "/account", "/c/000000000000000000000000"),
    PROTECTION: ("/protection",),
}


@dataclass(frozen=True, slots=True)
class Shell:
    """A document and its strong ETag (without quotes)."""

    body: bytes
    etag: str


def shells(host: Mapping[str, str]) -> dict[str, Shell]:
    """Every shell by name. `host`: name, notice, registration (Settings.front)."""
    return {name: _shell(render(f"shells/{name}.html", host=host)) for name in ADDRESSES}


def missing(sentence: str) -> bytes:
    """The page of an address where there is nothing; the sentence depends on the kind of problem alone."""
    return render("shells/missing.html", sentence=sentence).encode()


def etag_of(body: bytes) -> str:
    """The strong ETag of a page, without its quotes."""
    return hashlib.sha256(body).hexdigest()[:32]


def _shell(html: str) -> Shell:
    body = html.encode()
    return Shell(body, etag_of(body))
