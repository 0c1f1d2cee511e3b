"""Sends requests to one server as a browser would. Limits responses in size and time, and follows no redirects."""

from __future__ import annotations

import asyncio
import json
import ssl
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import httpx
import websockets
from websockets.asyncio.client import connect
from websockets.typing import Origin

from ezdms.verify.place import Place, Unanswered

ANSWER_WITHIN = 20.0  # seconds
LARGEST_ANSWER = 2 * 1024 * 1024  # bytes, before and after decompression; the largest file has 85 KB

# Browser headers, so that a server that treats browsers differently treats us the same.
BROWSER = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Accept-Language": "en-US,en;q=0.5",
    "Accept-Encoding": "gzip",
}
PAGE = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
FILE = "*/*"
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: headers by lower-case name, each as often as it was sent; the body decompressed.

    `may_set_cookie`: this response begins or ends a session.
    """

    method: str
    path: str
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    may_set_cookie: bool = False

    def all(self, name: str) -> list[str]:
        """Every value of a header."""
        return [value for one, value in self.headers if one == name.lower()]

    @property
    def members(self) -> dict[str, Any]:
        """The JSON object in the body; {} if there is none."""
        try:
            members = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return members if isinstance(members, dict) else {}

    @property
    def is_redirect(self) -> bool:
        """True for a redirect. 304 is not one: it says the browser already has the response."""
        return 300 <= self.status < 400 and self.status != 304

    @property
    def came(self) -> str:
        """The status in words, with the reason if known."""
        if self.is_redirect:
            return f"a redirect to {', '.join(self.all('Location')) or 'nowhere'}"
        code = self.members.get("code")
        return f"{self.status} ({code})" if isinstance(code, str) else str(self.status)


def cookie_name(scheme: str) -> str:
    """The session cookie's name, from the specification rather than from server code, which is being checked."""
    return "__Host-ezdms_session" if scheme == "https" else "ezdms_session"


class Wire:
    """Connections to one server; keeps every response in `answers`."""

    def __init__(self, place: Place, context: ssl.SSLContext) -> None:
        self.place = place
        self.answers: list[Answer] = []
        self._context = context
        self._http = httpx.AsyncClient(verify=context, trust_env=False, timeout=ANSWER_WITHIN, headers=BROWSER)

    async def __aenter__(self) -> Wire:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    def path_of(self, address: str) -> str | None:
        """The path and query of an absolute address on this server; None for another server."""
        try:
            parts = urlsplit(address)
            origin = (parts.scheme, parts.hostname, parts.port or {"https": 443, "http": 80}.get(parts.scheme))
        except ValueError:
            return None
        if origin != (self.place.scheme, self.place.host.lower(), self.place.port) or "@" in parts.netloc:
            return None
        return parts.path + (f"?{parts.query}" if parts.query else "")

    async def get(self, path: str, accept: str = FILE, headers: Mapping[str, str] | None = None) -> Answer:
        """GET; `headers` are added to a browser's or replace them. Raises Unanswered."""
        return await self._ask("GET", path, headers={"Accept": accept, **(headers or {})})

    async def post(
        self,
        path: str,
        fields: dict[str, str],
        *,
        origin: str | None = None,
        token: str = "",
        may_set_cookie: bool = False,
    ) -> Answer:
        """Post a form as the page does, or as a page on another `origin` would. Raises Unanswered."""
        headers = {"Accept": JSON, "Origin": origin or self.place.origin, "Sec-Fetch-Site": "same-origin"}
        headers["Connection"] = (
            "close"  # a server that refuses before the body arrived closes the connection, perhaps silently
        )
        if origin:
            headers["Sec-Fetch-Site"] = "cross-site"
        if token:
            headers["Authorization"] = f"Bearer {token}"
        return await self._ask("POST", path, headers, may_set_cookie=may_set_cookie, data=fields)

    async def _ask(
        self, method: str, path: str, headers: dict[str, str], *, may_set_cookie: bool = False, **more: Any
    ) -> Answer:
        try:
            async with (
                asyncio.timeout(ANSWER_WITHIN),
                self._http.stream(method, self.place.origin + path, headers=headers, **more) as response,
            ):
                body = await _read(response)
        except (TimeoutError, httpx.TimeoutException) as error:
            raise Unanswered(f"{method} {path}: no answer within {ANSWER_WITHIN:.0f} seconds.") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unanswered(f"{method} {path}: no valid HTTP response ({error or type(error).__name__}).") from error
        except ValueError as error:
            raise Unanswered(f"{method} {path}: {error}") from error
        self._http.cookies.clear()  # send each request as a stranger
        items = _headers(response.headers.multi_items())
        answer = Answer(method, path, response.status_code, items, body, may_set_cookie)
        self.answers.append(answer)
        return answer

    async def knock(self, origin: str, token: str = "") -> Answer | None:
        """Open the WebSocket from a page on `origin`. Returns the refusal; None if accepted. Raises Unanswered."""
        try:
            socket = await connect(
                self.place.origin.replace("http", "ws", 1) + "/ws",
                origin=Origin(origin),
                additional_headers={"Authorization": f"Bearer {token}"} if token else {},
                user_agent_header=BROWSER["User-Agent"],
                compression=None,
                proxy=None,
                open_timeout=ANSWER_WITHIN,
                close_timeout=1,
                host=self.place.host,  # with these it follows no redirect to another host
                port=self.place.port,
                ssl=self._context if self.place.scheme == "https" else None,
            )
        except websockets.InvalidStatus as refused:
            response = refused.response
            headers = _headers(response.headers.raw_items())
            answer = Answer("GET", "/ws", response.status_code, headers, bytes(response.body or b""))
            self.answers.append(answer)
            return answer
        except (OSError, ValueError, websockets.WebSocketException) as error:
            raise Unanswered(f"The WebSocket response could not be judged: {error}.") from error
        await socket.close()
        return None


def _headers(items: Any) -> tuple[tuple[str, str], ...]:
    return tuple((name.lower(), value) for name, value in items)


async def _read(response: httpx.Response) -> bytes:
    """The body, decompressed. Raises ValueError if it is too large, or has an encoding that was not requested."""
    raw = bytearray()
    async for piece in response.aiter_raw():
        raw += piece
        if len(raw) > LARGEST_ANSWER:
            raise ValueError(f"the response is larger than {LARGEST_ANSWER} bytes.")
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding == "identity" or not raw:
        return bytes(raw)
    if encoding != "gzip":
        raise ValueError(f"expected gzip or no compression, got {encoding}.")
    unpacking = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        body = unpacking.decompress(bytes(raw), LARGEST_ANSWER)
    except zlib.error as error:
        raise ValueError("the response is damaged gzip.") from error
    if not unpacking.eof or unpacking.unused_data:
        raise ValueError("the response is cut off, too large, or more than one gzip stream.")
    return body
