"""How often: rate limits from the settings on routes and sockets, kept in memory that forgets."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from quart import current_app, g, request
from quart_rate_limiter import RateLimit, RateLimiter, rate_limit
from quart_rate_limiter.store import RateLimiterStoreABC

from ezdms.settings import Limit

T = TypeVar("T")
View = TypeVar("View", bound=Callable[..., Any])
LARGEST_STORE = 100_000  # keys


async def by_address() -> str:
    """The client's address, as proxy.py has settled it: nothing a client writes into a header changes it.

    Of an IPv6 address the first 64 bits: whoever has one address there has all that share them (RFC 4291, 2.5.1).
    """
    try:
        address = ipaddress.ip_address(request.remote_addr or "")
    except ValueError:
        return request.remote_addr or ""
    return str(address if address.version == 4 else ipaddress.ip_network((address, 64), strict=False))


async def by_account() -> str:
    """The user whose session asks."""
    return str(g.session.user_id) if g.session else ""  # the headers of a request that was refused ask for it too


class SettingLimit(RateLimit):
    """A limit whose numbers are read from the app's settings at each request."""

    def __init__(self, name: str, key_function: Any) -> None:
        self.name = name
        self.key_function = key_function
        self.skip_function = None

    @property
    def chosen(self) -> Limit | None:
        """What the operator set; None is off."""
        limit: Limit | None = getattr(current_app.extensions["ezdms.settings"], f"limit_{self.name}")
        return limit

    @property
    def count(self) -> int:  # type: ignore[override]
        return self.chosen.count if self.chosen else 0

    @property
    def period(self) -> timedelta:  # type: ignore[override]
        return self.chosen.period if self.chosen else timedelta()


class Limiter(RateLimiter):
    """quart-rate-limiter, without the limits that are off."""

    def _get_limits_for_view_function(self, view_func: Any, blueprint: Any) -> list[RateLimit]:
        limits = super()._get_limits_for_view_function(view_func, blueprint)
        return [limit for limit in limits if not isinstance(limit, SettingLimit) or limit.chosen]


def limited(name: str, key_function: Any) -> Callable[[View], View]:
    """Put the setting limit_<name> on a route; stands below the route decorator."""
    return rate_limit(limits=[SettingLimit(name, key_function)])


def _later_half(kept: dict[str, T], arrival: Callable[[T], Any]) -> dict[str, T]:
    """The half that has longest to wait, so that nobody gets rid of a limit by filling the store with others."""
    by_arrival = sorted(kept.items(), key=lambda item: arrival(item[1]))
    return dict(by_arrival[len(by_arrival) // 2 :])


class ForgetfulStore(RateLimiterStoreABC):
    """Theoretical arrival times by key, at most LARGEST_STORE; kept by a clock that never jumps."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._arrivals: dict[str, float] = {}
        self._clock = clock

    async def before_serving(self) -> None:
        """Nothing to open."""

    async def after_serving(self) -> None:
        """Nothing to close."""

    async def get(self, key: str, default: datetime) -> datetime:
        """The stored time of `key`, else `default`, which is now by the wall's clock."""
        ahead = self._arrivals.get(key, 0.0) - self._clock()
        return default + timedelta(seconds=max(ahead, 0.0))

    async def set(self, key: str, tat: datetime) -> None:
        """Store. If that is too much, forget the half that has least to wait: first what no longer limits anybody."""
        if len(self._arrivals) >= LARGEST_STORE:
            self._arrivals = _later_half(self._arrivals, lambda arrival: arrival)
        self._arrivals[key] = self._clock() + (tat - datetime.now(UTC)).total_seconds()


class Bucket:
    """The same limit (GCRA) for what is no HTTP request: frames of a socket, sockets of an account."""

    def __init__(self, limit: Limit | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._clock = clock
        self.arrival = 0.0  # theoretical arrival time: once it has passed, nobody is limited

    def wait(self) -> float:
        """0 and one event is counted, or the seconds until one would be allowed."""
        if self._limit is None:
            return 0.0
        moment, period = self._clock(), self._limit.period.total_seconds()
        step = period / self._limit.count
        arrival = max(self.arrival, moment)
        if arrival - moment > period - step:
            return arrival - (period - step) - moment
        self.arrival = arrival + step
        return 0.0


class SocketBuckets:
    """One bucket for each account that opened a socket lately, at most LARGEST_STORE."""

    def __init__(self, limit: Limit | None) -> None:
        self._limit = limit
        self._buckets: dict[str, Bucket] = {}

    def wait(self, user_id: str) -> float:
        """0 and one socket of this account is counted, or the seconds until one would be allowed."""
        if len(self._buckets) >= LARGEST_STORE:
            self._buckets = _later_half(self._buckets, lambda bucket: bucket.arrival)
        return self._buckets.setdefault(user_id, Bucket(self._limit)).wait()

    def __len__(self) -> int:
        return len(self._buckets)
