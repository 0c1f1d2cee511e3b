"""The session cache: it saves database queries, and ended sessions leave it at once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable

import pytest
from quart import Quart

from ezdms.actions import accounts
from ezdms.actions import sessions as remembered
from ezdms.actions.sessions import HERE, Sessions, end, hash_token
from ezdms.db import Connection, Database
from ezdms.hosting.operator import actions
from ezdms.hosting.operator.actions import Running
from ezdms.models.session import Session, select_session
from tests.http.test_leaving import leave
from tests.http.test_pins import new_search_salt, noise
from tests.http.test_sessions import is_logged_in, log_in
from tests.support.people import Person


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The token hashes that were looked up in the database."""
    asked: list[str] = []

    def count(connection: Connection, *, token_hash: str) -> Session | None:
        asked.append(token_hash)
        return select_session(connection, token_hash=token_hash)

    monkeypatch.setattr(remembered, "select_session", count)
    return asked


async def test_repeated_reads_and_writes_look_the_session_up_once(alice: Person, bob: Person, reads: list[str]) -> None:
    await alice.start(bob)
    for number in range(5):
        await alice.send(bob, str(number))
        assert len(await bob.texts(alice)) == number + 1
    assert reads.count(hash_token(alice.account["token"])) <= 2  # starting a conversation clears the cache
    assert reads.count(hash_token(bob.account["token"])) == 1


async def test_an_unknown_token_is_looked_up_each_time(alice: Person, reads: list[str]) -> None:
    for _ in range(3):
        assert (await alice.client.get("/me", headers={"Authorization": "Bearer " + "A" * 43})).status_code == 401
    assert len(reads) == 3


async def log_out(alice: Person, app: Quart) -> None:
    assert (await alice.post("/logout")).status_code == 204


async def end_from_elsewhere(alice: Person, app: Quart) -> None:
    other = await log_in(app, alice)
    assert (await other.post("/sessions/end_others")).status_code == 200


async def end_by_the_operator(alice: Person, app: Quart) -> None:
    running = Running(*(app.extensions[f"ezdms.{name}"] for name in ("database", "hub", "eraser")))
    await actions.end_sessions(running, "alice")


async def delete_account(alice: Person, app: Quart) -> None:
    assert await leave(alice) == 204


async def remove_by_the_operator(alice: Person, app: Quart) -> None:
    database, hub, eraser = (app.extensions[f"ezdms.{name}"] for name in ("database", "hub", "eraser"))
    await accounts.remove_account(database, hub, eraser, alice.user_id)


@pytest.mark.parametrize(
    "end", [log_out, end_from_elsewhere, end_by_the_operator, delete_account, remove_by_the_operator]
)
async def test_an_ended_session_is_forgotten_at_once(
    app: Quart, alice: Person, bob: Person, end: Callable[[Person, Quart], Awaitable[None]]
) -> None:
    await alice.start(bob)
    await alice.send(bob, "remembered")
    await end(alice, app)
    assert (await alice.post("/send_message", alice.seal(bob, "no"))).status_code == 401


async def test_a_cached_session_still_expires(app: Quart, alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await alice.get("/sessions")).status_code == 200
    expires_at = (await app.extensions["ezdms.sessions"].find(hash_token(alice.account["token"]))).expires_at
    monkeypatch.setattr(remembered, "now", lambda: expires_at)
    assert (await alice.get("/sessions")).status_code == 401


async def test_a_session_read_while_it_ends_is_not_cached(
    app: Quart, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    database: Database = app.extensions["ezdms.database"]
    sessions = Sessions(database)
    token_hash = hash_token(alice.account["token"])
    has_read, may_go_on = threading.Event(), threading.Event()

    def slow(connection: Connection, *, token_hash: str) -> Session | None:
        session = select_session(connection, token_hash=token_hash)
        has_read.set()
        may_go_on.wait(5)
        return session

    monkeypatch.setattr(remembered, "select_session", slow)
    reading = asyncio.create_task(sessions.find(token_hash))
    await asyncio.to_thread(has_read.wait, 5)
    session = await alice_session(app, token_hash)
    await end(database, app.extensions["ezdms.hub"], session.user_id, only=session.session_id, reason=HERE)
    may_go_on.set()
    assert await reading is not None  # the lookup started before the end
    assert len(sessions) == 0
    assert await sessions.find(token_hash) is None


async def alice_session(app: Quart, token_hash: str) -> Session:
    session = await app.extensions["ezdms.database"].read(select_session, token_hash=token_hash)
    assert session is not None
    return session  # type: ignore[no-any-return]


async def test_a_new_search_pin_is_shown_at_once(alice: Person) -> None:
    before = (await (await alice.get("/me")).get_json())["search_salt"]
    change = new_search_salt(alice, noise(16))
    assert (await alice.post("/search_pin", change)).status_code == 200
    assert (await (await alice.get("/me")).get_json())["search_salt"] == change["search_salt"] != before


async def test_the_session_cache_is_bounded(alice: Person, app: Quart, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "MOST_REMEMBERED", 3)
    browsers = [await log_in(app, alice) for _ in range(6)]
    for browser in browsers * 2:
        assert await is_logged_in(browser)
    assert len(app.extensions["ezdms.sessions"]) == 3
