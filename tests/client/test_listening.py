"""Messages arrive immediately, whatever else the client is doing."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from ezdms import crypto
from ezdms.client import Client, witness
from ezdms.client.served import HOUR
from ezdms.client.transport import LONGEST_PAUSE
from tests.browser.lies.liar import Answer, Liar
from tests.conftest import Server
from tests.support.player import Player, contact_of
from tests.support.portals import PORTALS
from tests.support.relay import Relay
from tests.support.someone import until


async def test_a_slow_page_check_does_not_delay_messages(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(witness, "WITHIN", 120.0)  # longer than this test waits for anything
    liar, held = Liar(server), list[Answer]()
    await liar.start()
    bob = await Player.register(server, "bob", tmp_path)
    pin, home = crypto.new_login_pin(), tmp_path / "alice"
    alice = Player(await Client.register(liar.url, "alice", pin, home=home), pin, home)
    await alice.client.close()  # it has checked the page
    alice.client = await Client.open(alice.client.state, pin)
    contact = await bob.client.start(alice.client.search_pin)

    def hold(answer: Answer) -> None:
        answer.body, answer.rest = b"", answer.body
        held.append(answer)

    with liar.lying("GET /$", hold):
        with alice.client.state.change() as values:
            values["vault"]["looked"] -= HOUR
        alice.listen()
        await until(lambda: bool(held))
        await bob.client.send(contact, "is it slow?")
        await until(lambda: bool(alice.heard))
        assert not held[0].go_on.is_set()
        held[0].go_on.set()
    await alice.hears("is it slow?")
    for player in (alice, bob):
        await player.leave()
    await liar.stop()


async def test_a_network_that_answers_itself_delays_messages_but_loses_none(server: Server, tmp_path: Path) -> None:
    """Neither its login pages nor its refusals are taken for the server's: the session goes on."""
    relay = Relay(server)
    await relay.mend()
    bob = (await Player.register(server, "bob", tmp_path)).listen()
    pin, home = crypto.new_login_pin(), tmp_path / "alice"
    alice = Player(await Client.register(relay.url, "alice", pin, home=home), pin, home).listen()
    contact = await alice.client.start(bob.client.search_pin)
    for name, octets in PORTALS.items():
        await relay.capture(octets)
        sending = asyncio.create_task(alice.client.send(contact, name))
        await until(lambda: b"POST /send_message" in relay.captured)
        await relay.capture(b"")
        await sending
    for name in ("another program's refusal", "a refusal with a policy like ours"):
        await relay.capture(PORTALS[name])
        await until(lambda: b"GET /ws" in relay.captured, within=2 * LONGEST_PAUSE)  # it may be waiting to try again
    await relay.capture(b"")
    await bob.hears(*PORTALS)
    await bob.client.send(await contact_of(bob, "alice"), "still there?")
    await alice.hears(*PORTALS, "still there?")
    for player in (alice, bob):
        await player.leave()
    await relay.cut()


async def test_who_listens_takes_over_what_another_client_stores_in_the_vault(server: Server, tmp_path: Path) -> None:
    liar = Liar(server)
    await liar.start()
    pin, home = crypto.new_login_pin(), tmp_path / "alice"
    alice = Player(await Client.register(liar.url, "alice", pin, home=home), pin, home).listen()
    bob = await Player.register(server, "bob", tmp_path)
    await alice.client.send(await alice.client.start(bob.client.search_pin), "connected")
    await until(lambda: liar.has_socket)
    asked = [heard for heard in liar.heard if heard.startswith("GET /vault")]
    other = await Client.login(server.url, pin, home=tmp_path / "other")
    await other.set_receipts(True)
    await until(lambda: alice.client.has_receipts)
    fetched = [heard for heard in liar.heard if heard.startswith("GET /vault")]
    assert 0 < len(fetched) - len(asked) <= 2
    for version in (2**52, 2**60, -1, True, "9", None, [1]):  # a flood of claims, all but one malformed, is one request
        for _ in range(20):
            liar.slip(json.dumps({"event": "vault", "version": version}))
    await other.set_typing(True)
    await until(lambda: alice.client.has_typing)
    assert len([heard for heard in liar.heard if heard.startswith("GET /vault")]) - len(fetched) <= 2
    for player in (alice, bob):
        await player.leave()
    await other.close()
    await liar.stop()
