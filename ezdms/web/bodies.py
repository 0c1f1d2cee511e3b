"""Strict reading of request bodies: forms or JSON objects with the same names, every field a short string."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple, cast
from urllib.parse import parse_qsl

from quart import Request, request
from quart.wrappers.request import Body

from ezdms.protocol.encoding import EnvelopeError, b64u_decode
from ezdms.web.answers import Problem

LARGEST_BODY = 64 * 1024  # bytes
MOST_FIELDS = 100
LONGER = 5  # times as long as others a larger body may take, which is 19 KiB/s
LARGER_BODIES = {"/vault": 1840 * 1024}  # a vault of 1 MiB is 1,864,835 characters once it is signed and sealed


class _Object(NamedTuple):
    """A JSON object. Inside another it is no value of any field of ours."""

    members: list[tuple[str, Any]]


DECODER = json.JSONDecoder(object_pairs_hook=_Object)


class WholeBody(Body):
    """A body of which it is known whether it has come to its end."""

    @property
    def is_whole(self) -> bool:
        """True once there is nothing to wait for."""
        return self._complete.is_set()


class BoundedRequest(Request):
    """A request whose body is refused before it is read if it is larger than its address takes."""

    body_class = WholeBody
    body: WholeBody

    def __init__(self, method: str, scheme: str, path: str, *args: Any, **kwargs: Any) -> None:
        kwargs["max_content_length"] = LARGER_BODIES.get(path, LARGEST_BODY)
        if path in LARGER_BODIES and kwargs.get("body_timeout") is not None:
            kwargs["body_timeout"] *= LONGER
        super().__init__(method, scheme, path, *args, **kwargs)

    @property
    def blueprints(self) -> list[str]:
        """Ours are not nested. Quart imports what splits their names, three times for each request."""
        return [self.blueprint] if self.blueprint else []


async def read_fields(*names: str, optional: tuple[str, ...] = ()) -> dict[str, str]:
    """The named fields of the body, as pick_fields gives them. Raises Problem 400, or 415 (neither a form nor JSON)."""
    # Whole, and before anything looks into it: a multipart parser takes it in pieces, of which none is too large.
    if cast(BoundedRequest, request).body.is_whole:
        request.body_timeout = None  # Quart would wait in one more task
    body = cast(bytes, await request.get_data())
    if request.mimetype == "application/json":
        given = parse_object(_decode(body))
    elif request.mimetype == "application/x-www-form-urlencoded":
        given = _parse_form(body)
    elif request.mimetype == "multipart/form-data":
        given = [(name, value) for name, values in (await request.form).lists() for value in values]
    else:
        raise Problem(415, "media_type", "Expected a form or a JSON object.")
    return pick_fields(given, names, optional)


def pick_fields(given: list[tuple[str, Any]], names: tuple[str, ...], optional: tuple[str, ...] = ()) -> dict[str, str]:
    """The named fields, each given exactly once (`optional` ones at most); other fields are ignored.

    JSON integers are taken in their decimal form, so that a form and a JSON object mean the same. Raises Problem 400.
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
    """A decimal integer in its only form (no sign, no leading zero) from `low` to `high`, else Problem 400."""
    if not re.fullmatch(r"0|[1-9][0-9]{0,15}", text, re.ASCII) or not low <= int(text) <= high:
        raise Problem(400, "malformed_field", f"The field {name} must be a whole number from {low} to {high}.")
    return int(text)


def parse_bytes(name: str, text: str, size: int | None) -> bytes:
    """The bytes of canonical base64url, `size` of them unless that is None; else Problem 400."""
    try:
        return b64u_decode(text, size)
    except EnvelopeError as error:
        expected = "base64url" if size is None else f"{size} bytes in base64url"
        raise Problem(400, "malformed_field", f"The field {name} must be {expected}.") from error


def _parse_form(body: bytes) -> list[tuple[str, Any]]:
    try:
        return parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    except ValueError as error:
        raise Problem(400, "malformed_form", "The body is not a valid form.") from error


def parse_object(text: str) -> list[tuple[str, Any]]:
    """The members of a JSON object in order, duplicates kept so that they can be refused. Raises Problem 400."""
    try:
        outermost = DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        raise _malformed() from error
    if not isinstance(outermost, _Object):
        raise Problem(400, "malformed_json", "Expected a JSON object.")
    return outermost.members


def _decode(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _malformed() from error


def _malformed() -> Problem:
    return Problem(400, "malformed_json", "The body is not valid JSON.")


def _as_text(name: str, value: Any) -> str:
    if type(value) is int and abs(value) < 10**16:
        return str(value)
    if not isinstance(value, str):
        raise Problem(400, "malformed_field", f"The field {name} must be a string.")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise Problem(400, "malformed_field", f"The field {name} is not well-formed Unicode.") from error
    return value
