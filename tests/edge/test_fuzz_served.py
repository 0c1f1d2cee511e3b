"""Over a thousand broken requests and frames to a server process, which stays up and serves honest users."""

from __future__ import annotations

import random
import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress

import pytest
from wsproto.events import Event, Pong, TextMessage

from tests.conftest import Server
from tests.support import junk
from tests.support.broken import TRACES
from tests.support.odd_frames import odd_frames
from tests.support.people import registration
from tests.support.served import (
    CLOSE,
    PING,
    Listener,
    Program,
    call,
    frame,
    holds,
    memory,
    open_socket,
    stops_at_once,
    take,
    upgrade,
    wait,
    wish,
)

GROWTH = 64 * 1024 * 1024  # bytes by which the process may grow, for caches and the allocator
GET = b"GET /ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


class Siege:
    """A server process, Alice and Bob in a conversation, and Eve as the attacker."""

    def __init__(self, server: Server, alice: Program, bob: Program, eve: Program) -> None:
        self.server, self.alice, self.bob, self.eve = server, alice, bob, eve
        self.asked = 0
        self.conversation_id = alice.start(bob)
        self.before = memory(server)

    def poke(self, content: bytes, *, more: bool = False) -> list[int]:
        """Send raw bytes on a new connection; returns the statuses of the answers, none of them a 5xx.

        Without `more`, the write side is closed, after which hypercorn no longer answers complete requests.
        """
        self.asked += 1
        with call(self.server) as raw, suppress(ConnectionError):
            with suppress(OSError):  # the server has closed it already
                raw.sendall(content)
                if not more:
                    raw.shutdown(socket.SHUT_WR)
            answer = take(raw)
            assert not TRACES.search(answer), answer
            statuses = [int(status) for status in re.findall(rb"HTTP/1\.1 ([0-9]{3}) ", answer)]
            if b"transfer-encoding" in content.lower():  # 501 is correct for an unknown transfer coding
                statuses = [400 if status == 501 else status for status in statuses]
            assert all(status < 500 for status in statuses), (content[:200], answer[:200])
            return statuses
        return []

    def check(self) -> None:
        """Check that honest users are served and the log is empty."""
        self.alice.send(self.bob, f"after {self.asked}")
        rows = self.bob.ask(f"/messages/{self.conversation_id}?limit=1")
        assert rows[0]["seq"] == len(self.alice.sent)
        assert self.server.complaints() == ""


@pytest.fixture(scope="module")
def siege(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Siege]:
    """One server process for the whole file."""
    with (
        Server(tmp_path_factory.mktemp("siege")) as server,
        closing(Program(server, "alice")) as alice,
        closing(Program(server, "bob")) as bob,
        closing(Program(server, "eve")) as eve,
    ):
        yield Siege(server, alice, bob, eve)


def test_bytes_that_are_not_http(siege: Siege) -> None:
    chance = random.Random(1)  # noqa: S311
    for _ in range(150):
        siege.poke(chance.randbytes(chance.randrange(1, 400)))
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"  # of TLS
    for start in (hello, b"GET", b"GET /", b"\r\n" * 5_000, b"\x00" * 70_000, b"A" * 70_000):
        siege.poke(start)
        siege.poke(start + chance.randbytes(300))
    siege.check()


def test_truncated_requests(siege: Siege) -> None:
    fields = "&".join(f"{name}={value}" for name, value in registration(siege.eve.keys, "eve").items()).encode()
    whole = b"POST /register HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    whole += b"Content-Length: %d\r\n\r\n%s" % (len(fields), fields)
    for place in range(0, len(whole), 17):
        siege.poke(whole[:place])
    for place in range(len(GET)):
        siege.poke(GET[:place])
    siege.check()


def test_odd_request_lines_and_headers(siege: Siege) -> None:
    for method in ("GET", "POST", "OPTIONS", "PRI", "g\xe9t", "A" * 20_000):
        for target in junk.TARGETS:
            line = method.encode("latin-1") + b" " + target + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            siege.poke(line, more=True)
    for name, values in junk.ODD.items():
        is_framing = name in (b"content-length", b"transfer-encoding")
        head = b"POST /login HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + b"Content-Length: 0\r\n" * (not is_framing)
        for value in values:
            siege.poke(head + name + b": " + value + b"\r\n\r\n", more=not is_framing)
    siege.check()


def test_other_http_versions_and_framing(siege: Siege) -> None:
    post = b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    chunked = b"Transfer-Encoding: chunked\r\n\r\n"
    for version in (b"0.9", b"1.0", b"1.2", b"2.0", b"2", b"9.9", b"1.1 ", b"1", b"-1.1", b"1.1.1", b"x"):
        for line in (b"GET /ping", b"POST /login", b"GET /ws", b"PRI *"):
            siege.poke(line + b" HTTP/" + version + b"\r\nHost: x\r\nConnection: close\r\n\r\n")
    for framing in (
        b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        b"Transfer-Encoding: gzip\r\n\r\n{}",
        b"Transfer-Encoding: chunked, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        *(chunked + size + b"\r\n{}\r\n0\r\n\r\n" for size in (b"", b"-1", b"zz", b"0x2", b"+2", b"f" * 40)),
        *(chunked + b"2;" + b"x" * size + b"\r\n{}\r\n0\r\n\r\n" for size in (1, 20_000)),
        chunked + b"2\r\n{}\r\n0\r\n" + b"Trailer: x\r\n" * 5_000 + b"\r\n",
        chunked + b"2\r\n{}}\r\n0\r\n\r\n",
        b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n",
        b"Content-Length: 99999999999999999999999\r\n\r\n",
        *(b"X: " + b"y" * size + b"\r\n\r\n" for size in (15_000, 17_000, 100_000)),
        b"X: y\r\n" * 5_000 + b"\r\n",
        b"X : y\r\n\r\n",
        b" folded: x\r\n\r\n",
        b"X: a\r\n b\r\n\r\n",
        b"X: a\rb\r\n\r\n",
        b"X: \x00\r\n\r\n",
        b"\xff: x\r\n\r\n",
    ):
        siege.poke(post + framing)
        siege.poke(post + framing + GET)
    for switch in (b"h2c", b"websocket, h2c", b"TLS/1.0"):
        asked = GET.replace(b"close\r\n\r\n", b"Upgrade, HTTP2-Settings, close\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n")
        assert siege.poke(asked + b"Upgrade: " + switch + b"\r\n\r\n", more=True) == [200]
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9)
    assert siege.poke(preface)[:1] == [400]
    siege.check()


def test_pipelined_requests(siege: Siege) -> None:
    keep = GET.replace(b"Connection: close\r\n", b"")
    odd = [
        b"GET /%00 HTTP/1.1\r\nHost: [\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET ?x HTTP/1.1\r\nHost: \xff\r\n\r\n",
        b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n{",
        b"HEAD /nowhere HTTP/1.1\r\nHost: x\r\n\r\n",
    ]
    for _ in range(10):
        for between in odd:
            statuses = siege.poke(keep + between + keep + between + GET, more=True)
            siege.asked += 4
            assert len(statuses) == 5
            assert statuses[0] == statuses[2] == statuses[4] == 200
            assert 400 <= statuses[1] == statuses[3] < 500
    siege.poke(keep * 3_000, more=False)
    siege.check()


def test_slow_connections(siege: Siege) -> None:
    body = b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{"
    with ExitStack() as stack:
        silent = [stack.enter_context(closing(call(siege.server))) for _ in range(40)]
        for raw in silent[20:]:
            raw.sendall(GET[:30])
        slow = [stack.enter_context(closing(call(siege.server))) for _ in range(40)]
        for raw in slow:
            raw.sendall(body)
        siege.asked += 80
        siege.check()
        wait(lambda: not any(holds(siege.server, raw) for raw in silent))  # a late head is not waited for
        for raw in slow:
            raw.sendall(b"{")
        siege.check()
        assert all(holds(siege.server, raw) for raw in slow)  # these get 20 s, as test_bounds.py says
    siege.check()


def test_odd_websocket_handshakes(siege: Siege) -> None:
    token = siege.eve.token
    for name, values in {
        "Sec-WebSocket-Version": ["", "0", "12", "14", "13, 13", "\xff", "A" * 9_000],
        "Sec-WebSocket-Key": ["", "A", "\xff", "A" * 9_000, "====", "a b"],
        "Sec-WebSocket-Protocol": ["\xff", ",", "nonsense", "ezdms.json, \xff", "a," * 3_000, '"'],
        "Sec-WebSocket-Extensions": ["\xff", "permessage-deflate; server_max_window_bits=99", ",", "x;y=z" * 999],
        "Origin": ["null", "http://evil.example", "http://[", "\xff", "http://x" * 999],
        "Connection": ["Upgrade, \xff", "upgrade, close", "Upgrade, Upgrade"],
        "Upgrade": ["websocket, websocket", "WebSocket/13", "\xff"],
        "Authorization": ["Bearer", "Bearer " + "A" * 43, "\xff", "Basic \xff", "Bearer \xe9" + "A" * 42],
        "Cookie": ["ezdms_session=\xff", "=" * 9_000, 'ezdms_session="\\777"'],
        "Host": ["", "[", "\xff", "a" * 4_000, "a..b"],
        "Content-Length": ["5", "-1", "x"],
        "Transfer-Encoding": ["chunked", "gzip"],
    }.items():
        for value in values:
            asked = upgrade(token, **{name: value})
            for content in (asked, asked + wish("join", siege.conversation_id), asked + b"\xff" * 300):
                siege.poke(content)
            siege.poke(asked.replace(b"GET /ws", b"GET /nowhere"))
            siege.poke(asked.replace(b"GET /ws", b"POST /ws"))
    for target in junk.TARGETS:
        siege.poke(upgrade(token).replace(b"GET /ws", b"GET " + target))
    siege.check()


def test_frames_of_every_kind(siege: Siege) -> None:
    for odd in odd_frames():
        with open_socket(siege.server, siege.eve.token) as raw:
            with suppress(OSError):  # the server has closed it already
                raw.sendall(odd.replace(b"FOREIGN", b"0" * 7) + frame(CLOSE, b"\x03\xe8"))
                raw.shutdown(socket.SHUT_WR)
            assert Listener(raw).closed_with() in (None, 1000, 1002, 1003, 1005, 1007, 1009, 3000), odd[:200]
        siege.asked += 1
    siege.check()


def test_joining_a_conversation_of_others_yields_no_events(siege: Siege) -> None:
    with open_socket(siege.server, siege.eve.token) as raw:
        raw.sendall(wish("join", siege.conversation_id) * 50)
        siege.asked += 50
        siege.check()
        raw.sendall(frame(PING, b"heard it all?"))
        listener = Listener(raw)
        events: list[Event] = []
        while not any(isinstance(event, Pong) for event in events):
            events += listener.read()
        texts = [event.data for event in events if isinstance(event, TextMessage)]
        assert len(texts) == 1
        assert '"connected"' in texts[0]


def test_after_the_fuzzing_the_process_has_not_grown_and_stops_at_once(siege: Siege) -> None:
    siege.check()
    assert memory(siege.server) - siege.before < GROWTH
    if siege.asked > 100:  # not if this test runs alone
        assert siege.asked >= 1_000
    assert stops_at_once(siege.server)
    assert siege.server.complaints() == ""
