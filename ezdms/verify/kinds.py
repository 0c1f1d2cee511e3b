"""Checks one of each other kind of response that anyone can get. Their headers are judged with all others."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from ezdms.verify.place import Unanswered
from ezdms.verify.release import Release, digest_of, fingerprint, shown_digest
from ezdms.verify.report import Finding, failed, ok, warning
from ezdms.verify.wire import FILE, JSON, PAGE, Answer, Wire
from ezdms.views.languages import ENGLISH

HTML, JS = "text/html", "text/javascript"
SCRIPT = "js/boot.js"  # a page from before an upgrade requests it with another digest, or none


@dataclass(frozen=True, slots=True)
class Kind:
    """A request and the expected response.

    `accept`: the Accept header of a GET; None posts an incomplete form. `digest`: of the release's bytes.
    `code`: the error code in the JSON.
    """

    what: str
    path: str
    accept: str | None
    status: int
    type: str
    digest: str | None = None
    code: str | None = None


async def check_kinds(wire: Wire, release: Release, *, is_same_version: bool) -> list[Finding]:
    """One finding if all are correct, else one per failure. The bytes of another version cannot be judged."""
    nowhere = f"/{secrets.token_hex(8)}"
    missing = digest_of(release.missing[ENGLISH.code]) if is_same_version else None
    script = release.files.get(release.path_of(SCRIPT)) if is_same_version else None
    kinds = [
        Kind("the page for an unknown address", nowhere, PAGE, 404, HTML, missing),
        Kind("the page for an unknown file", f"/static{nowhere}.js", FILE, 404, HTML, missing),
        Kind("an error for programs", nowhere, JSON, 404, JSON, code="not_found"),
        Kind("an error without a session", "/me", JSON, 401, JSON, code="no_session"),
        Kind("an error without a session", "/sessions", JSON, 401, JSON, code="no_session"),
        Kind("JSON", "/ping", JSON, 200, JSON),
        Kind("JSON", "/deployment", JSON, 200, JSON),
        Kind("an error for a malformed login", "/login", None, 400, JSON),
    ]
    found = [finding for kind in kinds if (finding := await _judge(wire, kind))]
    found += await _check_script(wire, Kind("the release's script", f"/static/{SCRIPT}", FILE, 200, JS, script))
    return found or [ok("kinds", f"{len(kinds) + 2} other kinds of response have the right status, type and bytes.")]


async def _check_script(wire: Wire, kind: Kind) -> list[Finding]:
    """Check the whole script, and the 304 for clients that have it."""
    try:
        whole = await wire.get(kind.path)
        etag = (whole.all("ETag") or ['""'])[0]
        again = await wire.get(kind.path, headers={"If-None-Match": etag})
    except Unanswered as error:
        return [failed("kinds", str(error))]
    fault = _fault(kind, whole)
    if fault:
        return [failed("kinds", fault)]
    if again.status != 304 or again.all("Content-Type") not in ([], whole.all("Content-Type")):
        came = " and ".join(again.all("Content-Type")) or "none"
        return [failed("kinds", f"{kind.path}: expected 304 for its ETag, got {again.came} with Content-Type {came}.")]
    return []


async def _judge(wire: Wire, kind: Kind) -> Finding | None:
    """The failure, if any."""
    try:
        if kind.accept is None:
            answer = await wire.post(kind.path, {"login_id": "!"})
        else:
            answer = await wire.get(kind.path, kind.accept)
    except Unanswered as error:
        return failed("kinds", str(error))
    if answer.status == 429 and kind.accept is None:
        return warning("kinds", f"Not checked: {kind.what}; too many requests from here. Try again in a minute.")
    fault = _fault(kind, answer)
    return failed("kinds", fault) if fault else None


def _fault(kind: Kind, answer: Answer) -> str | None:
    expected = f"{answer.path}: expected {kind.what}"
    if answer.status != kind.status or (kind.code and answer.members.get("code") != kind.code):
        return f"{expected}, with {kind.status}{f' ({kind.code})' if kind.code else ''}, got {answer.came}."
    types = answer.all("Content-Type")
    if len(types) != 1 or types[0].partition(";")[0].strip().lower() != kind.type or not _is_plain(types[0]):
        return f"{expected}, with Content-Type {kind.type}, got {' and '.join(types) or 'none'}."
    if kind.digest is not None and digest_of(answer.body) != kind.digest:
        return f"{expected}, {shown_digest(kind.digest)}, got {fingerprint(answer.body)}."
    return None


def _is_plain(content_type: str) -> bool:
    """True if the charset is missing or utf-8."""
    return content_type.lower().partition(";")[2].strip() in ("", "charset=utf-8", 'charset="utf-8"')
