"""Connections that are lost: when clients come back, and when a failed fetch is repeated."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from ezdms.client import live
from ezdms.client.live import Bell, News
from ezdms.client.transport import Transport
from tests.conftest import ROOT, Server
from tests.support.node import run_node
from tests.support.relay import Relay
from tests.support.served import Program


class Counting(Bell):
    """A Bell that records each ring."""

    rung: tuple[News, ...] = ()

    def ring(self, where: News) -> None:
        """As Bell."""
        self.rung += (where,)
        super().ring(where)


async def test_repeated_requests_to_ring_later_ring_once() -> None:
    transport = Transport("http://127.0.0.1:9")
    bell = Counting(transport)
    for _ in range(2):
        for where in ("one", None, "one", "one", None):
            bell.ring_later(where, 0)
        await asyncio.sleep(0.01)
    assert bell.rung == ("one", None) * 2
    await transport.close()


PAUSES = """
import { readFileSync } from "node:fs";
const [, part] = readFileSync("%s/ezdms/static/js/server.js", "utf8").split("// ---- When work is done again ----");
const { pauseAfter } = await import(`data:text/javascript,${encodeURIComponent(part)}`); // the rest needs a browser
const pauses = [0, 2, 3, 50].map((attempt) => Array.from({ length: 500 }, (_, i) => pauseAfter(attempt, i / 500)));
console.log(JSON.stringify(pauses));
"""


def of_the_page() -> list[list[float]]:
    """Seconds that 500 pages wait, whose random numbers are spread evenly: after no, two, three and 50 failed tries."""
    return [[ms / 1000 for ms in pauses] for pauses in run_node("--input-type=module", "-e", PAUSES % ROOT)]


def of_the_python_client(monkeypatch: pytest.MonkeyPatch) -> list[list[float]]:
    """The same."""
    found = []
    for attempt in (0, 2, 3, 50):
        numbers = iter(range(500))
        monkeypatch.setattr(random, "uniform", lambda low, high: low + (high - low) * next(numbers) / 500)  # noqa: B023
        found.append([live.pause(attempt) for _ in range(500)])
    return found


def test_500_clients_of_a_restarted_server_return_over_several_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    for pauses in (of_the_page(), of_the_python_client(monkeypatch)):
        first = pauses[0]
        busiest = max(sum(start <= pause < start + 1 for pause in first) for start in (0, 1, 2, 3))
        assert busiest <= 130
        assert 0 < min(first) < 0.2  # a single one returns within four seconds, on average two
        assert 3.9 < max(first) <= 4
        assert [round(max(longer)) for longer in pauses] == [4, 4, 8, 10]


async def test_the_python_client_notices_a_connection_that_has_fallen_silent(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "PING_EVERY", 0.1)
    monkeypatch.setattr(live, "ANSWER_WITHIN", 0.5)
    relay, alice, bob = Relay(server), Program(server, "alice"), Program(server, "bob")
    await relay.mend()
    transport = Transport(relay.url, bob.token)
    async with Bell(transport) as bell:
        rings = aiter(bell)
        assert await anext(rings) is None  # it is connected
        relay.silence(new=False)
        where = await asyncio.to_thread(alice.start, bob)
        assert await anext(rings) is None  # it has connected again: anything may have news
        await asyncio.to_thread(alice.send, bob, "hello")
        assert await anext(rings) == where
    await transport.close()
    await relay.cut()
    for program in (alice, bob):
        program.close()
