"""HTTP requests to a server: JSON both ways. Waits when rate limited (429), and retries where that is harmless.

The server is the adversary: responses are limited in size, depth and time, redirects are not followed, nothing is
decompressed, and error text becomes one short printable line.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from ezdms import __version__
from ezdms.client.errors import BadAnswer, ClientError, CodeNeeded, ServerError, SessionEnded, Unreachable
from ezdms.client.members import WORD, Members
from ezdms.client.shown import one_line
from ezdms.protocol.encoding import is_integer
from ezdms.protocol.origin import fault_of_server
from ezdms.protocol.visitor import CHROME, NAVIGATION

TIMEOUT = 30.0  # seconds without a byte
WHOLE = 120.0  # seconds for one response
PATIENCE = 60.0  # seconds of retrying before Unreachable
LONGEST_PAUSE = 10.0  # seconds
NOT_THIS_PART = "The server sends another part of the file than the one asked for."
STILL_TRYING = "The server %s does not answer. Retrying for a minute; press Ctrl-C to stop."
SILENCE = 2.0  # seconds without a response before the user is told
LARGEST = 64 * 1024  # bytes of a response
LARGEST_CHALLENGE = 1024  # characters
LARGEST_LIST = 16 * 1024 * 1024  # bytes of a list or a vault
# Of connections that nothing uses, one is kept: httpcore closes those that ended one after the other, and a request
# that is cancelled meanwhile would leave the others open.
KEPT = httpx.Limits(max_keepalive_connections=1)
# The policy of every response of a server. A network's login page, or a proxy's error, does not come from one.
POLICY = "default-src 'none'; "


log = logging.getLogger(__name__)


def pause(attempt: int) -> float:
    """Seconds to wait before the next attempt: doubling from 0.25, with jitter, at most LONGEST_PAUSE."""
    return min(LONGEST_PAUSE, 0.25 * 2.0**attempt) * random.uniform(0.5, 1)  # noqa: S311


def is_far(server: str) -> bool:
    """True for https. http is only for this machine, where the environment's proxies must not be used."""
    return server.startswith("https:")


def trusted_by(server: str) -> ssl.SSLContext:
    """The certificate authorities for connections to this server. Reading them takes 40 ms, and http needs none."""
    return httpx.create_ssl_context() if is_far(server) else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def is_ours(policy: str | None) -> bool:
    """Whether a response with this Content-Security-Policy comes from a server."""
    return policy is not None and policy.startswith(POLICY)


def _refuse_foreign(response: httpx.Response) -> None:
    if not is_ours(response.headers.get("Content-Security-Policy")):
        raise _Foreign


class _Foreign(Exception):
    """Something else answered."""


class Transport:
    """One server, and the token of a session once there is one. Raises ClientError for plain http to elsewhere."""

    def __init__(self, server: str, token: str = "", *, patience: float = PATIENCE) -> None:
        self.server = server.rstrip("/")
        fault = fault_of_server(self.server)
        if fault is not None:
            raise ClientError(fault)
        self.token = token
        self.patience = patience
        self._http = httpx.AsyncClient(
            base_url=self.server,
            timeout=TIMEOUT,
            headers={
                "Accept": "application/json",
                "Accept-Encoding": "identity",
                "User-Agent": f"ezdms/{__version__}",
            },
            follow_redirects=False,
            trust_env=is_far(self.server),
            verify=trusted_by(self.server),
            limits=KEPT,
        )

    @property
    def headers(self) -> dict[str, str]:
        """The session's Authorization header, for requests and the WebSocket."""
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    @asynccontextmanager
    async def closed_on_failure(self) -> AsyncIterator[None]:
        """Close the connections if creating a client fails."""
        try:
            yield
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def get(self, path: str, *, largest: int = LARGEST, **query: int) -> Any:
        """The JSON at `path`, of at most `largest` bytes. Raises ServerError, BadAnswer or Unreachable."""
        return await self._ask("GET", path, largest, params=query, again=True)

    async def post(self, path: str, fields: dict[str, Any] | None = None, *, again: bool = False) -> Any:
        """Post a form. Returns the JSON of the response, None for 204. `again`: safe to repeat, so it is retried if the
        response is lost. Raises ServerError, BadAnswer or Unreachable."""
        return await self._ask("POST", path, LARGEST, data=fields or {}, again=again)

    async def put(self, path: str, fields: dict[str, Any], *, largest: int = LARGEST) -> Any:
        """Put a form. Raises ServerError, BadAnswer or Unreachable."""
        return await self._ask("PUT", path, largest, data=fields, again=False)

    async def patch(self, path: str, part: bytes, offset: int) -> None:
        """Send a part of a file. Safe to repeat, so it is retried. Raises ServerError, BadAnswer or Unreachable."""
        headers = {"Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
        await self._ask("PATCH", path, LARGEST, content=part, more_headers=headers, again=True)

    async def stream(self, path: str, start: int, size: int) -> AsyncIterator[bytes]:
        """The bytes of a file of `size` bytes from `start` on, once. Raises Unreachable if the connection is lost,
        ServerError, or BadAnswer if the response is not of that part or longer."""
        headers = self.headers | ({"Range": f"bytes={start}-"} if start else {})
        try:
            async with self._http.stream("GET", path, headers=headers) as response:
                _refuse_foreign(response)
                wait = _wait_for(response)
                if wait is not None:
                    await asyncio.sleep(min(wait, LONGEST_PAUSE))
                    raise Unreachable(_sentence(self.server))
                if response.status_code != (206 if start else 200):
                    if response.is_success:
                        raise BadAnswer(NOT_THIS_PART)
                    _read(response, await body_of(response, LARGEST))
                    raise BadAnswer(NOT_THIS_PART)
                if start and response.headers.get("Content-Range") != f"bytes {start}-{size - 1}/{size}":
                    raise BadAnswer(NOT_THIS_PART)
                _refuse_compressed(response)
                async for piece in response.aiter_raw():
                    start += len(piece)
                    if start > size:
                        raise BadAnswer("The server sends more than this file.")
                    yield piece
        except (httpx.TransportError, _Foreign) as error:
            raise Unreachable(_sentence(self.server)) from error

    async def _ask(self, method: str, path: str, largest: int, **more: Any) -> Any:
        """Send a request; logs a warning if the response takes long, unless `patience` is shorter than that."""
        after = SILENCE if self.patience >= PATIENCE else PATIENCE
        late = asyncio.get_running_loop().call_later(after, log.warning, STILL_TRYING, self.server)
        try:
            return await self._try(late, method, path, largest, **more)
        finally:
            late.cancel()

    async def _try(
        self,
        late: asyncio.TimerHandle,
        method: str,
        path: str,
        largest: int,
        *,
        again: bool,
        more_headers: dict[str, str] | None = None,
        **more: Any,
    ) -> Any:
        loop = asyncio.get_running_loop()
        until = loop.time() + self.patience
        attempt = 0
        headers = self.headers | (more_headers or {})
        while True:
            try:
                async with (
                    asyncio.timeout(WHOLE),
                    self._http.stream(method, path, headers=headers, **more) as response,
                ):
                    late.cancel()
                    wait = _wait_for(response)
                    if wait is None or loop.time() + wait > until:
                        _refuse_foreign(response)
                        return _read(response, await body_of(response, largest))
            except httpx.ConnectError as error:  # nothing was sent: retrying is always harmless
                failure: Exception = error
            except (httpx.TransportError, httpx.InvalidURL, TimeoutError, _Foreign) as error:
                if not again:
                    raise Unreachable(_sentence(self.server)) from error
                failure = error
            else:
                await asyncio.sleep(max(wait, pause(attempt)))
                attempt += 1
                continue
            if loop.time() > until:
                raise Unreachable(_sentence(self.server)) from failure
            await asyncio.sleep(min(pause(attempt), max(0.0, until - loop.time())))
            attempt += 1


async def visit(server: str, path: str, *, largest: int) -> bytes:
    """Request the page at `path` as a browser would, once, over a separate connection and without a session. Raises
    Unreachable, or BadAnswer for anything but a page of at most `largest` bytes."""
    headers = {"Accept": "text/html", "Accept-Encoding": "identity", "User-Agent": CHROME, **NAVIGATION}
    try:
        async with (
            asyncio.timeout(WHOLE),
            httpx.AsyncClient(
                timeout=TIMEOUT,
                headers=headers,
                follow_redirects=False,
                trust_env=is_far(server),
                verify=trusted_by(server),
            ) as http,
            http.stream("GET", f"{server}{path}") as response,
        ):
            if response.status_code != 200:
                raise BadAnswer(f"The server answered {response.status_code} instead of a page.")
            return await body_of(response, largest)
    except (httpx.TransportError, httpx.InvalidURL, TimeoutError) as error:
        raise Unreachable(_sentence(server)) from error


def _sentence(server: str) -> str:
    return f"The server {server} cannot be reached."


def _wait_for(response: httpx.Response) -> float | None:
    """Seconds to wait after a 429 or 503 with Retry-After, else None."""
    after = response.headers.get("Retry-After", "")
    is_time = after.isascii() and after.isdigit() and len(after) < 10
    return float(after) if response.status_code in (429, 503) and is_time else None


async def body_of(response: httpx.Response, largest: int) -> bytes:
    """The body. Raises BadAnswer if it is too large, or compressed, which was not requested and could hide any size."""
    _refuse_compressed(response)
    body = bytearray()
    async for piece in response.aiter_raw():
        body += piece
        if len(body) > largest:
            raise BadAnswer(f"The server's response is larger than {largest // 1024} KiB.")
    return bytes(body)


def _refuse_compressed(response: httpx.Response) -> None:
    if response.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise BadAnswer("The server compressed its response although asked not to.")


def _read(response: httpx.Response, body: bytes) -> Any:
    """The JSON of a response, None for 204. Raises ServerError, SessionEnded or BadAnswer."""
    if response.status_code == 204:
        return None
    try:
        answer = json.loads(body.decode("utf-8"), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:  # not JSON, or nested too deep
        if response.is_success:
            raise BadAnswer("The server's response is not JSON.") from error
        if response.status_code < 500:
            raise _Foreign from error  # a network's refusal can have such a policy, too, but it is a page
        answer = {}
    if response.is_success:
        return answer
    answer = answer if isinstance(answer, dict) else {}
    said, code = answer.get("error"), answer.get("code")
    code = code if isinstance(code, str) and WORD.fullmatch(code) else ""
    if isinstance(said, str) and said.strip():
        sentence = f"The server says: {one_line(said)}"
    else:
        sentence = f"The server answered {response.status_code}, but not as EZ-DMS does."
    if response.status_code == 401 and code == "second_step":
        raise CodeNeeded(Members(answer).sealed("challenge", LARGEST_CHALLENGE))
    kind = SessionEnded if response.status_code == 401 and code == "no_session" else ServerError
    next_n: Any = answer.get("next_n")
    offset: Any = answer.get("offset")
    raise kind(
        response.status_code,
        code,
        sentence,
        next_n if is_integer(next_n, 1) else 0,
        offset if is_integer(offset, 0) else -1,
    )


def _refuse(name: str) -> None:
    raise ValueError(name)
