"""Asking a server: JSON both ways, waiting where it says so (429), trying again where that can do no harm."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from ezdms import __version__
from ezdms.client.errors import ServerError, SessionEnded, Unreachable

TIMEOUT = 30.0  # seconds for one answer
PATIENCE = 60.0  # seconds of trying again before Unreachable
LONGEST_PAUSE = 10.0  # seconds


def pause(attempt: int) -> float:
    """Seconds to wait before the attempt after this one: doubling from 0.25, with jitter, at most LONGEST_PAUSE."""
    return min(LONGEST_PAUSE, 0.25 * 2.0**attempt) * random.uniform(0.5, 1)  # noqa: S311


class Transport:
    """One server, and the token of a session once there is one."""

    def __init__(self, server: str, token: str = "", *, patience: float = PATIENCE) -> None:
        self.server = server.rstrip("/")
        self.token = token
        self.patience = patience
        self._http = httpx.AsyncClient(
            base_url=self.server,
            timeout=TIMEOUT,
            headers={"Accept": "application/json", "User-Agent": f"ezdms/{__version__}"},
            follow_redirects=False,
        )

    @property
    def headers(self) -> dict[str, str]:
        """What proves the session, in requests and at the WebSocket."""
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    @asynccontextmanager
    async def closed_on_failure(self) -> AsyncIterator[None]:
        """Whoever fails while a client is being made leaves no connection behind."""
        try:
            yield
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Give the connections back."""
        await self._http.aclose()

    async def get(self, path: str, **query: int) -> Any:
        """The JSON at `path`. Raises ServerError or Unreachable."""
        return await self._ask("GET", path, params=query, again=True)

    async def post(self, path: str, fields: dict[str, Any] | None = None, *, again: bool = False) -> Any:
        """Post a form; the JSON of the answer, None for 204. `again`: a repeat does no harm, so lost answers are asked
        for anew. Raises ServerError or Unreachable."""
        return await self._ask("POST", path, data=fields or {}, again=again)

    async def put(self, path: str, fields: dict[str, Any]) -> Any:
        """Put a form. Raises ServerError or Unreachable."""
        return await self._ask("PUT", path, data=fields, again=False)

    async def _ask(self, method: str, path: str, *, again: bool, **more: Any) -> Any:
        loop = asyncio.get_running_loop()
        until = loop.time() + self.patience
        attempt = 0
        while True:
            try:
                response = await self._http.request(method, path, headers=self.headers, **more)
            except httpx.ConnectError as error:  # nothing was sent: trying again is always harmless
                failure: Exception = error
            except (httpx.TransportError, httpx.InvalidURL) as error:
                if not again:
                    raise Unreachable(_sentence(self.server)) from error
                failure = error
            else:
                wait = _wait_for(response)
                if wait is None:
                    return _read(response)
                if loop.time() + wait > until:
                    return _read(response)
                await asyncio.sleep(wait)
                continue
            if loop.time() > until:
                raise Unreachable(_sentence(self.server)) from failure
            await asyncio.sleep(pause(attempt))
            attempt += 1


def _sentence(server: str) -> str:
    return f"The server {server} cannot be reached."


def _wait_for(response: httpx.Response) -> float | None:
    """Seconds after which the server would take the request: it said 429 or 503, and how long."""
    after = response.headers.get("Retry-After", "")
    return float(after) if response.status_code in (429, 503) and after.isascii() and after.isdigit() else None


def _read(response: httpx.Response) -> Any:
    if response.status_code == 204:
        return None
    try:
        answer = response.json()
    except ValueError:
        answer = None
    if response.is_success and answer is not None:
        return answer
    answer = answer if isinstance(answer, dict) else {}
    sentence = str(answer.get("error") or f"The server answered {response.status_code}, and not as EZ-DMS does.")
    kind = SessionEnded if response.status_code == 401 and answer.get("code") == "no_session" else ServerError
    raise kind(response.status_code, str(answer.get("code", "")), sentence, answer)
