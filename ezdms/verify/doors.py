"""Requests that must be refused: wrong logins, malformed registration, other sites, WebSocket without a session."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable

from ezdms.protocol.encoding import b64u_encode
from ezdms.verify.place import Unanswered
from ezdms.verify.report import Finding, failed, ok, warning
from ezdms.verify.wire import Answer, Wire

ELSEWHERE = "https://elsewhere.invalid"  # a site that can never exist (RFC 2606)


async def check_doors(wire: Wire, registration: str) -> list[Finding]:
    """Try each one. Leaves nothing on the server but a count in the limits of logins and registrations.

    `registration`, as the server reports it: unless open, the server refuses anyone without an invitation first.
    """
    uninvited = 400 if registration == "open" else 403
    wrong = {"login_id": b64u_encode(secrets.token_bytes(16)), "auth_key": b64u_encode(secrets.token_bytes(32))}
    unasked = {"challenge": b64u_encode(secrets.token_bytes(100)), "code": "000000"}
    names = ("login_id", "auth_key", "salt", "iterations", "wrapped_sig", "wrapped_enc", "statement", "search_salt")
    malformed = {"username": "!", **dict.fromkeys(names, "!")}
    return [
        await _refuses("login", wire.post("/login", wrong), 401, "a wrong login"),
        await _refuses("second login", wire.post("/login_second", unasked), 401, "a code without a login"),
        await _refuses("register", wire.post("/register", malformed), uninvited, "a malformed registration"),
        await _refuses("foreign post", wire.post("/login", {}, origin=ELSEWHERE), 403, "a login by another site"),
        await _refuses("foreign socket", wire.knock(ELSEWHERE), 403, "a WebSocket of another site"),
        await _refuses("socket", wire.knock(wire.place.origin), 401, "a WebSocket without a session"),
    ]


async def _refuses(name: str, asking: Awaitable[Answer | None], status: int, what: str) -> Finding:
    """Check that `what` is refused with `status`, and sets no cookie."""
    try:
        answer = await asking
    except Unanswered as error:
        return failed(name, str(error))
    expected = f"Expected {what} to be refused with {status} and no cookie"
    if answer is None:
        return failed(name, f"{expected}, but it was accepted.")
    if answer.status == 429:
        return warning(name, "Not checked: too many requests from here. Try again in a minute.")
    if answer.status != status:
        return failed(name, f"{expected}, got {answer.came}.")
    if answer.all("Set-Cookie"):
        return failed(name, f"{expected}, got the cookie {answer.all('Set-Cookie')[0]}")
    return ok(name, f"Refused with {status}, as {what} must be; no cookie.")
