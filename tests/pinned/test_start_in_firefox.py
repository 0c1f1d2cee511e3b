"""The same as test_start.py, in Firefox, which does not prerender."""

from __future__ import annotations

from tests.pinned.test_start import test_pages_opened_at_browser_startup_are_pinned

__all__ = ["test_pages_opened_at_browser_startup_are_pinned"]

BROWSER = "firefox"
