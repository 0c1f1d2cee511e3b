"""Two processes, two people: live both ways, whatever happens to one process or to the bus."""

from __future__ import annotations

import signal
import threading
import time
from contextlib import closing

import redis

from ezdms import crypto
from ezdms.db import now
from tests.several.conftest import Ear, Site, stopped
from tests.support.served import Program, wait


def where(alice: Program, bob: Program) -> str:
    return crypto.conversation_id(alice.keys.fp, bob.keys.fp)


def test_messages_are_live_both_ways(site: Site, people: tuple[Program, Program]) -> None:
    alice, bob = people
    with closing(Ear(site.servers[0], alice.token)) as hers, closing(Ear(site.servers[1], bob.token)) as his:
        for ear in (hers, his):
            ear.joins(where(alice, bob))
        alice.send(bob, "from here")
        bob.send(alice, "from there")
        assert [one["seq"] for one in hers.hears("new_message", 2)] == [1, 2]
        assert [one["seq"] for one in his.hears("new_message", 2)] == [1, 2]
        assert {one["sender_id"] for one in his.hears("new_message", 2)} == {
            one["sender_id"] for one in hers.hears("new_message", 2)
        }
    assert [server.complaints() for server in site.servers] == ["", ""]


def test_what_both_write_at_once_arrives_at_both_in_one_order_without_gaps_and_once(
    site: Site, people: tuple[Program, Program]
) -> None:
    alice, bob = people
    each = 40
    with closing(Ear(site.servers[0], alice.token)) as hers, closing(Ear(site.servers[1], bob.token)) as his:
        for ear in (hers, his):
            ear.joins(where(alice, bob))

        def write(one: Program, other: Program) -> None:
            for number in range(each):
                one.send(other, str(number))

        writers = [threading.Thread(target=write, args=pair) for pair in ((alice, bob), (bob, alice))]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        for ear in (hers, his):
            assert [one["seq"] for one in ear.hears("new_message", 2 * each)] == list(range(1, 2 * each + 1))


def test_signals_reach_the_other_process(site: Site, people: tuple[Program, Program]) -> None:
    alice, bob = people
    with closing(Ear(site.servers[1], bob.token)) as his:
        sealed = crypto.seal_signal(alice.keys, bob.keys.ik, bob.keys.spki, kind="typing", m=(0, ""), ts=now())
        fields = {"conversation_id": where(alice, bob), "slot": "", "sealed": sealed}
        assert alice.exchange("/signal", fields)[0] == 204
        (heard,) = his.hears("signal")
        assert heard["sealed"] == sealed


def test_a_session_that_is_ended_at_one_process_loses_its_sockets_at_the_other_and_its_token_too(
    site: Site, people: tuple[Program, Program]
) -> None:
    _, bob = people
    elsewhere = Program.of(site.servers[0], bob)
    kept = elsewhere.log_in()
    with closing(Ear(site.servers[1], bob.token)) as ended, closing(Ear(site.servers[1], kept)) as stays:
        assert bob.exchange("/sessions")[0] == 200  # its session is cached there
        elsewhere.ask("/sessions/end_others", {})
        assert ended.closed_with() == 1008
        wait(lambda: bob.exchange("/sessions")[0] == 401)
        assert stays.stays_open()
    elsewhere.close()


def test_a_session_that_is_ended_while_the_bus_is_away_loses_its_sockets_too(
    site: Site, people: tuple[Program, Program]
) -> None:
    _, bob = people
    elsewhere = Program.of(site.servers[0], bob)
    kept = elsewhere.log_in()
    site.bus.stop()
    with closing(Ear(site.servers[1], bob.token)) as ended, closing(Ear(site.servers[1], kept)) as stays:
        elsewhere.ask("/sessions/end_others", {})
        assert ended.closed_with() == 1008
        assert stays.stays_open()
    elsewhere.close()


def test_who_deletes_the_account_at_one_process_is_gone_at_the_other(
    site: Site, people: tuple[Program, Program]
) -> None:
    alice, bob = people
    alice.send(bob, "soon gone")
    with closing(Ear(site.servers[1], bob.token)) as his, closing(Ear(site.servers[1], alice.token)) as hers:
        fields = {name: alice.fields[name] for name in ("login_id", "auth_key")}
        status, body = alice.exchange("/delete_account", fields | {"act": alice.act("delete_account")})
        assert status in (200, 204), body
        assert hers.closed_with() == 1008
        his.hears("conversation")
    wait(lambda: bob.exchange("/send_message", bob.seal(alice, "too late"))[0] == 410)


def test_without_the_bus_everybody_writes_and_reads_on_and_back_again_sockets_start_over_and_miss_nothing(
    site: Site, people: tuple[Program, Program]
) -> None:
    alice, bob = people
    with closing(Ear(site.servers[0], alice.token)) as hers, closing(Ear(site.servers[1], bob.token)) as his:
        hers.joins(where(alice, bob))
        site.bus.stop()
        alice.send(bob, "while it is away")
        hers.hears("new_message")  # at her own process
        rows = bob.ask(f"/messages/{where(alice, bob)}")
        assert [row["seq"] for row in rows] == [1]
        site.bus.start()
        assert (hers.closed_with(), his.closed_with()) == (1012, 1012)
    with closing(Ear(site.servers[1], bob.token)) as his:
        his.joins(where(alice, bob))
        alice.send(bob, "and after it")
        was_late = his.hears("new_message")[0]["seq"] == 1  # what waited for the bus may come now
        assert his.hears("new_message", 1 + was_late)[-1]["seq"] == 2
    assert "the bus is away" in site.servers[1].log.read_text()
    assert "the bus is back" in site.servers[1].log.read_text()


def test_a_bus_that_hangs_is_away_too(site: Site, people: tuple[Program, Program]) -> None:
    alice, bob = people
    with closing(Ear(site.servers[1], bob.token)) as his:
        site.bus.send_signal(signal.SIGSTOP)
        alice.send(bob, "nobody waits for it")
        wait(lambda: "the bus is away" in site.servers[1].log.read_text())
        site.bus.send_signal(signal.SIGCONT)
        assert his.closed_with() == 1012


def test_a_process_that_did_not_run_for_a_while_keeps_its_sockets(site: Site, people: tuple[Program, Program]) -> None:
    alice, bob = people
    with closing(Ear(site.servers[1], bob.token)) as his:
        his.joins(where(alice, bob))
        with stopped(site.servers[1]):
            time.sleep(2)  # longer than it waits for the bus
            alice.send(bob, "meanwhile")
        his.hears("new_message")
        assert his.stays_open()
    assert "the bus is away" not in site.servers[1].log.read_text()


def test_what_somebody_else_puts_on_the_bus_reaches_nobody(site: Site, people: tuple[Program, Program]) -> None:
    alice, bob = people
    with closing(Ear(site.servers[1], bob.token)) as his, redis.Redis.from_url(site.bus.address) as wire:
        his.joins(where(alice, bob))
        taken = wire.pubsub()
        taken.psubscribe("ezdms:*")
        alice.send(bob, "authentic")
        his.hears("new_message")
        frames = [one for one in iter(lambda: taken.get_message(timeout=0.5), None) if one["type"] == "pmessage"]
        his_id = site.sql("SELECT user_id FROM users WHERE username = 'bob'")[0][0]
        (frame,) = (one for one in frames if one["channel"].decode().endswith(his_id))
        channel, data = frame["channel"], frame["data"]
        end = f'["{"0" * 16}",{now()},"frame",["{{\\"event\\":\\"forged\\"}}",""]]'.encode()
        for forged in (data[:16] + end, bytes(16) + end, end, b"", b"\xff" * 20, data[:-1] + b"!"):
            assert wire.publish(channel, forged) == 2  # with us
        wire.publish(channel.replace(his_id.encode(), b"all"), data)  # authentic, but for another channel
        alice.send(bob, "and still there")
        his.hears("new_message", 2)
        assert not [one for one in his.heard if one["event"] == "forged"]
    assert "a frame on the bus is not from this deployment" in site.servers[1].log.read_text()


def test_a_process_that_is_killed_goes_unnoticed_by_the_other_and_its_people_go_on_there(
    site: Site, people: tuple[Program, Program]
) -> None:
    alice, bob = people
    with closing(Ear(site.servers[1], bob.token)) as his:
        his.joins(where(alice, bob))
        site.servers[0].kill()
        moved = Program.of(site.servers[1], alice)
        moved.send(bob, "from my new process")
        assert his.hears("new_message")[0]["seq"] == 1
        assert his.stays_open()
        moved.close()
    assert site.servers[1].complaints() == ""


def test_a_stopped_process_ends_in_time_although_the_bus_hangs(site: Site) -> None:
    site.bus.send_signal(signal.SIGSTOP)
    assert site.servers[0].stop() == 0  # which waits ten seconds
