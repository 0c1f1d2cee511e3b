"""A process that its network cuts off from the others, from PostgreSQL, or from both: the other one goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.several.conftest import Ear, Site
from tests.support import buses, engines
from tests.support.cable import Cable
from tests.support.served import Program, wait


@pytest.fixture
def cables(
    tmp_path: Path, postgresql: engines.PostgreSQL, migrated: str, bus: buses.Redis
) -> Iterator[tuple[Site, Cable, Cable]]:
    """Two processes, of which the first has its own way to PostgreSQL and its own way to the bus."""
    address = postgresql.create(migrated)
    site = Site(tmp_path, address, bus)
    with ExitStack() as stack:
        to_database = stack.enter_context(Cable(postgresql.folder / ".s.PGSQL.5432"))
        to_bus = stack.enter_context(Cable(bus.path))
        name = postgresql.name(address)
        site.servers[0] = site.server(
            0,
            database_url=f"postgresql://ezdms@127.0.0.1:{to_database.port}/{name}",
            bus_url=f"redis://127.0.0.1:{to_bus.port}",
        )
        for server in site.servers:
            stack.enter_context(server)
        yield site, to_database, to_bus


def hears(ear: Ear, seq: int) -> bool:
    """True once this message has come: what waited for the bus comes later, too."""
    count = 1
    while seq not in [one["seq"] for one in ear.hears("new_message", count)]:
        count += 1
    return True


def test_a_process_that_is_cut_off_goes_unnoticed_and_its_people_go_on_at_the_other(
    cables: tuple[Site, Cable, Cable],
) -> None:
    site, to_database, to_bus = cables
    first, second = site.servers
    alice, bob = Program(first, "alice"), Program(second, "bob")
    where = alice.start(bob)
    moved = Program.of(second, alice)
    with ExitStack() as stack:

        def listens(person: Program, *, at: int) -> Ear:
            ear = stack.enter_context(closing(Ear(site.servers[at], person.token)))
            ear.joins(where)
            return ear

        hers, his = listens(alice, at=0), listens(bob, at=1)

        to_bus.hold()  # nothing says so: it is silent
        wait(lambda: "the bus is away" in first.log.read_text())
        alice.send(bob, "stored, wherever the bus is")
        assert listens(alice, at=1).stays_open()
        moved.send(bob, "live, at the other one")
        assert hears(his, 2)
        assert [row["seq"] for row in bob.ask(f"/messages/{where}")] == [1, 2]
        to_bus.mend()
        assert hers.closed_with() == 1012  # and catches up
        hers = listens(alice, at=0)

        to_database.cut()
        assert alice.exchange("/sessions")[0] == 503
        fields = alice.seal(bob, "first refused, then at the other one")
        assert [person.exchange("/send_message", fields)[0] for person in (alice, moved)] == [503, 201]
        assert hears(his, 3)
        assert hears(hers, 3)  # the bus is there
        to_database.mend()
        assert alice.exchange("/sessions")[0] == 200

        to_bus.cut()
        to_database.cut()
        kept = moved.log_in()
        moved.ask("/sessions/end_others", {})
        assert alice.exchange("/sessions")[0] in (401, 503)
        assert his.stays_open()
        for cable in (to_bus, to_database):
            cable.mend()
        assert hers.closed_with() in (1008, 1012)
        wait(lambda: alice.exchange("/sessions")[0] == 401)
        alice.token = kept
        alice.send(bob, "through the one that was cut off")
        assert hears(his, 4)
        assert his.stays_open()
    assert second.complaints() == ""
    for person in (alice, bob, moved):
        person.close()


def test_a_session_that_ends_elsewhere_loses_its_sockets_at_a_process_that_is_cut_off_from_the_bus_alone(
    cables: tuple[Site, Cable, Cable],
) -> None:
    site, _, to_bus = cables
    first, second = site.servers
    alice = Program(first, "alice")
    elsewhere = Program.of(second, alice)
    kept = elsewhere.log_in()
    to_bus.hold()
    wait(lambda: "the bus is away" in first.log.read_text())
    with closing(Ear(first, alice.token)) as ended, closing(Ear(first, kept)) as stays:
        elsewhere.ask("/sessions/end_others", {})
        assert ended.closed_with() == 1008
        assert stays.stays_open()
    assert second.complaints() == ""
    for person in (alice, elsewhere):
        person.close()
