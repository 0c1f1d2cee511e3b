"""The allowlist of requests that the page may send to the server, each with the type of its response.

No other address of the server is reachable from the browser. A test compares this with what the page requests.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from ezdms.client.transport import LARGEST, LARGEST_LIST

LARGEST_BODY = 64 * 1024  # bytes of a request
LARGEST_VAULT = 1840 * 1024  # bytes of a request with a vault
LARGEST_REPORT = 256 * 1024  # bytes of a request with a report
LARGEST_PART = 1024 * 1024  # bytes of a file in one request or response


class Kind(Enum):
    """The type of a response; the value is the Content-Type it is passed on with."""

    JSON = "application/json"
    FRAGMENT = "text/plain; charset=utf-8"  # text, so that no browser renders it as a document
    PART = "application/octet-stream"  # of a sealed file: only the range that was asked for
    OFFSET = "application/offset+octet-stream"  # where an upload continues; this type is that of the bytes sent
    NOTHING = ""


@dataclass(frozen=True, slots=True)
class Way:
    """An allowed request. `begins`: the response contains a new session's token. `ends`: it ends the session."""

    method: str
    path: re.Pattern[str]
    kind: Kind
    query: re.Pattern[str] = re.compile("")
    largest: int = LARGEST  # bytes of the response
    largest_body: int = LARGEST_BODY
    begins: bool = False
    ends: bool = False


ID = "[A-Za-z0-9_-]{22}"
CONVERSATION = "[0-9A-HJKMNP-TV-Z]{24}"
IS_CONVERSATION = re.compile(CONVERSATION, re.ASCII)
PREVIEWS = re.compile(f"of={CONVERSATION}(,{CONVERSATION}){{0,39}}", re.ASCII)
PAGE = re.compile(r"(after|before)=[0-9]{1,16}(&limit=[0-9]{1,3})?(&peek=1)?", re.ASCII)
PEEK = re.compile("(peek=1)?")


def _way(method: str, path: str, kind: Kind, **more: object) -> Way:
    return Way(method, re.compile(path, re.ASCII), kind, **more)  # type: ignore[arg-type]


WAYS = (
    _way("POST", "/register", Kind.JSON, begins=True),
    _way("POST", "/login", Kind.JSON, begins=True),
    _way("POST", "/login_second", Kind.JSON, begins=True),
    _way("POST", "/logout", Kind.NOTHING, ends=True),
    _way("POST", "/delete_account", Kind.NOTHING, ends=True),
    _way("POST", "/private_keys", Kind.JSON),
    _way("POST", "/change_pin", Kind.NOTHING),
    _way("POST", "/search_pin", Kind.JSON),
    _way("GET", "/second_step", Kind.JSON),
    _way("POST", "/second_step", Kind.JSON),
    _way("POST", "/second_step_on", Kind.JSON),
    _way("POST", "/second_step_off", Kind.NOTHING),
    _way("POST", "/recovery_codes", Kind.JSON),
    _way("GET", "/me", Kind.JSON),
    _way("GET", "/vault", Kind.JSON, largest=LARGEST_LIST),
    _way("PUT", "/vault", Kind.JSON, largest=LARGEST_LIST, largest_body=LARGEST_VAULT),
    _way("GET", f"/conversations/{ID}", Kind.FRAGMENT, largest=LARGEST_LIST),
    _way("POST", "/start_conversation", Kind.JSON),
    _way("POST", f"/conversations/{CONVERSATION}/(accept|block|unblock|mute|delete)", Kind.NOTHING),
    _way("POST", "/report", Kind.JSON, largest_body=LARGEST_REPORT),
    _way("POST", "/files", Kind.JSON),
    _way("GET", f"/files/{ID}", Kind.PART, largest=LARGEST_PART),
    _way("HEAD", f"/files/{ID}", Kind.OFFSET),
    _way("PATCH", f"/files/{ID}", Kind.OFFSET, largest_body=LARGEST_PART),
    _way("GET", f"/c/{CONVERSATION}/open", Kind.FRAGMENT, query=PEEK, largest=LARGEST_LIST),
    _way("GET", f"/messages/{CONVERSATION}", Kind.FRAGMENT, query=PAGE, largest=LARGEST_LIST),
    _way("GET", "/previews", Kind.FRAGMENT, query=PREVIEWS, largest=LARGEST_LIST),
    _way("POST", "/send_message", Kind.JSON),
    _way("POST", "/hide_message", Kind.NOTHING),
    _way("POST", "/signal", Kind.NOTHING),
    _way("GET", f"/signals/{CONVERSATION}", Kind.FRAGMENT),
    _way("POST", "/login_passkey/options", Kind.JSON),
    _way("POST", "/login_passkey", Kind.JSON, begins=True),
    _way("GET", "/passkeys", Kind.JSON),
    _way("POST", "/passkeys/options", Kind.JSON),
    _way("POST", "/passkeys", Kind.JSON),
    _way("POST", "/passkeys/[A-Za-z0-9_-]{1,1400}/rename", Kind.JSON),
    _way("POST", "/passkeys/[A-Za-z0-9_-]{1,1400}/remove", Kind.JSON),
    _way("GET", "/push", Kind.JSON),
    _way("POST", "/push", Kind.JSON),
    _way("POST", "/push_off", Kind.JSON),
    _way("GET", "/sessions/list", Kind.FRAGMENT, largest=LARGEST_LIST),
    _way("POST", f"/sessions/{ID}/end", Kind.FRAGMENT, largest=LARGEST_LIST),
    _way("POST", "/sessions/end_others", Kind.FRAGMENT, largest=LARGEST_LIST),
)


def find(method: str, path: str, query: str) -> Way | None:
    """The matching way, if any."""
    found = (way for way in WAYS if way.method == method and way.path.fullmatch(path) and way.query.fullmatch(query))
    return next(found, None)
