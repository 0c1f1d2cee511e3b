"""PostgreSQL and the bus over TLS with certificates that are checked, and passwords that nobody else sees."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import psycopg
import pytest

from tests.several.conftest import Ear, Site
from tests.several.test_bad_starts import PASSWORD, refused
from tests.support import buses, engines
from tests.support.authority import Authority
from tests.support.nginx import free_ports

NAMES = ("localhost", "127.0.0.1")  # what the certificates are for, and another name of the same machine
ENCRYPTED = "SELECT DISTINCT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'ezdms'"


class Encrypted:
    """A PostgreSQL and a Redis that take TLS alone, and a password."""

    def __init__(self, server: engines.PostgreSQL, bus: buses.Redis, bus_port: int, authority: Authority) -> None:
        self.server, self.bus, self._bus_port = server, bus, bus_port
        self.ca = str(authority.certfile)
        self.name = server.name(server.create())

    def database_url(self, *, host: str = NAMES[0], ca: str = "") -> str:
        """Its address at this host, checked against this CA."""
        given = f"sslmode=verify-full&sslrootcert={ca or self.ca}"
        return f"postgresql://ezdms:{PASSWORD}@{host}:{self.server.port}/{self.name}?{given}"

    def bus_url(self, *, host: str = NAMES[0], ca: str = "") -> str:
        """Its address at this host, checked against this CA."""
        return f"rediss://:{PASSWORD}@{host}:{self._bus_port}/0?ssl_ca_certs={ca or self.ca}"


@pytest.fixture
def encrypted(own_postgresql: engines.PostgreSQL, tmp_path: Path, bus: buses.Redis) -> Iterator[Encrypted]:
    """Both, with certificates for NAMES[0]."""
    authority = Authority(tmp_path, "ca")
    certfile, keyfile = authority.issue(NAMES[0])
    data = own_postgresql.folder / "data"
    for path in (certfile, keyfile):
        shutil.copy(path, data)
        shutil.chown(data / path.name, (data / "PG_VERSION").owner(), (data / "PG_VERSION").group())
    with psycopg.connect(own_postgresql.address("postgres"), autocommit=True) as connection:
        connection.execute(f"ALTER ROLE ezdms PASSWORD '{PASSWORD}'".encode())
    (data / "pg_hba.conf").write_text("local all all trust\nhostssl all all all scram-sha-256\n")
    own_postgresql.stop()
    own_postgresql.port, bus_port = free_ports(2)
    paths = f"ssl_cert_file={certfile.name}", f"ssl_key_file={keyfile.name}"
    own_postgresql.options = ["listen_addresses=127.0.0.1", "ssl=on", *paths]
    own_postgresql.start()
    (tmp_path / "bus").mkdir()
    options = ("--tls-port", str(bus_port), "--tls-cert-file", str(certfile), "--tls-key-file", str(keyfile))
    more = ("--tls-ca-cert-file", str(authority.certfile), "--tls-auth-clients", "no", "--requirepass", PASSWORD)
    with buses.started(tmp_path / "bus", *options, *more) as locked:
        yield Encrypted(own_postgresql, locked, bus_port, authority)


def every_command_line() -> str:
    """What every user of this machine can see of all processes."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended
            found.append(path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
    return "\n".join(line for line in found if "redis-server" not in line)  # this test has given it the password


def test_processes_talk_over_tls_and_no_log_and_no_list_of_processes_has_a_password(
    encrypted: Encrypted, tmp_path: Path
) -> None:
    site = Site(tmp_path, encrypted.database_url(), encrypted.bus)
    for server in site.servers:
        server.settings["bus_url"] = encrypted.bus_url()
    with site.servers[0], site.servers[1], site.people() as (alice, bob, where):
        with closing(Ear(site.servers[1], bob.token)) as his:
            his.joins(where)
            alice.send(bob, "encrypted on the way")
            assert his.hears("new_message")[0]["seq"] == 1
        with psycopg.connect(encrypted.server.address(encrypted.name)) as connection:
            assert connection.execute(ENCRYPTED).fetchall() == [(True,)]
        encrypted.bus.stop()
        encrypted.server.stop()
        assert alice.exchange("/sessions")[0] == 503
        assert PASSWORD not in every_command_line()
    for server in site.servers:
        said = server.log.read_text()
        assert "the bus is away" in said
        assert PASSWORD not in said


def test_a_certificate_of_another_name_or_an_unknown_ca_and_a_server_without_tls_are_refused(
    encrypted: Encrypted, bus: buses.Redis, tmp_path: Path
) -> None:
    other = str(Authority(tmp_path, "other-ca").certfile)
    missing = str(tmp_path / "nothing.pem")
    for given, sentence in (
        ({"host": NAMES[1]}, "is for another name than the address has"),
        ({"ca": other}, "is from a CA that is not trusted here"),
        ({"ca": missing}, "cannot be read"),
    ):
        said = refused(tmp_path, database_url=encrypted.database_url(**given), bus_url=encrypted.bus_url())
        assert "PostgreSQL" in said
        assert sentence in said, said
        said = refused(tmp_path, database_url=encrypted.database_url(), bus_url=encrypted.bus_url(**given))
        assert "Cannot use the bus." in said
        assert sentence in said, said
    plain = encrypted.bus_url()
    encrypted.bus.stop()
    with buses.started(tmp_path / "bus", "--port", plain.rpartition(":")[2].partition("/")[0]):
        said = refused(tmp_path, database_url=encrypted.database_url(), bus_url=plain)
        assert "or does no TLS, which the address asks for" in said, said
    encrypted.server.stop()
    encrypted.server.options[1] = "ssl=off"
    (encrypted.server.folder / "data" / "pg_hba.conf").write_text("local all all trust\nhost all all all trust\n")
    encrypted.server.start()
    said = refused(tmp_path, database_url=encrypted.database_url(), bus_url=encrypted.bus_url())
    assert "does no TLS, which the address asks for" in said, said
