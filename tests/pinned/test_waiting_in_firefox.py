"""The same as test_waiting.py, in Firefox."""

from __future__ import annotations

from tests.pinned.test_waiting import test_a_page_that_never_finishes_loading_is_replaced

__all__ = ["test_a_page_that_never_finishes_loading_is_replaced"]

BROWSER = "firefox"
