"""A connection to Redis or Valkey (RESP2). Commands of one turn of the event loop leave in one packet, and what comes
is handed over at once: a client with a task, a lock or a limit for each answer costs more than the message."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from hiredis import HiredisError, ProtocolError, Reader, pack_command

from ezdms.hub.shared import WITHIN

GRACE = 0.1  # seconds more, in which this process runs: it may have been stopped meanwhile
PORT = 6379
FAILED = (OSError, HiredisError)  # what ends a connection, or keeps it from being opened

Answer = Callable[[Any], None]


class Link(asyncio.Protocol):
    """A connection until it fails: then all that waits for an answer gets the error, and `on_lost` is called with it.

    `on_heard`: what comes without having been asked for.
    """

    def __init__(self, on_lost: Callable[[Exception], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._reader = Reader()
        self._unsent: list[bytes] = []
        self._asked: deque[tuple[float, Answer]] = deque()  # until when, by the loop's clock, and whom to tell
        self._limit: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None
        self._error: Exception | None = None
        self.on_heard: Callable[[Any], None] = lambda _: None
        self._on_lost = on_lost

    @classmethod
    async def to(cls, address: str, on_lost: Callable[[Exception], None]) -> Link:
        """Connect to this address, and say who we are. Raises an error of FAILED."""
        parts = urlsplit(address)
        options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        database = options.get("db", "") if parts.scheme == "unix" else parts.path.strip("/") or options.get("db", "")
        loop, link = asyncio.get_running_loop(), cls(on_lost)
        try:
            async with asyncio.timeout(2 * WITHIN):
                if parts.scheme == "unix":
                    await loop.create_unix_connection(lambda: link, unquote(parts.path))
                else:
                    tls = _tls(options) if parts.scheme == "rediss" else None
                    await loop.create_connection(
                        lambda: link, parts.hostname or "localhost", parts.port or PORT, ssl=tls
                    )
                if parts.password:
                    names = [unquote(parts.username)] if parts.username else []
                    await link.ask("AUTH", *names, unquote(parts.password))
                await link.ask("CLIENT", "SETNAME", "ezdms")
                if database not in ("", "0"):
                    await link.ask("SELECT", database)
            link.check()
        except BaseException:
            link.close()
            raise
        return link

    def check(self) -> None:
        """Raises the error that has ended it, if it has."""
        if self._error is not None:
            raise self._error

    def ask(self, *command: str | bytes) -> asyncio.Future[Any]:
        """What the bus answers. The future raises an error of FAILED."""
        answer: asyncio.Future[Any] = self._loop.create_future()
        self.send(partial(_settle, answer), *command)
        return answer

    def send(self, answer: Answer, *command: str | bytes) -> None:
        """Send a command with all others of this moment. `answer` is called with what the bus answers, or an error."""
        if self._error is not None:
            answer(self._error)
            return
        self._asked.append((self._loop.time() + WITHIN, answer))
        if self._limit is None:
            self._limit = self._loop.call_later(WITHIN, self._look)
        self.tell(*command)

    def tell(self, *command: str | bytes) -> None:
        """The same for a command whose answer goes to `on_heard`."""
        if not self._unsent:
            self._loop.call_soon(self._flush)
        self._unsent.append(pack_command(command))  # type: ignore[arg-type]  # any number of them

    def close(self, error: Exception | None = None) -> None:
        """Disconnect; what waits fails."""
        if self._error is None:
            self._error = error or ConnectionError("The connection was closed.")
            if self._limit is not None:
                self._limit.cancel()
            if self._transport is not None:
                self._transport.abort()
            while self._asked:
                self._asked.popleft()[1](self._error)
            self._on_lost(self._error)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open."""
        self._transport = transport  # type: ignore[assignment]
        if self._error is not None:  # it was given up meanwhile
            transport.close()

    def data_received(self, data: bytes) -> None:
        """Hand over what has come whole."""
        try:
            self._reader.feed(data)
            while (found := self._reader.gets(False)) is not False and self._error is None:
                if self._asked:
                    self._asked.popleft()[1](found)
                else:
                    self.on_heard(found)
        except ProtocolError as error:
            self.close(error)

    def connection_lost(self, error: Exception | None) -> None:
        """The other end has closed it, or the network."""
        self.close(error or ConnectionError("The bus has closed the connection."))

    def _flush(self) -> None:
        unsent, self._unsent = self._unsent, []
        if self._error is None and self._transport is not None:
            self._transport.write(b"".join(unsent))

    def _look(self, *, is_grace: bool = False) -> None:
        """Close it once an answer is late."""
        self._limit = None
        if not self._asked:
            return
        left = self._asked[0][0] - self._loop.time()
        if left > 0 or not is_grace:
            self._limit = self._loop.call_later(max(left, GRACE), partial(self._look, is_grace=left <= 0))
        else:
            self.close(TimeoutError("The bus does not answer."))


def _tls(options: dict[str, str]) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=options.get("ssl_ca_certs"))
    if "ssl_certfile" in options:
        context.load_cert_chain(options["ssl_certfile"], options.get("ssl_keyfile"))
    return context


def _settle(answer: asyncio.Future[Any], found: Any) -> None:
    if answer.done():  # who asked has gone
        return
    if isinstance(found, Exception):
        answer.set_exception(found)
    else:
        answer.set_result(found)
