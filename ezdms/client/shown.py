"""The one filter through which everything that others wrote passes before it is shown: no terminal obeys it."""

from __future__ import annotations

import re

# C0 but tab and line feed, DEL, C1, line and paragraph separators, what turns the direction of text around
# (bidi embeddings, overrides and isolates), and lone surrogates, which no terminal or file takes.
NOT_SHOWN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
REPLACEMENT = "\ufffd"
LONGEST_SENTENCE = 300  # characters


def printable(text: str) -> str:
    """Text that a terminal shows and does not obey; of all controls it keeps line feed and tab."""
    return NOT_SHOWN.sub(REPLACEMENT, text)


def one_line(text: str) -> str:
    """A sentence of somebody else's: one printable line of at most LONGEST_SENTENCE characters."""
    line = " ".join(printable(text[: 4 * LONGEST_SENTENCE]).split())
    return line if len(line) <= LONGEST_SENTENCE else line[: LONGEST_SENTENCE - 1] + "…"


def escaped(json: str) -> str:
    """JSON that means the same, and in which whatever printable() would replace is escaped."""
    return NOT_SHOWN.sub(lambda match: f"\\u{ord(match[0]):04x}", json)
