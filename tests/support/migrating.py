"""`python -m tests.support.migrating PATH`: prints an empty line, then opens a database, which migrates it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from ezdms.db import Database


async def migrate(path: Path) -> None:
    """Open it, and close it when it has the newest schema."""
    await (await Database.open(path)).close()


if __name__ == "__main__":
    print(flush=True)
    asyncio.run(migrate(Path(sys.argv[1])))
