"""Strict parsing of the fields of a form or JSON object. Independent of the web framework."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from ezdms.problem import Problem
from ezdms.protocol.encoding import EnvelopeError, b64u_decode


class _Object(NamedTuple):
    """A JSON object. Nested, it is not a valid value of any field."""

    members: list[tuple[str, Any]]


LISTS = ("messages",)  # fields that are lists in a JSON object, and JSON in a form
DECODER = json.JSONDecoder(object_pairs_hook=_Object)


def pick_fields(given: list[tuple[str, Any]], names: tuple[str, ...], optional: tuple[str, ...] = ()) -> dict[str, str]:
    """The named fields, each exactly once (`optional`: at most once). Other fields are ignored.

    JSON integers are converted to decimal, so that a form and a JSON object mean the same. Raises Problem 400.
    """
    fields: dict[str, str] = {}
    for name, value in given:
        if name not in names and name not in optional:
            continue
        if name in fields:
            raise Problem(400, "duplicate_field", f"The field {name} was given twice.")
        fields[name] = _as_text(name, value)
    for name in names:
        if name not in fields:
            raise Problem(400, "missing_field", f"The field {name} is missing.")
    return fields


def parse_integer(name: str, text: str, *, low: int, high: int) -> int:
    """Parse a canonical decimal integer (no sign, no leading zero) from `low` to `high`, else Problem 400."""
    if not re.fullmatch(r"0|[1-9][0-9]{0,15}", text, re.ASCII) or not low <= int(text) <= high:
        raise Problem(400, "malformed_field", f"The field {name} must be a whole number from {low} to {high}.")
    return int(text)


def parse_bytes(name: str, text: str, size: int | None) -> bytes:
    """Decode canonical base64url, of `size` bytes unless None; else Problem 400."""
    try:
        return b64u_decode(text, size)
    except EnvelopeError as error:
        expected = "base64url" if size is None else f"{size} bytes in base64url"
        raise Problem(400, "malformed_field", f"The field {name} must be {expected}.") from error


def parse_objects(name: str, text: str, names: tuple[str, ...], *, most: int) -> list[dict[str, str]]:
    """The named fields of each object in a JSON list of 1 to `most`, else Problem 400."""
    try:
        given = DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        raise malformed_json() from error
    if not isinstance(given, list) or not all(isinstance(one, _Object) for one in given) or len(given) > most:
        raise Problem(400, "malformed_field", f"The field {name} must be a list of at most {most} objects.")
    if not given:
        raise Problem(400, "malformed_field", f"The field {name} must not be empty.")
    return [pick_fields(one.members, names) for one in given]


def parse_object(text: str) -> list[tuple[str, Any]]:
    """The members of a JSON object in order, with duplicates so that they can be refused. Raises Problem 400."""
    try:
        outermost = DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        raise malformed_json() from error
    if not isinstance(outermost, _Object):
        raise Problem(400, "malformed_json", "Expected a JSON object.")
    return outermost.members


def _as_text(name: str, value: Any) -> str:
    if isinstance(value, list) and name in LISTS:
        try:
            return _as_json(value)
        except RecursionError as error:
            raise malformed_json() from error
    if type(value) is int and abs(value) < 10**16:
        return str(value)
    if not isinstance(value, str):
        raise Problem(400, "malformed_field", f"The field {name} must be a string.")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise Problem(400, "malformed_field", f"The field {name} is not well-formed Unicode.") from error
    return value


def _as_json(value: Any) -> str:
    """A list of objects as in a form: as JSON. Members that were given twice stay, so that they are refused."""
    if isinstance(value, _Object):
        return "{" + ",".join(f"{json.dumps(name)}:{_as_json(one)}" for name, one in value.members) + "}"
    return "[" + ",".join(map(_as_json, value)) + "]" if isinstance(value, list) else json.dumps(value)


def malformed_json() -> Problem:
    """The error for invalid JSON."""
    return Problem(400, "malformed_json", "The body is not valid JSON.")
