"""A process that its network cuts off from the others, from PostgreSQL, or from both: the other one goes on."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from ezdms.actions.cut_off import EVERY, PATIENCE
from tests.hosting.test_nginx import open_socket
from tests.several.conftest import Ear, Site, opening, stopped
from tests.several.test_restarting import in_front
from tests.support import buses, engines
from tests.support.cable import Cable
from tests.support.served import SOON, Program, wait


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


def until_sent(person: Program, fields: dict[str, str]) -> None:
    """Send it again until it is stored, as clients do."""
    wait(lambda: person.exchange("/send_message", fields)[0] == 201)


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


@pytest.mark.parametrize("missing", ["the bus", "PostgreSQL"])
def test_the_people_of_a_process_that_is_cut_off_from_either_go_on_at_another_until_it_is_back(
    cables: tuple[Site, Cable, Cable], missing: str
) -> None:
    site, to_database, to_bus = cables
    first, second = site.servers
    cable = to_bus if missing == "the bus" else to_database
    with ExitStack() as stack:
        front = in_front(stack, site)
        alice, bob = front.people(stack)
        at_first, at_second = (stack.enter_context(closing(Program.of(server, alice))) for server in (first, second))
        where = alice.start(bob)

        hers, his = (stack.enter_context(closing(Ear(server, bob.token))) for server in (first, second))
        cable.hold()  # nothing says so
        wait(lambda: "cut off" in first.log.read_text(), within=6 * SOON)
        assert hers.closed_with() == 1012  # its page connects again, to any process

        for path in ("/ping", "/sessions", f"/messages/{where}"):
            status, headers, _ = at_first.exchange_all(path)
            assert (status, headers["Retry-After"] is not None) == (503, True), path
        assert at_first.exchange("/send_message", at_first.seal(bob, "not here"))[0] == 503
        assert opening(first, bob.token).startswith(b"http/1.1 503")

        for _ in range(3):  # whichever nginx asks first
            with closing(Ear(first, bob.token, open_socket(front.door, bob.token))) as through:
                through.joins(where)
                until_sent(alice, fields := alice.seal(bob, "at the other one"))
                assert through.hears("new_message")[-1]["message_id"] == fields["message_id"]
        assert his.stays_open()
        assert at_second.exchange("/ping")[0] == 200

        cable.mend()
        wait(lambda: at_first.exchange("/ping")[0] == 200, within=3 * SOON)
        with closing(Ear(first, bob.token)) as back:
            back.joins(where)
            at_second.send(bob, "to the one that was cut off")
            assert back.hears("new_message")
    assert re.search(f"cut off.*away=.*{missing}", first.log.read_text())
    assert second.complaints() == ""


def test_when_the_bus_is_away_for_all_everybody_stays_even_beside_a_process_that_hangs(
    site: Site, bus: buses.Redis
) -> None:
    first, second = site.servers
    with site.people() as (alice, bob, _), closing(Ear(first, alice.token)) as hers:
        with stopped(second):  # its connections stay, and the last that it said is that it hears
            bus.stop()
            time.sleep(1.5 * PATIENCE * EVERY)
            assert hers.stays_open()
            assert alice.exchange("/ping")[0] == 200
        time.sleep(1.5 * PATIENCE * EVERY)
        assert hers.stays_open()
        for person in (alice, bob):
            assert person.exchange("/ping")[0] == 200
