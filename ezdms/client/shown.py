"""Filters all text from others before it is shown, so that it cannot control the terminal."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

# C0 except tab and line feed, DEL, C1, line and paragraph separators, characters that change text direction
# (bidi embeddings, overrides and isolates), and lone surrogates, which cannot be printed or written to files.
NOT_SHOWN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
REPLACEMENT = "\ufffd"
LONGEST_SENTENCE = 300  # characters
INDENT = "    "  # before continuation lines
TAB = 8  # cells of a terminal, at most


def printable(text: str) -> str:
    """Text that cannot control a terminal. Line feed and tab are the only control characters kept."""
    return NOT_SHOWN.sub(REPLACEMENT, text)


def indented(text: str) -> str:
    """Text with continuation lines indented, so that none can pass for a line printed by ezdms."""
    return text.replace("\n", f"\n{INDENT}")


def folded(text: str, width: int) -> str:
    """Wrap lines to `width` cells and indent continuation lines. If the terminal wrapped them itself, text from others
    could begin a line."""
    return "\n".join(piece for line in text.split("\n") for piece in _fold(line, width))


def _fold(line: str, width: int) -> Iterator[str]:
    piece = ""
    for letter in line:
        while sum(map(_cells, piece)) + _cells(letter) > width:
            cut = piece.rfind(" ", len(INDENT))
            yield piece if cut < 0 else piece[:cut]
            piece = INDENT + ("" if cut < 0 else piece[cut + 1 :])
        piece += letter
    yield piece


def _cells(letter: str) -> int:
    """The width of a character in a terminal, rounded up when in doubt."""
    if letter == "\t":
        return TAB
    return 2 if unicodedata.east_asian_width(letter) in "WF" or letter >= "\U0001f000" else 1


def one_line(text: str) -> str:
    """Text from others as one printable line of at most LONGEST_SENTENCE characters."""
    line = " ".join(printable(text[: 4 * LONGEST_SENTENCE]).split())
    return line if len(line) <= LONGEST_SENTENCE else line[: LONGEST_SENTENCE - 1] + "…"


def escaped(json: str) -> str:
    """Equivalent JSON in which everything that printable() would replace is escaped."""
    return NOT_SHOWN.sub(lambda match: f"\\u{ord(match[0]):04x}", json)
