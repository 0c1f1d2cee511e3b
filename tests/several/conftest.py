"""Two servers on one PostgreSQL and one Redis, and who listens at them."""

from __future__ import annotations

import json
import select
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
import pytest
from wsproto.events import TextMessage

from tests.conftest import Server, skip_or_fail
from tests.support import buses, engines
from tests.support.served import SOON, TEXT, Listener, Program, call, frame, open_socket, take, upgrade, wish


class Site:
    """Two processes of one deployment."""

    def __init__(self, folder: Path, database: str, bus: buses.Redis) -> None:
        self.folder, self.database, self.bus = folder, database, bus
        self.servers = [self.server(number) for number in range(2)]

    def server(self, number: int, **more: str) -> Server:
        """A process, not started yet."""
        place = self.folder / str(number)
        place.mkdir(exist_ok=True)
        settings = {"database_url": self.database, "bus_url": self.bus.address} | more
        server = Server(place, **settings)
        server.data_dir = self.folder / "data"
        server.has_requests = True
        return server

    @contextmanager
    def people(self) -> Iterator[tuple[Program, Program, str]]:
        """Alice at the first process, Bob at the second, and the id of their conversation."""
        alice, bob = (Program(server, name) for server, name in zip(self.servers, ("alice", "bob"), strict=True))
        try:
            yield alice, bob, alice.start(bob)
        finally:
            alice.close()
            bob.close()

    def sql(self, statement: str) -> list[Any]:
        """Run it in the database."""
        with psycopg.connect(self.database, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []


class Ear(Listener):
    """A program's socket."""

    def __init__(self, server: Server, token: str, raw: socket.socket | None = None) -> None:
        super().__init__(raw or open_socket(server, token))
        self.heard: list[dict[str, Any]] = []
        self._part = ""
        self.hears("connected")

    def _take(self) -> None:
        for event in self.read():
            if isinstance(event, TextMessage):
                self._part += event.data
                if event.message_finished:
                    self.heard.append(json.loads(self._part))
                    self._part = ""

    def hears(self, name: str, count: int = 1) -> list[dict[str, Any]]:
        """Wait for so many events of this name; returns all of them."""
        deadline = time.monotonic() + SOON
        while len(found := [one for one in self.heard if one["event"] == name]) < count:
            assert self.code is None, f"closed with {self.code}"
            left = deadline - time.monotonic()
            assert left > 0, f"heard {len(found)} of {count}: {self.heard}"
            if select.select([self.raw], [], [], left)[0]:
                self._take()
        return found

    def stays_open(self) -> bool:
        """True if it is answered."""
        before = len([one for one in self.heard if one["event"] == "pong"])
        self.raw.sendall(frame(TEXT, b'{"event":"ping"}'))
        return bool(self.hears("pong", before + 1))

    def joins(self, conversation_id: str) -> None:
        """Open the conversation."""
        self.raw.sendall(wish("join", conversation_id))
        assert self.stays_open()

    def hang_up(self) -> None:
        """End the connection."""
        with suppress(OSError):
            self.raw.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Hang up, unless that was done."""
        self.hang_up()
        self.raw.close()


def opening(server: Server, token: str) -> bytes:
    """The head of the server's answer to a new socket, in lower case."""
    with closing(call(server)) as raw:
        raw.sendall(upgrade(token))
        return take(raw, until=b"\r\n\r\n").lower()


@contextmanager
def stopped(server: Server) -> Iterator[None]:
    """The process hangs meanwhile."""
    assert server.process is not None
    server.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        server.process.send_signal(signal.SIGCONT)


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[buses.Redis]:
    """A bus for this test alone, which may stop it."""
    if buses.program() is None or find_spec("redis") is None:
        skip_or_fail("Redis or its client is not installed")
    with buses.started(tmp_path) as running:
        yield running


@pytest.fixture
def site(tmp_path: Path, postgresql: engines.PostgreSQL, migrated: str, bus: buses.Redis) -> Iterator[Site]:
    """Two processes that serve."""
    both = Site(tmp_path, postgresql.create(migrated), bus)
    try:
        for server in both.servers:
            server.start()
        yield both
    finally:
        for server in both.servers:
            server.kill()


@pytest.fixture
def people(site: Site) -> Iterator[tuple[Program, Program]]:
    """Alice at the first process, Bob at the second; they have a conversation."""
    with site.people() as (alice, bob, _):
        yield alice, bob
