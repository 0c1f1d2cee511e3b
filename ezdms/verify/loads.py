"""Finds what pages, scripts and styles make a browser load, and how two pages differ. Nothing in them is run."""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import PurePosixPath
from urllib.parse import urldefrag, urljoin

from ezdms.verify.report import shown

LARGEST_COUNT = 500  # addresses checked in one file
LONGEST_PIECE = 160  # characters shown of a difference

ADDRESSES = {"action", "background", "data", "formaction", "href", "poster", "src", "xlink:href"}
LISTS = {"srcset", "imagesrcset", "ping"}  # several addresses, with commas or blanks between them
HTMX = re.compile(r"(?:data-)?hx-(?:get|post|put|patch|delete|action|ws|ws-connect|sse|sse-connect)(?::.*)?")
GO_ELSEWHERE = {"a", "area"}  # links: load nothing until they are followed
REFRESH = re.compile(r"url\s*=\s*[\"']?([^\"'\s]+)", re.IGNORECASE)

QUOTED = r"[\"'`]([^\"'`]+)[\"'`]"
IN_SCRIPT = (
    re.compile(r"\b(?:import|export)\b[\w\s{},*$]*?\bfrom\s*" + QUOTED),
    re.compile(r"\bimport\s*\(?\s*" + QUOTED),
    re.compile(r"\b(?:Worker|importScripts|EventSource|WebSocket|sendBeacon)\s*\(\s*" + QUOTED),
    re.compile(r"[\"'`]((?:(?:https?|wss?):)?//[^\"'`\s]+)[\"'`]"),  # regardless of its use
)
IN_STYLE = (re.compile(r"url\(\s*[\"']?([^\"')]+)"), re.compile(r"@import\s+[\"']([^\"']+)"))


class Elements(HTMLParser):
    """The source of a page's elements, and the addresses they load."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loads: list[str] = []
        self.base = ""
        self._inside = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag
        self.tags.append(self.get_starttag_text() or tag)
        for name, value in ((name, value or "") for name, value in attrs):
            if tag == "base" and name == "href":
                self.base = self.base or value
            elif (name in ADDRESSES and tag not in GO_ELSEWHERE) or HTMX.fullmatch(name):
                self.loads.append(value)
            elif name in LISTS:
                self.loads += [part.split()[0] for part in value.split(",") if part.strip()]
            elif name == "style":
                self.loads += _all(IN_STYLE, value)
            elif name == "srcdoc":
                self.loads += Elements(value).loads
        if tag == "meta" and dict(attrs).get("http-equiv", "") == "refresh":
            self.loads += REFRESH.findall(dict(attrs).get("content") or "")

    def handle_data(self, data: str) -> None:
        if self._inside == "style":
            self.loads += _all(IN_STYLE, data)
        elif self._inside == "script":
            self.loads += _all(IN_SCRIPT, data)


def loads_of(address: str, path: str, octets: bytes) -> list[str]:
    """The absolute addresses that the file at `address` loads, as far as it has them literally."""
    text = octets.decode("utf-8", "replace")
    suffix = PurePosixPath(path).suffix
    base = address
    if suffix == ".js":
        found = _all(IN_SCRIPT, text)
    elif suffix == ".css":
        found = _all(IN_STYLE, text)
    elif suffix in ("", ".svg"):
        page = Elements(text)
        found, base = page.loads, _join(address, page.base)
    else:
        found = []
    return [urldefrag(_join(base, one.strip()))[0] for one in dict.fromkeys(found[:LARGEST_COUNT])]


def _all(patterns: tuple[re.Pattern[str], ...], text: str) -> list[str]:
    found = (one for pattern in patterns for one in pattern.findall(text))
    return [one for one in found if not one.startswith("${")]  # computed at runtime


def _join(base: str, address: str) -> str:
    try:
        return urljoin(base, address)
    except ValueError:
        return address


def difference(expected: bytes, got: bytes) -> str:
    """What was added to a page and what is missing, or where the text begins to differ."""
    before = Counter(Elements(expected.decode("utf-8", "replace")).tags)
    after = Counter(Elements(got.decode("utf-8", "replace")).tags)
    added, missing = list(after - before), list(before - after)
    if added or missing:
        words = [("Added", added), ("Missing", missing)]
        return " ".join(f"{word}: {' '.join(_piece(tag) for tag in tags[:3])}" for word, tags in words if tags)
    at = next((i for i, (one, other) in enumerate(zip(expected, got, strict=False)) if one != other), len(expected))
    return f"The first difference is at byte {at}, which begins: {_piece(got[at : at + 60].decode('utf-8', 'replace'))}"


def _piece(text: str) -> str:
    return shown(" ".join(text.split()), LONGEST_PIECE)
