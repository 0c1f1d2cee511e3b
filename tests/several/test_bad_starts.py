"""A process that cannot join the others says why in one sentence, which holds no password."""

from __future__ import annotations

import shutil
from pathlib import Path

import psycopg
import pytest

from tests.several.conftest import Site
from tests.support import buses, engines, forked

PASSWORD = "correct-horse-battery"


def refused(folder: Path, **settings: str) -> str:
    """What `ezdms serve` says, which must fail."""
    given = {f"EZDMS_{name.upper()}": value for name, value in settings.items()}
    given = {"EZDMS_DATA_DIR": str(folder), "EZDMS_PORT": "0"} | given
    ended = forked.run("serve", env=forked.environment(**given), timeout=30)
    said = ended.stdout + ended.stderr
    assert ended.returncode in (1, 2), said
    assert PASSWORD not in said
    assert "Traceback" not in said
    return said


def with_password(address: str) -> str:
    return address.replace("ezdms@", f"ezdms:{PASSWORD}@")


def test_a_refused_password_and_a_place_that_refuses_us(own_postgresql: engines.PostgreSQL, tmp_path: Path) -> None:
    addresses = [own_postgresql.create() for _ in range(3)]
    locked, closed, _ = map(own_postgresql.name, addresses)
    hba = own_postgresql.folder / "data" / "pg_hba.conf"
    hba.write_text(f"local {locked} all scram-sha-256\nlocal {closed} all reject\n")
    own_postgresql.stop()
    own_postgresql.start()
    for address, sentence in zip(
        addresses,
        ('password authentication failed for user "ezdms"', "pg_hba.conf rejects connection", "no pg_hba.conf entry"),
        strict=True,
    ):
        said = refused(tmp_path, database_url=with_password(address), bus_url="unix:///nowhere")
        assert f"Cannot use the PostgreSQL database. PostgreSQL says: {sentence}" in said, said


@pytest.mark.parametrize(
    "revoked",
    [
        "CREATE ON SCHEMA public",
        "USAGE ON LANGUAGE plpgsql",
        "ALL ON TABLE migrations",
    ],
    ids=["tables", "functions", "those of somebody else"],
)
def test_a_user_who_lacks_rights(postgresql: engines.PostgreSQL, migrated: str, tmp_path: Path, revoked: str) -> None:
    address = postgresql.create(migrated if "migrations" in revoked else "template1")
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("GRANT CREATE ON SCHEMA public TO PUBLIC")
        connection.execute(f"REVOKE {revoked} FROM PUBLIC".encode())
        if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = 'stranger'").fetchone() is None:
            connection.execute("CREATE ROLE stranger LOGIN")
    said = refused(tmp_path, database_url=address.replace("ezdms@", "stranger@"), bus_url="unix:///nowhere")
    assert "may not create or use the tables" in said


def test_a_database_of_another_program(postgresql: engines.PostgreSQL, tmp_path: Path) -> None:
    address = postgresql.create()
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("CREATE TABLE things (number INTEGER)")
    assert "belongs to another program" in refused(tmp_path, database_url=address, bus_url="unix:///nowhere")


def test_a_bus_that_is_away_refuses_the_password_or_is_of_another_deployment(
    postgresql: engines.PostgreSQL, migrated: str, bus: buses.Redis, tmp_path: Path
) -> None:
    address = postgresql.create(migrated)
    nowhere = f"redis://:{PASSWORD}@127.0.0.1:1/0"
    assert "Cannot use the bus. The bus cannot be reached" in refused(tmp_path, database_url=address, bus_url=nowhere)
    (tmp_path / "other").mkdir()
    with buses.started(tmp_path / "other", "--requirepass", "something else") as locked:
        given = locked.address.replace("unix://", f"unix://:{PASSWORD}@")
        for bus_url in (given, locked.address):
            said = refused(tmp_path, database_url=address, bus_url=bus_url)
            assert "The bus refuses the password, or needs one." in said, said
    site = Site(tmp_path, address, bus)
    with site.servers[0]:
        other = refused(tmp_path / "2", database_url=postgresql.create(migrated), bus_url=bus.address)
    assert "This bus belongs to another EZ-DMS." in other


def test_a_machine_with_another_key_or_a_folder_that_another_server_holds(site: Site, tmp_path: Path) -> None:
    addresses = {"database_url": site.database, "bus_url": site.bus.address}
    said = refused(tmp_path / "a folder of its own", **addresses)
    assert "is not the one that this database is used with. All processes need the same data folder" in said
    assert "is using the data folder" in refused(site.servers[0].data_dir)  # on SQLite
    shutil.copytree(site.servers[0].data_dir, tmp_path / "copy", ignore=shutil.ignore_patterns("*.sock"))
    third = site.server(2)
    third.data_dir = tmp_path / "copy"
    with third:
        assert third.complaints() == ""


def test_a_password_is_in_no_log_and_no_list_of_processes(
    postgresql: engines.PostgreSQL, migrated: str, bus: buses.Redis, tmp_path: Path
) -> None:
    secret = tmp_path / "database-url"
    secret.write_text(with_password(postgresql.create(migrated)) + "\n")
    site = Site(tmp_path, "", bus)
    server = site.servers[0]
    del server.settings["database_url"]
    server.settings["database_url_file"] = str(secret)
    server.module = "ezdms"
    with server:
        assert server.process is not None
        assert PASSWORD not in Path(f"/proc/{server.process.pid}/cmdline").read_text()
        assert PASSWORD not in server.log.read_text()
    help_text = forked.run("serve", "--help", env=forked.environment(EZDMS_DATABASE_URL=secret.read_text().strip()))
    assert PASSWORD not in help_text.stdout
    assert "--database-url " not in help_text.stdout  # every user of a machine sees flags
