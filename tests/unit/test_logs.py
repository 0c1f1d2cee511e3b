"""The log: one line for each event, without anything that users sent."""

from __future__ import annotations

import json
import logging
import sys

import pytest

from ezdms import logs
from ezdms.logs import JsonLines, TextLines

SECRET = "XXXX-1234-SECRET-PIN"


def record_of(error: BaseException | None = None, message: str = "error", **fields: object) -> logging.LogRecord:
    """The record that a logger passes to a formatter."""
    if error is None:
        told = logging.makeLogRecord({"name": "ezdms", "levelname": "INFO", "msg": message})
    else:
        try:
            raise error  # noqa: TRY301 - an error has a place once it was raised
        except BaseException:
            told = logging.makeLogRecord(
                {"name": "ezdms", "levelname": "ERROR", "msg": message, "exc_info": sys.exc_info()}
            )
    if fields:
        told.fields = fields
    return told


@pytest.mark.parametrize("form", [TextLines, JsonLines])
@pytest.mark.parametrize("error", [ValueError(f"bad PIN {SECRET}"), KeyError(SECRET), RuntimeError(f"\n{SECRET}\n")])
def test_an_error_is_logged_as_one_line_with_its_type_and_place_but_not_its_message(
    form: type[logging.Formatter], error: Exception
) -> None:
    line = form().format(record_of(error, method="POST", route="/c/<conversation_id>"))
    assert "\n" not in line
    assert SECRET not in line
    assert type(error).__name__ in line
    assert "test_logs.py:" in line
    assert "/c/<conversation_id>" in line


def test_the_message_of_a_system_error_is_logged() -> None:
    line = TextLines().format(record_of(OSError(28, "No space left on device")))
    assert "No space left on device" in line


def test_a_json_log_line_is_valid_json() -> None:
    said = json.loads(JsonLines().format(record_of(message="started", version="1.0", sockets=3)))
    assert said.pop("time").endswith("Z")
    assert said == {"level": "INFO", "event": "started", "version": "1.0", "sockets": 3}


def test_a_log_message_of_a_library_is_cut_to_its_first_line() -> None:
    record = logging.makeLogRecord({"name": "asyncio", "levelname": "ERROR", "msg": "Task failed\ntask: <Task …>" * 99})
    line = TextLines().format(record)
    assert line.endswith("ERROR Task failed: logger=asyncio")


def test_what_happens_with_every_request_is_logged_once_a_minute_with_its_count(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    seldom = logs.Seldom("cannot store")
    for _ in range(5):
        seldom.event(logging.ERROR, 2, why="database or disk is full")
    monkeypatch.setattr(logs, "SELDOM", 0.0)
    seldom._next = 0.0  # a minute later
    seldom.event(logging.ERROR, why="database or disk is full")
    fields = [vars(record)["fields"] for record in caplog.records]
    assert fields == [{"count": count, "why": "database or disk is full"} for count in (2, 9)]
