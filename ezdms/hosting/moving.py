"""Moves the database of a data folder to PostgreSQL. The files and the key stay where they are."""

from __future__ import annotations

import asyncio
import json
import os
from datetime import UTC, datetime

from ezdms.hosting.operator.actions import Refused
from ezdms.settings import Settings
from ezdms.store import data_folder
from ezdms.store.postgresql.moving import Progress, move


def move_to(settings: Settings, address: str, progress: Progress) -> int:
    """Copy, check, and mark the folder, so that nobody serves its old database by mistake. Returns the number of rows.

    Raises Refused, FolderError or DatabaseError.
    """
    folder = settings.data_dir
    source = folder / data_folder.DATABASE
    if not source.exists():
        raise Refused(f"There is no EZ-DMS in {folder}: no {source.name}. Set the right folder with --data-dir.")
    with data_folder.held(folder):
        data_folder.check_not_moved(folder)
        counts = asyncio.run(move(source, address, progress))
        at = datetime.now(UTC).isoformat(timespec="seconds")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(folder / data_folder.MOVED, flags, 0o600), "w") as file:
            data_folder.give(file.fileno(), folder)
            file.write(json.dumps({"moved_at": at, "rows": sum(counts.values())}) + "\n")
            file.flush()
            os.fsync(file.fileno())
    return sum(counts.values())
