"""Shells and files as answers: the same from a server and from `ezdms open`."""

from __future__ import annotations

import re

from quart import Response, request, send_from_directory
from werkzeug.exceptions import NotFound

from ezdms.views.assets import ASKED_ANEW, FOLDER, FOR_GOOD, digest
from ezdms.views.page_policy import of_a_page
from ezdms.views.shells import Shell


async def send_shell(found: Shell) -> Response:
    """A shell, or 304 for whoever has it."""
    response = Response(found.body, content_type="text/html; charset=utf-8")
    response.headers.update(of_a_page())
    response.headers["Cache-Control"] = ASKED_ANEW
    response.vary.add("Accept")
    response.set_etag(found.etag)
    return await response.make_conditional(request)


async def send_file(filename: str) -> Response:
    """A file by its name, with or without a digest before it; 404 if there is none.

    Under an address that carries their hash files are kept for good, else asked for anew. A page that was opened before
    an upgrade still asks with the old digest: it gets today's file, but not for good.
    """
    before, name = re.fullmatch(r"(?:([0-9a-f]{12})/)?(.*)", filename, re.DOTALL).groups()  # type: ignore[union-attr]
    request.headers.pop("Range", None)  # a file is sent whole: Quart raises on ranges that count from the end
    try:
        response = await send_from_directory(FOLDER, name)
    except OSError as error:  # a name that no file system takes
        raise NotFound from error
    response.headers["Cache-Control"] = FOR_GOOD if before == digest() else ASKED_ANEW
    response.headers.pop("Expires", None)
    return response
