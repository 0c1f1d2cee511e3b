"""`python -m tests.support.dynamic …`: the command line as another user, as systemd's DynamicUser runs the server.

Only root can become someone else.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

from ezdms.cli import main
from tests.conftest import ROOT, Server, skip_or_fail
from tests.support import cheap

USER = 61184  # the first of those that systemd gives to DynamicUser; it has no name here


class Service(Server):
    """A server that runs as deploy/ezdms.service does: its own user, with its state in /var/lib/private."""

    def __init__(self, folder: Path, **settings: str) -> None:
        super().__init__(folder, **settings)
        self.module = "tests.support.dynamic"
        (folder / "private" / "ezdms").mkdir(parents=True)
        self.state = folder / "private" / "ezdms"
        self.state.chmod(0o700)
        os.chown(self.state, USER, USER)
        self.data_dir = folder / "ezdms"  # a link, as systemd makes it
        self.data_dir.symlink_to("private/ezdms")

    def owners(self) -> dict[str, tuple[int, int]]:
        """User and group of everything in the data folder that does not belong to the server's own."""
        found = {str(path.name): (path.lstat().st_uid, path.lstat().st_gid) for path in self.state.rglob("*")}
        return {name: owner for name, owner in found.items() if owner != (USER, USER)}


@contextmanager
def readable_by_all() -> Iterator[Path]:
    """A folder that every user can enter, unlike pytest's. Skips the test unless it can run as another user."""
    if os.geteuid() != 0:
        skip_or_fail("only root can become another user")
    if any(path.stat().st_mode & 0o005 != 0o005 for path in (ROOT, *ROOT.parents)):
        skip_or_fail(f"other users cannot read {ROOT}")
    folder = Path(mkdtemp(dir="/tmp"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    os.setgroups([])
    os.setgid(USER)
    os.setuid(USER)
    cheap.use()
    main()
