"""Who accepts message requests at a server process of a test: everyone at once, or nobody by themselves."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

ACCEPT = """CREATE TRIGGER IF NOT EXISTS all_accept AFTER INSERT ON participants BEGIN
    UPDATE participants SET accepted = 1 WHERE conversation_id = NEW.conversation_id;
END"""


def accept_all(data_dir: Path) -> None:
    """From now on everyone accepts: whoever started a conversation can go on writing before the other answers."""
    _run(data_dir, ACCEPT)


def accept_none(data_dir: Path) -> None:
    """From now on a new conversation is a request, as in production."""
    _run(data_dir, "DROP TRIGGER IF EXISTS all_accept")


def _run(data_dir: Path, sql: str) -> None:
    address = f"file:{data_dir / 'ezdms.db'}?mode=rw"
    with suppress(sqlite3.OperationalError), closing(sqlite3.connect(address, uri=True, timeout=1)) as connection:
        connection.execute(sql)  # fails if the disk is full or read-only, or the database is held
        connection.commit()
