"""Parses requests: forms as sent to the original, or JSON objects with the same names."""

from __future__ import annotations

import json
import re
from typing import Any, cast
from urllib.parse import parse_qsl

from quart import request

LARGEST_BODY = 64 * 1024  # bytes
MOST = 2000  # messages in one response
MOST_FIELDS = 20


class Problem(Exception):
    """A failed request: status, a sentence for people, more JSON members for programs."""

    def __init__(self, status: int, sentence: str, **more: object) -> None:
        super().__init__(sentence)
        self.status = status
        self.more = more


class _Members(list[tuple[str, Any]]):
    """The members of a JSON object in order, to detect duplicates."""


async def read_fields() -> dict[str, str]:
    """The fields of the body. Raises Problem 400, also for duplicates."""
    body = cast(bytes, await request.get_data())
    given: list[tuple[str, Any]]
    try:
        if request.mimetype == "application/json":
            given = json.loads(body.decode("utf-8"), object_pairs_hook=_Members)
            if not isinstance(given, _Members):
                raise Problem(400, "Expected a JSON object.")
        elif request.mimetype == "multipart/form-data":
            given = [(name, value) for name, values in (await request.form).lists() for value in values]
        else:
            given = parse_qsl(body.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    except (ValueError, RecursionError) as error:
        raise Problem(400, "The body is not a form or JSON.") from error
    fields = {name: str(value) if type(value) is int else value for name, value in given}
    if len(fields) != len(given) or not all(isinstance(value, str) for value in fields.values()):
        raise Problem(400, "Expected each field once, as a string.")
    return fields


def need(fields: dict[str, str], *names: str) -> list[str]:
    """The values of required fields. Raises Problem 400 if one is missing or empty."""
    for name in names:
        if not fields.get(name, "").strip():
            raise Problem(400, f"The field {name} is missing.")
    return [fields[name] for name in names]


def read_page(fields: dict[str, str]) -> tuple[int | None, int]:
    """(`after`: a seq, or None for the newest; `limit`: MOST by default). Raises Problem 400."""
    after = _read_number(fields, "after", 0, 10**15)
    return after, _read_number(fields, "limit", 1, MOST) or MOST


def _read_number(fields: dict[str, str], name: str, low: int, high: int) -> int | None:
    text = fields.get(name)
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,16}", text, re.ASCII) or not low <= int(text) <= high:
        raise Problem(400, f"The field {name} must be a whole number from {low} to {high}.")
    return int(text)
