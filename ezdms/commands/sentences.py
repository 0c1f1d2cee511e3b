"""Error messages shared by all commands."""

from __future__ import annotations


def cannot_use(error: OSError) -> str:
    """Says which file, folder or socket could not be used, and why."""
    return f"Cannot use {error.filename or 'a file'}: {error.strerror or error}."
