"""Sends shells and static files, for the server and for `ezdms open`: from memory, and compressed for whoever asks.

They are the same for everyone and hold nothing secret, so their compressed size tells nothing.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Mapping
from functools import cache

from quart import Response, request
from werkzeug.exceptions import NotFound

from ezdms.views.assets import ASKED_ANEW, FOLDER, FOR_GOOD, digest, type_of
from ezdms.views.page_policy import of_a_page
from ezdms.views.shells import Shell, etag_of
from ezdms.web.language import DEPENDS_ON, language_of_request

TEXTS = (
    "text/",
    "application/json",
    "application/manifest+json",
    "image/svg+xml",
)  # fonts and pictures are compressed already


async def send_shell(shells: Mapping[str, Mapping[str, Shell]], name: str) -> Response:
    """Send a shell in the language of the request, or 304 if the client has it. `shells`: language → name → shell."""
    found = shells[language_of_request().code][name]
    response = _packed_if_asked(found.body, "text/html; charset=utf-8", found.etag)
    response.headers.update(of_a_page())
    response.headers["Cache-Control"] = ASKED_ANEW
    response.vary.update(("Accept", *DEPENDS_ON))
    return await response.make_conditional(request)


async def send_file(filename: str) -> Response:
    """Send a file, with or without a digest in front of its name; 404 if there is none.

    With the current digest, files are cached forever, otherwise revalidated. A page opened before an upgrade still uses
    the old digest: it gets the current file, but not cached forever.
    """
    before, name = re.fullmatch(r"(?:([0-9a-f]{12})/)?(.*)", filename, re.DOTALL).groups()  # type: ignore[union-attr]
    if name not in _files():
        raise NotFound
    response = _packed_if_asked(*_files()[name])
    response.headers["Cache-Control"] = FOR_GOOD if before == digest() else ASKED_ANEW
    return await response.make_conditional(request)


def _packed_if_asked(body: bytes, content_type: str, etag: str) -> Response:
    """The ETag of a compressed body is weak, as nginx does it: the same content in other bytes (RFC 9110, 8.8.1)."""
    is_text = content_type.startswith(TEXTS)
    is_packed = is_text and request.accept_encodings.quality("gzip") > 0
    response = Response(_packed(body) if is_packed else body, content_type=content_type)
    response.set_etag(etag, weak=is_packed)
    if is_text:
        response.vary.add("Accept-Encoding")
    if is_packed:
        response.headers["Content-Encoding"] = "gzip"
    return response


@cache
def _files() -> dict[str, tuple[bytes, str, str]]:
    """Every static file: its bytes, content type and ETag, by its path in the folder."""
    found = {}
    for path in FOLDER.rglob("*"):
        if path.is_file():
            body = path.read_bytes()
            found[path.relative_to(FOLDER).as_posix()] = (body, type_of(path.name), etag_of(body))
    return found


@cache
def _packed(body: bytes) -> bytes:
    return gzip.compress(body, mtime=0)
