"""The shells: the HTML documents that people open, the same bytes for everyone.

They depend only on the release, the language and the host's public words, so anyone can check them from outside.
Personal data comes later, as data, and is rendered in the browser.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from ezdms.views.languages import ENGLISH, LANGUAGES, Language
from ezdms.views.rendering import render

APP = "app"
PROTECTION = "protection"
ADDRESSES = {  # the addresses of each shell; /c/000… stands for all conversations
    APP: ("/", "/welcome", "/settings", "/search-pin", "/sessions", "/account", "/c/000000000000000000000000"),
    PROTECTION: ("/protection",),
}


@dataclass(frozen=True, slots=True)
class Shell:
    """A document and its strong ETag (without quotes)."""

    body: bytes
    etag: str


def shells(host: Mapping[str, str], language: Language = ENGLISH) -> dict[str, Shell]:
    """Every shell by name. `host`: name, notice, registration, retention (Settings.front)."""
    return {name: _shell(render(f"shells/{name}.html", language, host=host)) for name in ADDRESSES}


def shells_by_language(host: Mapping[str, str]) -> dict[str, dict[str, Shell]]:
    """The shells in every language, by its code."""
    return {code: shells(host, language) for code, language in LANGUAGES.items()}


def missing(status: int = 404, language: Language = ENGLISH) -> bytes:
    """The page for an unknown address, or another problem with one. It depends only on the status."""
    return render("shells/missing.html", language, status=status).encode()


def etag_of(body: bytes) -> str:
    """The strong ETag of a page, without its quotes."""
    return hashlib.sha256(body).hexdigest()[:32]


def _shell(html: str) -> Shell:
    body = html.encode()
    return Shell(body, etag_of(body))
