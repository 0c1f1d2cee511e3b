"""Request bodies: forms, or JSON objects with the same names. Fully read and limited in size before they are parsed."""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import parse_qsl

from quart import Request, request
from quart.wrappers.request import Body

from ezdms.problem import Problem
from ezdms.web.fields import malformed_json, parse_object, pick_fields

LARGEST_BODY = 64 * 1024  # bytes
MOST_FIELDS = 100
LARGEST_PART = 1024 * 1024  # bytes of a file in one request
FILES = "/files/"
LONGER = 5  # times the usual timeout for a larger body, which is 19 KiB/s
LARGER_BODIES = {
    "/vault": 1840 * 1024,  # a vault of 1 MiB is 1,864,835 characters once signed and encrypted
    "/report": 256 * 1024,  # 20 messages of at most 11,077 characters once signed
}


class WholeBody(Body):
    """A body that knows whether it is complete."""

    @property
    def is_whole(self) -> bool:
        """True once it is complete."""
        return self._complete.is_set()


class BoundedRequest(Request):
    """A request whose body is refused before it is read if it is too large for its address."""

    body_class = WholeBody
    body: WholeBody

    def __init__(self, method: str, scheme: str, path: str, *args: Any, **kwargs: Any) -> None:
        largest = LARGEST_PART if path.startswith(FILES) else LARGER_BODIES.get(path, LARGEST_BODY)
        kwargs["max_content_length"] = largest
        if largest > LARGEST_BODY and kwargs.get("body_timeout") is not None:
            kwargs["body_timeout"] *= LONGER
        super().__init__(method, scheme, path, *args, **kwargs)

    @property
    def blueprints(self) -> list[str]:
        """The blueprint of the request. Ours are not nested; Quart's version is slow."""
        return [self.blueprint] if self.blueprint else []


async def read_fields(*names: str, optional: tuple[str, ...] = ()) -> dict[str, str]:
    """The named fields of the body, like pick_fields. Raises Problem 400, or 415 (neither a form nor JSON)."""
    # Read it completely first: a multipart parser would check the size of each part, not of the body.
    if cast(BoundedRequest, request).body.is_whole:
        request.body_timeout = None  # avoids an extra task in Quart
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


def _parse_form(body: bytes) -> list[tuple[str, Any]]:
    try:
        return parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    except ValueError as error:
        raise Problem(400, "malformed_form", "The body is not a valid form.") from error


def _decode(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise malformed_json() from error
