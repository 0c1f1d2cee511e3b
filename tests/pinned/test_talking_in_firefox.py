"""The same as test_talking.py, in Firefox."""

from __future__ import annotations

from tests.pinned.test_talking import (
    test_a_page_that_is_not_the_pinned_one_is_explained,
    test_a_whole_life_under_the_pin,
)

__all__ = ["test_a_page_that_is_not_the_pinned_one_is_explained", "test_a_whole_life_under_the_pin"]

BROWSER = "firefox"
