"""Authentication and admission: finds the session of a request by cookie or bearer header. No PIN is involved."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from math import ceil
from typing import TypeVar

from quart import Response, current_app, g, request, websocket
from quart.wrappers import Request, Websocket

from ezdms.actions.sessions import Sessions, hash_token
from ezdms.db import Busy, Unavailable, now
from ezdms.edge.addresses import UNKNOWN
from ezdms.edge.headers import HEADERS
from ezdms.models.second_step import TRUSTED_FOR
from ezdms.models.session import LIFETIME, RENEWED, USED_AGAIN, Session
from ezdms.problem import Problem
from ezdms.web import context, origin
from ezdms.web.answers import too_often, wants_json
from ezdms.web.places import MALFORMED, PLACES, at_place, find_place
from ezdms.web.user_agent import describe

FOREIGN = "This request came from another website, so it was refused."
TOO_MANY = "Your account has too many connections open. Close some tabs or programs, then try again."
SOCKET_AGAIN = 60  # seconds
TOKEN = 43  # characters
MOST_TRUSTED = PLACES  # accounts of one browser that are not asked for a code
View = TypeVar("View", bound=Callable[..., object])


def public(view: View) -> View:
    """Mark a view that needs no session. All other views require one (app.py)."""
    view.is_public = True  # type: ignore[attr-defined]
    return view


def is_public(endpoint: str | None) -> bool:
    """True for public endpoints, and for unknown addresses (404)."""
    view = current_app.view_functions.get(endpoint or "")
    return view is None or getattr(view, "is_public", False)


def shell(view: View) -> View:
    """Mark a view that returns a shell to browsers, without looking up a session or querying the database."""
    view.is_shell = True  # type: ignore[attr-defined]
    return view


def is_shell(endpoint: str | None) -> bool:
    """True for addresses that people open."""
    return getattr(current_app.view_functions.get(endpoint or ""), "is_shell", False)


def host_name(name: str, scheme: str) -> str:
    """With TLS a cookie has the prefix __Host-, so that no other host or plain-http page can plant a session."""
    return f"__Host-{name}" if scheme in ("https", "wss") else name


def cookie_name(asked: Request | Websocket) -> str:
    """The session cookie of the account that asks: a browser can have several. Empty if its place is malformed."""
    place = find_place(asked)
    return "" if place is None else host_name(at_place("ezdms_session", place), asked.scheme)


def set_cookie(response: Response, token: str) -> None:
    """Set the token as a cookie: not readable by scripts, not sent with other sites' forms."""
    response.set_cookie(
        cookie_name(request),
        token,
        max_age=LIFETIME // 1000,
        path="/",
        secure=request.scheme == "https",
        httponly=True,
        samesite="Lax",
    )


def clear_cookie(response: Response) -> None:
    """Make the browser forget the token."""
    response.delete_cookie(
        cookie_name(request), path="/", secure=request.scheme == "https", httponly=True, samesite="Lax"
    )


def trust_cookie_name(scheme: str) -> str:
    """The cookie of a device that is not asked for a code. It has up to MOST_TRUSTED tokens, one for each account."""
    return host_name("ezdms_trust", scheme)


def trusted_hashes(trust_token: str = "") -> list[str]:
    """Hashes of the tokens by which this request says that its device is trusted: a program has one in a field."""
    tokens = [trust_token] if trust_token or "Authorization" in request.headers else _trust_tokens()
    return [hash_token(token) for token in tokens]


def set_trust_cookie(response: Response, token: str, scheme: str) -> None:
    """Add a token to the cookie, before those of other accounts."""
    response.set_cookie(
        trust_cookie_name(scheme),
        ".".join([token, *_trust_tokens()][:MOST_TRUSTED]),
        max_age=TRUSTED_FOR // 1000,
        path="/",
        secure=scheme == "https",
        httponly=True,
        samesite="Strict",
    )


def _trust_tokens() -> list[str]:
    found = request.cookies.get(trust_cookie_name(request.scheme), "").split(".")[:MOST_TRUSTED]
    return [token for token in found if len(token) == TOKEN]


def find_token(asked: Request | Websocket) -> str | None:
    """The token of a request or socket: from the bearer header if there is one, else from the cookie."""
    scheme, _, token = asked.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token
    return asked.cookies.get(cookie_name(asked))


async def find_session(sessions: Sessions, asked: Request | Websocket, *, can_renew: bool = False) -> Session | None:
    """The active session of a request or socket, or None. A session in use is renewed, if the answer can say so."""
    token = find_token(asked)
    if token is None or len(token) != TOKEN:
        return None
    token_hash = hash_token(token)
    session = await sessions.find(token_hash)
    if session is None:
        return None
    is_due = can_renew and session.expires_at < now() + LIFETIME - RENEWED
    if is_due or now() - session.used_at > USED_AGAIN:
        with suppress(Unavailable):  # reading works even if the disk is full
            await sessions.touch(token_hash, session, **seen(asked), until=now() + LIFETIME if is_due else None)
            g.renewed = token if is_due and token == asked.cookies.get(cookie_name(asked)) else None
    return session


def renew_cookie(response: Response) -> None:
    """Let the browser keep the cookie of a renewed session, unless this answer sets or clears it."""
    renewed = g.get("renewed")
    if renewed and cookie_name(request) not in str(response.headers.getlist("Set-Cookie")):
        set_cookie(response, renewed)


def seen(asked: Request | Websocket) -> dict[str, str]:
    """Browser and address of a session, as shown to its owner. trusted_proxies.py has determined the address."""
    address = asked.remote_addr or ""
    return {
        "browser": describe(asked.headers.get("User-Agent", "")),
        "address": "" if address == UNKNOWN else address,
    }


async def admit_request() -> None:
    """Look up the session of a request, unless a shell answers it. Without a session, only public views are allowed."""
    g.session = g.renewed = None
    if request.endpoint == "static" or (is_shell(request.endpoint) and not wants_json()):
        return
    if context.hub().is_cut_off:
        raise Busy
    if origin.is_forged(request, context.settings().allowed_origins):
        raise Problem(403, "foreign_origin", FOREIGN)
    if find_place(request) is None:
        raise Problem(400, "malformed_field", MALFORMED)
    g.session = await find_session(context.sessions(), request, can_renew=True)
    if g.session is None and not is_public(request.endpoint):
        raise Problem(401, "no_session", "Please log in.")


async def admit_websocket() -> Response | None:
    """Accept a socket only with an active session, from our own site, within the limits. Returns None or a refusal."""
    if context.hub().is_cut_off:
        raise Busy
    if origin.is_foreign(websocket, context.settings().allowed_origins):
        return refuse(403, "foreign_origin", FOREIGN)
    if find_place(websocket) is None:
        return refuse(400, "malformed_field", MALFORMED)
    g.session = await find_session(context.sessions(), websocket)
    if g.session is None:
        return refuse(401, "no_session", "Please log in.")
    seconds = ceil(await context.limiter().count(websocket.endpoint, g.session.user_id))
    if seconds:
        return refuse(429, "too_often", too_often(seconds).sentence, {"Retry-After": str(seconds)})
    return None


def refuse_one_too_many() -> Response:
    """The response to a WebSocket whose user has as many as may be open."""
    context.limiter().hits["max_sockets"] += 1
    return refuse(429, "too_many_sockets", TOO_MANY, {"Retry-After": str(SOCKET_AGAIN)})


def refuse(status: int, code: str, sentence: str, headers: dict[str, str] | None = None) -> Response:
    """The response that refuses a WebSocket."""
    body = json.dumps({"error": sentence, "code": code})
    return Response(body, status, {**(headers or {}), **HEADERS}, content_type="application/json")
