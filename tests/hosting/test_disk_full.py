"""A full disk: the sender gets an error, no acknowledged message is lost, and freeing space fixes it."""

from __future__ import annotations

import os
from pathlib import Path

from tests.conftest import Server
from tests.support.served import Program, fill


def test_a_full_disk_is_reported_to_the_sender_and_loses_nothing(small_disk: Path) -> None:
    server = Server(small_disk)
    server.log = Path(os.devnull)  # this disk is too small for it
    server.start()
    alice, bob = Program(server, "alice"), Program(server, "bob")
    try:
        conversation = alice.start(bob)
        alice.send(bob, "there is room")
        ballast = small_disk / "ballast"
        fill(ballast)
        fields = alice.seal(bob, "no room")
        acknowledged = 1
        while (answer := alice.exchange("/send_message", fields))[0] == 201:  # into pages that are already allocated
            acknowledged += 1
            fields = alice.seal(bob, "no room")
        status, body = answer
        assert status == 503
        assert b'"code":"unavailable"' in body
        assert b"Nothing was lost. Please try again" in body
        assert len(alice.ask(f"/messages/{conversation}?limit=200")) == acknowledged  # reading still works
        assert len(bob.ask(f"/messages/{conversation}?limit=200")) == acknowledged  # but is not marked as read
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
