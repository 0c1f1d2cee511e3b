"""PostgreSQL, Redis and several EZ-DMS processes on them: durable, on the disk, and on both cores."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg

from bench import processes
from bench.processes import Process
from ezdms.store import data_folder
from ezdms.store.postgresql.moving import move
from tests.support import buses, engines

DURABLE = ["fsync=on", "full_page_writes=on", "autovacuum=on", "shared_buffers=512MB", "max_wal_size=4GB"]
ALL_CORES = len(processes.CORES)


def are_installed() -> bool:
    """True if PostgreSQL and Redis or Valkey are."""
    return engines.programs() is not None and buses.program() is not None


class Site:
    """One database, one bus, and a data folder. Processes are started on them one by one."""

    def __init__(self, data: Path, database: engines.PostgreSQL, address: str, bus: buses.Redis) -> None:
        self.data, self.database, self.address, self.bus = data, database, address, bus

    @contextmanager
    def serving(self, count: int, **settings: str) -> Iterator[list[tuple[Process, int]]]:
        """Run so many processes. Yields each with its port."""
        started = [self.start(**settings) for _ in range(count)]
        try:
            yield started
        finally:
            for process, _ in started:
                process.stop()

    def start(self, **settings: str) -> tuple[Process, int]:
        """One more process, and its port."""
        addresses = {"database_url": self.address, "bus_url": self.bus.address}
        return processes.start(self.data, ALL_CORES, addresses | settings)

    def sql(self, statement: str) -> list[Any]:
        """The rows that this finds."""
        with psycopg.connect(self.address, autocommit=True) as connection:
            return connection.execute(statement.encode()).fetchall()

    def database_cpu(self) -> float:
        """Seconds of CPU time that PostgreSQL has used, without those of backends that have ended."""
        assert self.database.pid is not None
        total = 0.0
        for pid in (self.database.pid, *processes.children(self.database.pid)):
            with suppress(OSError):  # it has ended
                total += processes.cpu(pid)
        return total

    def bus_cpu(self) -> float:
        """Seconds of CPU time that Redis has used."""
        assert self.bus.pid is not None
        return processes.cpu(self.bus.pid)

    def written(self) -> int:
        """The bytes of the write-ahead log so far."""
        return int(self.sql("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn")[0][0])

    def size(self) -> int:
        """Bytes of the database on the disk."""
        return int(self.sql("SELECT pg_database_size(current_database())")[0][0])

    def faults(self) -> list[str]:
        """What is wrong with what is stored: gaps, and deadlocks."""
        queries = {
            "conversations with gaps": """SELECT COUNT(*) FROM (SELECT c.conversation_id FROM conversations c JOIN
                messages m ON m.conversation_id = c.conversation_id GROUP BY c.conversation_id HAVING
                COUNT(*) <> c.last_seq OR MIN(m.seq) <> 1 OR MAX(m.seq) <> c.last_seq) AS found""",
            "senders with gaps": """SELECT COUNT(*) FROM (SELECT 1 FROM messages GROUP BY conversation_id, sender_id
                HAVING COUNT(*) <> MAX(n) OR MIN(n) <> 1) AS found""",
            "messages of a sender out of order": """SELECT COUNT(*) FROM (SELECT n, LAG(n) OVER (PARTITION BY
                conversation_id, sender_id ORDER BY seq) AS earlier FROM messages) AS found WHERE n <= earlier""",
            "deadlocks": "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()",
        }
        found = {what: self.sql(query)[0][0] for what, query in queries.items()}
        return [f"{number} {what}" for what, number in found.items() if number]


@contextmanager
def network(name: str) -> Iterator[list[str]]:
    """A network of its own, from which nothing can be reached. Yields what to put before a command, so that it is
    there; nothing if this user may not make one."""
    ip = shutil.which("ip", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if ip is None or os.geteuid() != 0:
        yield []
        return
    subprocess.run([ip, "netns", "add", name], check=True)
    try:
        subprocess.run([ip, "-n", name, "link", "set", "lo", "up"], check=True)
        yield [ip, "netns", "exec", name]
    finally:
        subprocess.run([ip, "netns", "delete", name], check=True)


@contextmanager
def opened(folder: Path) -> Iterator[tuple[engines.PostgreSQL, buses.Redis]]:
    """A running PostgreSQL and a running bus, on all cores and on the disk."""
    place = Path(tempfile.mkdtemp(prefix="ezdms-bench-postgresql-"))  # where PostgreSQL's own user can go
    affinity = os.sched_getaffinity(0)
    os.sched_setaffinity(0, processes.CORES)  # what is started inherits them
    database, bus = engines.PostgreSQL(place), buses.Redis(folder)
    database.options = DURABLE
    try:
        database.start()
        bus.start()
        os.sched_setaffinity(0, affinity)
        yield database, bus
    finally:
        bus.stop()
        database.stop()
        shutil.rmtree(place)


async def moved(data: Path, database: engines.PostgreSQL, bus: buses.Redis) -> Site:
    """The content of a data folder that was served once, copied to PostgreSQL."""
    address = database.create()
    await move(data / data_folder.DATABASE, address, lambda table, done, count: None)
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
    return Site(data, database, address, bus)
