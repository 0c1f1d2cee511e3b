"""A peer that does not read is disconnected after a bounded time and does not delay others."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing

import pytest
from wsproto.events import TextMessage

from ezdms.edge.websocket import LAST_WORDS
from tests.conftest import Server
from tests.support.served import SOON, Listener, Program, holds, open_socket, stops_at_once, wait, wish

SMALL = 4096  # bytes of receive buffer
MANY = 5_000  # messages; far more than any buffer in between can hold


@pytest.fixture
def alice(server: Server) -> Iterator[Program]:
    """Registered on the server."""
    with closing(Program(server, "alice")) as alice:
        yield alice


@pytest.fixture
def bob(server: Server) -> Iterator[Program]:
    """Registered on the server."""
    with closing(Program(server, "bob")) as bob:
        yield bob


def test_a_reader_that_stops_is_disconnected_and_the_others_continue(
    server: Server, alice: Program, bob: Program
) -> None:
    conversation_id = alice.start(bob)
    with open_socket(server, bob.token) as attentive, open_socket(server, bob.token, receive_buffer=SMALL) as deaf:
        listener, heard = Listener(attentive), 0
        for raw in (deaf, attentive):
            raw.sendall(wish("join", conversation_id))
        assert holds(server, deaf)
        while holds(server, deaf) and len(alice.sent) < MANY:
            alice.send(bob, "A" * 500)
            while listener.has_more():
                heard += sum(isinstance(event, TextMessage) for event in listener.read())
        assert not holds(server, deaf)
        alice.send(bob, "Are you there?")
        while heard < len(alice.sent):
            heard += sum(isinstance(event, TextMessage) for event in listener.read())
        assert listener.code is None
    assert stops_at_once(server)
    assert server.complaints() == ""


def test_the_socket_of_an_ended_session_closes_even_if_its_peer_does_not_read(
    server: Server, alice: Program, bob: Program
) -> None:
    conversation_id = alice.start(bob)
    with open_socket(server, bob.token, receive_buffer=SMALL) as deaf:
        deaf.sendall(wish("join", conversation_id))
        for _ in range(250):  # fewer than a mailbox holds, so that only the end of the session closes this socket
            alice.send(bob, "A" * 500)
        assert holds(server, deaf)
        bob.ask("/logout", {})
        began = time.monotonic()
        wait(lambda: not holds(server, deaf), within=SOON)
        assert time.monotonic() - began < LAST_WORDS  # which the other sessions get
    assert stops_at_once(server)
    assert server.complaints() == ""
