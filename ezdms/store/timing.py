"""How long commits take, for metrics: counted in buckets, since keeping each time would take memory."""

from __future__ import annotations

from bisect import bisect_left

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # seconds


class Commits:
    """Counts since the start. One commit holds the writes of all callers that waited for it."""

    __slots__ = ("buckets", "seconds", "writes")

    def __init__(self) -> None:
        self.writes = 0
        self.seconds = 0.0
        self.buckets = [0] * (len(BOUNDS) + 1)  # commits up to each bound, but not up to the one before; then the rest

    def count(self, writes: int, seconds: float) -> None:
        """Count one commit."""
        self.writes += writes
        self.seconds += seconds
        self.buckets[bisect_left(BOUNDS, seconds)] += 1
