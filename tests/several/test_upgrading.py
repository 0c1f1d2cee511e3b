"""A newer version beside the one that runs: it migrates while both send and read, and the older one works on."""

from __future__ import annotations

import shutil
import stat
import sys
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from ezdms.store import schema
from tests.conftest import ROOT, Server
from tests.hosting.test_two_proxies import Sender
from tests.several.conftest import Ear, Site
from tests.support.served import Program, wait

READS = 30  # of each kind
NEWEST = schema.migrations()[-1][0]
# What the next versions do to tables that every request needs, and hold them for a while.
ADDS = """
ALTER TABLE messages ADD COLUMN added_{number} BIGINT NOT NULL DEFAULT 0;
ALTER TABLE participants ADD COLUMN added_{number} BIGINT NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN added_{number} TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN added_{number} TEXT;
CREATE INDEX added_{number} ON messages (added_{number});
"""


def reads(person: Program, where: str) -> list[int]:
    """The statuses of what a page asks for."""
    paths = "/me", f"/messages/{where}?limit=5", "/sessions"
    return [person.exchange(path)[0] for path in paths for _ in range(READS)]


def later(folder: Path, site: Site, number: int, versions: int) -> Server:
    """A process of the version that comes so many after this one: this package, with migrations that add something."""
    folder.mkdir()
    (folder / "ezdms").symlink_to(ROOT / "ezdms")
    shutil.copytree(ROOT / "migrations", folder / "migrations")
    for new in range(NEWEST + 1, NEWEST + 1 + versions):
        (folder / "migrations" / f"{new:04}_adds.sql").write_text(ADDS.format(number=new))
        (folder / "migrations" / "postgresql" / f"{new:04}_holds.sql").write_text("SELECT pg_sleep(0.5);\n")
    python = folder / "python"
    python.write_text(f'#!/bin/sh\nPYTHONSAFEPATH=1 PYTHONPATH="{folder}:{ROOT}" exec "{sys.executable}" "$@"\n')
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    server = site.server(number)
    server.python = str(python)
    return server


def test_both_versions_send_and_read_while_the_newer_one_migrates_and_one_of_two_before_cannot_start(
    site: Site, people: tuple[Program, Program], tmp_path: Path
) -> None:
    alice, bob = people
    where, sender = alice.start(bob), Sender(alice, bob)
    with ExitStack() as stack:

        def begin(server: Server) -> Server:
            stack.callback(server.kill)
            server.start()
            return server

        sender.start()
        try:
            wait(lambda: len(sender.acknowledged) >= 10)
            statuses = reads(bob, where)  # so often that its statements are prepared
            next_one = later(tmp_path / "next", site, 2, 1)
            before = len(sender.acknowledged)
            begin(next_one)
            assert site.sql("SELECT MAX(number) FROM migrations") == [(NEWEST + 1,)]
            statuses += reads(bob, where)
            after = len(sender.acknowledged)
            wait(lambda: len(sender.acknowledged) >= after + 10)
            assert (statuses, after > before) == (6 * READS * [200], True)
        finally:
            sender.stopped.set()
            sender.join()
        count = len(sender.acknowledged)
        moved = Program.of(next_one, bob)
        assert [row["message_id"] for row in moved.ask(f"/messages/{where}?limit=200")] == sender.acknowledged[-200:]
        hers, his = (
            stack.enter_context(closing(Ear(server, person.token)))
            for server, person in zip(site.servers, people, strict=True)
        )
        for ear in (hers, his):
            ear.joins(where)
        moved.send(alice, "from the newer to the older one")
        assert hers.hears("new_message")[0]["seq"] == count + 1
        alice.send(bob, "and back")
        assert his.hears("new_message", 2)[-1]["seq"] == count + 2

        assert site.servers[1].stop() == 0
        site.servers[1].start()  # the version before, once more
        again = Program.of(site.servers[1], bob)
        again.send(alice, "from the older one, after its restart")
        assert hers.hears("new_message", 3)[-1]["seq"] == count + 3
        begin(later(tmp_path / "after that", site, 3, 2))
        alice.send(bob, "two versions before, and running")
        assert site.servers[1].stop() == 0
        refused = site.server(4)
        stack.callback(refused.kill)
        sentence = (
            f"This database has schema {NEWEST + 2}, but this version of EZ-DMS only knows schemas up to {NEWEST}"
        )
        with pytest.raises(AssertionError, match=sentence):
            refused.start()
        for server in (*site.servers, next_one):
            assert server.complaints() == ""
        for person in (moved, again):
            person.close()
