"""Registration, login, logout and sessions."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import pytest
from quart import Quart
from werkzeug import security

from ezdms import crypto
from ezdms.actions import passwords
from ezdms.db import Connection, Database, fetch_all
from ezdms.protocol.encoding import b64u_decode, b64u_encode
from tests.http.test_sessions import stored_bytes
from tests.support.people import JSON, PEOPLE, Person, registration


async def count(app: Quart, table: str) -> int:
    """The number of rows of a table."""

    def query(connection: Connection) -> int:
        return int((fetch_all(connection, f"SELECT COUNT(*) AS n FROM {table}"))[0]["n"])  # noqa: S608

    database: Database = app.extensions["ezdms.database"]
    return await database.read(query)


async def test_registering_returns_an_id_a_token_and_a_search_pin_that_commits_to_the_key(app: Quart) -> None:
    alice = await Person(app, PEOPLE["alice"], "alice").register()
    assert set(alice.account) == {"user_id", "username", "search_pin", "token"}
    assert len(b64u_decode(alice.user_id)) == 16
    assert len(b64u_decode(alice.account["token"])) == 32
    salt = b64u_decode(alice.fields["search_salt"])
    assert crypto.search_pin_commits(alice.search_pin, PEOPLE["alice"].ik, salt)


async def test_logging_in_returns_the_registered_keys(app: Quart, alice: Person) -> None:
    fields = {name: alice.fields[name] for name in ("login_id", "auth_key")}
    response = await alice.client.post("/login", json=fields, headers=JSON)
    assert response.status_code == 200
    answer = await response.get_json()
    for name in ("salt", "iterations", "wrapped_sig", "wrapped_enc", "statement", "username"):
        assert answer[name] == alice.fields[name]
    assert (answer["user_id"], answer["search_pin"]) == (alice.user_id, alice.search_pin)
    assert answer["token"] != alice.account["token"]


async def test_an_unknown_login_id_and_a_wrong_auth_key_get_the_same_answer(alice: Person) -> None:
    answers = []
    for changed in ("login_id", "auth_key"):
        fields = {name: alice.fields[name] for name in ("login_id", "auth_key")}
        fields[changed] = b64u_encode(secrets.token_bytes(len(b64u_decode(fields[changed]))))
        response = await alice.client.post("/login", form=fields, headers=JSON)
        answers.append((response.status_code, await response.get_data(), sorted(response.headers.keys())))
    assert answers[0] == answers[1]
    assert answers[0][0] == 401


async def test_a_login_costs_one_hash_whether_the_account_is_known_or_not(
    alice: Person, bob: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[str] = []
    check = security.check_password_hash

    def counting(stored: str, given: str) -> bool:
        checked.append(stored)
        return check(stored, given)

    monkeypatch.setattr(passwords, "check_password_hash", counting)
    known = {name: alice.fields[name] for name in ("login_id", "auth_key")}
    await alice.client.post("/login", form=known, headers=JSON)
    await alice.client.post("/login", form=known | {"login_id": b64u_encode(bytes(16))}, headers=JSON)
    assert len(checked) == 2
    assert checked[0] != checked[1]


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_the_cookie_is_protected_from_scripts_and_other_sites(app: Quart, scheme: str) -> None:
    client = app.test_client()
    fields = registration(PEOPLE["alice"], "alice")
    response = await client.post("/register", form=fields, headers=JSON, scheme=scheme)
    cookie = response.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Path=/" in cookie
    assert "Domain" not in cookie
    assert ("Secure" in cookie) == (scheme == "https")
    assert cookie.startswith("__Host-" if scheme == "https" else "ezdms_session=")


async def test_with_tls_a_cookie_planted_without_the_host_prefix_is_ignored(app: Quart, alice: Person) -> None:
    headers = {"Cookie": f"ezdms_session={alice.account['token']}", **JSON}
    path = f"/conversations/{alice.user_id}"
    plain = await alice.client.get(path, headers=headers)
    secure = await alice.client.get(path, headers=headers, scheme="https")
    assert (plain.status_code, secure.status_code) == (200, 401)


async def test_a_bearer_request_ignores_cookies(alice: Person) -> None:
    good = f"ezdms_session={alice.account['token']}"
    path = f"/conversations/{alice.user_id}"
    assert (await alice.client.get(path, headers={"Cookie": good, **JSON})).status_code == 200
    headers = {"Cookie": good, "Authorization": "Bearer " + "A" * 43, **JSON}
    assert (await alice.client.get(path, headers=headers)).status_code == 401
    headers["Authorization"] = "Basic abc"  # set by a proxy in front, not by us
    assert (await alice.client.get(path, headers=headers)).status_code == 200


async def test_logging_out_ends_only_the_current_session(app: Quart, alice: Person) -> None:
    fields = {name: alice.fields[name] for name in ("login_id", "auth_key")}
    second = await (await alice.client.post("/login", form=fields, headers=JSON)).get_json()
    response = await alice.post("/logout")
    assert response.status_code == 204
    path = f"/conversations/{alice.user_id}"
    assert (await alice.get(path)).status_code == 401
    alice.headers["Authorization"] = f"Bearer {second['token']}"
    assert (await alice.get(path)).status_code == 200


async def test_an_expired_session_is_refused(app: Quart, alice: Person) -> None:
    def expire(connection: Connection) -> None:
        fetch_all(connection, "UPDATE sessions SET expires_at = 1")

    path = f"/conversations/{alice.user_id}"
    assert (await alice.get(path)).status_code == 200
    await app.extensions["ezdms.database"].write(expire)
    assert (await alice.get(path)).status_code == 401


async def test_tokens_and_auth_keys_are_not_in_the_database(app: Quart, alice: Person, tmp_path: Path) -> None:
    def is_stored(text: str) -> bool:
        return text.encode() in stored_bytes(tmp_path)

    assert is_stored(alice.fields["wrapped_sig"])  # the search works
    assert not is_stored(alice.account["token"])
    assert not is_stored(alice.fields["auth_key"])


MALFORMED: list[tuple[dict[str, Any], int]] = [
    ({"username": "al"}, 400),
    ({"username": "a" * 33}, 400),
    ({"username": "al ice"}, 400),
    ({"username": "<b>alice</b>"}, 400),
    ({"username": "älice"}, 400),
    ({"username": "alice\n"}, 400),
    ({"login_id": "short"}, 400),
    ({"login_id": b64u_encode(bytes(17))}, 400),
    ({"login_id": b64u_encode(bytes(16)) + "=="}, 400),
    ({"auth_key": b64u_encode(bytes(31))}, 400),
    ({"salt": b64u_encode(bytes(15))}, 400),
    ({"search_salt": "?" * 22}, 400),
    ({"iterations": 199_999}, 400),
    ({"iterations": 2_000_001}, 400),
    ({"iterations": "2e5"}, 400),
    ({"iterations": "0200000"}, 400),
    ({"wrapped_sig": b64u_encode(bytes(75))}, 400),
    ({"wrapped_enc": b64u_encode(bytes(1000))}, 400),
    ({"statement": "a.b.c"}, 422),
    ({"statement": crypto.sign_statement(PEOPLE["alice"], "mallory", 1, 0)}, 422),
    ({"username": "9XM9A-MQQPM-79YKF-XPQ75-NHP58"}, 400),  # someone's Search PIN
    ({"username": "ABCD-EFGH-JKMN-PQRS"}, 400),
    ({"statement": crypto.sign_statement(PEOPLE["alice"], "alice", 0, 0)}, 422),
]


@pytest.mark.parametrize(("changed", "status"), MALFORMED, ids=lambda value: str(value)[:40])
async def test_a_malformed_registration_is_refused_and_nothing_is_stored(
    app: Quart, changed: dict[str, Any], status: int
) -> None:
    client = app.test_client()
    response = await client.post("/register", form=registration(PEOPLE["alice"], "alice", **changed), headers=JSON)
    assert response.status_code == status
    answer = await response.get_json()
    assert answer["error"].endswith(".")
    assert answer["code"]
    assert "Set-Cookie" not in response.headers
    assert await count(app, "users") == await count(app, "sessions") == 0


@pytest.mark.parametrize("missing", list(registration(PEOPLE["alice"], "alice")))
async def test_a_registration_without_one_of_its_fields_is_refused(app: Quart, missing: str) -> None:
    fields = registration(PEOPLE["alice"], "alice")
    del fields[missing]
    response = await app.test_client().post("/register", json=fields, headers=JSON)
    assert response.status_code == 400
    assert missing in (await response.get_json())["error"]


async def test_an_identity_key_belongs_to_one_account(app: Quart, alice: Person) -> None:
    copied = registration(PEOPLE["alice"], "alice", statement=alice.fields["statement"])
    response = await alice.client.post("/register", form=copied, headers=JSON)
    assert response.status_code == 409
    assert await count(app, "users") == await count(app, "search_pins") == 1


async def test_two_users_can_have_the_same_name(app: Quart, alice: Person) -> None:
    namesake = await Person(app, PEOPLE["eve"], "alice").register()
    assert namesake.user_id != alice.user_id
    assert namesake.search_pin != alice.search_pin
