"""The remote server. It is the adversary: a response must be complete, in time and of the expected type.

Only status and body of a response are used. No redirect is followed, no cookie kept, no header passed on. The session
token is sent in a header, and removed from the response that contains it.
"""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import suppress
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpx

from ezdms import __version__
from ezdms.client.errors import BadAnswer, Unreachable
from ezdms.client.members import WORD, Members
from ezdms.client.transport import LARGEST_CHALLENGE, body_of, is_far, trusted_by
from ezdms.opened.ways import Kind, Way
from ezdms.protocol.encoding import is_integer

WITHIN = 25.0  # seconds for one response; the page waits for 30
CONNECTS_WITHIN = 10.0  # seconds
LONGEST_WAIT = 86_400  # seconds that a server may ask for
ACCEPT = {Kind.JSON: "application/json", Kind.NOTHING: "application/json", Kind.FRAGMENT: "text/html"}
ACCEPT |= {Kind.PART: "application/json", Kind.OFFSET: "application/json"}  # of errors
OFFSET = re.compile("[0-9]{1,15}", re.ASCII)
RANGE = re.compile("bytes=([0-9]{1,9})-([0-9]{1,9})", re.ASCII)
PLACE = re.compile("bytes ([0-9]{1,9})-([0-9]{1,9})/[0-9]{1,9}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Reply:
    """The response passed on. `token`: of a new session. `place`: which bytes of a file these are, or where its upload
    continues."""

    status: int
    body: bytes
    kind: Kind
    token: str = ""
    place: str = ""


class Remote:
    """Sends requests to one server. Browsers share connections, but no data."""

    def __init__(self, server: str) -> None:
        self.server = server
        nobodys = CookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))
        self._http = httpx.AsyncClient(
            base_url=server,
            timeout=httpx.Timeout(WITHIN, connect=CONNECTS_WITHIN),
            headers={"Accept-Encoding": "identity", "User-Agent": f"ezdms-open/{__version__}"},
            cookies=nobodys,
            follow_redirects=False,
            trust_env=is_far(server),
            verify=trusted_by(server),
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def ask(self, way: Way, address: str, token: str, body: bytes, part: str = "") -> Reply:
        """Send a request: `address` is path and query, `part` the range of a file's bytes, or where those of an upload
        begin. Raises Unreachable or BadAnswer."""
        headers = {"Accept": ACCEPT[way.kind]} | proof(token)
        if part:
            headers["Range" if way.kind is Kind.PART else "Upload-Offset"] = part
        if way.method not in ("GET", "HEAD"):
            is_upload = way.kind is Kind.OFFSET
            headers["Content-Type"] = way.kind.value if is_upload else "application/x-www-form-urlencoded"
        request = self._http.build_request(way.method, address, headers=headers, content=body)
        try:
            async with asyncio.timeout(WITHIN):
                response = await self._http.send(request, stream=True)
                try:
                    place = response.headers.get("Upload-Offset" if way.kind is Kind.OFFSET else "Content-Range", "")
                    return _read(way, response.status_code, await body_of(response, way.largest), part, place)
                finally:
                    await response.aclose()
        except (httpx.TransportError, httpx.InvalidURL, TimeoutError) as error:
            raise Unreachable(f"The server {self.server} cannot be reached.") from error

    async def end(self, token: str) -> None:
        """End a session, if the server can be reached."""
        await self._http.post("/logout", headers={"Accept": "application/json", **proof(token)})


def proof(token: str) -> dict[str, str]:
    """The session's Authorization header, for requests and the WebSocket."""
    return {"Authorization": f"Bearer {token}"} if token else {}


def _read(way: Way, status: int, body: bytes, part: str, place: str) -> Reply:
    """Validate a response: of the expected type, or an error. Raises BadAnswer."""
    if 400 <= status <= 599:
        return Reply(status, _refusal(body), Kind.JSON)
    if way.kind is Kind.NOTHING and status == 204:
        return Reply(status, b"", way.kind)
    if way.kind is Kind.OFFSET and status == 204 and OFFSET.fullmatch(place):
        return Reply(status, b"", way.kind, place=place)
    if way.kind is Kind.PART and status == 206:
        asked, given = RANGE.fullmatch(part), PLACE.fullmatch(place)
        if not asked or not given or asked.groups() != given.groups() or len(body) != int(given[2]) + 1 - int(given[1]):
            raise BadAnswer("The server sends another part of the file than the one asked for.")
        return Reply(status, body, way.kind, place=place)
    if way.kind is Kind.FRAGMENT and status == 200:
        return Reply(status, _text(body).encode(), way.kind)
    if way.kind is Kind.JSON and status in (200, 201):
        answer = _json(body)
        token = Members(answer).octets("token", 32) if way.begins else ""
        if isinstance(answer, dict):
            for name in ("token", "trust_token"):
                answer.pop(name, None)
        return Reply(status, dump(answer), way.kind, token)
    raise BadAnswer(f"The server's response has an unexpected status: {status}.")


def _refusal(body: bytes) -> bytes:
    """An error for the page, which has its own sentences: only the code, how long to wait, and a login's challenge."""
    try:
        said = _json(body)
    except BadAnswer:
        said = None
    answer: dict[str, Any] = {"error": "The server refused."}
    if isinstance(said, dict):
        code, wait = said.get("code"), said.get("retry_after")
        if isinstance(code, str) and WORD.fullmatch(code):
            answer["code"] = code
        if is_integer(wait, 0, LONGEST_WAIT):
            answer["retry_after"] = wait
        with suppress(BadAnswer):
            if code == "second_step":
                answer["challenge"] = Members(said).sealed("challenge", LARGEST_CHALLENGE)
    return dump(answer)


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadAnswer("The server's response is not text.") from error


def _json(body: bytes) -> Any:
    """Parse JSON. Raises BadAnswer. NaN, which Python accepts, fails when it is written again."""
    try:
        return json.loads(_text(body))
    except (ValueError, RecursionError) as error:
        raise BadAnswer("The server's response is not JSON.") from error


def dump(value: Any) -> bytes:
    """JSON in ASCII. Raises BadAnswer for values that are not JSON (NaN, 1e999)."""
    try:
        return json.dumps(value, separators=(",", ":"), allow_nan=False).encode("ascii")
    except (ValueError, RecursionError) as error:
        raise BadAnswer("The server's response is not JSON.") from error
