"""The same as test_elsewhere.py, in Firefox."""

from __future__ import annotations

from tests.pinned.test_elsewhere import (
    test_a_person_gets_from_the_pins_own_pages_to_the_pinned_one,
    test_no_word_of_another_page_is_seen,
)

__all__ = ["test_a_person_gets_from_the_pins_own_pages_to_the_pinned_one", "test_no_word_of_another_page_is_seen"]

BROWSER = "firefox"
