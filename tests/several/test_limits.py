"""Rate limits of several processes count together, exactly; without the bus, each process counts alone."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from ezdms.hub.places import LEASE
from tests.conftest import Server
from tests.several.conftest import Ear, Site
from tests.support import buses, engines
from tests.support.served import TEXT, Program, call, frame, take, upgrade, wait

ALLOWED, MOST = 10, 3
LIMITS = {"limit_start": f"{ALLOWED}/hour", "limit_send": f"{ALLOWED}/hour", "max_sockets": str(MOST)}


@pytest.fixture
def limited(tmp_path: Path, postgresql: engines.PostgreSQL, migrated: str, bus: buses.Redis) -> Iterator[Site]:
    """Two processes with limits."""
    site = Site(tmp_path, postgresql.create(migrated), bus)
    site.servers = [site.server(number, **LIMITS) for number in range(2)]
    with ExitStack() as opened:
        for server in site.servers:
            opened.enter_context(server)
        yield site


def looks_up(person: Program) -> int:
    """The status of looking a Search PIN up, which nobody has."""
    return person.exchange("/start_conversation", {"partner_search_pin": "x"})[0]


def test_requests_at_two_processes_at_once_are_counted_exactly(limited: Site) -> None:
    with ExitStack() as opened:
        people = [Program(limited.servers[0], "alice")]
        people += [Program.of(server, people[0]) for server in limited.servers * 3]
        for one in people:
            opened.callback(one.close)
        with ThreadPoolExecutor(len(people)) as pool:
            found = list(pool.map(lambda person: [looks_up(person) for _ in range(4)], people))
        statuses = [status for some in found for status in some]
        assert statuses.count(429) == len(statuses) - ALLOWED
        status, headers, _ = people[1].exchange_all("/start_conversation", {"partner_search_pin": "x"})
        assert (status, headers["RateLimit-Limit"], headers["RateLimit-Remaining"]) == (429, str(ALLOWED), "0")
        assert 0 < int(headers["Retry-After"]) <= 3600 // ALLOWED
    assert [server.complaints() for server in limited.servers] == ["", ""]


def test_what_a_socket_sends_counts_with_what_is_posted_at_the_other_process(limited: Site) -> None:
    alice, bob = Program(limited.servers[0], "alice"), Program(limited.servers[1], "bob")
    alice.start(bob)
    elsewhere = Program.of(limited.servers[1], alice)
    for _ in range(ALLOWED - 1):
        elsewhere.send(bob, "posted")
    with closing(Ear(limited.servers[0], alice.token)) as hers:
        for text in ("the last one", "one too many"):
            content = json.dumps({"event": "send_message"} | alice.seal(bob, text)).encode()
            hers.raw.sendall(frame(TEXT, content))
        hers.hears("sent")
        assert hers.hears("error")[0]["code"] == "too_often"
    for person in (alice, bob, elsewhere):
        person.close()


def test_without_the_bus_each_process_goes_on_from_what_it_knows(limited: Site) -> None:
    alice = Program(limited.servers[0], "alice")
    elsewhere = Program.of(limited.servers[1], alice)
    assert [looks_up(alice) for _ in range(ALLOWED)].count(429) == 0
    assert looks_up(elsewhere) == 429  # and learns how many there were
    limited.bus.stop()
    assert [looks_up(alice), looks_up(elsewhere)] == [429, 429]
    other = Program(limited.servers[0], "bob")
    assert [looks_up(other) for _ in range(ALLOWED + 1)].count(429) == 1
    said = limited.servers[0].log.read_text()
    assert said.count("the bus is away") == 1
    assert "limits=counted by each process" in said.replace('"', "")
    for person in (alice, elsewhere, other):
        person.close()


def test_the_bus_holds_no_address_and_no_name_of_who_is_limited(limited: Site) -> None:
    import redis

    alice = Program(limited.servers[0], "alice")
    looks_up(alice)
    with redis.Redis.from_url(limited.bus.address) as wire:
        keys = [key.decode() for key in wire.scan_iter("*limit*")]
        assert keys
        assert not [key for key in keys if "127.0.0.1" in key or "start" in key]
        assert all(wire.pttl(key) > 0 for key in keys)
    alice.close()


def opened(server: Server, token: str) -> Ear | None:
    """A socket; None if there is one too many."""
    raw = call(server)
    raw.sendall(upgrade(token))
    head = take(raw, until=b"\r\n\r\n")
    if head.startswith(b"HTTP/1.1 101"):
        return Ear(server, token, raw)
    assert head.startswith(b"HTTP/1.1 429"), head
    assert b"too_many_sockets" in take(raw, until=b"}")
    raw.close()
    return None


def is_admitted(server: Server, token: str) -> bool:
    """True if there is room for a socket, which is closed again."""
    ear = opened(server, token)
    if ear is not None:
        ear.close()
    return ear is not None


def test_sockets_are_counted_at_all_processes_whatever_happens_to_one_of_them_or_to_the_bus(limited: Site) -> None:
    import redis

    alice, bob = Program(limited.servers[0], "alice"), Program(limited.servers[1], "bob")
    first, second = limited.servers
    with ExitStack() as stack, redis.Redis.from_url(limited.bus.address) as wire:

        def opens(server: Server, person: Program = alice) -> Ear | None:
            ear = opened(server, person.token)
            if ear is not None:
                stack.callback(ear.close)
            return ear

        with ThreadPoolExecutor(8) as pool:
            ears = [ear for ear in pool.map(opens, 8 * limited.servers) if ear is not None]  # at once
        assert len(ears) == MOST
        assert (opens(first), opens(second)) == (None, None)
        ears[0].hang_up()
        for server in (first, second):
            wait(lambda server=server: is_admitted(server, alice.token))  # type: ignore[misc]
        for ear in ears[1:]:
            ear.hang_up()
        (leases,) = wire.scan_iter("ezdms:*:leases")
        wait(lambda: not list(wire.scan_iter("ezdms:*:sockets:*")))

        assert [opens(first) is not None for _ in range(MOST - 1)] == [True, True]
        wire.delete(leases)  # as after a long stop: others may have forgotten what was counted here
        assert opens(first, bob)
        assert [opens(second) is not None for _ in range(2)] == [True, False]
        first.kill()
        assert opens(second) is None
        now = wire.time()[0]
        assert all(0 < end - now <= LEASE for _, end in wire.zrange(leases, 0, -1, withscores=True))
        wire.delete(leases)  # as once these seconds have passed
        assert opens(second)
        first.start()

        bobs = [opens(first, bob) for _ in range(MOST)]
        limited.bus.send_signal(signal.SIGSTOP)
        for server in (first, second):
            wait(lambda server=server: "the bus is away" in server.log.read_text())  # type: ignore[misc]
        alone = [opens(server) for server in (first, second) for _ in range(MOST)]
        assert [ear is not None for ear in alone] == MOST * [True] + [True] + 2 * [False]  # the second one has two
        assert opens(first) is None
        for left in filter(None, bobs):
            left.hang_up()
        limited.bus.send_signal(signal.SIGCONT)
        assert {ear.closed_with() for ear in alone if ear is not None} == {1012}
        wait(lambda: all(is_admitted(second, bob.token) for _ in range(MOST)))
        wait(lambda: is_admitted(second, alice.token))
        assert [opens(server) is not None for server in (first, second, first, second)] == MOST * [True] + [False]
        assert second.log.read_text().count("the bus is away") == 1
    for person in (alice, bob):
        person.close()
