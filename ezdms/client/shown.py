"""The one filter through which everything that others wrote passes before it is shown: no terminal obeys it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

# C0 but tab and line feed, DEL, C1, line and paragraph separators, what turns the direction of text around
# (bidi embeddings, overrides and isolates), and lone surrogates, which no terminal or file takes.
NOT_SHOWN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
REPLACEMENT = "\ufffd"
LONGEST_SENTENCE = 300  # characters
INDENT = "    "  # before what goes on in a further line
TAB = 8  # cells of a terminal, at most


def printable(text: str) -> str:
    """Text that a terminal shows and does not obey; of all controls it keeps line feed and tab."""
    return NOT_SHOWN.sub(REPLACEMENT, text)


def indented(text: str) -> str:
    """Text whose further lines are indented, so that none can pass for a line of ours."""
    return text.replace("\n", f"\n{INDENT}")


def folded(text: str, width: int) -> str:
    """No line has more than `width` cells, and what goes on in the next one is indented: a terminal that breaks a long
    line itself would let the words of others begin one."""
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
    """How wide a terminal shows it, rather too wide than too narrow."""
    if letter == "\t":
        return TAB
    return 2 if unicodedata.east_asian_width(letter) in "WF" or letter >= "\U0001f000" else 1


def one_line(text: str) -> str:
    """A sentence of somebody else's: one printable line of at most LONGEST_SENTENCE characters."""
    line = " ".join(printable(text[: 4 * LONGEST_SENTENCE]).split())
    return line if len(line) <= LONGEST_SENTENCE else line[: LONGEST_SENTENCE - 1] + "…"


def escaped(json: str) -> str:
    """JSON that means the same, and in which whatever printable() would replace is escaped."""
    return NOT_SHOWN.sub(lambda match: f"\\u{ord(match[0]):04x}", json)
