"""The same as test_talking.py, in Firefox."""

from __future__ import annotations

from tests.pinned.test_talking import (
    test_a_page_that_differs_from_the_pinned_one_is_explained,
    test_the_whole_app_works_with_a_pin,
)

__all__ = ["test_a_page_that_differs_from_the_pinned_one_is_explained", "test_the_whole_app_works_with_a_pin"]

BROWSER = "firefox"
