"""Rate limits from the settings, for routes and sockets. Kept in memory, with a maximum size."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import fields
from functools import cached_property
from math import ceil
from typing import Any, TypeVar, cast

from quart import Quart, Response, g, request
from quart_rate_limiter import (
    QUART_RATE_LIMITER_LIMITS_ATTRIBUTE,
    RateLimit,
    RateLimiter,
    RateLimitExceeded,
    rate_limit,
)

from ezdms import logs
from ezdms.edge.addresses import UNKNOWN, address_of, network_of
from ezdms.settings import Limit, Settings

View = TypeVar("View", bound=Callable[..., Any])
LARGEST_STORE = 100_000  # keys


async def by_address() -> str:
    """The client's address from trusted_proxies.py, which a client cannot change by sending headers."""
    return address_of(request.remote_addr or "")


async def by_network() -> str:
    """The client's network, since one client may have many addresses in it."""
    return network_of(request.remote_addr or "")


async def by_account() -> str:
    """The user of the session."""
    return cast(str, g.session.user_id)


# Name, period and seconds between two events of each limit → seconds to wait, and how far each is ahead; None: away.
CountsTogether = Callable[[Sequence[tuple[str, float, float]]], Awaitable[list[float] | None]]


class SettingLimit(RateLimit):
    """Marks a route with the setting limit_<name>. Its values are known once the app exists."""

    def __init__(self, name: str, key_function: Any) -> None:
        self.name = name
        self.key_function = key_function

    def chosen(self, settings: Settings) -> KnownLimit | None:
        """The configured limit; None if it is off."""
        limit: Limit | None = getattr(settings, f"limit_{self.name}")
        if limit is None:
            return None
        known = KnownLimit(limit.count, limit.period, self.key_function)
        known.setting = self.name
        return known


class KnownLimit(RateLimit):
    """A limit with cached derived values."""

    setting = ""  # limit_…

    @cached_property
    def seconds(self) -> float:
        """The period, in seconds."""
        return self.period.total_seconds()

    @cached_property
    def inverse(self) -> float:
        """Seconds between two events."""
        return self.seconds / self.count

    @cached_property
    def key(self) -> str:
        """The key prefix of its counts."""
        return f"{self.count}-{self.seconds}"


class Limiter(RateLimiter):
    """quart-rate-limiter with the limits from the settings.

    Its own hooks read clock, key and store three times for each limit of a request, and its store grows forever.
    """

    def __init__(self, app: Quart, settings: Settings, **more: Any) -> None:
        super().__init__(app, **more)
        self._app = app
        self._settings = settings
        self._arrivals = Arrivals()
        self.counts_together: CountsTogether | None = None
        self._of_views: dict[str | None, list[KnownLimit]] = {}
        names = [item.name.removeprefix("limit_") for item in fields(settings) if item.name.startswith("limit_")]
        self.hits = dict.fromkeys([*names, "max_sockets"], 0)  # by setting: how often a limit was hit since the start
        self._one_for_all = logs.Seldom("all clients count as one")

    async def count(self, endpoint: str | None, key: str) -> float:
        """Count an event outside HTTP as a request to this endpoint by `key`. Returns 0, or the seconds to wait."""
        return await self._count({_name(endpoint, limit, key): limit for limit in self._limits_of(endpoint)})

    async def _count(self, limits: dict[str, KnownLimit]) -> float:
        """Count one event for each key at all processes together, or at this one if it is the only one it can reach."""
        together = None
        if self.counts_together is not None and limits:
            asked = [(name, limit.seconds, limit.inverse) for name, limit in limits.items()]
            together = await self.counts_together(asked)
        if together is None:
            seconds = self._arrivals.count(limits)
        else:
            seconds, *ahead = together
            self._arrivals.note(dict(zip(limits, ahead, strict=True)))
        if seconds:
            self._note_hit(limits)
        return seconds

    async def _before_request(self) -> None:
        """Count the request, or raise RateLimitExceeded."""
        endpoint = request.endpoint
        limits = {
            _name(endpoint, limit, await (limit.key_function or self.key_function)()): limit
            for limit in self._limits_of(endpoint)
        }
        g.limits = limits
        if any(name.endswith(UNKNOWN) for name in limits):
            self._one_for_all.event(logging.WARNING, why="the proxy on the Unix socket does not name them")
        if seconds := await self._count(limits):
            raise RateLimitExceeded(ceil(seconds))

    def _note_hit(self, limits: Mapping[str, KnownLimit]) -> None:
        """Count, for metrics, each limit that these keys have used up."""
        for name, limit in limits.items():
            self.hits[limit.setting] += self._arrivals.ahead(name) > limit.seconds - limit.inverse

    async def _after_request(self, response: Response) -> Response:
        """Add headers with what is left of the limit with the shortest period."""
        if limits := g.get("limits"):
            name, limit = min(limits.items(), key=lambda item: item[1].seconds)
            ahead = self._arrivals.ahead(name)
            response.headers["RateLimit-Limit"] = str(limit.count)
            response.headers["RateLimit-Remaining"] = str(int((limit.seconds - ahead) / limit.inverse))
            response.headers["RateLimit-Reset"] = str(ceil(ahead))
        return response

    def _limits_of(self, endpoint: str | None) -> list[KnownLimit]:
        if endpoint not in self._of_views:
            view = self._app.view_functions.get(endpoint or "")
            marks: list[SettingLimit] = getattr(view, QUART_RATE_LIMITER_LIMITS_ATTRIBUTE, [])
            chosen = [mark.chosen(self._settings) for mark in marks]
            self._of_views[endpoint] = [limit for limit in chosen if limit is not None]
        return self._of_views[endpoint]


def _name(endpoint: str | None, limit: KnownLimit, key: str) -> str:
    return f"{endpoint}-{limit.key}-{key}"


def limited(name: str, key_function: Any) -> Callable[[View], View]:
    """Apply the setting limit_<name> to a route. Goes below the route decorator."""
    return rate_limit(limits=[SettingLimit(name, key_function)])


class Arrivals:
    """Theoretical arrival times (GCRA) by key, at most LARGEST_STORE, by a monotonic clock."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._arrivals: dict[str, float] = {}
        self._clock = clock

    def ahead(self, key: str) -> float:
        """Seconds until this key is no longer limited: its theoretical arrival time minus now."""
        return max(self._arrivals.get(key, 0.0) - self._clock(), 0.0)

    def count(self, limits: Mapping[str, KnownLimit]) -> float:
        """Count one event for each key and return 0; or, without counting, the seconds until it would be allowed."""
        now = self._clock()
        taken = {
            key: _take(self._arrivals.get(key, 0.0), now, limit.seconds, limit.inverse) for key, limit in limits.items()
        }
        longest = max((seconds for seconds, _ in taken.values()), default=0.0)
        if not longest:
            for key, (_, arrival) in taken.items():
                self._set(key, arrival)
        return longest

    def note(self, ahead: Mapping[str, float]) -> None:
        """Take over what was counted elsewhere: seconds by key."""
        moment = self._clock()
        for key, seconds in ahead.items():
            self._set(key, moment + seconds)

    def _set(self, key: str, arrival: float) -> None:
        """Store an arrival. If the store is full, drop the half with the earliest times, which limit the least.

        So nobody can escape a limit by filling the store.
        """
        if len(self._arrivals) >= LARGEST_STORE:
            by_arrival = sorted(self._arrivals.items(), key=lambda item: item[1])
            self._arrivals = dict(by_arrival[len(by_arrival) // 2 :])
        self._arrivals[key] = arrival

    def __len__(self) -> int:
        return len(self._arrivals)


def _take(arrival: float, moment: float, period: float, step: float) -> tuple[float, float]:
    """GCRA. Returns 0 and the new theoretical arrival time, or the seconds to wait and the old one."""
    arrival = max(arrival, moment)
    seconds = arrival - moment - (period - step)
    return (seconds, arrival) if seconds > 0 else (0.0, arrival + step)


class Bucket:
    """The same limit (GCRA) for one socket."""

    def __init__(self, limit: Limit | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._clock = clock
        self.arrival = 0.0  # theoretical arrival time; no limit once it has passed

    def wait(self) -> float:
        """Count one event and return 0, or the seconds until one would be allowed."""
        if self._limit is None:
            return 0.0
        period = self._limit.period.total_seconds()
        seconds, self.arrival = _take(self.arrival, self._clock(), period, period / self._limit.count)
        return seconds
