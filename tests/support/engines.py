"""A PostgreSQL server for tests: one for each test process, on a Unix socket, and a database for each app."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

from tests.support.daemon import Daemon

DEBIAN = Path("/usr/lib/postgresql")
FAST = ("fsync=off", "full_page_writes=off", "shared_buffers=16MB", "max_connections=200", "autovacuum=off")


# Deletes all rows but those that say which migrations were made, whatever refers to them.
EMPTY = """DO $$ DECLARE one regclass; BEGIN
  SET LOCAL session_replication_role = replica;
  FOR one IN SELECT oid FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
    AND relname <> 'migrations' LOOP EXECUTE format('DELETE FROM %s', one); END LOOP;
END $$"""
places: dict[Path, str] = {}  # the addresses of the databases of this test, by the data folder that has one


@cache
def programs() -> Path | None:
    """Where initdb and postgres are; None if they are not installed."""
    folders = sorted(DEBIAN.glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    found = shutil.which("initdb")
    return next(iter(folders), None) or (Path(found).parent if found else None)


class PostgreSQL(Daemon):
    """A running server. It refuses to run as root, and then runs as the user postgres."""

    ENDS_BY = signal.SIGQUIT

    def __init__(self, folder: Path, primary: PostgreSQL | None = None) -> None:
        """A server with nothing in it, or the standby of another one."""
        self.folder = folder
        self.options: list[str] = []  # settings beside FAST, for the next start
        self.port = 5432  # of its Unix socket, and if an option has it listen on addresses, there
        self._numbers = count()
        self._free: list[str] = []  # addresses of empty databases
        self._user: dict[str, Any] = {}
        if os.geteuid() == 0:
            them = pwd.getpwnam("postgres")
            os.chown(folder, them.pw_uid, them.pw_gid)
            self._user = {"user": them.pw_uid, "group": them.pw_gid, "extra_groups": []}
        if primary is None:
            make = [str(self._program("initdb")), "-N", "-A", "trust", "-U", "ezdms", "--locale=C", "-E", "UTF8"]
        else:
            make = [str(self._program("pg_basebackup")), "-N", "-R", "-c", "fast", "-d", primary.address("postgres")]
        subprocess.run([*make, "-D", str(folder / "data")], check=True, stdout=subprocess.DEVNULL, **self._user)

    def standby(self) -> PostgreSQL:
        """A copy of this running server, which follows it once it is started."""
        folder = self.folder / "standby"
        folder.mkdir()
        return PostgreSQL(folder, self)

    def promote(self) -> None:
        """Make this standby the primary; returns once it is."""
        import psycopg

        with psycopg.connect(self.address("postgres"), autocommit=True) as connection:
            assert connection.execute("SELECT pg_promote()").fetchone() == (True,)

    @staticmethod
    def _program(name: str) -> Path:
        folder = programs()
        assert folder is not None
        return folder / name

    def start(self) -> None:
        """Start it; returns once it answers."""
        chosen = (*FAST, f"port={self.port}", *self.options)
        options = [part for option in chosen for part in ("-c", option)]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program("postgres"), "-D", self.folder / "data", "-k", self.folder, "-h", "", *options],
                stdout=log,
                stderr=log,
                **self._user,
            )
        ready = [str(self._program("pg_isready")), "-q", "-d", self.address("postgres")]
        while subprocess.run(ready, check=False).returncode:
            assert self._process.poll() is None, (self.folder / "log").read_text()

    def address(self, name: str) -> str:
        """The address of one of its databases."""
        return f"postgresql://ezdms@/{name}?{'' if self.port == 5432 else f'port={self.port}&'}host={self.folder}"

    def create(self, template: str = "template1") -> str:
        """A new database; returns its address."""
        import psycopg

        name = f"test_{next(self._numbers)}"
        with psycopg.connect(self.address("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy".encode())
        return self.address(name)

    def take(self, template: str) -> str:
        """A database like the template, with nothing else in it: a new one, or one that was given back."""
        return self._free.pop() if self._free else self.create(template)

    def give_back(self, address: str) -> None:
        """Empty it for the next test, unless someone still uses it. Making one costs thirty times as much."""
        import psycopg

        try:
            with psycopg.connect(address, options="-c lock_timeout=1s", autocommit=True) as connection:
                connection.execute(EMPTY)
        except psycopg.Error:
            return
        self._free.append(address)

    def name(self, address: str) -> str:
        """The name of the database at this address."""
        return address.removeprefix("postgresql://ezdms@/").partition("?")[0]


def rows(folder: Path) -> bytes:
    """Every row of the database that belongs to a data folder, as PostgreSQL writes it; b"" if there is none. Deleted
    rows may still be on its disk: PostgreSQL cannot overwrite them."""
    if folder not in places:
        return b""
    import psycopg

    with psycopg.connect(places[folder]) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        found = [
            connection.execute(f"SELECT t::text FROM {name} t".encode()).fetchall()  # noqa: S608
            for (name,) in tables
        ]
    return "\n".join(row for table in found for (row,) in table).encode()


@contextmanager
def started() -> Iterator[PostgreSQL]:
    """A running server with nothing in it."""
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else "/tmp"  # noqa: S108  # where another user can go
    with tempfile.TemporaryDirectory(prefix="ezdms-postgresql-", dir=place) as folder:
        server = PostgreSQL(Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.stop()
