"""Repeated kill -9 under load: acknowledged messages survive and deleted data stays deleted."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

from ezdms.client import Client, Message
from ezdms.client.state import State
from tests.conftest import Server
from tests.support.player import Player
from tests.support.served import Program

KILLS = 20


class Sender(threading.Thread):
    """Sends messages one after another until the server is gone."""

    def __init__(self, program: Program, other: Program, acknowledged: list[str]) -> None:
        super().__init__()
        self.program, self.other, self.acknowledged = program, other, acknowledged
        self.waiting: dict[str, object] | None = None

    def run(self) -> None:
        """Send until the server is gone; the next run repeats the unacknowledged message, as a client does."""
        while True:
            fields = self.waiting or self.program.seal(self.other, f"text {len(self.acknowledged)}")
            self.waiting = fields
            try:
                status, _ = self.program.exchange("/send_message", fields)
            except (AssertionError, OSError):
                return
            assert status in (200, 201)
            self.acknowledged.append(str(fields["message_id"]))
            self.waiting = None


def test_a_server_killed_under_load_keeps_every_acknowledged_message_once(server: Server) -> None:
    alice, bob = Program(server, "alice"), Program(server, "bob")
    alice.start(bob)
    chance = random.Random(5)  # noqa: S311
    acknowledged: dict[str, list[str]] = {"alice": [], "bob": []}
    waiting: dict[str, dict[str, object] | None] = dict.fromkeys(acknowledged)
    for _ in range(KILLS):
        senders = {}
        for one, other in ((alice, bob), (bob, alice)):
            sender = senders[one.username] = Sender(one, other, acknowledged[one.username])
            sender.waiting = waiting[one.username]
            sender.start()
        threading.Event().wait(chance.uniform(0.02, 0.3))
        server.kill()
        for name, sender in senders.items():
            sender.join(timeout=30)
            waiting[name] = sender.waiting
        with closing(sqlite3.connect(server.data_dir / "ezdms.db")) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        server.start()
    listed = everything(alice, alice.start(bob))
    stored = [one["message_id"] for one in listed]
    assert [one["seq"] for one in listed] == list(range(1, len(listed) + 1))
    assert len(stored) == len(set(stored))
    for name in acknowledged:
        assert len(acknowledged[name]) > KILLS, "too little was sent to say anything"
        assert [one for one in acknowledged[name] if one not in stored] == []
    for program in (alice, bob):
        program.close()


def everything(program: Program, conversation_id: str) -> list[dict[str, object]]:
    """All messages of the conversation, in order of seq."""
    found: list[dict[str, object]] = []
    while page := program.ask(f"/messages/{conversation_id}?limit=200&after={len(found)}"):
        found += page
    return found


async def test_the_client_verifies_the_chain_after_the_server_was_killed_repeatedly(
    server: Server, tmp_path: Path
) -> None:
    alice = await Player.register(server, "alice", tmp_path)
    bob = await Player.register(server, "bob", tmp_path)
    contact = await alice.client.start(bob.client.search_pin)
    chance = random.Random(6)  # noqa: S311
    sent: list[str] = []
    for run in range(6):
        texts = [f"{run}-{i}" for i in range(8)]
        sending = asyncio.gather(*(alice.client.send(contact, text) for text in texts))
        await asyncio.sleep(chance.uniform(0.02, 0.2))
        server.kill()
        await asyncio.to_thread(server.start)
        await sending  # the client waits for the server and sends nothing twice
        sent += texts
    fresh = await Client.login(server.url, bob.pin, home=tmp_path / "elsewhere")
    partner = (await fresh.contacts())[0]
    found: list[Message] = await fresh.history(partner, limit=200)
    assert sorted(str(message.text) for message in found) == sorted(sent)
    assert {(message.place, message.failure, message.alarm) for message in found} == {("ok", "", "")}
    assert State.find(alice.home).values["outbox"] == []
    await fresh.close()
    for player in (alice, bob):
        await player.leave()


def test_deleted_data_stays_deleted_after_a_crash(server: Server) -> None:
    alice, bob = Program(server, "alice"), Program(server, "bob")
    alice.start(bob)
    withdrawn, ended, kept = alice.search_pin, alice.token, alice.log_in()
    assert [one["current"] for one in alice.ask("/sessions/end_others", {})] == [True]
    alice.ask("/search_pin", {"search_salt": "A" * 22, "act": alice.act("search_pin", "A" * 22)})
    server.kill()
    files = b"".join(path.read_bytes() for path in server.data_dir.glob("ezdms.db*"))
    assert withdrawn.encode() not in files
    server.start()
    alice.token = ended
    assert alice.exchange("/sessions")[0] == 401
    alice.token = kept
    assert alice.exchange("/sessions")[0] == 200
    assert bob.exchange("/start_conversation", {"partner_search_pin": withdrawn})[0] == 404
    for program in (alice, bob):
        program.close()
