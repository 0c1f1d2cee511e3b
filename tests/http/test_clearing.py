"""Deleting a conversation: one's own copies and the line in one's list are gone until either writes again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from quart import Quart

from ezdms.actions import sweeping
from ezdms.db import Database, Unavailable
from ezdms.models import clearing
from tests.http.test_accounts import count
from tests.http.test_changes import is_found, own, rows, sent
from tests.http.test_expiry import gone
from tests.http.test_leaving import leave
from tests.http.test_requests import line
from tests.http.test_sessions import stored_bytes
from tests.http.test_signals import sends, signal, stored
from tests.support.people import Person
from tests.support.usage import size, usage
from tests.websocket.test_live import listening


async def listed(person: Person) -> list[str]:
    """The conversations in this person's list."""
    return [one["conversation_id"] for one in await (await person.get(f"/conversations/{person.user_id}")).get_json()]


async def test_deleting_a_conversation_empties_ones_own_copies_and_no_others(
    app: Quart, alice: Person, bob: Person, conversation: str, tmp_path: Path
) -> None:
    fields = [await sent(alice, bob, "one"), await sent(bob, alice, "two")]
    assert await sends(alice, signal(alice, bob, "read")) == (204, "")
    assert await sends(bob, signal(bob, alice, "read")) == (204, "")
    await bob.does("delete", conversation)
    assert gone(await rows(bob, conversation)) == ["hidden", "hidden"]
    assert gone(await rows(alice, conversation)) == [None, None]
    assert (await stored(bob, conversation), len(await stored(alice, conversation))) == ([], 1)
    assert [(await usage(app, person)).message_bytes for person in (alice, bob)] == [size(one) // 2 for one in fields]
    await app.extensions["ezdms.database"].forget()
    on_disk = stored_bytes(tmp_path)
    for one, mine in zip(fields, await rows(alice, conversation), strict=True):
        for copy in (one["content_for_a"], one["content_for_b"]):
            assert is_found(copy, on_disk) == (copy == mine["encrypted"])
    assert await count(app, "clearings") == 0


@pytest.mark.parametrize("who", ["the other", "oneself"])
async def test_the_line_is_back_once_either_writes(alice: Person, bob: Person, conversation: str, who: str) -> None:
    await sent(alice, bob, "one")
    await bob.does("delete", conversation)
    assert (await listed(bob), await listed(alice)) == ([], [conversation])
    await (sent(alice, bob, "two") if who == "the other" else sent(bob, alice, "two"))
    assert own(await line(bob, conversation), "unread", "last_seq") == [int(who == "the other"), 2]
    assert gone(await rows(bob, conversation)) == ["hidden", None]


async def test_starting_it_again_brings_the_line_back(alice: Person, bob: Person, conversation: str) -> None:
    await sent(alice, bob, "one")
    await bob.does("delete", conversation)
    assert await bob.start(alice) == conversation
    assert own(await line(bob, conversation), "unread", "state") == [0, "accepted"]
    assert gone(await rows(bob, conversation)) == ["hidden"]


async def test_an_empty_conversation_can_be_deleted(alice: Person, bob: Person, conversation: str) -> None:
    await alice.does("delete", conversation)
    await alice.does("delete", conversation)
    assert (await listed(alice), await listed(bob)) == ([], [conversation])


async def test_deleting_again_empties_what_came_since(
    app: Quart, alice: Person, bob: Person, conversation: str
) -> None:
    await sent(alice, bob, "one")
    await bob.does("delete", conversation)
    await sent(alice, bob, "two")
    await bob.does("delete", conversation)
    assert gone(await rows(bob, conversation)) == ["hidden", "hidden"]
    await usage(app, alice)


async def test_what_was_gone_for_another_reason_keeps_it(alice: Person, bob: Person, conversation: str) -> None:
    text = await sent(alice, bob, "one")
    await sent(alice, bob, "edited", replaces=text["message_id"])
    await bob.does("delete", conversation)
    assert gone(await rows(bob, conversation)) == ["replaced", "hidden"]
    await sent(alice, bob, "edited again", replaces=text["message_id"])
    assert gone(await rows(bob, conversation)) == ["replaced", "hidden", None]


async def test_a_large_conversation_is_emptied_in_small_writes_also_after_a_restart(
    app: Quart, alice: Person, bob: Person, conversation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clearing, "SLICE", 2)
    for number in range(5):
        await sent(alice, bob, f"message {number}")
    database: Database = app.extensions["ezdms.database"]
    writes: list[str] = []
    real = Database.submit

    def fails(self: Database, query: Any, *args: Any, **values: Any) -> Any:
        writes.append(query.__name__)
        if query is clearing.clear_slice and writes.count("clear_slice") == 2:
            raise Unavailable("The disk is full.")
        return real(self, query, *args, **values)

    with monkeypatch.context() as patch:
        patch.setattr(Database, "submit", fails)
        await bob.does("delete", conversation)
    assert writes == ["insert_clearing", "clear_slice", "clear_slice"]
    assert gone(await rows(bob, conversation)) == ["hidden"] * 2 + [None] * 3
    assert await listed(bob) == []
    await sent(alice, bob, "later")
    sweeper = sweeping.Sweeper(database, retention=0)
    await sweeper.start()  # as the next start of the server does
    await sweeper.clear()
    await sweeper.close()
    assert gone(await rows(bob, conversation)) == ["hidden"] * 5 + [None]
    await usage(app, alice)


async def test_nobody_else_is_told_and_ones_other_devices_go_on(
    alice: Person, bob: Person, eve: Person, conversation: str
) -> None:
    await sent(alice, bob, "one")
    async with listening(alice) as socket:
        await bob.does("delete", conversation)
        await eve.start(alice)
        assert (await socket.next())["conversation_id"] != conversation  # the first that she hears of


async def test_accounts_can_be_deleted_after_and_before_their_conversations(
    app: Quart, alice: Person, bob: Person, conversation: str
) -> None:
    await sent(alice, bob, "one")
    await sent(bob, alice, "two")
    await bob.does("delete", conversation)
    async with listening(bob) as socket:
        await leave(alice)
        assert await listed(bob) == []  # no line comes back only because she left
        await socket.connection.send('{"event":"ping"}')
        assert await socket.next() == {"event": "pong"}
    await bob.does("delete", conversation)
    await usage(app, bob)
    await leave(bob)
    for table in ("conversations", "messages", "clearings", "users"):
        assert await count(app, table) == 0
