"""Sentences that commands of every kind say."""

from __future__ import annotations


def cannot_use(error: OSError) -> str:
    """A file, a folder or a socket could not be used: which one, and why."""
    return f"Cannot use {error.filename or 'a file'}: {error.strerror or error}."
