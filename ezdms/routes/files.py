"""Files: uploaded in parts and served as they are, sealed. Nothing here can open them, and no browser runs them."""

from __future__ import annotations

import re
from typing import cast

from quart import Blueprint, Response, request

from ezdms.edge.headers import NOWHERE
from ezdms.problem import Problem
from ezdms.protocol import encoding
from ezdms.views import fragments
from ezdms.web import context
from ezdms.web.answers import answer
from ezdms.web.bodies import read_fields
from ezdms.web.fields import parse_integer
from ezdms.web.limits import by_account, limited

blueprint = Blueprint("files", __name__)

RANGE = re.compile(r"bytes=(?:([0-9]{1,15})-([0-9]{0,15})|-([0-9]{1,15}))", re.ASCII)
INERT = {  # whatever the bytes are, a browser saves them, and runs nothing of them
    "Content-Disposition": "attachment",
    "Content-Security-Policy": f"default-src 'none'; sandbox; {NOWHERE}",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Accept-Ranges": "bytes",
}


@blueprint.post("/files")
@limited("upload", by_account)
async def begin_upload() -> Response:
    """Begin an upload for a conversation. Its declared size counts at once."""
    fields = await read_fields("conversation_id", "size")
    size = parse_integer("size", fields["size"], low=1, high=encoding.LARGEST_INTEGER)
    file_id = await context.uploads().begin(
        conversation_id=fields["conversation_id"], user_id=context.session().user_id, size=size
    )
    value = {"file_id": file_id, "offset": 0}
    response = answer(value, lambda: fragments.notice("The upload can begin."), 201)
    response.headers["Location"] = f"/files/{file_id}"
    return _at(response, 0, size)


@blueprint.route("/files/<file_id>", methods=["HEAD"])
async def upload_offset(file_id: str) -> Response:
    """How much of an upload is stored. Only for who uploads it."""
    file, end = await context.uploads().find_upload(file_id, user_id=context.session().user_id)
    return _at(Response(status=204), end, file.size)


@blueprint.patch("/files/<file_id>")
@limited("upload", by_account)
async def append(file_id: str) -> Response:
    """Store the next bytes, which must begin where the upload ends. All of the body is stored, or nothing; in a bucket
    that goes away meanwhile perhaps its beginning."""
    offset = parse_integer(
        "Upload-Offset", request.headers.get("Upload-Offset", ""), low=0, high=encoding.LARGEST_INTEGER
    )
    part = cast(bytes, await request.get_data())
    end = await context.uploads().append(file_id, offset, part, user_id=context.session().user_id)
    return _at(Response(status=204), end)


@blueprint.get("/files/<file_id>")
async def get_file(file_id: str) -> Response:
    """The sealed bytes, or one range of them, for the two of the conversation."""
    uploads = context.uploads()
    file = await uploads.find(file_id, user_id=context.session().user_id)
    start, end, is_part = _asked(file.size)
    response = Response(
        await uploads.read(file, start, end), 206 if is_part else 200, INERT, content_type="application/octet-stream"
    )
    response.timeout = None
    response.content_length = end - start
    if is_part:
        response.headers["Content-Range"] = f"bytes {start}-{end - 1}/{file.size}"
    return response


def _asked(size: int) -> tuple[int, int, bool]:
    """(start, end, whether that is a range) of a file of this size. Problem 416.

    Several ranges, and ranges of another version, are answered with the whole file (RFC 9110, 14.2).
    """
    match = RANGE.fullmatch(request.headers.get("Range", "").strip())
    if match is None or "If-Range" in request.headers:
        return 0, size, False
    first, last, suffix = match.groups()
    start, end = (max(0, size - int(suffix)), size) if suffix else (int(first), int(last) + 1 if last else size)
    if last and int(last) < int(first):
        return 0, size, False
    if start >= size or start >= end:
        raise Problem(416, "range", "The file does not have these bytes.", size=size)
    return start, min(end, size), True


def _at(response: Response, offset: int, size: int | None = None) -> Response:
    response.headers["Upload-Offset"] = str(offset)
    if size is not None:
        response.headers["Upload-Length"] = str(size)
    return response
