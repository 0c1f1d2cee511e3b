"""`ezdms chat`: false row numbers hide no messages, neither in the chat nor in a later `ezdms listen`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from ezdms.client import Client, Message
from ezdms.commands.client import chatting
from tests.client.hostile.conftest import World
from tests.client.hostile.people import Someone, all_new, where
from tests.client.hostile.wire import Answer, Asked, Wire

LAST = 2**53 - 1
Rows = list[dict[str, Any]]
PAGES: dict[str, Callable[[Rows], Rows]] = {
    "unchanged": lambda rows: rows,
    "with an invented last row": lambda rows: [*rows, {"seq": LAST, "message_id": "A" * 22}],
    "with high numbers": lambda rows: [row | {"seq": LAST - 9 + i} for i, row in enumerate(rows)],
    "empty": lambda rows: [],
}


class Printed(list[Message]):
    """What a chat prints; `is_over` is set at the last message."""

    def __init__(self) -> None:
        self.is_over = asyncio.Event()

    def print(self, message: Message) -> None:
        self.append(message)
        if message.text == "the meeting is cancelled":
            self.is_over.set()


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Printed:
    heard = Printed()
    monkeypatch.setattr(chatting, "says_message", heard.print)
    return heard


def chats(anna: Someone, bob: Someone, wire: Wire, heard: Printed, lie: Callable[[Rows], Rows]) -> None:
    """Anna chats while Bob writes to her."""
    conversation = where(anna, bob)

    def first_page(asked: Asked, answer: Answer) -> None:
        if "after" not in asked.query and "before" not in asked.query:
            answer.json = lie(answer.json)

    async def act(client: Client) -> None:
        contact = next(one for one in await client.contacts() if one.conversation_id == conversation)
        with wire.telling(f"GET /messages/{conversation}", first_page):
            page = await client.history(contact, limit=20)
        printing = asyncio.create_task(chatting._print_new(client, contact, page))
        await asyncio.to_thread(bob.do, lambda other: other.send(conversation, "the meeting is cancelled"))
        async with asyncio.timeout(30):
            await heard.is_over.wait()
        printing.cancel()
        await asyncio.gather(printing, return_exceptions=True)

    anna.do(act)


@pytest.mark.parametrize("lie", PAGES.values(), ids=PAGES)
def test_false_row_numbers_hide_no_new_messages(
    world: World, anna: Someone, wire: Wire, heard: Printed, lie: Callable[[Rows], Rows]
) -> None:
    assert world.bob.run("add", anna.search_pin).code == 0
    assert world.bob.run("send", where(anna, world.bob), "hello").code == 0
    chats(anna, world.bob, wire, heard, lie)
    texts = [message.text for message in heard]
    assert texts == (["hello"] if not lie([{}]) else []) + ["the meeting is cancelled"]


def test_messages_of_earlier_pages_are_not_printed_again(
    world: World, anna: Someone, wire: Wire, heard: Printed
) -> None:
    assert world.bob.run("add", anna.search_pin).code == 0
    for i in range(3):
        assert world.bob.run("send", where(anna, world.bob), f"earlier {i}").code == 0
    chats(anna, world.bob, wire, heard, lambda rows: rows[-1:])
    assert [message.text for message in heard] == ["the meeting is cancelled"]


def test_messages_from_others_during_a_chat_are_kept(world: World, anna: Someone, wire: Wire, heard: Printed) -> None:
    for other in (world.bob, world.carol):
        assert other.run("add", anna.search_pin).code == 0
    assert world.carol.run("send", where(anna, world.carol), "please answer").code == 0
    chats(anna, world.bob, wire, heard, lambda rows: rows)
    assert [message.contact for message in heard] == ["bob"]
    new = anna.do(lambda client: all_new(client, where(anna, world.carol)))
    assert [message.text for message in new] == ["please answer"]
