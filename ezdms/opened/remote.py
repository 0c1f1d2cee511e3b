"""The server elsewhere. It is the adversary: an answer comes whole, in time, of its kind, or it is none.

Of an answer nothing is used but its status and its body. No redirect is followed, no cookie kept, no header passed on;
the session's token goes in a header, and is taken out of the answer that brings it.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpx

from ezdms import __version__
from ezdms.client.errors import BadAnswer, Unreachable
from ezdms.client.members import WORD, Members
from ezdms.client.transport import body_of, is_far
from ezdms.opened.ways import Kind, Way
from ezdms.protocol.encoding import is_integer

WITHIN = 25.0  # seconds for one answer; the page waits for 30
CONNECTS_WITHIN = 10.0  # seconds
LONGEST_WAIT = 86_400  # seconds that a server may ask for
ACCEPT = {Kind.JSON: "application/json", Kind.NOTHING: "application/json", Kind.FRAGMENT: "text/html"}


@dataclass(frozen=True, slots=True)
class Reply:
    """What is passed on. `token`: of the session that has begun."""

    status: int
    body: bytes
    kind: Kind
    token: str = ""


class Remote:
    """Asks one server. Connections are shared by the browsers; nothing that it was told by one goes with another."""

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
        )

    async def close(self) -> None:
        """Give the connections back."""
        await self._http.aclose()

    async def ask(self, way: Way, address: str, token: str, form: str) -> Reply:
        """Take one way: `address` is path and query, `form` the body. Raises Unreachable or BadAnswer."""
        headers = {"Accept": ACCEPT[way.kind]} | proof(token)
        if way.method != "GET":
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        request = self._http.build_request(way.method, address, headers=headers, content=form.encode("ascii"))
        try:
            async with asyncio.timeout(WITHIN):
                response = await self._http.send(request, stream=True)
                try:
                    return _read(way, response.status_code, await body_of(response, way.largest))
                finally:
                    await response.aclose()
        except (httpx.TransportError, httpx.InvalidURL, TimeoutError) as error:
            raise Unreachable(f"The server {self.server} cannot be reached.") from error

    async def end(self, token: str) -> None:
        """End a session, if the server can be asked."""
        await self._http.post("/logout", headers={"Accept": "application/json", **proof(token)})


def proof(token: str) -> dict[str, str]:
    """What proves a session, in requests and at the socket."""
    return {"Authorization": f"Bearer {token}"} if token else {}


def _read(way: Way, status: int, body: bytes) -> Reply:
    """An answer of the kind that this way has, or a refusal. Raises BadAnswer."""
    if 400 <= status <= 599:
        return Reply(status, _refusal(body), Kind.JSON)
    if way.kind is Kind.NOTHING and status == 204:
        return Reply(status, b"", way.kind)
    if way.kind is Kind.FRAGMENT and status == 200:
        return Reply(status, _text(body).encode(), way.kind)
    if way.kind is Kind.JSON and status in (200, 201):
        answer = _json(body)
        token = Members(answer).octets("token", 32) if way.begins else ""
        if isinstance(answer, dict):
            answer.pop("token", None)
        return Reply(status, dump(answer), way.kind, token)
    raise BadAnswer(f"The server's answer has the status {status}, which none of its kind has.")


def _refusal(body: bytes) -> bytes:
    """Of a refusal the page is told the code and how long to wait: it has words of its own."""
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
    return dump(answer)


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadAnswer("The server's answer is no text.") from error


def _json(body: bytes) -> Any:
    """Raises BadAnswer. What Python takes beyond JSON (NaN) fails when it is written again."""
    try:
        return json.loads(_text(body))
    except (ValueError, RecursionError) as error:
        raise BadAnswer("The server's answer is no JSON.") from error


def dump(value: Any) -> bytes:
    """JSON in ASCII. Raises BadAnswer for what is none (NaN, 1e999)."""
    try:
        return json.dumps(value, separators=(",", ":"), allow_nan=False).encode("ascii")
    except (ValueError, RecursionError) as error:
        raise BadAnswer("The server's answer is no JSON.") from error
