"""The hub of a process that has others beside it: what it publishes also reaches the sockets at those.

Its own sockets never wait for the bus. One channel for each user who has a socket here; one for all.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, Protocol

from ezdms import logs
from ezdms.hub.memory import RESTART, Event, Hub, Mailbox, Place
from ezdms.hub.places import Places

ALL = "all"  # the channel that every process listens to
WITHIN = 1.0  # seconds for an answer of the bus
TURN = 1.5  # seconds that an event waits for the one before it
GRACE = 0.1  # seconds more, in which this process runs: it may have been stopped meanwhile
PRESENT_EVERY = 4.0  # seconds
PRESENT_FOR = 15.0  # seconds without a word, after which a process is not listed any more
LARGEST_SKEW = 5.0  # seconds between the clocks of two machines, of which nobody is warned
SEEN_FOR = 20.0  # seconds that a process is known to have a visible page of a user, unless it says so again


# Limits (GCRA) by the clock of the bus, all or none: theoretical arrival times, which expire once they limit nothing.
COUNT = """
local time = redis.call('TIME')
local now, longest, arrivals, out = time[1] + time[2] / 1000000, 0, {}, {}
for i, key in ipairs(KEYS) do
  local period, step = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  arrivals[i] = math.max(tonumber(redis.call('GET', key) or '0'), now)
  local seconds = arrivals[i] - now - (period - step)
  if seconds > 0.00001 then longest = math.max(longest, seconds) end
end
for i, key in ipairs(KEYS) do
  if longest == 0 then
    arrivals[i] = arrivals[i] + tonumber(ARGV[2 * i])
    redis.call('SET', key, string.format('%.6f', arrivals[i]), 'PX', math.ceil((arrivals[i] - now) * 1000))
  end
  out[i] = string.format('%.6f', arrivals[i] - now)
end
table.insert(out, 1, string.format('%.6f', longest))
return out
"""

# Who has a visible page of a user, by the clock of the bus: those of two machines may differ.
SEE = """
redis.call('ZADD', KEYS[1], redis.call('TIME')[1] + tonumber(ARGV[2]), ARGV[1])
return redis.call('EXPIRE', KEYS[1], tonumber(ARGV[2]))
"""
WATCHED = "return redis.call('ZCOUNT', KEYS[1], redis.call('TIME')[1], '+inf')"


class BusError(Exception):
    """The bus cannot be used; the message says what the operator can do, and holds no password."""


class Away(Exception):
    """The bus cannot be reached, or does not answer."""


class Bus(Protocol):
    """The way to the other processes (bus.py, which loads the driver)."""

    process_id: str
    on_frame: Callable[[str, str, Any], None]
    on_back: Callable[[], None]

    @property
    def is_up(self) -> bool: ...
    async def open(self) -> None: ...
    async def close(self) -> None: ...
    def subscribe(self, channel: str) -> asyncio.Future[None]: ...
    def unsubscribe(self, channel: str) -> None: ...
    def say(self, channel: str, kind: str, body: str) -> None: ...
    async def ask(self, *command: Any) -> Any: ...
    def hidden(self, what: str) -> str: ...
    def sealed(self, name: str, said: Any) -> bytes: ...
    def opened(self, name: str, data: bytes) -> Any: ...
    def name(self, *words: str) -> str: ...


class Codec(Protocol[Event]):
    """How events go over the bus."""

    def pack(self, event: Event) -> str: ...  # in JSON
    def unpack(self, body: Any) -> Event: ...
    def place(self, event: Event) -> Place | None: ...


class SharedHub(Hub[Event]):
    """All open mailboxes of this process, and the way to those of the others."""

    def __init__(self, codec: Codec[Event]) -> None:
        super().__init__()
        self._codec = codec
        self._bus: Bus | None = None
        self._last: dict[str, dict[str, int]] = {}  # user → row → number of the last event
        self._timers: dict[tuple[str, str], asyncio.TimerHandle] = {}
        self._early: dict[tuple[str, str], dict[int, Event]] = {}  # those that wait for the one before them
        self._tasks: list[asyncio.Task[None]] = []
        self._noting: set[asyncio.Task[None]] = set()
        self._places = Places(self._ask, self._places_of, lambda: self._mailboxes)
        self._clock = logs.Seldom("the clock differs from that of the bus")
        self._unknown = logs.Seldom("a frame on the bus cannot be read")
        self.on_news: dict[str, Callable[[str], None]] = {}  # what else other processes say
        self.on_back: list[Callable[[], None]] = []

    async def open(self, bus: Bus, about: dict[str, Any] | None = None) -> None:
        """Connect with the other processes. `about`: what they list about this one; None if it only runs a command.
        Raises BusError."""
        bus.on_frame, bus.on_back = self._take, self._start_over
        await bus.open()
        self._bus = bus
        self._tasks = [asyncio.create_task(self._stay_visible())]
        if about is not None:
            self._tasks.append(asyncio.create_task(self._stay_present(about)))

    async def close(self) -> None:
        """Disconnect from them."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._bus is not None:
            await self._ask("HDEL", ("processes",), self._bus.process_id)
            await self._bus.close()
            self._bus = None

    @property
    def is_whole(self) -> bool:
        """True while what other processes say is heard."""
        return self._bus is not None and self._bus.is_up

    def cut_off(self, is_cut_off: bool) -> None:
        """Have every socket go to another process, and take none, as long as this process is cut off."""
        self.is_cut_off = is_cut_off
        if is_cut_off:
            self._restart_all()

    def subscribe(self, user_id: str, session_id: str) -> Mailbox[Event]:
        """Open a mailbox for one socket of this session."""
        if self._bus is not None:
            self._bus.subscribe(user_id)
        return super().subscribe(user_id, session_id)

    async def confirmed(self, mailbox: Mailbox[Event]) -> None:
        """Wait until what other processes publish reaches this mailbox, unless the bus is away."""
        if self._bus is not None and self._bus.is_up:
            with suppress(TimeoutError):
                async with asyncio.timeout(WITHIN):
                    await asyncio.shield(self._bus.subscribe(mailbox.user_id))

    async def admit(self, mailbox: Mailbox[Event], most: int | None) -> bool:
        """Give the socket one of its user's places at all processes together; False if there is none. Each process
        counts alone while the bus is away."""
        if most is not None:
            await self._places.take(mailbox, most)
        return most is None or mailbox.has_place

    def unsubscribe(self, mailbox: Mailbox[Event]) -> None:
        """Remove the mailbox of a closed socket."""
        super().unsubscribe(mailbox)
        if mailbox.has_place:
            self._do_soon(self._places.tell(mailbox.user_id))
        if mailbox.is_visible:
            self._do_soon(self._note_seen(mailbox.user_id))
        if not self.mailboxes(mailbox.user_id):
            self._last.pop(mailbox.user_id, None)
            if self._bus is not None:
                self._bus.unsubscribe(mailbox.user_id)

    def publish(self, user_id: str, event: Event, but: Mailbox[Event] | None = None) -> None:
        """Put the event in every mailbox of this user, here and elsewhere, but not in `but`."""
        self._in_turn(user_id, event, but)
        if self._bus is not None:
            self._bus.say(user_id, "event", self._codec.pack(event))

    def know_place(self, user_id: str, place: Place) -> None:
        """The last event of a row; the next one has the next number."""
        if user_id in self._mailboxes:
            self._last.setdefault(user_id, {}).setdefault(place.row, place.number)

    def relay(self, user_id: str, *, as_json: str, as_html: str) -> None:
        """Put a frame in every mailbox of this user, here and elsewhere."""
        super().relay(user_id, as_json=as_json, as_html=as_html)
        self._say(user_id, "frame", [as_json, as_html])

    def end_session(self, user_id: str, session_id: str, reason: str = "") -> None:
        """Close the sockets of one session, here and elsewhere."""
        super().end_session(user_id, session_id, reason)
        self._say(ALL, "ended", [user_id, session_id, "", reason])

    def end_sessions(self, user_id: str, *, but: str = "", reason: str = "") -> None:
        """Close the sockets of all this user's sessions, except those of `but`, here and elsewhere."""
        super().end_sessions(user_id, but=but, reason=reason)
        self._say(ALL, "ended", [user_id, "", but, reason])

    def announce(self, what: str, about: str = "") -> None:
        """Tell the other processes."""
        self._say(ALL, "news", [what, about])

    async def count(self, limits: Sequence[tuple[str, float, float]]) -> list[float] | None:
        """Count one event for each limit (name, period, seconds between two events) at all processes together.

        Returns 0 or the seconds until it would be allowed, in which case it is not counted; and for each, how far its
        theoretical arrival time is ahead. None while the bus is away.
        """
        bus = self._bus
        if bus is None or not bus.is_up:
            return None
        keys = [bus.name("limit", bus.hidden(name)) for name, _, _ in limits]
        values = [str(value) for _, *some in limits for value in some]
        try:
            found = await bus.ask("EVAL", COUNT, str(len(keys)), *keys, *values)
        except Away:
            return None
        return [float(one) for one in found]

    async def is_connected(self, user_id: str) -> bool:
        """True if this user has a socket here or elsewhere; the first alone while the bus is away."""
        if self.mailboxes(user_id):
            return True
        answer = await self._ask("PUBSUB", "NUMSUB", user_id)
        return bool(answer and answer[1])

    async def is_watched(self, user_id: str) -> bool:
        """True if this user looks at a page, here or elsewhere."""
        if await super().is_watched(user_id):
            return True
        return bool(await self._ask("EVAL", WATCHED, "1", ("seen", user_id)))

    def note_visible(self, mailbox: Mailbox[Event], is_visible: bool) -> None:
        """Note whether the page of this socket is visible, for all processes."""
        super().note_visible(mailbox, is_visible)
        self._do_soon(self._note_seen(mailbox.user_id))

    def _do_soon(self, telling: Coroutine[Any, Any, Any]) -> None:
        """Tell the bus, without waiting."""
        task = asyncio.get_running_loop().create_task(telling)
        self._noting.add(task)
        task.add_done_callback(self._noting.discard)

    async def _note_seen(self, user_id: str) -> None:
        if self._bus is None:
            return
        if any(mailbox.is_visible for mailbox in self.mailboxes(user_id)):
            await self._ask("EVAL", SEE, "1", ("seen", user_id), self._bus.process_id, str(int(SEEN_FOR)))
        else:
            await self._ask("ZREM", ("seen", user_id), self._bus.process_id)

    async def _stay_visible(self) -> None:
        while True:
            await asyncio.sleep(SEEN_FOR / 3)
            for user_id in tuple(self._mailboxes):
                if any(mailbox.is_visible for mailbox in self.mailboxes(user_id)):
                    await self._note_seen(user_id)

    async def processes(self) -> list[dict[str, Any]]:
        """What is known about each process that is there: `id`, what it told about itself, `sockets`, and in seconds
        `skew` (how far its clock is ahead of that of the bus) and `lag` (how long the bus takes to answer it)."""
        bus, found, time_ = self._bus, await self._ask("HGETALL", ("processes",)), await self._ask("TIME")
        if bus is None or found is None or time_ is None:
            return []
        opened = [bus.opened("processes", data) for data in found[1::2]]
        return sorted(
            (one for one in opened if one is not None and abs(_seconds(time_) - one["at"]) < PRESENT_FOR),
            key=lambda one: str(one["id"]),
        )

    async def _stay_present(self, about: dict[str, Any]) -> None:
        while True:
            await self._places.renew()
            before = time.time()
            found = await self._ask("TIME")
            if found is not None and self._bus is not None:
                after = time.time()
                skew = (before + after) / 2 - _seconds(found)
                if abs(skew) > LARGEST_SKEW:
                    self._clock.event(logging.WARNING, seconds=round(skew, 1), fix="synchronize the clocks (NTP)")
                numbers = {"sockets": len(self), "skew": skew, "lag": after - before, "at": _seconds(found)}
                said = {"id": self._bus.process_id} | about | numbers
                await self._ask("HSET", ("processes",), self._bus.process_id, self._bus.sealed("processes", said))
                await self._ask("EXPIRE", ("processes",), "3600")
            await asyncio.sleep(PRESENT_EVERY)

    async def _ask(self, command: str, *words: Any) -> Any:
        """What the bus answers; None while it is away. A user id after NUMSUB, and a tuple, are names."""
        bus = self._bus
        if bus is None or not bus.is_up:
            return None
        named = [bus.name(*word) if isinstance(word, tuple) else word for word in words]
        if command == "PUBSUB":
            named[-1] = bus.name(named[-1])
        try:
            return await bus.ask(command, *named)
        except Away:
            return None

    def _say(self, channel: str, kind: str, body: Any) -> None:
        if self._bus is not None:
            self._bus.say(channel, kind, json.dumps(body))

    def _take(self, channel: str, kind: str, body: Any) -> None:
        """What another process said. One of another version may say what this one cannot read."""
        try:
            if kind == "event":
                self._in_turn(channel, self._codec.unpack(body))
            elif kind == "frame":
                super().relay(channel, as_json=body[0], as_html=body[1])
            elif kind == "ended":
                user_id, session_id, but, reason = body
                if session_id:
                    super().end_session(user_id, session_id, reason)
                else:
                    super().end_sessions(user_id, but=but, reason=reason)
            elif kind == "lost":
                self._start_over()
            elif kind == "news" and body[0] in self.on_news:
                self.on_news[body[0]](body[1])
        except (KeyError, TypeError, ValueError):
            self._unknown.event(logging.WARNING, kind=kind)
            for mailbox in self.mailboxes(channel):
                mailbox.close(RESTART)  # it catches up with its next connection

    def _start_over(self) -> None:
        """Events may be lost: every socket connects again, and catches up. Its places are counted anew."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._early.clear()
        self._restart_all()
        self._do_soon(self._places.lose())
        for act in self.on_back:
            act()

    def _in_turn(self, user_id: str, event: Event, but: Mailbox[Event] | None = None) -> None:
        """Put the event here, after those before it in its row: two processes may publish at the same moment."""
        if user_id not in self._mailboxes:
            return
        place = self._codec.place(event)
        if place is None or not self.is_whole:
            super().publish(user_id, event, but)
            return
        rows = self._last.setdefault(user_id, {})
        last = rows.get(place.row)
        if last is not None and place.number > last + 1:
            key = user_id, place.row
            early = self._early.setdefault(key, {})
            if not early:
                self._wait(key)
            early[place.number] = event
            return
        rows[place.row] = max(place.number, last or 0)
        super().publish(user_id, event, but)
        self._follow(user_id, place.row)

    def _follow(self, user_id: str, row: str) -> None:
        """Put those whose turn it is."""
        early, rows = self._early.get((user_id, row)), self._last.get(user_id, {})
        while early and (event := early.pop(rows.get(row, 0) + 1, None)) is not None:
            rows[row] += 1
            super().publish(user_id, event)
        if early is not None and not early:
            del self._early[user_id, row]
            self._timers.pop((user_id, row)).cancel()

    def _wait(self, key: tuple[str, str], *, is_grace: bool = False) -> None:
        loop = asyncio.get_running_loop()
        if is_grace:
            self._timers[key] = loop.call_later(GRACE, self._no_longer_wait, key)
        else:
            self._timers[key] = loop.call_later(TURN, lambda: self._wait(key, is_grace=True))

    def _no_longer_wait(self, key: tuple[str, str]) -> None:
        """The one before them did not come: it was not for this user, or is lost."""
        user_id, row = key
        del self._timers[key]
        early, rows = self._early.pop(key, {}), self._last.setdefault(user_id, {})
        for number in sorted(early):
            rows[row] = max(number, rows.get(row, 0))
            super().publish(user_id, early[number])
        if user_id not in self._mailboxes:
            self._last.pop(user_id, None)


def _seconds(found: Sequence[bytes]) -> float:
    """The answer to TIME, since 1970."""
    return int(found[0]) + int(found[1]) / 1_000_000
