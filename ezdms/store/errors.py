"""What a write can fail with."""

from __future__ import annotations

import sqlite3

# A write would have violated UNIQUE, CHECK or FOREIGN KEY.
Conflict = sqlite3.IntegrityError


class Unavailable(Exception):
    """Nothing can be stored now: the disk is full or fails, or the database is held, damaged or gone. The write had no
    lasting effect, and can be retried."""


class Busy(Unavailable):
    """MOST_WAITING writes are already waiting. This one was not accepted, and can be retried in a second."""
