"""The same as test_elsewhere.py, in Firefox."""

from __future__ import annotations

from tests.pinned.test_elsewhere import (
    test_no_text_of_other_pages_is_shown,
    test_the_pins_own_pages_link_to_the_pinned_page,
)

__all__ = ["test_no_text_of_other_pages_is_shown", "test_the_pins_own_pages_link_to_the_pinned_page"]

BROWSER = "firefox"
