"""Changing the Login PIN and replacing the Search PIN: the old ones stop working at once."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path
from typing import Any

import pytest
from quart import Quart

from ezdms import crypto
from ezdms.actions import accounts, passwords
from ezdms.protocol import envelope
from ezdms.protocol.encoding import b64u_decode, b64u_encode
from tests.http.test_enumeration import face
from tests.http.test_sessions import AT_ONCE, HTML, execute, is_logged_in, log_in, stored_bytes
from tests.support.people import JSON, Person, registration
from tests.websocket.test_live import closed_with, listening

WRAPPED = ("salt", "iterations", "wrapped_sig", "wrapped_enc")
LOCKS = ("login_id", "auth_key", *WRAPPED)
UNKNOWN_PIN = "K1NY4-V0TH9-BQKPC-Y5ABA-X5PSS"


def proof(person: Person, **changed: str) -> dict[str, Any]:
    """What is derived from the person's Login PIN."""
    return {name: person.fields[name] for name in ("login_id", "auth_key")} | changed


def new_locks(person: Person, **changed: Any) -> dict[str, Any]:
    """The fields of POST /change_pin for a new PIN."""
    fresh = registration(person.keys, person.username, iterations=210_000)
    fields = proof(person) | {f"new_{name}": fresh[name] for name in LOCKS} | changed
    return fields | {"act": person.act("change_pin", envelope.change_pin_purpose(fields))}


def new_search_salt(person: Person, salt: str) -> dict[str, Any]:
    """The fields of POST /search_pin."""
    return {"search_salt": salt, "act": person.act("search_pin", salt)}


def noise(size: int) -> str:
    return b64u_encode(secrets.token_bytes(size))


async def enter(person: Person, login_id: str, auth_key: str) -> tuple[int, dict[str, Any]]:
    """Log in with these; returns the status and the answer."""
    form = {"login_id": login_id, "auth_key": auth_key}
    response = await person.client.post("/login", form=form, headers=JSON)
    return response.status_code, await response.get_json()


async def test_the_wrapped_keys_require_the_login_pin(alice: Person, bob: Person) -> None:
    response = await alice.post("/private_keys", proof(alice))
    assert response.status_code == 200
    assert await response.get_json() == {name: alice.fields[name] for name in (*WRAPPED, "statement", "search_salt")}
    assert (await bob.post("/private_keys", proof(bob))).status_code == 200  # Bob's PIN is right for Bob
    refused = [
        await face(await alice.post("/private_keys", fields))
        for fields in (
            proof(alice, auth_key=noise(32)),
            proof(alice, login_id=noise(16)),
            proof(bob),
            proof(alice, login_id=bob.fields["login_id"]),
        )
    ]
    assert all(one == refused[0] for one in refused)
    assert refused[0][0] == 403
    assert b'"wrong_pin"' in refused[0][1]


async def test_the_html_answer_to_a_login_pin_contains_no_keys(alice: Person) -> None:
    response = await alice.post("/private_keys", proof(alice), Accept=HTML)
    html = await response.get_data(as_text=True)
    assert response.status_code == 200
    assert not [name for name in WRAPPED if str(alice.fields[name]) in html]


async def test_after_a_change_only_the_new_login_pin_logs_in(app: Quart, alice: Person) -> None:
    fields = new_locks(alice)
    response = await alice.post("/change_pin", fields)
    assert (response.status_code, await response.get_data(as_text=False)) == (204, b"")
    for login_id, auth_key in (
        (fields["login_id"], fields["auth_key"]),
        (fields["login_id"], fields["new_auth_key"]),
        (fields["new_login_id"], fields["auth_key"]),
    ):
        assert (await enter(alice, login_id, auth_key))[0] == 401
    status, answer = await enter(alice, fields["new_login_id"], fields["new_auth_key"])
    assert (status, answer["user_id"], answer["search_pin"]) == (200, alice.user_id, alice.search_pin)
    assert {name: answer[name] for name in WRAPPED} == {name: fields[f"new_{name}"] for name in WRAPPED}
    assert answer["statement"] == alice.fields["statement"]


async def test_a_changed_pin_ends_every_other_session(app: Quart, alice: Person, bob: Person) -> None:
    other = await log_in(app, alice)
    async with listening(other) as ended, listening(alice) as kept, listening(bob) as stranger:
        assert (await alice.post("/change_pin", new_locks(alice))).status_code == 204
        assert await asyncio.wait_for(closed_with(ended), AT_ONCE) == 1008
        await bob.start(alice)
        for socket in (kept, stranger):
            assert (await socket.next())["event"] == "conversation"
    assert [await is_logged_in(one) for one in (other, alice, bob)] == [False, True, True]


async def account(app: Quart) -> list[dict[str, Any]]:
    """Everything that a PIN change can change."""
    sessions = "SELECT session_id FROM sessions ORDER BY session_id"
    return await execute(app, "SELECT * FROM users ORDER BY user_id") + await execute(app, sessions)


async def test_changing_a_login_pin_requires_the_old_one(app: Quart, alice: Person, eve: Person) -> None:
    before = await account(app)
    assert (await eve.post("/private_keys", proof(eve))).status_code == 200  # her PIN is right, but not for Alice
    for person, proved in (
        (alice, proof(alice, auth_key=noise(32))),
        (alice, proof(eve)),
        (eve, proof(alice)),
    ):
        response = await person.post("/change_pin", new_locks(person) | proved)
        assert (response.status_code, (await response.get_json())["code"]) == (403, "wrong_pin")
    assert await account(app) == before


async def test_a_malformed_pin_change_changes_nothing(app: Quart, alice: Person) -> None:
    await log_in(app, alice)
    before, right = await account(app), new_locks(alice)
    names = [name for name in right if name != "act"]
    malformed = [{name: right[name] for name in right if name != missing} for missing in names]
    malformed += [
        right | {name: value}
        for name in names
        if name != "new_iterations"
        for value in ("", "?" * 22, noise(15), right[name] + "==", noise(1000))
    ]
    malformed += [right | {"new_iterations": value} for value in ("199999", "2000001", "-1", "2e5", "0200000")]
    for fields in malformed:
        response = await alice.post("/change_pin", fields)
        assert response.status_code == 400, fields
        assert await account(app) == before
    assert (await alice.post("/change_pin", right)).status_code == 204
    assert await account(app) != before


async def test_a_login_pin_in_use_cannot_be_chosen(app: Quart, alice: Person, bob: Person) -> None:
    before = await account(app)
    response = await alice.post("/change_pin", new_locks(alice, new_login_id=bob.fields["login_id"]))
    assert (response.status_code, (await response.get_json())["code"]) == (409, "taken")
    assert await account(app) == before


async def test_one_of_two_concurrent_pin_changes_wins(app: Quart, alice: Person) -> None:
    wishes = [new_locks(alice) for _ in range(2)]
    responses = await asyncio.gather(*(alice.post("/change_pin", wish) for wish in wishes))
    statuses = [response.status_code for response in responses]
    assert sorted(statuses) in ([204, 403], [204, 409])
    won = wishes[statuses.index(204)]
    lost = wishes[1 - statuses.index(204)]
    status, answer = await enter(alice, won["new_login_id"], won["new_auth_key"])
    assert status == 200
    assert {name: answer[name] for name in WRAPPED} == {name: won[f"new_{name}"] for name in WRAPPED}
    assert (await enter(alice, lost["new_login_id"], lost["new_auth_key"]))[0] == 401
    assert (await enter(alice, lost["login_id"], lost["auth_key"]))[0] == 401
    assert await is_logged_in(alice)


async def test_a_login_concurrent_with_a_pin_change_gets_no_session(
    app: Quart, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = passwords.check_auth_key

    async def checked_before_the_change(stored: str | None, auth_key: str) -> bool:
        monkeypatch.setattr(accounts, "check_auth_key", check)
        matches = await check(stored, auth_key)
        assert (await alice.post("/change_pin", new_locks(alice))).status_code == 204
        return matches

    assert (await enter(alice, **proof(alice)))[0] == 200
    monkeypatch.setattr(accounts, "check_auth_key", checked_before_the_change)
    assert (await enter(alice, **proof(alice)))[0] == 401
    assert len(await execute(app, "SELECT * FROM sessions")) == 1


async def test_a_pin_change_leaves_no_trace_of_the_old_pin_on_disk(app: Quart, alice: Person, tmp_path: Path) -> None:
    old = (await execute(app, "SELECT login_id, auth_hash, salt, wrapped_sig, wrapped_enc FROM users"))[0]
    for value in old.values():
        assert value.encode() in stored_bytes(tmp_path)  # the search works
    fields = new_locks(alice)
    assert (await alice.post("/change_pin", fields)).status_code == 204
    stored = stored_bytes(tmp_path)
    assert fields["new_wrapped_enc"].encode() in stored
    assert [name for name, value in old.items() if value.encode() in stored] == []


async def test_a_new_search_pin_finds_the_user_and_the_old_one_does_not(
    app: Quart, alice: Person, bob: Person, eve: Person
) -> None:
    conversation_id = await bob.start(alice)
    await bob.send(alice, "before")
    salt = secrets.token_bytes(16)
    response = await alice.post("/search_pin", new_search_salt(alice, b64u_encode(salt)))
    answer = await response.get_json()
    assert (response.status_code, answer["search_salt"]) == (200, b64u_encode(salt))
    assert answer["search_pin"] != alice.search_pin
    assert crypto.search_pin_commits(answer["search_pin"], alice.keys.ik, salt)

    unknown = await face(await eve.post("/start_conversation", {"partner_search_pin": UNKNOWN_PIN}))
    for person in (eve, bob):  # someone new, and someone who found her by it before
        found = await face(await person.post("/start_conversation", {"partner_search_pin": alice.search_pin}))
        assert found == unknown
    assert unknown[0] == 404

    found_by = {"partner_search_pin": answer["search_pin"]}
    for person, status in ((eve, 201), (bob, 200)):
        found_now = await (response := await person.post("/start_conversation", found_by)).get_json()
        assert (response.status_code, found_now["partner_id"]) == (status, alice.user_id)
        assert b64u_decode(found_now["partner_search_salt"]) == salt
    assert found_now["conversation_id"] == conversation_id
    await alice.send(bob, "after")
    assert await bob.texts(alice) == ["before", "after"]
    assert (await enter(alice, **proof(alice)))[1]["search_pin"] == answer["search_pin"]


@pytest.mark.parametrize("salt", ["", "x", "A" * 20, "A" * 23, "A" * 22 + "==", None])
async def test_a_malformed_salt_does_not_replace_the_search_pin(alice: Person, bob: Person, salt: str | None) -> None:
    fields = {"act": alice.act("search_pin")} if salt is None else new_search_salt(alice, salt)
    response = await alice.post("/search_pin", fields)
    assert response.status_code == 400
    await bob.start(alice)


async def test_users_cannot_replace_the_search_pin_of_others(alice: Person, bob: Person, eve: Person) -> None:
    fields = new_search_salt(eve, noise(16)) | {"user_id": alice.user_id}
    assert (await eve.post("/search_pin", fields)).status_code == 200
    assert eve.user_id != alice.user_id
    await bob.start(alice)
