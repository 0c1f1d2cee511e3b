"""`python -m ezdms open` as its own process, and an HTTP client that sends what a browser would send."""

from __future__ import annotations

import re
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ezdms import crypto
from tests.support.forked import environment, run
from tests.support.people import PEOPLE, registration
from tests.support.started import Started

ANNOUNCED = re.compile(r"The page of EZ-DMS \S+ for (\S+) is at ((http://127\.0\.0\.1:([0-9]+))/open/([\w-]{43}))\n")
BY_SCRIPT = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}
BY_HAND = {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


def run_open(*flags: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run `ezdms open` where it fails to start; returns its exit code and output."""
    return run("open", "--no-browser", *flags, env=environment() | more)


def newcomer() -> crypto.Keys:
    """Keys of a new person; the slow one, for encryption, is Alice's."""
    return crypto.Keys(Ed25519PrivateKey.generate(), PEOPLE["alice"].encryption)


class Opening(Started):
    """A running `ezdms open` for one server."""

    def __init__(self, server: str, folder: Path, *flags: str, **more: str) -> None:
        super().__init__(server, folder, "open", *flags)
        self.more = more
        self.first = self.origin = self.secret = ""

    def start(self) -> Opening:
        """Start; returns when it answers requests."""
        self.launch(*([] if "BROWSER" in self.more else ["--no-browser"]), **self.more)
        match = ANNOUNCED.fullmatch(self.said)
        assert match, f"expected the address, got {self.said!r}; log:\n{self.log.read_text()}"
        self.first, self.origin, self.port, self.secret = match[2], match[3], int(match[4]), match[5]
        return self

    def end(self, how: signal.Signals = signal.SIGINT) -> int:
        """See Started."""
        return super().end(how)

    def __enter__(self) -> Opening:
        return self.start()

    def __exit__(self, *_: object) -> None:
        if self.process is not None:
            with suppress(ProcessLookupError):
                self.end(signal.SIGKILL)


class Visit:
    """A browser session that has opened the first address."""

    def __init__(self, opening: Opening) -> None:
        self.opening = opening
        self.http = httpx.AsyncClient(base_url=opening.origin, timeout=60, trust_env=False)

    async def __aenter__(self) -> Visit:
        response = await self.http.get(self.opening.first, headers=BY_HAND)
        assert (response.status_code, response.headers["Location"]) == (303, "/")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()

    @property
    def cookie(self) -> str:
        """The Cookie header."""
        name = f"ezdms_open_{self.opening.port}"
        return f"{name}={self.http.cookies[name]}"

    async def asks(
        self, path: str, fields: dict[str, Any] | None = None, method: str = "", **headers: str
    ) -> httpx.Response:
        """A request from a script of the page: POST if there are fields, else GET."""
        given = BY_SCRIPT | {name.replace("_", "-"): value for name, value in headers.items()}
        if fields is not None:
            given = {"Origin": self.opening.origin} | given
        how = method or ("GET" if fields is None else "POST")
        return await self.http.request(how, path, data=fields, headers=given)

    async def opens(self, path: str) -> httpx.Response:
        """A navigation by the user."""
        return await self.http.get(path, headers=BY_HAND | {"Accept": "text/html"})

    async def registers(self, keys: crypto.Keys, name: str) -> dict[str, Any]:
        """Register a new account; returns the response to the page."""
        response = await self.asks("/register", registration(keys, name))
        assert response.status_code == 201, response.text
        account: dict[str, Any] = response.json()
        return account
