"""The same as test_pinned.py, in Firefox."""

from __future__ import annotations

from tests.pinned.test_pinned import test_scripts_of_the_server_do_not_run

__all__ = ["test_scripts_of_the_server_do_not_run"]

BROWSER = "firefox"
