"""PostgreSQL with a synchronous standby, which takes its place while people write: nothing acknowledged is lost."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.conftest import Server
from tests.hosting.test_two_proxies import Sender
from tests.several.conftest import Ear, Site
from tests.several.test_bad_starts import refused
from tests.support import buses, engines
from tests.support.served import wait

WAITS = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
FOLLOWS = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync' AND state = 'streaming'"


def fails_during_a_commit(primary: engines.PostgreSQL) -> None:
    """Stop it while a COMMIT waits for the standby, which never learns of it."""
    with psycopg.connect(primary.address("postgres"), autocommit=True) as connection:
        ((sends,),) = connection.execute("SELECT pid FROM pg_stat_replication").fetchall()
        os.kill(sends, signal.SIGSTOP)
        wait(lambda: connection.execute(WAITS).fetchone() == (1,))
    os.kill(sends, signal.SIGKILL)
    primary.stop()


@pytest.fixture
def standby(own_postgresql: engines.PostgreSQL) -> Iterator[engines.PostgreSQL]:
    """The synchronous standby of `own_postgresql`: a COMMIT there waits for it."""
    found = own_postgresql.standby()
    found.start()
    with psycopg.connect(own_postgresql.address("postgres"), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        connection.execute("SELECT pg_reload_conf()")
        wait(lambda: connection.execute(FOLLOWS).fetchone() == (1,))
    yield found
    found.stop()


def can_be_reached(address: str) -> bool:
    """Whether this database exists there."""
    try:
        psycopg.connect(address).close()
    except psycopg.OperationalError:
        return False
    return True


def test_a_standby_that_takes_over_has_all_that_was_acknowledged_and_is_found_without_a_restart(
    own_postgresql: engines.PostgreSQL, standby: engines.PostgreSQL, bus: buses.Redis, tmp_path: Path
) -> None:
    first, second = own_postgresql.create(), own_postgresql.folder / "standby"
    both = f"{first},{second}&target_session_attrs=read-write"
    alone = first.replace(str(own_postgresql.folder), str(second))
    wait(lambda: can_be_reached(alone))  # the new database has arrived there
    assert "is a standby. Use the address of the primary" in refused(
        tmp_path / "alone", database_url=alone, bus_url="unix:///none"
    )
    site = Site(tmp_path, both, bus)
    with ExitStack() as opened:
        for server in site.servers:
            opened.enter_context(server)
        alice, bob, where = opened.enter_context(site.people())
        sender = Sender(alice, bob)
        with closing(Ear(site.servers[1], bob.token)) as his:
            his.joins(where)
            sender.start()
            try:
                wait(lambda: len(sender.acknowledged) >= 10)
                fails_during_a_commit(own_postgresql)
                before = len(sender.acknowledged)
                standby.promote()
                assert bob.exchange(f"/messages/{where}")[0] == 200  # the first request to this process
                wait(lambda: len(sender.acknowledged) >= before + 10)
            finally:
                sender.stopped.set()
                sender.join()
            assert his.stays_open()
        assert site.servers[0].stop() == 0
        site.servers[0].start()  # although the first host of its address is gone
        stored = list[str]()
        while rows := bob.ask(f"/messages/{where}?limit=200&after={len(stored)}"):
            stored += [row["message_id"] for row in rows]
        assert stored == sender.acknowledged


def test_without_its_synchronous_standby_a_server_is_not_well_although_nobody_writes(
    own_postgresql: engines.PostgreSQL, standby: engines.PostgreSQL, bus: buses.Redis, tmp_path: Path
) -> None:
    site = Site(tmp_path, own_postgresql.create(), bus)
    with site.servers[0] as server:
        wait(lambda: status(server) == 200)
        standby.stop()
        wait(lambda: status(server) == 503)
        standby.start()
        wait(lambda: status(server) == 200)


def status(server: Server) -> int:
    """What /ping says."""
    return httpx.get(f"{server.url}/ping", timeout=30).status_code
