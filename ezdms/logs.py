"""The log: one line per event, as text or JSON. It tells what happened and where, but no user data."""

from __future__ import annotations

import json
import logging
import sys
import time
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parent
PLACES = 3  # stack frames of our own code, innermost first, in the line of an error
SELDOM = 60.0  # seconds
LONGEST = 300  # characters of a message from another library

_log = logging.getLogger("ezdms")


def event(level: int, name: str, **fields: Any) -> None:
    """Log an event: a few words, and fields with no PIN, token, text or address."""
    _log.log(level, name, extra={"fields": fields}, exc_info=level >= logging.ERROR)


class Seldom:
    """An event that may happen with every request: logged at most once a minute, with how often it happened."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._count = 0
        self._next = 0.0

    def event(self, level: int, count: int = 1, **fields: Any) -> None:
        """Count it, and log it if it is time."""
        self._count += count
        if time.monotonic() >= self._next:
            event(level, self._name, count=self._count, **fields)
            self._count, self._next = 0, time.monotonic() + SELDOM


def use(*, as_json: bool) -> None:
    """Write every logger's lines to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if as_json else TextLines())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    _log.setLevel(logging.INFO)


def _parts(record: logging.LogRecord) -> dict[str, Any]:
    """The fields of a log line."""
    moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    said: dict[str, Any] = {"time": moment.replace("+00:00", "Z"), "level": record.levelname}
    said["event"] = record.getMessage()[:LONGEST].partition("\n")[0]
    if record.name != _log.name:
        said["logger"] = record.name
    said.update(getattr(record, "fields", {}))
    if record.exc_info and record.exc_info[1] is not None:
        said.update(_describe(record.exc_info[1]))
    return said


def _describe(error: BaseException) -> dict[str, str]:
    """Type and place of an error, and its message if that cannot contain user data."""
    said = {"error": type(error).__name__}
    if isinstance(error, OSError) or type(error).__module__ == "sqlite3":  # other messages may quote user input
        said["words"] = str(error)[:LONGEST].replace("\n", " ")
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).is_relative_to(PACKAGE)] or frames
    places = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in own[-PLACES:]]
    return {**said, "where": " < ".join(reversed(places))}


class JsonLines(logging.Formatter):
    """One JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        return json.dumps(_parts(record), ensure_ascii=False, default=str)


class TextLines(logging.Formatter):
    """`time level event: name=value …`."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        said = _parts(record)
        head = f"{said.pop('time')} {said.pop('level')} {said.pop('event')}"
        fields = " ".join(
            f"{name}={json.dumps(value, ensure_ascii=False, default=str) if ' ' in str(value) else value}"
            for name, value in said.items()
        )
        return f"{head}: {fields}" if fields else head
