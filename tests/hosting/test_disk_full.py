"""A disk that is full: the sender is told, nothing acknowledged is lost, and it works again once there is room."""

from __future__ import annotations

import os
from pathlib import Path

from tests.conftest import Server
from tests.support.served import Program, fill


def test_a_full_disk_is_said_to_the_sender_loses_nothing_and_passes(small_disk: Path) -> None:
    server = Server(small_disk)
    server.log = Path(os.devnull)  # this disk has no room for it
    server.start()
    alice, bob = Program(server, "alice"), Program(server, "bob")
    try:
        conversation = alice.start(bob)
        alice.send(bob, "there is room")
        ballast = small_disk / "ballast"
        fill(ballast)
        fields = alice.seal(bob, "no room")
        acknowledged = 1
        while (answer := alice.exchange("/send_message", fields))[0] == 201:  # into what was allocated already
            acknowledged += 1
            fields = alice.seal(bob, "no room")
        status, body = answer
        assert status == 503
        assert b'"code":"unavailable"' in body
        assert b"Nothing was lost. Please try again" in body
        assert len(alice.ask(f"/messages/{conversation}?limit=200")) == acknowledged  # reading goes on
        assert len(bob.ask(f"/messages/{conversation}?limit=200")) == acknowledged  # though it cannot be marked as read
        assert alice.exchange("/ping")[0] == 200
        assert alice.exchange("/send_message", fields)[0] == 503
        ballast.unlink()
        assert alice.exchange("/send_message", fields)[0] == 201
        listed = alice.ask(f"/messages/{conversation}?limit=200")
        assert [one["seq"] for one in listed] == list(range(1, acknowledged + 2))
        assert server.stop() == 0
    finally:
        for program in (alice, bob):
            program.close()
        server.kill()
