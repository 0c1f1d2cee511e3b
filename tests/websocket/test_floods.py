"""Floods and fragments wait in the network, not in memory; a refused handshake closes the connection."""

from __future__ import annotations

import json
import re
import select
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from wsproto.events import Event, Ping, Pong, TextMessage

from tests.conftest import Server
from tests.support.served import (
    CONTINUATION,
    PING,
    SOON,
    TEXT,
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

MEBIBYTE = 1024 * 1024
IN_THE_NETWORK = 32 * MEBIBYTE  # more than the kernel buffers at both ends
FAR_TOO_MUCH = 64 * MEBIBYTE
LITTLE = 24 * MEBIBYTE  # how much the process may grow in such a test
STUCK = 2.0  # seconds without progress


@pytest.fixture
def alice(server: Server) -> Iterator[Program]:
    """Alice, registered on the server."""
    with closing(Program(server, "alice")) as alice:
        yield alice


def push(raw: socket.socket, content: bytes) -> int:
    """Send it repeatedly until the server stops reading or has read FAR_TOO_MUCH; returns how much it read."""
    sent = 0
    raw.setblocking(False)
    while sent < FAR_TOO_MUCH and select.select([], [raw], [], STUCK)[1]:
        sent += raw.send(content[sent % len(content) :])
    raw.settimeout(SOON)
    return sent


def test_frames_over_the_rate_limit_wait_in_the_network(tmp_path: Path) -> None:
    with Server(tmp_path, limit_frame="10/second") as server:
        with closing(Program(server, "alice")) as alice, open_socket(server, alice.token) as raw:
            before = memory(server)
            assert push(raw, wish("leave", "0" * 24, more="A" * 3_900) * 100) < IN_THE_NETWORK
            assert memory(server) - before < LITTLE
            alice.ask("/logout", {})
            take(raw)  # ends although the server has not read everything
        assert stops_at_once(server)
        assert server.complaints() == ""


def test_unlimited_frames_are_handled_one_by_one_without_buffering(server: Server, alice: Program) -> None:
    with open_socket(server, alice.token) as raw:
        before = memory(server)
        assert push(raw, wish("leave", "0" * 24, more="A" * 3_900) * 100) >= FAR_TOO_MUCH
        assert memory(server) - before < LITTLE
    assert stops_at_once(server)
    assert server.complaints() == ""


def test_pings_from_a_peer_that_does_not_read_wait_in_the_network(server: Server, alice: Program) -> None:
    with open_socket(server, alice.token, receive_buffer=4096) as raw:
        before = memory(server)
        assert push(raw, frame(PING, b"A" * 125) * 500) < IN_THE_NETWORK
        assert memory(server) - before < LITTLE
        alice.ask("/logout", {})
        wait(lambda: not holds(server, raw))
    assert stops_at_once(server)
    assert server.complaints() == ""


def test_a_fragmented_message_has_the_size_limit_of_a_frame(server: Server, alice: Program) -> None:
    with open_socket(server, alice.token) as raw:
        listener = Listener(raw)
        raw.sendall(frame(TEXT, b"A" * 1_000, fin=False))
        for _ in range(64):
            raw.sendall(frame(CONTINUATION, b"A" * 1_000, fin=False))
        raw.sendall(frame(PING, b"65,000 so far"))
        while not any(isinstance(event, Pong) for event in listener.read()):
            assert listener.code is None
        raw.sendall(frame(CONTINUATION, b"A" * 1_000, fin=False))
        assert listener.closed_with() == 1009
    assert stops_at_once(server)
    assert server.complaints() == ""


def test_a_fragmented_join_is_handled_and_pings_in_between_are_answered(server: Server, alice: Program) -> None:
    with closing(Program(server, "bob")) as bob, open_socket(server, bob.token) as raw:
        listener = Listener(raw)
        whole = json.dumps({"event": "join", "conversation_id": alice.start(bob)}).encode()
        raw.sendall(frame(TEXT, whole[:10], fin=False))
        for at in range(10, len(whole)):
            raw.sendall(frame(PING, b"%d" % at) + frame(CONTINUATION, whole[at : at + 1], fin=at == len(whole) - 1))
        events: list[Event] = []
        while (pongs := [event.payload for event in events if isinstance(event, Pong)])[-1:] != [b"%d" % (at)]:
            events += listener.read()
        assert pongs == [b"%d" % at for at in range(10, len(whole))]
        assert any(isinstance(event, Ping) for event in events)  # the server pings too
        alice.send(bob, "Hello")
        while not any(isinstance(event, TextMessage) and '"new_message"' in event.data for event in events):
            events += listener.read()
            assert listener.code is None


@pytest.mark.parametrize("kind", ["version", "key", "early", "protocol", "connection", "http"])
def test_a_refused_handshake_closes_the_connection(server: Server, alice: Program, kind: str) -> None:
    broken = {
        "version": upgrade(alice.token, Sec_WebSocket_Version="12"),
        "key": upgrade(alice.token, Sec_WebSocket_Key=""),
        "early": upgrade(alice.token) + wish("join", "0" * 24),  # before the handshake was accepted
        "protocol": upgrade("nobody", Sec_WebSocket_Protocol="\xff"),
        "connection": upgrade(alice.token, Connection="Upgrade, \xff"),
        "http": upgrade(alice.token, Sec_WebSocket_Key="").replace(b"HTTP/1.1", b"HTTP/1.2"),
    }[kind]
    with call(server) as raw:
        raw.sendall(broken)
        assert re.match(rb"HTTP/1.1 40[01] ", take(raw))  # until the connection closes
        wait(lambda: not holds(server, raw))
    assert stops_at_once(server)
    assert server.complaints() == ""
