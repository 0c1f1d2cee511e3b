"""The audit trail: one line for each action of the operator, in audit.log and in the server's log.

It tells when what was done, and how often, but not to whom: no name, id, PIN or path.
"""

from __future__ import annotations

import json
import logging
import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from ezdms import logs
from ezdms.store import data_folder

DONE = {
    "users": "listed the accounts",
    "find_user": "looked up an account",
    "end_sessions": "ended the sessions of an account",
    "turn_off_two_step": "turned off two-step login of an account",
    "remove_user": "removed an account",
    "reports": "read the reports",
    "discard_report": "discarded a report",
    "invite": "made invitations",
    "withdraw_invitations": "withdrew the invitations",
    "backup": "backed up the database",
    "restore": "restored a backup",
}


def append(data_dir: Path, action: str, count: int | None) -> None:
    """Append a line to audit.log. What was done stays done if that fails: the disk may be full."""
    time = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    line = {"time": time, "done": DONE[action]} | ({} if count is None else {"count": count})
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    with suppress(OSError), open(os.open(data_dir / data_folder.AUDIT, flags, 0o600), "a") as file:
        data_folder.give(file.fileno(), data_dir)
        file.write(json.dumps(line) + "\n")


def log(action: str, count: int | None = None) -> None:
    """Write the same to the log of this process."""
    logs.event(logging.INFO, "operator", done=DONE[action], **({} if count is None else {"count": count}))
