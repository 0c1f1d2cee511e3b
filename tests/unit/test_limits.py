"""Rate limits: buckets fill, drain over time, and use bounded memory."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ezdms.settings import Limit
from ezdms.web import limits
from ezdms.web.limits import Arrivals, Bucket, KnownLimit


class Clock:
    """A fake clock."""

    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


def test_a_bucket_allows_a_burst_and_then_a_steady_rate() -> None:
    clock = Clock()
    bucket = Bucket(Limit(3, timedelta(seconds=30)), clock)
    assert [bucket.wait() for _ in range(3)] == [0, 0, 0]
    assert bucket.wait() == pytest.approx(10)
    clock.time += 10
    assert bucket.wait() == 0
    assert bucket.wait() == pytest.approx(10)
    clock.time += 3600
    assert [bucket.wait() for _ in range(3)] == [0, 0, 0]
    assert bucket.wait() > 0


def test_a_bucket_without_a_limit_never_fills() -> None:
    bucket = Bucket(None)
    assert {bucket.wait() for _ in range(1000)} == {0}


def test_expired_buckets_are_evicted_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LARGEST_STORE", 10)
    clock = Clock()
    arrivals = Arrivals(clock)
    hourly = KnownLimit(1, timedelta(hours=1))
    assert {arrivals.count({f"past {i}": hourly}) for i in range(8)} == {0}
    clock.time += 3600
    assert {arrivals.count({f"new {i}": hourly}) for i in range(100)} == {0}
    assert len(arrivals) <= 10
    assert arrivals.ahead("new 99") == 3600
    assert arrivals.ahead("past 0") == 0


def test_reaching_one_limit_stops_the_others_from_counting() -> None:
    clock = Clock()
    arrivals = Arrivals(clock)
    narrow, wide = KnownLimit(1, timedelta(seconds=10)), KnownLimit(3, timedelta(seconds=300))
    assert [arrivals.count({"narrow": narrow, "wide": wide}) for _ in range(5)] == [0, 10, 10, 10, 10]
    assert arrivals.ahead("wide") == 100
    clock.time += 4
    assert arrivals.count({"narrow": narrow, "wide": wide}) == pytest.approx(6)
