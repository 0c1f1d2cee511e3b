"""`python -m ezdms bridge` as its own process, programs that use it, and a proxy that records what it sends."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx

from tests.support.forked import environment, run
from tests.support.started import Started

Row = dict[str, Any]


def run_bridge(*flags: str) -> subprocess.CompletedProcess[str]:
    """Run a bridge that fails to start; returns its exit code and output."""
    return run("bridge", *flags, env=environment())


class Bridge(Started):
    """A running bridge. `token` is the one that it printed, which programs send."""

    def __init__(self, server: str, folder: Path, *flags: str) -> None:
        folder.mkdir(exist_ok=True)
        super().__init__(server, folder, "bridge", *flags)
        self.token = ""
        self.http = httpx.AsyncClient(timeout=60, trust_env=False)

    def start(self) -> Bridge:
        """Start, or restart on the same port; returns when it answers requests."""
        self.launch("--port", str(self.port))
        match = re.fullmatch(r"The bridge to \S+ is at http://127\.0\.0\.1:([0-9]+)\n", self.said)
        assert match, f"expected the address, got {self.said!r}; log:\n{self.log.read_text()}"
        self.port = int(match[1])
        if "--no-token" not in self.flags:
            self.said += self.next_line()
            found = re.search(r"shown once: ([A-Za-z0-9_-]{43})\n", self.said)
            self.token = found[1] if found else self.token
        return self

    @property
    def url(self) -> str:
        """The bridge's address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def proof(self) -> dict[str, str]:
        """The headers that an authorized program sends."""
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """See Started."""
        return super().end(how)

    async def __aenter__(self) -> Bridge:
        return self.start()

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()
        if self.process is not None:
            self.end(signal.SIGKILL)

    async def ask(
        self, path: str, fields: Row | None = None, *, method: str = "", json: bool = False, **headers: str
    ) -> httpx.Response:
        """POST if there are fields, else GET, with the token unless `Authorization` is given; "" omits a header."""
        given = self.proof | {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.http.request(
            method or ("GET" if fields is None else "POST"),
            self.url + path,
            data=None if json else fields,
            json=fields if json else None,
            headers={name: value for name, value in given.items() if value},
        )

    async def get(self, path: str, fields: Row | None = None, **more: Any) -> Any:
        """The JSON of a response, which must have status 200, as all of the original's have."""
        response = await self.ask(path, fields, **more)
        assert response.status_code == 200, (response.status_code, response.text)
        return response.json()

    async def user(self, name: str) -> User:
        """Register a new user."""
        return User(self, await self.get("/register", {"username": name}))


class User:
    """A user as a program knows them: from the response to POST /register."""

    def __init__(self, bridge: Bridge, account: Row) -> None:
        self.bridge = bridge
        self.account = account
        self.user_id = str(account["user_id"])
        self.pin = str(account["login_pin"])
        self.search_pin = str(account["search_pin"])

    async def start(self, search_pin: str) -> str:
        """Start a conversation; returns its id."""
        fields = {"user_id": self.user_id, "partner_search_pin": search_pin}
        return str((await self.bridge.get("/start_conversation", fields))["conversation_id"])

    async def send(self, where: str, text: str) -> str:
        """Send a message; returns its id."""
        fields = {"conversation_id": where, "sender_id": self.user_id, "content": text}
        return str((await self.bridge.get("/send_message", fields))["message_id"])

    async def read(self, where: str, **more: Any) -> list[Row]:
        """The decrypted messages."""
        fields = {"conversation_id": where, "user_id": self.user_id, "key_password": self.pin} | more
        rows: list[Row] = await self.bridge.get("/messages_decrypted", fields)
        return rows

    async def texts(self, where: str) -> list[str]:
        """The texts of the messages."""
        return [row["content"] for row in await self.read(where)]

    async def sealed(self, where: str, query: str = "") -> list[Row]:
        """The sealed messages."""
        rows: list[Row] = await self.bridge.get(f"/messages/{where}?user_id={self.user_id}{query}")
        return rows

    async def hears(self, where: str, *texts: str) -> None:
        """Wait for exactly these texts."""
        async with asyncio.timeout(30):
            while (found := await self.texts(where)) != list(texts):
                assert len(found) <= len(texts), found

    async def contacts(self) -> list[Row]:
        """The list of conversations."""
        rows: list[Row] = await self.bridge.get(f"/conversations/{self.user_id}")
        return rows


class Ear:
    """A proxy to the server that records every byte that is sent to it.

    A connection that sends `hangs_up_on` is closed immediately, on both sides.
    """

    def __init__(self, port: int) -> None:
        self.heard = bytearray()
        self.url = ""
        self.hangs_up_on = b""
        self._far = port
        self._listener: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Ear:
        self._listener = await asyncio.start_server(self._forward, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._listener.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._listener is not None
        self._listener.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _hear(self, piece: bytes) -> None:
        self.heard += piece
        if self.hangs_up_on and self.hangs_up_on in piece:
            raise ConnectionResetError

    async def _forward(self, near: asyncio.StreamReader, near_writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        far, far_writer = await asyncio.open_connection("127.0.0.1", self._far)
        try:
            with suppress(OSError):
                await asyncio.gather(_pump(near, far_writer, self._hear), _pump(far, near_writer, lambda piece: None))
        finally:
            far_writer.close()
            near_writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, keep: Callable[[bytes], None]) -> None:
    while piece := await reader.read(65536):
        keep(piece)
        writer.write(piece)
        await writer.drain()
    writer.close()
