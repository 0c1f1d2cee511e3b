"""Deleting an account: all its data is erased, on disk too, and partners keep their copies."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from quart import Quart

from ezdms.actions import accounts, erasing, passwords
from ezdms.actions.send import send
from ezdms.db import Connection, Database, Unavailable, keeps_sessions
from ezdms.models import erasure
from ezdms.models.message import Draft
from ezdms.models.search_pin import replace_search_pin
from ezdms.models.vault import Vault, replace_vault
from ezdms.problem import Problem
from ezdms.protocol import envelope
from tests.http.test_enumeration import face
from tests.http.test_pins import UNKNOWN_PIN, enter, noise, proof
from tests.http.test_sessions import AT_ONCE, HTML, execute, is_logged_in, log_in, stored_bytes
from tests.support.people import PEOPLE, Person
from tests.support.usage import usage
from tests.support.vaults import noise_vault
from tests.websocket.test_live import closed_with, listening

NAME = "unmistakable-name"
AGENT = "unmistakable-agent"
ADDRESS = "203.0.113.211"
WORD = "unmistakable-vault-of-alice"
BLOB = noise_vault(PEOPLE["alice"], word=WORD)


@pytest.fixture
async def alice(app: Quart) -> Person:
    """Alice, registered under a name that can be searched for on disk, with a vault and a second session."""
    alice = await Person(app, PEOPLE["alice"], NAME).register()
    await log_in(app, alice, f"{AGENT}/1.0", ADDRESS)
    stored = await alice.client.put("/vault", form={"version": "1", "blob": BLOB}, headers=alice.headers)
    assert stored.status_code == 200
    return alice


async def leave(person: Person, **changed: str) -> int:
    """Delete the person's account; returns the status."""
    fields = proof(person, **changed) | {"act": person.act("delete_account")}
    return (await person.post("/delete_account", fields)).status_code


async def lines(person: Person) -> list[dict[str, Any]]:
    """The person's conversation list."""
    found = await (await person.get(f"/conversations/{person.user_id}")).get_json()
    assert isinstance(found, list)
    return found


async def test_deleting_an_account_requires_its_login_pin(app: Quart, alice: Person, eve: Person) -> None:
    for person, changed in (
        (alice, {"auth_key": noise(32)}),
        (alice, {"login_id": noise(16)}),
        (alice, proof(eve)),
        (eve, proof(alice)),
    ):
        response = await person.post("/delete_account", proof(person, **changed))
        assert (response.status_code, (await response.get_json())["code"]) == (403, "wrong_pin")
    for missing in ("login_id", "auth_key"):
        fields = {name: value for name, value in proof(alice).items() if name != missing}
        assert (await alice.post("/delete_account", fields)).status_code == 400
    assert [await is_logged_in(person) for person in (alice, eve)] == [True, True]
    assert await leave(eve) == 204  # her PIN is right for her own account
    assert [await is_logged_in(person) for person in (alice, eve)] == [True, False]


async def test_a_deleted_account_cannot_log_in_or_be_found(app: Quart, alice: Person, bob: Person, eve: Person) -> None:
    await bob.start(alice)
    other = await log_in(app, alice)
    async with listening(other) as first, listening(alice) as second:
        fields = proof(alice) | {"act": alice.act("delete_account")}
        response = await alice.post("/delete_account", fields)
        assert response.status_code == 204
        assert "ezdms_session=;" in response.headers["Set-Cookie"]
        for socket in (first, second):
            assert await asyncio.wait_for(closed_with(socket), AT_ONCE) == 1008
    assert [await is_logged_in(person) for person in (alice, other, bob)] == [False, False, True]
    assert (await enter(alice, **proof(alice)))[0] == 401
    unknown = await face(await eve.post("/start_conversation", {"partner_search_pin": UNKNOWN_PIN}))
    for person in (bob, eve):
        gone = await face(await person.post("/start_conversation", {"partner_search_pin": alice.search_pin}))
        assert gone == unknown
    assert unknown[0] == 404


async def test_the_partner_of_a_deleted_account_is_notified_and_keeps_the_messages(alice: Person, bob: Person) -> None:
    conversation_id = await alice.start(bob)
    await alice.send(bob, "from Alice")
    await bob.send(alice, "from Bob")
    assert await bob.texts(alice) == ["from Alice", "from Bob"]
    before = (await lines(bob))[0]
    assert before["partner_username"] == NAME
    async with listening(bob) as socket:
        assert await leave(alice) == 204
        line = {"event": "conversation", "conversation_id": conversation_id, "last_seq": 2, "unread": 0}
        assert await socket.next() == line
    assert await lines(bob) == [before | {"partner_username": "", "partner_statement": ""}]
    assert await bob.texts(alice) == ["from Alice", "from Bob"]
    for path in ("/", f"/c/{conversation_id}", f"/messages/{conversation_id}", f"/conversations/{bob.user_id}"):
        response = await bob.get(path, Accept=HTML)
        assert response.status_code == 200
        assert NAME not in await response.get_data(as_text=True)


async def test_nothing_can_be_sent_to_a_deleted_account(app: Quart, alice: Person, bob: Person, eve: Person) -> None:
    conversation_id = await alice.start(bob)
    await bob.send(alice, "before")
    assert await leave(alice) == 204
    fields = bob.seal(alice, "after")
    response = await bob.post("/send_message", fields)
    assert (response.status_code, (await response.get_json())["code"]) == (410, "left")
    outsider = await eve.post("/send_message", fields)
    assert (outsider.status_code, (await outsider.get_json())["code"]) == (404, "no_conversation")
    # also if it was checked before Alice left and is stored only now
    bob_key = envelope.key_id(bob.keys.spki)
    database: Database = app.extensions["ezdms.database"]
    for keys in (("", bob_key), (bob_key, "")):
        draft = Draft(conversation_id, noise(16), 2, noise(32), 1, "for a", "for b", *keys)
        with pytest.raises(Problem, match="deleted their account"):
            await send(database, bob.hub, draft, bob.user_id, quota=None)
    assert await bob.texts(alice) == ["before"]
    assert (await lines(bob))[0]["last_seq"] == 1


async def test_a_deleted_account_leaves_no_data_on_disk(
    app: Quart, alice: Person, bob: Person, eve: Person, tmp_path: Path
) -> None:
    for partner in (bob, eve):
        await alice.start(partner)
        for n in range(1, 4):
            await alice.send(partner, f"message {n}") if partner is bob else await eve.send(alice, f"message {n}")
    (user,) = await execute(app, "SELECT * FROM users WHERE user_id = :id", id=alice.user_id)
    sessions = await execute(app, "SELECT * FROM sessions WHERE user_id = :id", id=alice.user_id)
    side = "a" if alice.keys.fp < bob.keys.fp else "b"
    own = [sealed.content_for_a if side == "a" else sealed.content_for_b for sealed in alice.sent]
    kept = {"username", "statement", "login_id", "auth_hash", "salt", "wrapped_sig", "wrapped_enc", "fingerprint"}
    traces = {name: user[name] for name in (*kept, "key_id")}
    traces |= {"search_pin": alice.search_pin, "search_salt": alice.fields["search_salt"], "vault": WORD}
    traces |= {"agent": AGENT, "address": ADDRESS}
    traces |= {f"{name} {i}": one[name] for i, one in enumerate(sessions) for name in ("session_id", "token_hash")}
    traces |= {f"copy {i}": one for i, one in enumerate(own)}
    assert len(sessions) == 2
    stored = stored_bytes(tmp_path)
    assert [name for name, trace in traces.items() if trace.encode() not in stored] == []  # the search works
    assert await leave(alice) == 204
    stored = stored_bytes(tmp_path)
    assert bob.fields["statement"].encode() in stored
    assert [name for name, trace in traces.items() if trace.encode() in stored] == []


async def test_a_conversation_is_erased_once_both_accounts_are_deleted(
    app: Quart, alice: Person, bob: Person, eve: Person, tmp_path: Path
) -> None:
    conversation_id = await alice.start(bob)
    await alice.send(bob, "from Alice")
    await bob.send(alice, "from Bob")
    with_eve = await eve.start(bob)
    await eve.send(bob, "from Eve")
    before, own_texts = await lines(eve), await eve.texts(bob)
    assert conversation_id.encode() in stored_bytes(tmp_path)

    assert await leave(alice) == 204
    assert await lines(eve) == before
    assert await leave(bob) == 204
    assert conversation_id.encode() not in stored_bytes(tmp_path)
    ids = await execute(app, "SELECT conversation_id FROM conversations")
    assert ids == await execute(app, "SELECT DISTINCT conversation_id FROM participants")
    assert ids == await execute(app, "SELECT DISTINCT conversation_id FROM messages") == [{"conversation_id": with_eve}]
    users = await execute(app, "SELECT user_id FROM users ORDER BY left_at IS NOT NULL")
    assert [row["user_id"] for row in users] == [eve.user_id, bob.user_id]  # Bob's nameless row is kept for Eve

    assert await eve.texts(bob) == own_texts == ["from Eve"]
    assert await leave(eve) == 204
    for table in ("users", "sessions", "search_pins", "vaults", "conversations", "participants", "messages"):
        assert await execute(app, f"SELECT * FROM {table}") == []  # noqa: S608


async def test_the_same_keys_can_register_again_after_deletion(
    app: Quart, alice: Person, bob: Person, eve: Person
) -> None:
    old = await alice.start(bob)
    await bob.send(alice, "before")
    copied = Person(app, PEOPLE["alice"], "alice")
    assert (await copied.client.post("/register", form=copied.fields)).status_code == 409  # while the account exists
    assert await leave(alice) == 204
    anew = await Person(app, PEOPLE["alice"], "alice").register()
    assert anew.user_id != alice.user_id
    assert await lines(anew) == []
    assert (await anew.get(f"/messages/{old}")).status_code == 404
    await anew.start(eve)
    await anew.send(eve, "Hello Eve")
    assert await eve.texts(anew) == ["Hello Eve"]

    # The same keys give the same conversation id, which Bob still has: it is not inherited, and nothing is lost.
    for person, partner in ((anew, bob), (bob, anew)):
        response = await person.post("/start_conversation", {"partner_search_pin": partner.search_pin})
        assert (response.status_code, (await response.get_json())["code"]) == (409, "left")
    assert await bob.texts(alice) == ["before"]
    assert await leave(bob) == 204
    assert await anew.start(await Person(app, PEOPLE["bob"], "bob").register()) == old


async def test_a_login_concurrent_with_the_deletion_gets_no_session(
    app: Quart, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = passwords.check_auth_key

    async def checked_before_the_end(stored: str | None, auth_key: str) -> bool:
        monkeypatch.setattr(accounts, "check_auth_key", check)
        matches = await check(stored, auth_key)
        assert await leave(alice) == 204
        return matches

    monkeypatch.setattr(accounts, "check_auth_key", checked_before_the_end)
    assert (await enter(alice, **proof(alice)))[0] == 401
    assert await execute(app, "SELECT * FROM sessions") == []


@pytest.mark.parametrize("has_partner", [True, False])
async def test_writes_that_arrive_after_the_deletion_are_not_stored(
    app: Quart, alice: Person, bob: Person, has_partner: bool
) -> None:
    if has_partner:  # then a nameless row remains
        await alice.start(bob)
    assert await leave(alice) == 204
    assert len(await execute(app, "SELECT * FROM users")) == (2 if has_partner else 1)
    database: Database = app.extensions["ezdms.database"]
    for person, is_stored in ((alice, False), (bob, True)):
        assert await database.write(replace_vault, Vault(1, BLOB), user_id=person.user_id, size=1) == is_stored
        await database.write(replace_search_pin, search_pin=noise(4), user_id=person.user_id, salt="")
    for table in ("vaults", "search_pins"):
        assert [row["user_id"] for row in await execute(app, f"SELECT * FROM {table}")] == [bob.user_id]  # noqa: S608


@pytest.fixture
def rows_per_write(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Erases in slices of 4. How many rows each write that erases has changed, until the test ends."""
    changed: list[int] = []
    monkeypatch.setattr(erasure, "SLICE", 4)

    @keeps_sessions
    def counted(connection: Connection, *, user_id: str) -> bool:
        assert isinstance(connection, sqlite3.Connection)
        before = connection.total_changes
        is_done = erasure.erase_slice(connection, user_id=user_id)
        changed.append(connection.total_changes - before)
        return is_done

    monkeypatch.setattr(accounts, "erase_slice", counted)
    monkeypatch.setattr(erasing, "erase_slice", counted)
    return changed


@pytest.mark.sqlite_only
@pytest.mark.parametrize("has_left", [False, True])
async def test_a_large_account_is_erased_in_many_small_writes(
    app: Quart, alice: Person, bob: Person, eve: Person, rows_per_write: list[int], has_left: bool
) -> None:
    for partner in (bob, eve):
        await alice.start(partner)
    for number in range(7):
        await alice.send(bob, f"to Bob {number}")
        await bob.send(alice, f"from Bob {number}")
        await eve.send(alice, f"from Eve {number}")
    both_copies = (await usage(app, bob)).message_bytes
    if has_left:
        assert await leave(bob) == 204
        rows_per_write.clear()
    assert await leave(alice) == 204
    assert len(rows_per_write) >= 5
    assert max(rows_per_write) <= 4 + 6  # the messages; the place, the usage, and a conversation with its participants
    assert await execute(app, "SELECT * FROM erasures") == []
    kept = await execute(app, "SELECT sealed_a IS NULL AS a, sealed_b IS NULL AS b FROM messages")
    assert len(kept) == (7 if has_left else 21)
    assert all(row["a"] + row["b"] == 1 for row in kept)
    assert len(await eve.texts(alice)) == 7
    if not has_left:
        assert (await usage(app, bob)).message_bytes == both_copies // 2
        assert len(await bob.texts(alice)) == 14


@pytest.mark.sqlite_only
async def test_two_large_accounts_deleted_at_the_same_time_leave_nothing(
    app: Quart, alice: Person, bob: Person, rows_per_write: list[int]
) -> None:
    await alice.start(bob)
    for number in range(9):
        await alice.send(bob, f"{number}")
    database: Database = app.extensions["ezdms.database"]
    people = alice.user_id, bob.user_id
    for person in people:
        await database.write(accounts._delete_user, user_id=person, act=None)
    done: set[str] = set()
    for person in people * 9:
        if await database.write(erasure.erase_slice, user_id=person):
            done.add(person)
    assert done == set(people)
    for table in ("users", "conversations", "participants", "messages", "erasures", "usage"):
        assert await execute(app, f"SELECT * FROM {table}") == []  # noqa: S608


@pytest.mark.sqlite_only
async def test_a_failing_disk_delays_the_erasure(
    app: Quart, alice: Person, bob: Person, rows_per_write: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    await alice.start(bob)
    for number in range(9):
        await alice.send(bob, f"{number}")
    failed: list[str] = []

    @keeps_sessions
    def fails_once(connection: Connection, *, user_id: str) -> bool:
        if not failed:
            failed.append(user_id)
            raise Unavailable
        return erasure.erase_slice(connection, user_id=user_id)

    monkeypatch.setattr(erasing, "erase_slice", fails_once)
    monkeypatch.setattr(erasing, "AGAIN", 0.01)
    assert await leave(alice) == 204
    assert failed == [alice.user_id]
    assert await execute(app, "SELECT * FROM erasures") == []
