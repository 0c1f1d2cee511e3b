"""Disappearing messages and the operator's retention setting: emptied at their time, for both, also from the disk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from quart import Quart

from ezdms.actions import sweeping
from ezdms.actions.sweeping import DAY, Sweeper
from ezdms.app import create_app
from ezdms.db import Database, Unavailable, now
from ezdms.models import message_facts
from ezdms.settings import Settings
from tests.conftest import NO_LIMITS
from tests.http.test_changes import is_found, own, rows, sent
from tests.http.test_leaving import leave
from tests.http.test_marks import hide, marked
from tests.http.test_sessions import execute, stored_bytes
from tests.support.people import PEOPLE, Person
from tests.support.someone import until
from tests.support.usage import size, usage

Later = Callable[[float], Any]


@pytest.fixture
def after(app: Quart, monkeypatch: pytest.MonkeyPatch) -> Later:
    """`await after(seconds)`: what the next tick does, by a clock that is so much ahead."""

    async def tick(seconds: float) -> None:
        monkeypatch.setattr(sweeping, "now", lambda: now() + int(seconds * 1000))
        await app.extensions["ezdms.sweeper"].expire()

    return tick


def gone(found: list[dict[str, Any]]) -> list[str | None]:
    """The reasons, after a check that exactly the rows with one have no content."""
    assert [row["gone"] is None for row in found] == [row["encrypted"] is not None for row in found]
    return [row["gone"] for row in found]


async def test_a_message_disappears_for_both_at_its_time_and_leaves_no_data_on_disk(
    app: Quart, alice: Person, bob: Person, conversation: str, after: Later, tmp_path: Path
) -> None:
    short = await sent(alice, bob, "soon", expires_in=60)
    long = await sent(bob, alice, "later", expires_in=3600)
    plain = await sent(alice, bob, "stays")
    await after(59)
    assert gone(await rows(bob, conversation)) == [None, None, None]
    await after(60)
    for person in (alice, bob):
        found = await rows(person, conversation)
        assert gone(found) == ["expired", None, None]
        assert own(found[0], "seq", "message_id", "n", "hash", "expires_in") == [
            1,
            short["message_id"],
            1,
            short["hash"],
            60,
        ]
    stored = stored_bytes(tmp_path)
    for side in ("a", "b"):
        assert is_found(long[f"content_for_{side}"], stored)
        assert not is_found(short[f"content_for_{side}"], stored)
    assert (await usage(app, alice)).message_bytes == size(plain)
    await after(10 * 365 * 24 * 3600)
    assert gone(await rows(alice, conversation)) == ["expired", "expired", None]
    assert (await usage(app, bob)).message_bytes == 0


async def test_edits_disappear_together_with_their_text(
    app: Quart, alice: Person, bob: Person, conversation: str, after: Later, tmp_path: Path
) -> None:
    target = await sent(alice, bob, "the text", expires_in=60)
    created = (await rows(bob, conversation))[0]["created_at"]
    await execute(app, "UPDATE messages SET created_at = :at", at=created - 50_000)
    edits = [await sent(alice, bob, f"edit {i}", expires_in=60, replaces=target["message_id"]) for i in range(2)]
    await after(5)
    assert gone(await rows(bob, conversation)) == ["replaced", "replaced", None]
    await after(30)  # of the text's 60 s, 50 had passed: the edit does not begin them anew
    for person in (alice, bob):
        assert gone(await rows(person, conversation))[2] == "expired"
    await after(60)
    for person in (alice, bob):
        assert gone(await rows(person, conversation)) == ["expired", "expired", "expired"]
    stored = stored_bytes(tmp_path)
    assert [fields for fields in (target, *edits) if is_found(fields["content_for_a"], stored)] == []
    assert (await usage(app, alice)).message_bytes == 0


async def test_a_target_says_what_its_last_change_says_once_that_is_gone(
    alice: Person, bob: Person, conversation: str, after: Later
) -> None:
    """Otherwise nothing would prove any more that it was replaced."""
    target = await sent(alice, bob, "the text")
    for seconds in (60, 120):
        await sent(alice, bob, "an edit", expires_in=seconds, replaces=target["message_id"])
    await after(60)
    assert gone(await rows(bob, conversation)) == ["replaced", "expired", None]
    await after(120)
    for person in (alice, bob):
        assert gone(await rows(person, conversation)) == ["expired", "expired", "expired"]


async def test_a_deletion_outlasts_the_message_that_it_deletes(
    alice: Person, bob: Person, conversation: str, after: Later
) -> None:
    target = await sent(alice, bob, "the text", expires_in=60)
    await sent(alice, bob, "its deletion", replaces=target["message_id"])
    await after(3600)
    assert gone(await rows(bob, conversation)) == ["expired", None]


async def test_a_hidden_message_stays_hidden_when_it_disappears_for_the_other(
    app: Quart, alice: Person, bob: Person, conversation: str, after: Later
) -> None:
    fields = await sent(alice, bob, "the text", expires_in=60)
    assert await hide(bob, marked(bob, conversation, fields)) == (204, "")
    await after(60)
    assert gone(await rows(bob, conversation)) == ["hidden"]
    assert gone(await rows(alice, conversation)) == ["expired"]
    assert (await usage(app, alice)).message_bytes == 0


async def test_a_change_of_a_message_that_has_disappeared_disappears_at_the_next_tick(
    app: Quart, alice: Person, bob: Person, conversation: str, after: Later
) -> None:
    target = await sent(alice, bob, "the text", expires_in=60)
    await execute(app, "UPDATE messages SET created_at = created_at - 61000")
    await execute(app, "UPDATE message_facts SET expires_at = expires_at - 61000")
    await after(0)
    assert gone(await rows(bob, conversation)) == ["expired"]
    await sent(alice, bob, "too late", expires_in=60, replaces=target["message_id"])
    await after(0)
    assert gone(await rows(bob, conversation)) == ["expired", "expired"]
    await sent(alice, bob, "its deletion", replaces=target["message_id"])
    assert gone(await rows(bob, conversation)) == ["expired", "expired", None]


async def test_what_a_deleted_account_sent_disappears_for_the_other_and_is_counted_for_nobody(
    app: Quart, alice: Person, bob: Person, conversation: str, after: Later
) -> None:
    await sent(alice, bob, "from Alice", expires_in=60)
    await sent(bob, alice, "from Bob", expires_in=60)
    assert await leave(alice) == 204
    assert gone(await rows(bob, conversation)) == [None, None]
    await after(60)
    assert gone(await rows(bob, conversation)) == ["expired", "expired"]
    counted = await execute(app, "SELECT message_bytes FROM usage")
    assert [row["message_bytes"] for row in counted] == [0, 0]


async def test_many_messages_disappear_in_small_writes_with_others_in_between(
    app: Quart, alice: Person, bob: Person, conversation: str, monkeypatch: pytest.MonkeyPatch, after: Later
) -> None:
    monkeypatch.setattr(message_facts, "SLICE", 4)
    for i in range(11):
        await sent(alice, bob, f"text {i}", expires_in=60)
    slices: list[int] = []
    database: Database = app.extensions["ezdms.database"]

    def counted(connection: Any, *, moment: int) -> int:
        slices.append(message_facts.expire_slice(connection, moment=moment))
        return slices[-1]

    monkeypatch.setattr(sweeping, "expire_slice", counted)
    await after(60)
    assert slices == [4, 4, 3]
    assert gone(await rows(bob, conversation)) == ["expired"] * 11
    assert not await database.read(message_facts.is_due, moment=now() + 3_600_000)


async def test_the_sweeper_looks_by_itself_and_goes_on_after_the_disk_failed(
    app: Quart, alice: Person, bob: Person, conversation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sent(alice, bob, "soon", expires_in=1)
    await execute(app, "UPDATE message_facts SET expires_at = 1")
    await app.extensions["ezdms.sweeper"].close()
    monkeypatch.setattr(sweeping, "TICK", 0.01)
    failures = iter([Unavailable("the disk is full"), Unavailable("the disk is full")])

    def failing(connection: Any, *, moment: int) -> int:
        for failure in failures:
            raise failure
        return message_facts.expire_slice(connection, moment=moment)

    monkeypatch.setattr(sweeping, "expire_slice", failing)
    sweeper = Sweeper(app.extensions["ezdms.database"], retention=0)
    await sweeper.start()

    async def is_gone() -> bool:
        return gone(await rows(bob, conversation)) == ["expired"]

    await until(is_gone)
    await sweeper.close()


async def test_messages_disappear_in_time_while_retention_has_much_to_do(
    app: Quart, alice: Person, bob: Person, conversation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await app.extensions["ezdms.sweeper"].close()
    await sent(alice, bob, "soon", expires_in=60)
    monkeypatch.setattr(sweeping, "TICK", 0.01)
    sweeper = Sweeper(app.extensions["ezdms.database"], retention=1)
    began = asyncio.Event()

    async def endless() -> None:
        began.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(sweeper, "retire", endless)
    await sweeper.start()
    await began.wait()
    await execute(app, "UPDATE message_facts SET expires_at = 1")

    async def is_gone() -> bool:
        return gone(await rows(bob, conversation)) == ["expired"]

    await until(is_gone)
    await sweeper.close()


@pytest.fixture
async def kept_for_two_days(tmp_path: Path) -> AsyncIterator[Quart]:
    """The app of an operator who keeps messages for two days."""
    app = create_app(Settings(data_dir=tmp_path / "data", retention=2, **NO_LIMITS))
    async with app.test_app():
        yield app


async def test_retention_empties_what_is_older_and_is_announced(kept_for_two_days: Quart, tmp_path: Path) -> None:
    app = kept_for_two_days
    alice = await Person(app, PEOPLE["alice"], "alice").register()
    bob = await Person(app, PEOPLE["bob"], "bob").register()
    eve = await Person(app, PEOPLE["eve"], "eve").register()
    assert (await (await alice.client.get("/deployment")).get_json())["retention"] == 2
    await bob.start(eve)
    conversation = await alice.start(bob)
    old = [await sent(alice, bob, f"old {i}") for i in range(3)]
    edited = await sent(bob, alice, "old, edited later")
    assert await hide(bob, marked(bob, conversation, old[0])) == (204, "")
    edit = await sent(bob, alice, "an edit", replaces=edited["message_id"])
    new = await sent(alice, bob, "new")
    sweeper: Sweeper = app.extensions["ezdms.sweeper"]

    async def age(seq: int, days: float) -> None:
        await execute(app, "UPDATE messages SET created_at = :at WHERE seq = :seq", at=now() - int(days * DAY), seq=seq)

    for seq in range(1, 5):
        await age(seq, 2.1)
    await age(5, 1.9)
    await sweeper.retire()
    assert gone(await rows(alice, conversation)) == ["retention"] * 3 + ["replaced", None, None]
    assert gone(await rows(bob, conversation)) == ["hidden", "retention", "retention", "replaced", None, None]
    stored = stored_bytes(tmp_path)
    assert [fields for fields in old if is_found(fields["content_for_a"], stored)] == []
    assert is_found(edit["content_for_a"], stored)
    assert (await usage(app, alice)).message_bytes == size(new)
    await age(5, 2.1)
    await sweeper.retire()
    assert gone(await rows(alice, conversation)) == ["retention"] * 5 + [None]
    assert (await usage(app, bob)).message_bytes == 0
    await sweeper.retire()
    assert gone(await rows(alice, conversation)) == ["retention"] * 5 + [None]
    assert [fields["message_id"] for fields in old] == [row["message_id"] for row in await rows(bob, conversation)][:3]


async def test_without_the_setting_nothing_is_ever_removed(
    app: Quart, alice: Person, bob: Person, conversation: str
) -> None:
    await sent(alice, bob, "old")
    await execute(app, "UPDATE messages SET created_at = 1")
    await app.extensions["ezdms.sweeper"].retire()
    assert await bob.texts(alice) == ["old"]


async def test_a_long_conversation_is_removed_in_small_writes(
    kept_for_two_days: Quart, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = kept_for_two_days
    monkeypatch.setattr(message_facts, "SLICE", 4)
    monkeypatch.setattr(sweeping, "CONVERSATIONS", 1)
    people = [await Person(app, PEOPLE[name], name).register() for name in ("alice", "bob", "eve")]
    alice, *others = people
    ids = [await alice.start(other) for other in others]
    for other in others:
        for i in range(9):
            await sent(other, alice, f"text {i}")
    await execute(app, "UPDATE messages SET created_at = 1")
    slices: list[int] = []

    def counted(connection: Any, **of: Any) -> int:
        slices.append(message_facts.retire_slice(connection, **of))
        return slices[-1]

    monkeypatch.setattr(sweeping, "retire_slice", counted)
    await app.extensions["ezdms.sweeper"].retire()
    assert slices == [4, 4, 1, 0] * 2
    for conversation in ids:
        assert gone(await rows(alice, conversation)) == ["retention"] * 9
