"""The bus between processes of one deployment: Redis or Valkey. It carries what may be lost, and stores no message.

A frame is authenticated (keyed BLAKE2b over channel and text), so who can only write to the bus can send nothing to
anyone's page. Channels have the deployment's id in their names.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import math
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import islice
from typing import Any

from redis import exceptions
from redis.asyncio import Connection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from ezdms import logs
from ezdms.hub.asking import FAILED, Asking
from ezdms.hub.shared import ALL, WITHIN, Away, BusError

SIZE = 16  # bytes of an authenticator
PING_EVERY = 0.4  # seconds
MOST_UNANSWERED = 3  # pings
PAUSE = 0.25  # seconds between attempts to connect
OLDEST = 60_000  # ms: older frames are not taken, so that none can be repeated later
MOST_WAITING = 20_000  # frames while the bus is away
AT_ONCE = 256  # commands in one packet
encode = json.JSONEncoder(separators=(",", ":")).encode  # json.dumps would make a new one each time

TLS = (  # what Python says while connecting, and what that means
    (
        "not valid for",
        "The certificate of the bus is for another name than the address has. Use that in the certificate.",
    ),
    (
        "CERTIFICATE_VERIFY_FAILED",
        "The certificate of the bus is from a CA that is not trusted here. Name the file of its CA in the address: "
        "?ssl_ca_certs=/etc/ezdms/ca.pem.",
    ),
    ("No such file", "The file of the CA of the bus (ssl_ca_certs in the address) cannot be read."),
    ("Permission denied", "The file of the CA of the bus (ssl_ca_certs in the address) cannot be read."),
    ("SSL", "The bus does no TLS, which the address asks for (rediss://)."),
    ("Timeout", "The bus cannot be reached, or does no TLS, which the address asks for (rediss://)."),
)


def sentence(error: Exception, *, is_encrypted: bool) -> str:
    """What went wrong, without an address or a password."""
    if isinstance(error, exceptions.ConnectionError) and isinstance(error.__cause__, exceptions.RedisError):
        error = error.__cause__  # while connecting
    if isinstance(error, exceptions.AuthenticationError) or str(error).startswith("NOAUTH"):
        return "The bus refuses the password, or needs one."
    if isinstance(error, exceptions.NoPermissionError):
        return "The user of the bus lacks rights. It needs +@pubsub +@scripting +@connection +@read +@write on ezdms:*."
    for words, meaning in TLS if is_encrypted else ():
        if words in str(error):
            return meaning
    if isinstance(error, exceptions.ResponseError):
        return "The bus does not accept a command. EZ-DMS needs Redis 6 or newer, or Valkey, as a primary."
    return "The bus cannot be reached, or does not answer."


class Bus:
    """Two connections: one listens, one speaks. Both are opened again when they are lost, by themselves.

    `on_frame(channel, kind, body)`: for what other processes said. `on_back()`: the bus was away, and frames are lost.
    """

    def __init__(self, address: str, *, key: bytes, deployment_id: str) -> None:
        self._prefix = f"ezdms:{deployment_id}:"
        self._deployment_id = deployment_id
        self._key = hashlib.blake2b(deployment_id.encode(), key=key, digest_size=32, person=b"ezdms bus").digest()
        self._unmarked = hashlib.blake2b(key=self._key, digest_size=SIZE)
        self.process_id = secrets.token_hex(8)
        self._is_encrypted = address.startswith("rediss:")
        self._own = f'["{self.process_id}",'.encode()  # how its frames begin
        self._pool: Any = ConnectionPool.from_url(
            address,
            protocol=2,
            retry=Retry(NoBackoff(), 0),
            socket_connect_timeout=WITHIN,
            socket_timeout=WITHIN,
            client_name="ezdms",
        )
        self._unanswered = 0  # pings since something was heard
        self._wanted: dict[str, asyncio.Future[None]] = {ALL: asyncio.get_running_loop().create_future()}
        self._listening: Connection | None = None
        self._told: list[tuple[str, str]] = []
        self._telling: asyncio.Task[None] | None = None
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._news = asyncio.Event()
        self._said: asyncio.Future[None] = asyncio.get_running_loop().create_future()  # done while nothing waits
        self._has_lost = False  # frames of this process: the others are told to start over
        self._was_away = False
        self._tasks: list[asyncio.Task[None]] = []
        self._asking = asyncio.Lock()
        self._asked: Asking | None = None
        self._speaking: Connection | None = None
        self._false = logs.Seldom("a frame on the bus is not from this deployment")
        self.on_frame: Callable[[str, str, Any], None] = lambda channel, kind, body: None
        self.on_back: Callable[[], None] = lambda: None

    @property
    def is_up(self) -> bool:
        """True while this process hears what the others say."""
        return self._listening is not None

    async def open(self) -> None:
        """Connect. Raises BusError."""
        try:
            await self._check_owner()
            await self._connect_listening()
        except BaseException as error:
            await self._disconnect()
            if isinstance(error, FAILED):
                raise BusError(f"Cannot use the bus. {self._sentence(error)}") from None
            raise
        self._tasks = [asyncio.create_task(self._listen_forever()), asyncio.create_task(self._speak_forever())]

    def _sentence(self, error: Exception) -> str:
        return sentence(error, is_encrypted=self._is_encrypted)

    async def close(self) -> None:
        """Say what waits, if the bus is there, and disconnect."""
        if self.is_up and self._waiting:
            await asyncio.wait([self._said], timeout=WITHIN)
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks, timeout=WITHIN)  # the driver may swallow it while it connects
        await self._disconnect()

    async def _check_owner(self) -> None:
        owner = await self._ask("SET", "ezdms:deployment", self._deployment_id, "NX", "GET")
        if owner is not None and owner.decode() != self._deployment_id:
            raise BusError(
                "This bus belongs to another EZ-DMS. Use a server of its own, or another database number, such as "
                "redis://host:6379/1."
            )

    async def _disconnect(self) -> None:
        for connection in (self._listening, self._speaking):
            if connection is not None:
                await connection.disconnect(nowait=True)
        if self._asked is not None:
            await self._asked.close()
        self._listening = self._asked = self._speaking = None

    def subscribe(self, channel: str) -> asyncio.Future[None]:
        """Listen to a channel. The future is done once the bus has confirmed it."""
        found = self._wanted.get(channel)
        if found is None:
            found = self._wanted[channel] = asyncio.get_running_loop().create_future()
            self._tell("SUBSCRIBE", channel)
        return found

    def unsubscribe(self, channel: str) -> None:
        """Listen to it no longer."""
        if self._wanted.pop(channel, None) is not None:
            self._tell("UNSUBSCRIBE", channel)

    def say(self, channel: str, kind: str, body: Any) -> None:
        """Send a frame to the other processes that listen to this channel; soon, or once the bus is back."""
        said = encode([self.process_id, time.time_ns() // 1_000_000, kind, body]).encode()
        if len(self._waiting) >= MOST_WAITING:
            self._waiting.popleft()
            self._has_lost = True
        self._waiting.append((channel, self._mark(channel, said) + said))
        self._news.set()
        if self._said.done():
            self._said = asyncio.get_running_loop().create_future()

    async def ask(self, *command: Any) -> Any:
        """What the bus answers to a command. Raises Away."""
        try:
            return await self._ask(*command)
        except FAILED as error:
            raise Away from error

    async def _ask(self, *command: Any) -> Any:
        if self._asked is None or not self._asked.is_open:
            async with self._asking:  # one connects for all who wait
                if self._asked is None or not self._asked.is_open:
                    if self._asked is not None:
                        await self._asked.close()
                        self._asked = None
                    self._asked = Asking(await self._connected())
        return await self._asked.ask(*command)

    def hidden(self, what: str) -> str:
        """A name for what nobody should read on the bus, such as an address; the same at all processes."""
        return hashlib.blake2b(what.encode(), key=self._key, digest_size=SIZE, person=b"ezdms name").hexdigest()

    def sealed(self, name: str, said: Any) -> bytes:
        """What this process stores under a name on the bus, for others of this deployment."""
        text = json.dumps(said).encode()
        return self._mark(name, text) + text

    def opened(self, name: str, data: bytes) -> Any:
        """What one of them has stored under this name; None if it is of somebody else."""
        return json.loads(data[SIZE:]) if hmac.compare_digest(data[:SIZE], self._mark(name, data[SIZE:])) else None

    def name(self, *words: str) -> str:
        """The name of a key or channel of this deployment."""
        return self._prefix + ":".join(words)

    async def _connected(self) -> Connection:
        connection: Connection = self._pool.make_connection()
        try:
            async with asyncio.timeout(2 * WITHIN):
                await connection.connect()  # type: ignore[no-untyped-call]
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        return connection

    def _mark(self, channel: str, said: bytes) -> bytes:
        mark = self._unmarked.copy()
        mark.update(channel.encode() + b"\0")
        mark.update(said)
        return mark.digest()

    def _tell(self, command: str, channel: str) -> None:
        """Send it on the listening connection, with all others of this moment; or else when that is opened."""
        if self._listening is None:
            return
        self._told.append((command, self.name(channel)))
        if len(self._told) == 1:
            self._telling = asyncio.create_task(self._tell_all(self._listening))

    async def _tell_all(self, connection: Connection) -> None:
        told, self._told = self._told, []
        if connection is self._listening:
            with suppress(*FAILED):  # who listens notices, and connects again
                await connection.send_packed_command(connection.pack_commands(told), check_health=False)

    async def _connect_listening(self) -> Connection:
        connection = await self._connected()
        try:
            wanted = set(self._wanted)
            names = iter([self.name(channel) for channel in wanted])
            while some := list(islice(names, AT_ONCE)):
                await connection.send_command("SUBSCRIBE", *some, check_health=False)
            await connection.send_command("PING", check_health=False)
            while (found := await connection.read_response(disable_decoding=True))[0] != b"pong":
                self._take(found)
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        self._listening = connection
        for channel in self._wanted.keys() - wanted:
            self._tell("SUBSCRIBE", channel)
        return connection

    async def _read(self, connection: Connection) -> list[Any]:
        """The next thing that is heard. Without a limit: one for each would cost more than the frame."""
        return list(await connection.read_response(disable_decoding=True, timeout=math.inf))

    async def _listen_forever(self) -> None:
        while True:
            try:
                await self._listen(self._listening or await self._come_back())
            except FAILED as error:
                self._went_away(error)
                await asyncio.sleep(PAUSE)

    async def _listen(self, connection: Connection) -> None:
        """Take frames until the connection is lost: nothing is heard for longer than a ping and its answer take."""
        self._unanswered = 0
        pinging = asyncio.create_task(self._ping(connection))
        try:
            while True:
                self._take(await self._read(connection))
                self._unanswered = 0
        finally:
            pinging.cancel()
            self._listening = None
            await connection.disconnect(nowait=True)

    async def _ping(self, connection: Connection) -> None:
        """Until too many are not answered. Not by the clock: a process that did not run has not read what is there."""
        with suppress(*FAILED):
            while self._unanswered < MOST_UNANSWERED:
                self._unanswered += 1
                await connection.send_command("PING", check_health=False)
                await asyncio.sleep(PING_EVERY)
        await connection.disconnect(nowait=True)  # who reads notices

    def _went_away(self, error: Exception) -> None:
        if not self._was_away:
            logs.event(logging.WARNING, "the bus is away", why=self._sentence(error), limits="counted by each process")
        self._was_away = True
        for channel, confirmed in self._wanted.items():
            if confirmed.done():
                self._wanted[channel] = asyncio.get_running_loop().create_future()

    async def _come_back(self) -> Connection:
        connection = await self._connect_listening()
        if self._was_away:
            self._was_away = False
            logs.event(logging.INFO, "the bus is back")
            self.on_back()
        return connection

    def _take(self, found: list[Any]) -> None:
        kind, name, *rest = found
        channel = name.decode("utf-8", "replace").removeprefix(self._prefix)
        if kind == b"subscribe":
            confirmed = self._wanted.get(channel)
            if confirmed is not None and not confirmed.done():
                confirmed.set_result(None)
        elif kind == b"message":
            said = rest[0][SIZE:]
            if said.startswith(self._own):  # it comes back
                return
            if not hmac.compare_digest(rest[0][:SIZE], self._mark(channel, said)):
                self._false.event(logging.WARNING)
                return
            _, moment, what, body, *_ = json.loads(said)  # authentic: one of ours has written it
            if abs(time.time_ns() // 1_000_000 - moment) < OLDEST:
                self.on_frame(channel, what, body)

    async def _speak_forever(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            try:
                while self._waiting:
                    self._speaking = self._speaking or await self._connected()
                    await self._speak(self._speaking, list(islice(self._waiting, AT_ONCE)))
                    if self._has_lost and not self._waiting:
                        self._has_lost = False
                        self.say(ALL, "lost", "")
            except FAILED:
                if self._speaking is not None:
                    await self._speaking.disconnect(nowait=True)
                    self._speaking = None
                self._news.set()
                await asyncio.sleep(PAUSE)

    async def _speak(self, connection: Connection, frames: list[tuple[str, bytes]]) -> None:
        commands: Iterable[Any] = [("PUBLISH", self.name(channel), frame) for channel, frame in frames]
        await connection.send_packed_command(connection.pack_commands(commands), check_health=False)
        async with asyncio.timeout(WITHIN):  # one for all: a limit for each would cost more than the answer
            for _ in frames:
                await connection.read_response(timeout=math.inf)
                self._waiting.popleft()  # said; after an error, the rest is said again
        if not self._waiting and not self._said.done():
            self._said.set_result(None)
