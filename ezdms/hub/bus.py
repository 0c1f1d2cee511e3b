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
import secrets
import time
from collections import deque
from collections.abc import Callable
from functools import lru_cache, partial
from itertools import islice
from typing import Any

from hiredis import ReplyError

from ezdms import logs
from ezdms.hub.link import FAILED, Link
from ezdms.hub.shared import ALL, WITHIN, Away, BusError

SIZE = 16  # bytes of an authenticator
PIECE = 2047  # bytes; hashing more at once lets another thread run, and waits until that lets go
PING_EVERY = 0.4  # seconds
MOST_UNANSWERED = 3  # pings
PAUSE = 0.25  # seconds between attempts to connect
OLDEST = 60_000  # ms: older frames are not taken, so that none can be repeated later
MOST_WAITING = 20_000  # frames while the bus is away
AT_ONCE = 256  # commands in one packet

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
    *(
        (name, "The bus cannot be reached, or does no TLS, which the address asks for (rediss://).")
        for name in ("TimeoutError", "ConnectionResetError", "ConnectionAbortedError")
    ),
)


def sentence(error: Exception, *, is_encrypted: bool) -> str:
    """What went wrong, without an address or a password."""
    said = str(error)
    if isinstance(error, ReplyError):
        if said.startswith(("NOAUTH", "WRONGPASS", "ERR AUTH")):
            return "The bus refuses the password, or needs one."
        if said.startswith("NOPERM"):
            rights = "+@pubsub +@scripting +@connection +@read +@write on ezdms:*"
            return f"The user of the bus lacks rights. It needs {rights}."
        return "The bus does not accept a command. EZ-DMS needs Redis 6 or newer, or Valkey, as a primary."
    for words, meaning in TLS if is_encrypted else ():
        if words in said or words == type(error).__name__:
            return meaning
    return "The bus cannot be reached, or does not answer."


@lru_cache
def _id_of(script: str) -> str:
    return hashlib.sha1(script.encode()).hexdigest()  # noqa: S324  # how Redis names scripts


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
        self._address = address
        self._is_encrypted = address.startswith("rediss:")
        self._own = f'["{self.process_id}",'.encode()  # how its frames begin
        self._unanswered = 0  # pings since something was heard
        self._wanted: dict[str, asyncio.Future[None]] = {ALL: asyncio.get_running_loop().create_future()}
        self._listening: Link | None = None
        self._ponged: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()  # the listening connection
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._under_way: deque[tuple[str, bytes]] = deque()  # said, and not answered yet
        self._news = asyncio.Event()  # something waits, and nobody speaks
        self._said: asyncio.Future[None] = asyncio.get_running_loop().create_future()  # done while nothing waits
        self._has_lost = False  # frames of this process: the others are told to start over
        self._was_away = False
        self._tasks: list[asyncio.Task[None]] = []
        self._connecting = asyncio.Lock()
        self._speaking: Link | None = None
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
            self._disconnect()
            if isinstance(error, FAILED):
                raise BusError(f"Cannot use the bus. {self._sentence(error)}") from None
            raise
        self._tasks = [asyncio.create_task(self._listen_forever()), asyncio.create_task(self._speak_forever())]

    def _sentence(self, error: Exception) -> str:
        return sentence(error, is_encrypted=self._is_encrypted)

    async def close(self) -> None:
        """Say what waits, if the bus is there, and disconnect."""
        if self.is_up and not self._said.done() and (self._waiting or self._under_way):
            await asyncio.wait([self._said], timeout=WITHIN)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._disconnect()

    async def _check_owner(self) -> None:
        owner = await self._ask("SET", "ezdms:deployment", self._deployment_id, "NX", "GET")
        if owner is not None and owner.decode() != self._deployment_id:
            raise BusError(
                "This bus belongs to another EZ-DMS. Use a server of its own, or another database number, such as "
                "redis://host:6379/1."
            )

    def _disconnect(self) -> None:
        for link in (self._listening, self._speaking):
            if link is not None:
                link.close()

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

    def say(self, channel: str, kind: str, body: str) -> None:
        """Send a frame to the other processes that listen to this channel; soon, or once the bus is back. `body`: in
        JSON."""
        said = f'["{self.process_id}",{time.time_ns() // 1_000_000},"{kind}",{body}]'.encode()
        if len(self._waiting) >= MOST_WAITING:
            self._waiting.popleft()
            self._has_lost = True
        self._waiting.append((channel, self._mark(channel, said) + said))
        if self._said.done():
            self._said = asyncio.get_running_loop().create_future()
        self._speak()

    async def ask(self, *command: Any) -> Any:
        """What the bus answers to a command. Raises Away."""
        try:
            return await self._ask(*command)
        except FAILED as error:
            raise Away from error

    async def _ask(self, *command: Any) -> Any:
        link = self._speaking or await self._connected()
        if command[0] == "EVAL":
            try:
                return await link.ask("EVALSHA", _id_of(command[1]), *command[2:])
            except ReplyError as error:
                if not str(error).startswith("NOSCRIPT"):  # else the bus has not seen it since it was started
                    raise
        return await link.ask(*command)

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

    async def _connected(self) -> Link:
        """The connection that speaks."""
        async with self._connecting:  # one connects for all who wait
            if self._speaking is None:
                link = await Link.to(self._address, self._no_longer_speak)
                self._speaking = link
            return self._speaking

    def _mark(self, channel: str, said: bytes) -> bytes:
        mark = self._unmarked.copy()
        mark.update(channel.encode() + b"\0")
        for start in range(0, len(said), PIECE):
            mark.update(said[start : start + PIECE])
        return mark.digest()

    def _tell(self, command: str, channel: str) -> None:
        """Send it on the listening connection; or else when that is opened."""
        if self._listening is not None:
            self._listening.tell(command, self.name(channel))

    async def _connect_listening(self) -> Link:
        loop = asyncio.get_running_loop()
        self._ponged, self._lost = loop.create_future(), loop.create_future()
        link = await Link.to(self._address, self._no_longer_listen)
        link.on_heard = partial(self._hear, link)
        try:
            wanted = set(self._wanted)
            names = iter([self.name(channel) for channel in wanted])
            while some := list(islice(names, AT_ONCE)):
                link.tell("SUBSCRIBE", *some)
            link.tell("PING")
            async with asyncio.timeout(2 * WITHIN):
                await self._ponged
            link.check()
        except BaseException:
            link.close()
            raise
        self._listening = link
        for channel in self._wanted.keys() - wanted:
            self._tell("SUBSCRIBE", channel)
        return link

    async def _listen_forever(self) -> None:
        while True:
            try:
                await self._listen(self._listening or await self._come_back())
            except FAILED as error:
                self._went_away(error)
                await asyncio.sleep(PAUSE)

    async def _listen(self, link: Link) -> None:
        """Ping until the connection is lost, or too many pings are not answered: nothing is heard for longer than a
        ping and its answer take. Not by the clock: a process that did not run has not read what is there."""
        self._unanswered = 0
        while self._unanswered < MOST_UNANSWERED and not self._lost.done():
            self._unanswered += 1
            link.tell("PING")
            await asyncio.wait([self._lost], timeout=PING_EVERY)
        link.close(TimeoutError())
        link.check()

    def _no_longer_listen(self, error: Exception) -> None:
        self._listening = None
        for found in (self._ponged, self._lost):
            if not found.done():
                found.set_result(None)

    def _went_away(self, error: Exception) -> None:
        if not self._was_away:
            logs.event(logging.WARNING, "the bus is away", why=self._sentence(error), limits="counted by each process")
        self._was_away = True
        for channel, confirmed in self._wanted.items():
            if confirmed.done():
                self._wanted[channel] = asyncio.get_running_loop().create_future()

    async def _come_back(self) -> Link:
        link = await self._connect_listening()
        if self._was_away:
            self._was_away = False
            logs.event(logging.INFO, "the bus is back")
            self.on_back()
        return link

    def _hear(self, link: Link, found: Any) -> None:
        """Take what comes on the listening connection."""
        self._unanswered = 0
        kind, name, *rest = found if isinstance(found, list) and len(found) > 1 else (found, b"")
        if kind == b"message":
            self._take(name.decode("utf-8", "replace").removeprefix(self._prefix), rest[0])
        elif kind == b"subscribe":
            confirmed = self._wanted.get(name.decode("utf-8", "replace").removeprefix(self._prefix))
            if confirmed is not None and not confirmed.done():
                confirmed.set_result(None)
        elif kind == b"pong" and not self._ponged.done():
            self._ponged.set_result(None)
        elif isinstance(kind, Exception):
            link.close(kind)

    def _take(self, channel: str, frame: bytes) -> None:
        """What somebody said."""
        said = frame[SIZE:]
        if said.startswith(self._own):  # it comes back
            return
        if not hmac.compare_digest(frame[:SIZE], self._mark(channel, said)):
            self._false.event(logging.WARNING)
            return
        _, moment, what, body, *_ = json.loads(said)  # authentic: one of ours has written it
        if abs(time.time_ns() // 1_000_000 - moment) < OLDEST:
            self.on_frame(channel, what, body)

    def _speak(self) -> None:
        """Say what waits, or have somebody connect for that."""
        link = self._speaking
        if link is None:
            self._news.set()
            return
        while self._waiting and len(self._under_way) < AT_ONCE:
            channel, frame = self._waiting.popleft()
            self._under_way.append((channel, frame))
            link.send(self._note_said, "PUBLISH", self.name(channel), frame)

    def _note_said(self, found: Any) -> None:
        """The bus has answered to the oldest frame that is under way."""
        if isinstance(found, Exception):  # it is said again on the next connection
            if self._speaking is not None:
                self._speaking.close(found)
            return
        self._under_way.popleft()
        if self._waiting or self._under_way:
            self._speak()
        elif self._has_lost:
            self._has_lost = False
            self.say(ALL, "lost", '""')
        elif not self._said.done():
            self._said.set_result(None)

    def _no_longer_speak(self, error: Exception) -> None:
        self._speaking = None
        self._waiting.extendleft(reversed(self._under_way))
        self._under_way.clear()
        if self._waiting:
            self._news.set()

    async def _speak_forever(self) -> None:
        """Connect whenever something waits, and nobody speaks."""
        while True:
            await self._news.wait()
            self._news.clear()
            try:
                await self._connected()
                self._speak()
            except FAILED:
                self._news.set()
            await asyncio.sleep(PAUSE)
