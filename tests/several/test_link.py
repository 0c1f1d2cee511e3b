"""The connection to the bus: how it begins, what it carries, and how it ends."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import repeat

import pytest
import redis

from ezdms.actions import joining
from ezdms.actions.event import Codec, Event
from ezdms.hub import link as links
from ezdms.hub.bus import Bus
from ezdms.hub.link import FAILED, Link
from ezdms.hub.shared import Away, BusError
from ezdms.models.conversation import Line
from ezdms.models.message import Message
from tests.support import buses

KEY, DEPLOYMENT = b"k" * 32, "one"
OLD = "return redis.call('INCR', KEYS[1])"


@asynccontextmanager
async def joined(address: str) -> AsyncIterator[tuple[Bus, asyncio.Queue[tuple[str, str, object]]]]:
    """A process on the bus, and what it hears on the channel `user`."""
    bus, heard = Bus(address, key=KEY, deployment_id=DEPLOYMENT), asyncio.Queue[tuple[str, str, object]]()
    bus.on_frame = lambda channel, kind, body: heard.put_nowait((channel, kind, body))
    await bus.open()
    try:
        await bus.subscribe("user")
        yield bus, heard
    finally:
        await bus.close()


def test_an_event_is_the_same_at_another_process_with_and_without_a_sealed_copy() -> None:
    line = Line("c", 'quoted "encrypted":"" here', 3, 1, 2)
    message = Message("c", "m", 3, "u", 1, 1, 3, "h", "eyJ.a-_.0", gone='"encrypted":""')
    for event in (Event(line), Event(line, message), Event(line, message._replace(encrypted=None))):
        packed = Codec().pack(event)
        assert Codec().unpack(json.loads(packed)) == event


async def test_what_is_said_while_the_bus_is_away_or_was_not_answered_comes_once_it_is_back_and_in_order(
    bus: buses.Redis,
) -> None:
    async with joined(bus.address) as (one, _), joined(bus.address) as (_, heard):
        one.say("user", "x", "0")
        assert await heard.get() == ("user", "x", 0)
        bus.send_signal(signal.SIGSTOP)
        for number in range(1, 400):  # more than are under way at a time
            one.say("user", "x", str(number))
        with pytest.raises(Away):
            await one.ask("PING")
        bus.send_signal(signal.SIGCONT)
        found: list[object] = []
        while 399 not in found:
            found.append((await heard.get())[2])
        assert [number for place, number in enumerate(found) if number not in found[:place]] == list(range(1, 400))


async def test_a_script_that_the_bus_has_forgotten_is_told_again(bus: buses.Redis) -> None:
    async with joined(bus.address) as (one, _):
        with redis.Redis.from_url(bus.address) as wire:
            for count in (1, 2):
                assert await one.ask("EVAL", OLD, "1", "ezdms:x") == count
            assert wire.info("commandstats")["cmdstat_eval"]["calls"] == 1
            wire.script_flush()
            assert await one.ask("EVAL", OLD, "1", "ezdms:x") == 3
        with pytest.raises(Away):
            await one.ask("EVAL", "return redis.call('NOTHING')", "0")
        assert await one.ask("PING") == b"PONG"  # an error of the bus ends nothing


async def test_a_database_number_and_a_user_of_the_bus_are_in_the_address(bus: buses.Redis) -> None:
    with redis.Redis.from_url(bus.address) as wire:
        wire.acl_setuser("ez@dms", enabled=True, passwords=["+p@ss/word"], categories=["+@all"], keys=["*"])
        wire.execute_command("ACL", "SETUSER", "default", "resetpass", ">other")
        address = bus.address.replace("unix://", "unix://ez%40dms:p%40ss%2Fword@")
        link = await Link.to(f"{address}?db=3", lambda _: None)
        assert await link.ask("ACL", "WHOAMI") == b"ez@dms"
        await link.ask("SET", "ezdms:here", "3")
        link.close()
    for wrong in (bus.address, address.replace("word", "words"), bus.address.replace("unix://", "unix://:x@")):
        with pytest.raises(BusError, match="The bus refuses the password, or needs one"):
            await Bus(wrong, key=KEY, deployment_id=DEPLOYMENT).open()
    with redis.Redis(unix_socket_path=str(bus.path), password="other", db=3) as wire:
        assert wire.get("ezdms:here") == b"3"


async def test_another_program_in_the_place_of_the_bus_is_told_apart_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "WITHIN", 0.2)
    for said in (b"HTTP/1.1 400 Bad Request\r\n\r\n", b"*-7\r\n", b"$99999999999999999999\r\n", b"", b"+OK\r\n-X\r\n"):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            address = f"redis://127.0.0.1:{listener.getsockname()[1]}"
            opening = asyncio.create_task(Bus(address, key=KEY, deployment_id=DEPLOYMENT).open())
            connection, _ = await asyncio.to_thread(listener.accept)
            with connection:
                connection.sendall(said)
                with pytest.raises(BusError, match=r"The bus (cannot be reached|does not accept)"):
                    await opening


async def test_a_link_that_ends_tells_everybody_who_waits_once(bus: buses.Redis) -> None:
    lost: list[Exception] = []
    link = await Link.to(bus.address, lost.append)
    waiting = [link.ask("BLPOP", "ezdms:nothing", "0"), link.ask("PING")]
    gone = link.ask("PING")
    gone.cancel()
    bus.stop()
    for answer in waiting:
        with pytest.raises(FAILED):
            await answer
    with pytest.raises(FAILED):
        await link.ask("PING")
    link.close()
    assert len(lost) == 1


async def test_whether_somebody_looks_at_a_page_is_known_whatever_the_clocks_of_machines_say(
    bus: buses.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    hubs = [joining.new_hub() for _ in range(2)]
    for hub in hubs:
        await hub.open(Bus(bus.address, key=KEY, deployment_id=DEPLOYMENT))
    mailbox = hubs[0].subscribe("alice", "s")
    hubs[0].note_visible(mailbox, True)
    async with asyncio.timeout(10):
        while not await hubs[1].is_watched("alice"):
            pass
    now = time.time()
    for other in (now - 3600, now + 3600):
        monkeypatch.setattr(time, "time", repeat(other).__next__)
        assert await hubs[1].is_watched("alice")
        assert not await hubs[1].is_watched("bob")
    hubs[0].note_visible(mailbox, False)
    async with asyncio.timeout(10):
        while await hubs[1].is_watched("alice"):
            pass
    for hub in hubs:
        await hub.close()
