"""Messages arrive immediately, whatever else the client is doing."""

from __future__ import annotations

from pathlib import Path

import pytest

from ezdms import crypto
from ezdms.client import Client, witness
from ezdms.client.served import HOUR
from tests.browser.lies.liar import Answer, Liar
from tests.conftest import Server
from tests.support.player import Player
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
