"""Searching with the Python client, against a real server."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from ezdms.client import Client, ClientError
from ezdms.client.account import now
from tests.conftest import Server
from tests.support.player import Player
from tests.support.talking import Talk


async def found(client: Client, words: str, **more: object) -> list[str | None]:
    return [message.text async for message in client.search(words, **more)]  # type: ignore[arg-type]


async def test_messages_are_found_as_they_are_now(talk: Talk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ezdms.client.searching.PAGE", 2)  # everything is on a page of its own
    first = await talk.says("The Café is closed")
    second = await talk.says("the cafe opens again")
    await (await talk.page(talk.bob))[0].reply("Which CAFÉ?")
    path = tmp_path / "Café menu.pdf"
    path.write_bytes(b"menu")
    await talk.alice.send_file(talk.with_bob, path)
    for client in (talk.alice, talk.second, talk.bob):
        assert await found(client, "cafe") == [None, "Which CAFÉ?", "the cafe opens again", "The Café is closed"]
        assert await found(client, '"café  opens"') == ["the cafe opens again"]
        assert await found(client, "pdf cafe") == [None]
    assert await found(talk.alice, "cafe from:bob") == await found(talk.bob, "CAFE from:me") == ["Which CAFÉ?"]
    assert await found(talk.alice, "cafe", from_=talk.with_bob) == ["Which CAFÉ?"]
    assert await found(talk.bob, "", from_="me") == ["Which CAFÉ?"]
    assert await found(talk.alice, "cafe", since=now() + 60_000) == []
    with pytest.raises(ClientError, match="Nothing to search for"):
        await found(talk.alice, ' "" ')
    await first.edit("The bakery is closed")
    await second.delete()
    for client in (talk.alice, talk.second, talk.bob):
        assert await found(client, "cafe from:me from:bob") == []
        assert await found(client, "closed") == ["The bakery is closed"]
        assert await found(client, "opens") == []
    theirs = (await talk.page(talk.bob))[0]
    await theirs.hide()
    assert (await found(talk.bob, "bakery"), await found(talk.alice, "bakery")) == ([], ["The bakery is closed"])


async def test_what_has_disappeared_is_not_found(talk: Talk) -> None:
    await talk.alice.set_timer(talk.with_bob, 5)
    await talk.alice.send(talk.with_bob, "a brief word")
    assert await found(talk.bob, "brief") == ["a brief word"]
    await asyncio.sleep(5.1)
    assert await found(talk.bob, "brief") == []


async def test_only_accepted_conversations_are_searched_and_nothing_is_read(server: Server, tmp_path: Path) -> None:
    people = [await Player.register(server, name, tmp_path) for name in ("bob", "carol", "dave", "erin")]
    bob = people[0].client
    for other in people[1:]:
        contact = await other.client.start(bob.search_pin)
        await other.client.send(contact, f"hello from {other.client.username}")
    known = {one.name: one for one in await bob.contacts()}
    await bob.accept(known["carol"])
    await bob.accept(known["erin"])
    assert await found(bob, "hello from") == ["hello from erin", "hello from carol"]
    assert await found(bob, "hello", of=known["dave"]) == ["hello from dave"]  # a request, when asked for
    assert await found(bob, "hello", of=known["dave"], from_=known["carol"]) == []
    assert {one.name: one.unread for one in await bob.contacts()} == {"erin": 1, "dave": 1, "carol": 1}
    await bob.delete_conversation(known["carol"])
    assert await found(bob, "hello from") == ["hello from erin"]
    for person in people:
        await person.leave()


async def test_search_can_stop_early_and_stays_within_one_page(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ezdms.client.searching.PAGE", 1)
    for i in range(3):
        await talk.says(f"word {i}")
    asked = list[dict[str, int]]()
    rows = talk.alice._conversations.rows

    async def counted(where: str, limit: int, **within: int) -> object:
        asked.append(within)
        return await rows(where, limit, **within)

    monkeypatch.setattr(talk.alice._conversations, "rows", counted)
    searching = talk.alice.search("word")
    assert (await anext(searching)).text == "word 2"
    await searching.aclose()
    assert asked == [{"peek": 1}]
