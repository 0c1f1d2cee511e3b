"""Unused accounts are deleted after thirty days, unless they have messages or were used lately."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from quart import Quart

from ezdms.actions import accounts, upkeep
from ezdms.actions.accounts import remove_unused
from ezdms.db import Database, Unavailable, now
from ezdms.models.user import select_slice
from tests.http.test_leaving import lines
from tests.http.test_pins import enter, proof
from tests.http.test_sessions import execute, is_logged_in
from tests.support.people import Person
from tests.websocket.test_live import listening, until

DAY = 24 * 60 * 60 * 1000  # ms


async def grow_older(app: Quart, person: Person, *, made: int, used: int) -> None:
    """Make the account this many days old, and its sessions last used this many days ago."""
    moment, who = now(), {"id": person.user_id}
    await execute(app, "UPDATE users SET created_at = :at WHERE user_id = :id", at=moment - made * DAY - 1000, **who)
    await execute(app, "UPDATE sessions SET used_at = :at WHERE user_id = :id", at=moment - used * DAY - 1000, **who)


async def look(app: Quart) -> int:
    """Run the cleanup; returns how many accounts it deleted."""
    database: Database = app.extensions["ezdms.database"]
    return await remove_unused(database, app.extensions["ezdms.hub"], now())


async def exists(person: Person) -> bool:
    """True if the account's PIN still logs in."""
    return (await enter(person, **proof(person)))[0] == 200


@pytest.mark.other_queries
@pytest.mark.parametrize(
    ("made", "used", "stays"), [(29, 29, True), (30, 30, False), (400, 30, False), (400, 29, True), (29, 400, True)]
)
async def test_an_account_unused_for_thirty_days_is_deleted(
    app: Quart, alice: Person, bob: Person, made: int, used: int, stays: bool
) -> None:
    await grow_older(app, alice, made=made, used=used)
    assert await look(app) == (0 if stays else 1)
    assert await exists(bob)
    assert await exists(alice) is stays
    assert await is_logged_in(alice) is stays
    if not stays:
        for table in ("sessions", "search_pins", "vaults", "usage"):
            assert not await execute(app, f"SELECT * FROM {table} WHERE user_id = :id", id=alice.user_id)  # noqa: S608
        assert await look(app) == 0


async def test_an_account_without_a_session_counts_as_unused(app: Quart, alice: Person) -> None:
    await alice.post("/logout")
    await grow_older(app, alice, made=31, used=0)
    assert await look(app) == 1
    assert not await exists(alice)


@pytest.mark.other_queries
@pytest.mark.parametrize("has_written", [True, False])
async def test_an_account_with_messages_is_kept(app: Quart, alice: Person, bob: Person, has_written: bool) -> None:
    await alice.start(bob)
    await (alice.send(bob, "once") if has_written else bob.send(alice, "once"))
    for person in (alice, bob):
        await grow_older(app, person, made=900, used=900)
    assert await look(app) == 0
    assert await alice.texts(bob) == ["once"]


async def test_an_empty_conversation_does_not_keep_an_account(app: Quart, alice: Person, bob: Person) -> None:
    await alice.start(bob)
    await grow_older(app, alice, made=31, used=31)
    async with listening(bob) as socket:
        assert await look(app) == 1
        assert (await socket.next())["event"] == "conversation"  # he is notified, as if she had deleted her account
    assert [one["partner_username"] for one in await lines(bob)] == [""]


async def test_an_account_with_an_open_socket_is_kept(app: Quart, alice: Person) -> None:
    async with listening(alice):
        await grow_older(app, alice, made=400, used=400)
        assert await look(app) == 0
    await until(lambda: not alice.hub.mailboxes(alice.user_id))
    assert await look(app) == 1


async def test_an_account_that_logs_in_during_the_cleanup_is_kept(
    app: Quart, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    await grow_older(app, alice, made=31, used=31)

    def seen_before(*given: Any, **more: Any) -> Any:
        """The rows as read before she logged in."""
        return [(user_id, True) for user_id, _ in select_slice(*given, **more)]

    monkeypatch.setattr(accounts, "select_slice", seen_before)
    assert await exists(alice)  # a new session
    assert await look(app) == 0
    assert await exists(alice)


async def test_the_cleanup_covers_all_accounts_in_slices(
    app: Quart, alice: Person, bob: Person, eve: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts, "SLICE", 1)
    for person in (alice, eve):
        await grow_older(app, person, made=31, used=31)
    assert await look(app) == 2
    assert [await exists(person) for person in (alice, bob, eve)] == [False, True, False]


async def test_the_cleanup_runs_at_the_start_and_every_day_even_after_a_failure(
    app: Quart, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "DAY", 0.01)
    looked = 0

    async def fails_at_first(*given: Any) -> int:
        nonlocal looked
        looked += 1
        if looked == 1:
            raise Unavailable
        return await remove_unused(*given)

    monkeypatch.setattr(upkeep, "remove_unused", fails_at_first)
    database: Database = app.extensions["ezdms.database"]
    async with upkeep.kept_up(database, app.extensions["ezdms.hub"]):
        await until(lambda: looked > 2)
        await grow_older(app, alice, made=31, used=31)
        before = looked
        await until(lambda: looked > before + 1)
        assert not await exists(alice)
    stopped = looked
    await asyncio.sleep(0.05)
    assert looked == stopped
