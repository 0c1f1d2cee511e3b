"""Names of files: those that others chose, made safe to show and to save, and those of one's own, made fit to send."""

from __future__ import annotations

import re
import unicodedata
from mimetypes import guess_type

from ezdms.crypto import FILE_NAME, FILE_TYPE

# Controls, surrogates, all characters that change text direction or are invisible, and what no file system likes.
UNSAFE = re.compile(
    '[\x00-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff/\\\\:*?"<>|]'
)
RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)  # on Windows
LONGEST = 128  # code points
MOST_BYTES = 200  # of UTF-8: file systems take 255, and a number may be added
LONGEST_ENDING = 16  # characters
NAMELESS = "file"


def safe_name(name: str) -> str:
    """A name that stays in its folder, cannot be hidden, mistaken for an option, or read in another direction."""
    name = UNSAFE.sub("_", unicodedata.normalize("NFC", name)).strip(" .")
    if not name.strip("_"):
        return NAMELESS
    if name.startswith("-") or RESERVED.fullmatch(name):
        name = f"_{name}"
    return _cut(name)


def _cut(name: str) -> str:
    """Shortened before its ending."""
    stem, dot, ending = name.rpartition(".")
    if not dot or len(ending) > LONGEST_ENDING:
        stem, ending = name, ""
    tail = dot + ending if ending else ""
    stem = stem[: LONGEST - len(tail)]
    while len((stem + tail).encode()) > MOST_BYTES:
        stem = stem[:-1]
    return stem + tail


def sent_name(name: str) -> str:
    """The name of a file of one's own, as it can be sent."""
    name = safe_name(name)
    return name if FILE_NAME.fullmatch(name) else NAMELESS


def type_of(name: str) -> str:
    """The media type that the ending of a name suggests; "" if none."""
    found = (guess_type(name)[0] or "").lower()
    return found if FILE_TYPE.fullmatch(found) else ""
