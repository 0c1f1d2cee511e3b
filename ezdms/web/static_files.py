"""Sends shells and static files, for the server and for `ezdms open`."""

from __future__ import annotations

import re
from collections.abc import Mapping

from quart import Response, request, send_from_directory
from werkzeug.exceptions import NotFound

from ezdms.views.assets import ASKED_ANEW, FOLDER, FOR_GOOD, digest
from ezdms.views.page_policy import of_a_page
from ezdms.views.shells import Shell
from ezdms.web.language import DEPENDS_ON, language_of_request


async def send_shell(shells: Mapping[str, Mapping[str, Shell]], name: str) -> Response:
    """Send a shell in the language of the request, or 304 if the client has it. `shells`: language → name → shell."""
    found = shells[language_of_request().code][name]
    response = Response(found.body, content_type="text/html; charset=utf-8")
    response.headers.update(of_a_page())
    response.headers["Cache-Control"] = ASKED_ANEW
    response.vary.update(("Accept", *DEPENDS_ON))
    response.set_etag(found.etag)
    return await response.make_conditional(request)


async def send_file(filename: str) -> Response:
    """Send a file, with or without a digest in front of its name; 404 if there is none.

    With the current digest, files are cached forever, otherwise revalidated. A page opened before an upgrade still uses
    the old digest: it gets the current file, but not cached forever.
    """
    before, name = re.fullmatch(r"(?:([0-9a-f]{12})/)?(.*)", filename, re.DOTALL).groups()  # type: ignore[union-attr]
    request.headers.pop("Range", None)  # always send the whole file: Quart raises on suffix ranges
    try:
        response = await send_from_directory(FOLDER, name)
    except OSError as error:  # an invalid file name
        raise NotFound from error
    response.headers["Cache-Control"] = FOR_GOOD if before == digest() else ASKED_ANEW
    response.headers.pop("Expires", None)
    return response
