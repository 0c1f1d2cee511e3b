"""Buckets fill, empty with time, and do not grow for ever."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ezdms import limits
from ezdms.limits import Bucket, ForgetfulStore, SocketBuckets
from ezdms.settings import Limit


class Clock:
    """The one thing that tests may fake."""

    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


def test_a_bucket_lets_so_many_through_and_then_one_at_a_time() -> None:
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


def test_each_account_has_a_bucket_of_its_own() -> None:
    buckets = SocketBuckets(Limit(1, timedelta(minutes=1)))
    assert buckets.wait("alice") == 0
    assert buckets.wait("alice") > 0
    assert buckets.wait("bob") == 0


async def test_the_store_forgets_what_no_longer_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LARGEST_STORE", 10)
    store = ForgetfulStore()
    past, future = (datetime.now(UTC) + timedelta(minutes=m) for m in (-1, 1))
    for i in range(8):
        await store.set(f"past {i}", past)
    for i in range(100):
        await store.set(f"future {i}", future)
    nothing = datetime.now(UTC)
    kept = [i for i in range(100) if await store.get(f"future {i}", nothing) > nothing]
    assert kept[-1] == 99
    assert len(kept) <= 10
    assert await store.get("past 0", nothing) == nothing


async def test_a_clock_that_is_set_back_an_hour_limits_nobody_for_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    store = ForgetfulStore()
    await store.set("somebody", datetime.now(UTC) + timedelta(seconds=6))
    set_back = datetime.now(UTC) - timedelta(hours=1)
    arrival = await store.get("somebody", set_back)
    assert timedelta(seconds=5) < arrival - set_back <= timedelta(seconds=6)
