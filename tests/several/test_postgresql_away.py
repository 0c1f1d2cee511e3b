"""PostgreSQL goes away and comes back, and a process that hangs: the others, and open sockets, go on."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from tests.several.conftest import Ear, Site, opening, stopped
from tests.support import buses, engines
from tests.support.served import Program, wait


def test_without_postgresql_everything_is_answered_with_503_sockets_stay_and_the_first_request_afterwards_works(
    own_postgresql: engines.PostgreSQL, bus: buses.Redis, tmp_path: Path
) -> None:
    site = Site(tmp_path, own_postgresql.create(), bus)
    with (
        site.servers[0],
        site.servers[1],
        site.people() as (alice, bob, where),
        closing(Ear(site.servers[1], bob.token)) as his,
    ):
        his.joins(where)
        alice.send(bob, "before")
        his.hears("new_message")
        own_postgresql.stop()
        fields = alice.seal(bob, "meanwhile")
        status, headers, _ = alice.exchange_all("/send_message", fields)
        assert (status, headers["Retry-After"] is not None) == (503, True)
        assert bob.exchange(f"/messages/{where}")[0] == 503
        wait(
            lambda: b"\r\nretry-after: 10\r\n" in opening(site.servers[1], bob.token)
        )  # its session is known for a second
        assert opening(site.servers[1], bob.token).startswith(b"http/1.1 503")
        assert his.stays_open()
        own_postgresql.start()
        assert alice.exchange("/send_message", fields)[0] == 201
        assert his.hears("new_message", 2)[-1]["message_id"] == fields["message_id"]


def test_a_process_that_hangs_holds_up_nobody_at_another(site: Site, people: tuple[Program, Program]) -> None:
    alice, bob = people
    with closing(Ear(site.servers[1], bob.token)) as his:
        his.joins(alice.start(bob))
        with stopped(site.servers[0]):
            moved = Program.of(site.servers[1], alice)
            moved.send(bob, "beside one that hangs")
            assert his.hears("new_message")[0]["seq"] == 1
            moved.close()
        moved = Program.of(site.servers[0], alice)
        moved.send(bob, "through the one that hung")
        assert his.hears("new_message", 2)[-1]["seq"] == 2
        moved.close()


def test_a_process_that_hung_while_sessions_ended_lets_none_of_them_in_afterwards(
    site: Site, people: tuple[Program, Program]
) -> None:
    _, bob = people
    elsewhere = Program.of(site.servers[0], bob)
    elsewhere.log_in()
    with closing(Ear(site.servers[1], bob.token)) as ended:
        assert bob.exchange("/sessions")[0] == 200
        with stopped(site.servers[1]):
            elsewhere.ask("/sessions/end_others", {})
        assert ended.closed_with() in (1008, 1012)
        wait(lambda: bob.exchange("/sessions")[0] == 401)
    elsewhere.close()
