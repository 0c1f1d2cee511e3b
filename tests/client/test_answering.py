"""Answers of a program that died before it asked for the next message: none is lost, none is sent twice."""

from __future__ import annotations

import asyncio
from pathlib import Path

from ezdms.client import Client, Message
from tests.conftest import Server
from tests.support.player import Player


async def dies_after(player: Player, *answers: str) -> tuple[Message, list[str | None]]:
    """Answer the next message, and die before asking for another: returns the message, and the answers' ids."""
    messages = player.client.messages()
    async for message in messages:
        if not message.is_own:
            break
    ids = [await player.client.answer(message, text) for text in answers]
    await messages.aclose()
    await player.client.close()
    player.client = await Client.open(player.client.state, player.pin)
    return message, ids


async def test_a_message_delivered_again_is_not_answered_again(server: Server, tmp_path: Path) -> None:
    alice, bob = [await Player.register(server, name, tmp_path) for name in ("alice", "bob")]
    contact = await alice.client.start(bob.client.search_pin)
    alice.listen()
    await alice.client.send(contact, "one")
    first, ids = await dies_after(bob, "answer to one")
    again, same = await dies_after(bob, "answer to one", "a second answer, lost when it died")
    assert again.message_id == first.message_id  # control: it is delivered again
    assert same[0] == ids[0]
    assert same[1] not in [None, ids[0]]
    _, both = await dies_after(bob, "answer to one", "a second answer, lost when it died")
    assert both == same
    await alice.client.send(contact, "two")
    async for message in bob.client.messages():
        if not message.is_own:
            await bob.client.answer(message, f"echo {message.text}")
        if message.text == "two":
            break
    await alice.hears("one", "answer to one", "a second answer, lost when it died", "two", "echo two")
    for player in (alice, bob):
        await player.leave()


async def test_an_answer_that_was_being_sent_when_the_program_died_arrives_once(server: Server, tmp_path: Path) -> None:
    alice, bob = [await Player.register(server, name, tmp_path) for name in ("alice", "bob")]
    contact = await alice.client.start(bob.client.search_pin)
    alice.listen()
    texts = list[str | None]()
    for run in range(3):
        await alice.client.send(contact, f"message {run}")
        texts += [f"message {run}", f"answer {run}"]
        messages = bob.client.messages()
        async for message in messages:
            if message.text == f"message {run}":
                break
        sending = asyncio.create_task(bob.client.answer(message, f"answer {run}"))
        for _ in range(10_000):
            if bob.client.waiting():
                break
            await asyncio.sleep(0)
        sending.cancel()  # after it was stored, before or after the server has it
        await asyncio.gather(sending, return_exceptions=True)
        await messages.aclose()
        await bob.client.close()
        bob.client = await Client.open(bob.client.state, bob.pin)  # sends what is queued
        await dies_after(bob, f"answer {run}")
        await alice.hears(*texts)
    for player in (alice, bob):
        await player.leave()
