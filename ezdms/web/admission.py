"""Who is asking: session tokens by cookie or bearer header. No PIN comes here."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from quart import Response, current_app
from quart.wrappers import Request, Websocket

from ezdms.actions.passwords import check_auth_key
from ezdms.actions.remembered import Sessions
from ezdms.db import Database, Unavailable, now
from ezdms.models.session import (
    LIFETIME,
    USED_AGAIN,
    Session,
    delete_session,
    insert_session,
)
from ezdms.models.user import User, select_user_by_login_id
from ezdms.web.user_agent import describe

View = TypeVar("View", bound=Callable[..., object])


def public(view: View) -> View:
    """Mark a view that answers without a session. Every other view is closed by default (app.py)."""
    view.is_public = True  # type: ignore[attr-defined]
    return view


def is_public(endpoint: str | None) -> bool:
    """True for the endpoints on the short list of public ones, and for unknown addresses (404)."""
    view = current_app.view_functions.get(endpoint or "")
    return view is None or getattr(view, "is_public", False)


def shell(view: View) -> View:
    """Mark a view that answers people with a shell: no session is looked up, no database is asked."""
    view.is_shell = True  # type: ignore[attr-defined]
    return view


def is_shell(endpoint: str | None) -> bool:
    """True for the addresses that people open."""
    return getattr(current_app.view_functions.get(endpoint or ""), "is_shell", False)


def random_id(size: int) -> str:
    """b64u of `size` random bytes."""
    return base64.urlsafe_b64encode(secrets.token_bytes(size)).rstrip(b"=").decode()


def hash_token(token: str) -> str:
    """What is stored of a token: SHA-256, hex. The token has 256 random bits, so no slow hash is needed."""
    return hashlib.sha256(token.encode()).hexdigest()


def cookie_name(scheme: str) -> str:
    """With TLS the name carries __Host-, so that no other host or plain-http page can plant a session."""
    return "__Host-ezdms_session" if scheme in ("https", "wss") else "ezdms_session"


def set_cookie(response: Response, token: str, scheme: str) -> None:
    """Hand the token to a browser: never readable by script, never sent along from other sites' forms."""
    response.set_cookie(
        cookie_name(scheme),
        token,
        max_age=LIFETIME // 1000,
        path="/",
        secure=scheme == "https",
        httponly=True,
        samesite="Lax",
    )


def clear_cookie(response: Response, scheme: str) -> None:
    """Make the browser forget the token."""
    response.delete_cookie(cookie_name(scheme), path="/", secure=scheme == "https", httponly=True, samesite="Lax")


def find_token(asked: Request | Websocket) -> str | None:
    """The token of a request or socket: a bearer header if there is one (cookies are then ignored), else the cookie."""
    scheme, _, token = asked.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token
    return asked.cookies.get(cookie_name(asked.scheme))


async def find_session(sessions: Sessions, asked: Request | Websocket) -> Session | None:
    """The living session that the request or socket proves, or None."""
    token = find_token(asked)
    if token is None or len(token) != 43:
        return None
    token_hash = hash_token(token)
    session = await sessions.find(token_hash)
    if session is not None and now() - session.used_at > USED_AGAIN:
        with suppress(Unavailable):  # a full disk keeps nobody from reading
            await sessions.touch(token_hash, session, **_seen(asked))
    return session


async def start_session(database: Database, user: User, asked: Request) -> str | None:
    """A new session of this user; returns its token, which is stored nowhere. None if the PIN has just changed."""
    token = random_id(32)
    is_started = await database.write(
        insert_session,
        session_id=random_id(16),
        token_hash=hash_token(token),
        user_id=user.user_id,
        login_id=user.login_id,
        **_seen(asked),
    )
    return token if is_started else None


def _seen(asked: Request | Websocket) -> dict[str, str]:
    """What the owner of a session is shown of it: proxy.py has settled the address."""
    return {"browser": describe(asked.headers.get("User-Agent", "")), "address": asked.remote_addr or ""}


async def end_session(database: Database, session: Session) -> None:
    """The session's token is dead when this returns."""
    await database.write(delete_session, session_id=session.session_id, user_id=session.user_id)


async def find_user(database: Database, login_id: str, auth_key: str) -> User | None:
    """The user whose Login PIN gives these two, or None; unknown and wrong cost and look the same."""
    user = await database.read(select_user_by_login_id, login_id=login_id)
    return user if await check_auth_key(user.auth_hash if user else None, auth_key) else None
