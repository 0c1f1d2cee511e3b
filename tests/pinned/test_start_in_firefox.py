"""The same as test_start.py, in Firefox, which renders no page ahead."""

from __future__ import annotations

from tests.pinned.test_start import test_what_opens_with_the_browser_comes_under_the_pin

__all__ = ["test_what_opens_with_the_browser_comes_under_the_pin"]

BROWSER = "firefox"
