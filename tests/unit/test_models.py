"""The queries enforce access by themselves, even if a route forgets to check."""

from __future__ import annotations

import pytest
from quart import Quart

from ezdms.db import Conflict, Database
from ezdms.models.conversation import select_conversation, select_pair
from ezdms.models.message import MOST_AHEAD, Draft, OutOfStep, Stored, insert_message, select_message, select_messages
from ezdms.models.participant import mark_read
from ezdms.protocol import envelope
from tests.support.people import PEOPLE, Person


def draft(conversation_id: str, name: str = "m1", n: int = 1) -> Draft:
    key = envelope.key_id(PEOPLE["alice"].spki), envelope.key_id(PEOPLE["bob"].spki)
    in_order = key if PEOPLE["alice"].fp < PEOPLE["bob"].fp else key[::-1]
    return Draft(conversation_id, name, n, "hash", 1, "for a", "for b", *in_order)


async def test_only_participants_can_insert_messages(app: Quart, alice: Person, eve: Person, conversation: str) -> None:
    database: Database = app.extensions["ezdms.database"]
    assert await database.write(insert_message, draft(conversation), sender_id=eve.user_id, quota=None) == (None, None)
    _, stored = await database.write(insert_message, draft(conversation), sender_id=alice.user_id, quota=None)
    assert isinstance(stored, Stored)
    assert stored.seq == 1  # the refused one left no gap


async def test_a_duplicate_message_id_is_a_conflict_and_leaves_no_gap(
    app: Quart, alice: Person, bob: Person, conversation: str
) -> None:
    database: Database = app.extensions["ezdms.database"]
    await database.write(insert_message, draft(conversation), sender_id=alice.user_id, quota=None)
    with pytest.raises(Conflict):
        await database.write(insert_message, draft(conversation, "m1", 2), sender_id=alice.user_id, quota=None)
    _, stored = await database.write(insert_message, draft(conversation, "m2", 1), sender_id=bob.user_id, quota=None)
    assert isinstance(stored, Stored)
    assert stored.seq == 2
    assert stored.unread == {alice.user_id: 1, bob.user_id: 1}  # he has not read the first one


async def test_a_counter_must_be_a_little_above_the_last_one(app: Quart, alice: Person, conversation: str) -> None:
    database: Database = app.extensions["ezdms.database"]

    async def next_after(name: str, n: int) -> int | None:
        """The next free counter if this one was refused, else None."""
        _, outcome = await database.write(
            insert_message, draft(conversation, name, n), sender_id=alice.user_id, quota=None
        )
        return outcome.next_n if isinstance(outcome, OutOfStep) else None

    assert await next_after("far", MOST_AHEAD + 1) == 1
    assert await next_after("m1", MOST_AHEAD) is None
    for n in (1, MOST_AHEAD - 1, MOST_AHEAD, 2 * MOST_AHEAD + 1, 2**53 - 1):
        assert await next_after("wrong", n) == MOST_AHEAD + 1
    assert await next_after("m2", 2 * MOST_AHEAD) is None


async def test_an_outsider_finds_nothing(app: Quart, alice: Person, eve: Person, conversation: str) -> None:
    database: Database = app.extensions["ezdms.database"]
    for person, is_found in ((alice, True), (eve, False)):
        who = {"conversation_id": conversation, "user_id": person.user_id}
        assert (await database.read(select_conversation, **who) is not None) == is_found
        assert (await database.read(select_pair, **who) is not None) == is_found


async def test_each_side_gets_its_own_copy(app: Quart, alice: Person, conversation: str) -> None:
    database: Database = app.extensions["ezdms.database"]
    await database.write(insert_message, draft(conversation), sender_id=alice.user_id, quota=None)
    mine = await database.read(select_messages, conversation_id=conversation, side="a", limit=5)
    theirs = await database.read(select_messages, conversation_id=conversation, side="b", limit=5)
    assert [mine[0].encrypted, theirs[0].encrypted] == ["for a", "for b"]
    asked = {"conversation_id": conversation, "message_id": "m1", "side": "a"}
    assert await database.read(select_message, sender_id=alice.user_id, **asked) is not None  # type: ignore[arg-type]
    assert await database.read(select_message, sender_id="somebody", **asked) is None  # type: ignore[arg-type]


async def test_a_read_message_never_becomes_unread(app: Quart, alice: Person, bob: Person, conversation: str) -> None:
    database: Database = app.extensions["ezdms.database"]
    for n in (1, 2, 3):
        await database.write(insert_message, draft(conversation, f"m{n}", n), sender_id=alice.user_id, quota=None)
    for seq, unread in ((2, 1), (1, 1), (3, 0), (1, 0)):
        await database.write(mark_read, conversation_id=conversation, user_id=bob.user_id, seq=seq)
        seen = await database.read(select_conversation, conversation_id=conversation, user_id=bob.user_id)
        assert seen is not None
        assert seen.unread == unread
