"""Sessions: visible only to their owner, and ended at once together with their sockets."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from quart import Quart

from ezdms.actions import sessions as found
from ezdms.db import Connection, Database, fetch_all, now
from ezdms.models import session as stored
from ezdms.models.session import LIFETIME, RENEWED, USED_AGAIN
from ezdms.web import admission
from tests.http.test_enumeration import NO_ID, face
from tests.support import engines
from tests.support.people import JSON, Person
from tests.websocket.test_live import closed_with, listening

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
HTML = "text/html"
AT_ONCE = 1.0  # seconds within which a socket must be closed


async def execute(app: Quart, sql: str, **values: Any) -> list[dict[str, Any]]:
    """Run a statement on the app's database that no route would, such as turning back a clock."""

    def query(connection: Connection) -> list[dict[str, Any]]:
        return [dict(row) for row in fetch_all(connection, sql, **values)]

    database: Database = app.extensions["ezdms.database"]
    return await database.write(query)


def stored_bytes(folder: Path) -> bytes:
    """All bytes in the data folder: the database, the log and everything else; or the rows in PostgreSQL."""
    files = b"\n".join(path.read_bytes() for path in sorted((folder / "data").iterdir()))
    return files + b"\n" + engines.rows(folder / "data")


async def log_in(app: Quart, person: Person, agent: str = "curl/8.5.0", address: str = "203.0.113.9") -> Person:
    """Log in as the same person in another browser."""
    other = Person(app, person.keys, person.username)
    other.fields, other.sent = person.fields, person.sent
    fields = {name: person.fields[name] for name in ("login_id", "auth_key")}
    response = await other.client.post(
        "/login", form=fields, headers=JSON | {"User-Agent": agent}, scope_base={"client": (address, 50_000)}
    )
    assert response.status_code == 200, await response.get_data()
    other.account = await response.get_json()
    other.headers["Authorization"] = f"Bearer {other.account['token']}"
    return other


async def sessions(person: Person) -> list[dict[str, Any]]:
    """The person's sessions as listed."""
    response = await person.get("/sessions")
    assert response.status_code == 200, await response.get_data()
    found = await response.get_json()
    assert isinstance(found, list)
    return found


async def session_id(person: Person) -> str:
    """The id of the person's current session."""
    (current,) = [one["session_id"] for one in await sessions(person) if one["current"]]
    return str(current)


async def is_logged_in(person: Person) -> bool:
    """True if the person's token is still valid."""
    status = (await person.get("/sessions")).status_code
    assert status in (200, 401)
    return status == 200


async def test_the_list_shows_the_browser_address_and_times_of_sessions(app: Quart, alice: Person) -> None:
    began = now()
    firefox = await log_in(app, alice, FIREFOX, "203.0.113.1")
    await log_in(app, alice, "python-httpx/0.28.1", "2001:db8::2")
    found = await sessions(firefox)
    assert [(one["browser"], one["address"], one["current"]) for one in found[:2]] == [
        ("python-httpx", "2001:db8::2", False),
        ("Firefox on Linux", "203.0.113.1", True),
    ]
    assert len(found) == 3  # with the session of the registration, the least recently used
    for one in found[:2]:
        assert set(one) == {"session_id", "browser", "address", "created_at", "used_at", "current"}
        assert began <= one["created_at"] == one["used_at"] <= now()
    assert [one["current"] for one in await sessions(alice)] == [False, False, True]


async def test_users_cannot_see_or_end_the_sessions_of_others(app: Quart, alice: Person, eve: Person) -> None:
    other = await log_in(app, alice)
    theirs, mine = [one["session_id"] for one in await sessions(alice)], await sessions(eve)
    assert eve.user_id != alice.user_id
    assert (len(theirs), len(mine)) == (2, 1)
    assert not {one["session_id"] for one in mine} & set(theirs)
    for accept in (HTML, "application/json"):
        nowhere = await face(await eve.post(f"/sessions/{NO_ID}/end", Accept=accept))
        for one in theirs:
            assert await face(await eve.post(f"/sessions/{one}/end", Accept=accept)) == nowhere
        assert nowhere[0] == 404
    await eve.post("/sessions/end_others")
    assert [one["session_id"] for one in await sessions(alice)] == theirs
    assert await is_logged_in(other)


async def test_ending_a_session_revokes_its_token_and_closes_its_sockets_at_once(
    app: Quart, alice: Person, bob: Person
) -> None:
    lost = await log_in(app, alice)
    ended = await session_id(lost)
    async with listening(lost) as first, listening(lost) as second, listening(alice) as kept:
        response = await alice.post(f"/sessions/{ended}/end")
        assert response.status_code == 200
        assert [one["current"] for one in await response.get_json()] == [True]
        assert await asyncio.wait_for(closed_with(first), AT_ONCE) == 1008
        assert await asyncio.wait_for(closed_with(second), AT_ONCE) == 1008
        await bob.start(alice)
        assert (await kept.next())["event"] == "conversation"
    assert not await is_logged_in(lost)
    assert await is_logged_in(alice)
    again = await alice.post(f"/sessions/{ended}/end")
    assert (again.status_code, (await again.get_json())["code"]) == (404, "unknown_session")


async def test_ending_the_current_session_logs_it_out(app: Quart, alice: Person) -> None:
    other = await log_in(app, alice)
    response = await other.post(f"/sessions/{await session_id(other)}/end")
    assert response.status_code == 200
    assert "ezdms_session=;" in response.headers["Set-Cookie"]
    assert [one["current"] for one in await response.get_json()] == [False]
    assert not await is_logged_in(other)
    assert await is_logged_in(alice)


async def test_ending_all_other_sessions_keeps_the_current_one(app: Quart, alice: Person, bob: Person) -> None:
    others = [await log_in(app, alice) for _ in range(2)]
    kept_id = await session_id(alice)
    async with listening(others[0]) as first, listening(others[1]) as second, listening(alice) as kept:
        response = await alice.post("/sessions/end_others")
        assert [(one["session_id"], one["current"]) for one in await response.get_json()] == [(kept_id, True)]
        for socket in (first, second):
            assert await asyncio.wait_for(closed_with(socket), AT_ONCE) == 1008
        await bob.start(alice)
        assert (await kept.next())["event"] == "conversation"
    assert [await is_logged_in(one) for one in (*others, alice, bob)] == [False, False, True, True]


async def test_expired_sessions_are_not_listed(app: Quart, alice: Person) -> None:
    expired = await session_id(await log_in(app, alice))
    assert expired in [one["session_id"] for one in await sessions(alice)]
    await execute(app, "UPDATE sessions SET expires_at = :moment WHERE session_id = :id", moment=now(), id=expired)
    assert [one["session_id"] for one in await sessions(alice)] == [await session_id(alice)]


async def test_an_account_has_a_limited_number_of_sessions_and_a_login_deletes_a_few_at_a_time(
    app: Quart, alice: Person, bob: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = [await log_in(app, alice) for _ in range(5)]
    for age, one in enumerate(others):  # the first was used last
        used = {"at": now() - (age + 1) * 1000, "id": await session_id(one)}
        await execute(app, "UPDATE sessions SET used_at = :at WHERE session_id = :id", **used)
    monkeypatch.setattr(stored, "MOST", 4)
    newest = await log_in(app, alice)
    assert [await is_logged_in(one) for one in (newest, alice, *others, bob)] == [True] * 4 + [False] * 3 + [True]
    monkeypatch.setattr(stored, "AT_ONCE", 2)
    await execute(app, "UPDATE sessions SET expires_at = 0 WHERE user_id = :id", id=alice.user_id)
    await log_in(app, bob)
    assert len(await execute(app, "SELECT 1 FROM sessions WHERE user_id = :id", id=alice.user_id)) == 2


@pytest.mark.other_queries
@pytest.mark.parametrize(("age", "moves"), [(USED_AGAIN - 10_000, False), (USED_AGAIN + 1, True)])
async def test_last_used_is_updated_only_after_a_while(app: Quart, alice: Person, age: int, moves: bool) -> None:
    other = await log_in(app, alice, FIREFOX, "203.0.113.1")
    mine = await session_id(other)
    was = now() - age
    await execute(app, "UPDATE sessions SET used_at = :was WHERE session_id = :mine", was=was, mine=mine)
    response = await other.client.get(
        "/sessions",
        headers=other.headers | {"User-Agent": "curl/8.5.0"},
        scope_base={"client": ("203.0.113.2", 50_000)},
    )
    assert response.status_code == 200
    (seen,) = [one for one in await sessions(other) if one["current"]]
    assert (seen["used_at"] > was) == moves
    where = ("curl", "203.0.113.2") if moves else ("Firefox on Linux", "203.0.113.1")
    assert (seen["browser"], seen["address"]) == where


async def test_the_list_and_the_answers_are_the_same_fragment(app: Quart, alice: Person) -> None:
    gone = await session_id(await log_in(app, alice))
    await log_in(app, alice, FIREFOX, "203.0.113.1")
    assert gone in await (await alice.get("/sessions/list", Accept=HTML)).get_data(as_text=True)
    fragment = await (await alice.post(f"/sessions/{gone}/end", Accept=HTML)).get_data(as_text=True)
    assert fragment.startswith("<device-item data-session-id=")
    assert 'data-browser="Firefox on Linux" data-address="203.0.113.1"' in fragment
    assert gone not in fragment
    assert fragment == await (await alice.get("/sessions/list", Accept=HTML)).get_data(as_text=True)
    alone = await (await alice.post("/sessions/end_others", Accept=HTML)).get_data(as_text=True)
    assert alone.startswith("<device-item ")
    assert "Firefox on Linux" not in alone


async def test_the_sessions_page_is_served_without_a_session(app: Quart) -> None:
    """The JSON list requires one."""
    assert (await app.test_client().get("/sessions", headers={"Accept": HTML})).status_code == 200
    assert (await app.test_client().get("/sessions", headers={"Accept": "application/json"})).status_code == 401


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        ("<script>alert('owned')</script>", "Unknown browser"),
        ("Firefox/<img src=x onerror=owned>", "Firefox"),
        ("curl\"'><b>owned</b>/8", "curl"),
        ("Chrome/1 (Linux; <svg/onload=owned>)", "Chrome on Linux"),
    ],
)
async def test_markup_in_a_user_agent_is_neither_stored_nor_shown(
    app: Quart, alice: Person, tmp_path: Path, agent: str, words: str
) -> None:
    await log_in(app, alice, "unmistakable-program/1.0")
    await log_in(app, alice, agent)
    stored = stored_bytes(tmp_path)
    assert b"unmistakable-program" in stored  # the search works
    assert b"owned" not in stored
    assert [one["browser"] for one in await sessions(alice)][:2] == [words, "unmistakable-program"]
    fragment = await (await alice.get("/sessions/list", Accept=HTML)).get_data(as_text=True)
    assert words in fragment
    assert "owned" not in fragment


class Clock:
    """The server's clock for sessions, `ahead` ms of the real one."""

    ahead = 0

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for module in (admission, found, stored):
            monkeypatch.setattr(module, "now", lambda: now() + self.ahead)


async def test_a_session_in_use_outlives_its_90_days_and_so_does_its_cookie(
    app: Quart, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    forgotten = await log_in(app, alice)
    browser = await log_in(app, alice)
    browser.headers = {"Cookie": f"ezdms_session={browser.account['token']}"}
    day = RENEWED

    async def uses() -> list[str]:
        response = await browser.get("/me")
        assert response.status_code == 200
        return [one for one in response.headers.getlist("Set-Cookie") if f"Max-Age={LIFETIME // 1000}" in one]

    assert await uses() == []  # just begun
    for days in (80, 160, 240):
        clock.ahead = days * day
        [cookie] = await uses()
        assert f"ezdms_session={browser.account['token']};" in cookie
        assert "HttpOnly" in cookie
        clock.ahead += day // 2
        assert await uses() == []  # at most once a day
    assert (await forgotten.get("/me")).status_code == 401
    clock.ahead += 91 * day
    assert (await browser.get("/me")).status_code == 401


async def test_a_socket_stays_open_if_its_session_was_renewed_and_is_closed_otherwise(
    app: Quart, alice: Person
) -> None:
    await execute(app, "UPDATE sessions SET expires_at = :soon", soon=now() + 1500)
    async with listening(alice) as renewed:
        forgotten = await log_in(app, alice)
        forgotten_id = await session_id(forgotten)
        late = "UPDATE sessions SET expires_at = :soon WHERE session_id = :id"
        await execute(app, late, soon=now() + 1500, id=forgotten_id)
        async with listening(forgotten) as expired:
            assert (await alice.get("/me")).status_code == 200  # renews it
            assert await closed_with(expired) == 1008
        assert (await alice.post("/logout")).status_code == 204
        assert await closed_with(renewed) == 1008
