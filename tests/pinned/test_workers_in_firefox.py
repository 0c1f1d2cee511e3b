"""The same as test_workers.py, in Firefox."""

from __future__ import annotations

from tests.pinned.test_workers import test_the_pin_removes_existing_service_workers

__all__ = ["test_the_pin_removes_existing_service_workers"]

BROWSER = "firefox"
