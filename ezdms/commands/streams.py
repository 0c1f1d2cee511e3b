"""Standard streams of the commands: any encoding can be written, and text from any system can be read."""

from __future__ import annotations

import codecs
import io
import json
import sys


def prepare() -> None:
    r"""Write what the encoding of the terminal or pipe lacks as \uXXXX, which is also valid JSON. Read lines
    however they end, and UTF-8 with or without a byte order mark; octets that are not UTF-8 become lone surrogates,
    which no message may contain."""
    codecs.register_error("ezdms.escape", _escape)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="ezdms.escape")
    if isinstance(sys.stdin, io.TextIOWrapper):
        is_utf8 = codecs.lookup(sys.stdin.encoding).name == "utf-8"
        sys.stdin.reconfigure(encoding="utf-8-sig" if is_utf8 else None, errors="surrogateescape", newline=None)


def _escape(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end
