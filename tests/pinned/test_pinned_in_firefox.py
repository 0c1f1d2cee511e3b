"""The same as test_pinned.py, in Firefox."""

from __future__ import annotations

from tests.pinned.test_pinned import test_a_script_of_the_servers_does_not_run

__all__ = ["test_a_script_of_the_servers_does_not_run"]

BROWSER = "firefox"
