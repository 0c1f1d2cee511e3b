"""The same as test_workers.py, in Firefox."""

from __future__ import annotations

from tests.pinned.test_workers import test_a_worker_from_before_the_pin_does_not_answer_after_it

__all__ = ["test_a_worker_from_before_the_pin_does_not_answer_after_it"]

BROWSER = "firefox"
