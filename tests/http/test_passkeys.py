"""Passkeys: added with the Login PIN, in place of it and of a code, and each answer counts once."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from quart import Quart

from ezdms.actions import passkeys
from ezdms.db import now
from ezdms.models import passkey
from ezdms.protocol.encoding import b64u_encode
from tests.http.test_accounts import count
from tests.http.test_pins import new_locks
from tests.http.test_sessions import stored_bytes
from tests.support.authenticator import USER_PRESENT, USER_VERIFIED, Authenticator
from tests.support.people import JSON, Person
from tests.support.second_step import turn_on

WRAPPED = b64u_encode(bytes(range(44)))


def pin_of(person: Person) -> dict[str, Any]:
    """What proves the Login PIN."""
    return {name: person.fields[name] for name in ("login_id", "auth_key")}


async def code(response: Any) -> tuple[int, str]:
    """Status, and the code of an error."""
    answer = await response.get_json()
    return response.status_code, answer.get("code", "") if isinstance(answer, dict) else ""


async def options_for(person: Person) -> dict[str, Any]:
    response = await person.post("/passkeys/options", pin_of(person))
    assert response.status_code == 200, await response.get_data()
    return dict((await response.get_json())["options"])


async def adds(person: Person, authenticator: Authenticator, **changed: Any) -> Any:
    """The response to POST /passkeys."""
    credential = authenticator.makes(await options_for(person))
    fields = pin_of(person) | {"credential": credential, "wrapped": WRAPPED, "name": "phone"}
    return await person.post("/passkeys", fields | changed)


async def challenge_of(app: Quart) -> dict[str, Any]:
    response = await app.test_client(use_cookies=False).post("/login_passkey/options", headers=JSON)
    assert response.status_code == 200
    return dict((await response.get_json())["options"])


async def logs_in(app: Quart, answer: str) -> Any:
    client = app.test_client(use_cookies=False)
    return await client.post("/login_passkey", form={"credential": answer}, headers=JSON)


async def test_a_passkey_opens_the_account_and_hands_out_what_it_wraps(app: Quart, alice: Person) -> None:
    phone = Authenticator()
    response = await adds(alice, phone)
    assert response.status_code == 201
    (made,) = (await response.get_json())["passkeys"]
    assert (made["credential_id"], made["name"], made["used_at"]) == (phone.id, "phone", None)
    response = await logs_in(app, phone.answers(await challenge_of(app)))
    assert response.status_code == 200
    answer = await response.get_json()
    assert (answer["user_id"], answer["wrapped"], answer["credential_id"]) == (alice.user_id, WRAPPED, phone.id)
    assert answer["wrapped_sig"] == alice.fields["wrapped_sig"]
    bearer = {**JSON, "Authorization": f"Bearer {answer['token']}"}
    listed = (await (await app.test_client(use_cookies=False).get("/passkeys", headers=bearer)).get_json())["passkeys"]
    assert listed[0]["used_at"] >= listed[0]["created_at"]
    assert "wrapped" not in listed[0]


async def test_the_options_demand_a_verified_user_and_name_no_account(app: Quart, alice: Person) -> None:
    options = await options_for(alice)
    assert options["rp"]["id"] == "localhost"
    assert options["authenticatorSelection"]["userVerification"] == "required"
    assert options["authenticatorSelection"]["residentKey"] == "required"
    phone = Authenticator()
    await adds(alice, phone)
    assert [one["id"] for one in (await options_for(alice))["excludeCredentials"]] == [phone.id]
    asked = await challenge_of(app)
    assert asked["userVerification"] == "required"
    assert not asked.get("allowCredentials")
    assert asked["challenge"] != (await challenge_of(app))["challenge"]


async def test_it_counts_as_both_steps(app: Quart, alice: Person) -> None:
    phone = Authenticator()
    await adds(alice, phone)
    await turn_on(app, alice)
    login = await app.test_client(use_cookies=False).post("/login", form=pin_of(alice), headers=JSON)
    assert (await code(login))[1] == "second_step"
    assert (await logs_in(app, phone.answers(await challenge_of(app)))).status_code == 200


async def test_an_answer_counts_once(app: Quart, alice: Person) -> None:
    phone = Authenticator()
    await adds(alice, phone)
    answer = phone.answers(await challenge_of(app))
    assert (await logs_in(app, answer)).status_code == 200
    assert await code(await logs_in(app, answer)) == (401, "passkey")
    syncs = Authenticator()  # one whose count stays 0, as of passkeys that are synchronized
    await adds(alice, syncs)
    syncs.count = -1
    answer = syncs.answers(await challenge_of(app))
    responses = await asyncio.gather(*(logs_in(app, answer) for _ in range(5)))
    assert sorted(one.status_code for one in responses) == [200, 401, 401, 401, 401]


async def test_a_passkey_is_added_once_and_with_the_login_pin_alone(app: Quart, alice: Person, bob: Person) -> None:
    phone = Authenticator()
    options = await options_for(alice)
    fields = {"credential": phone.makes(options), "wrapped": WRAPPED, "name": "phone"}
    assert await code(await alice.post("/passkeys", fields)) == (400, "missing_field")
    assert await code(await alice.post("/passkeys", fields | pin_of(bob))) == (403, "wrong_pin")
    assert await code(await alice.post("/passkeys/options", pin_of(bob))) == (403, "wrong_pin")
    assert (await alice.post("/passkeys", fields | pin_of(alice))).status_code == 201
    assert await code(await alice.post("/passkeys", fields | pin_of(alice))) == (422, "passkey")  # the same answer
    assert await code(await adds(bob, phone)) == (409, "passkey_taken")
    assert await count(app, "passkeys") == 1


async def test_an_answer_for_somebody_else_is_refused(app: Quart, alice: Person, bob: Person) -> None:
    credential = Authenticator().makes(await options_for(alice))
    fields = pin_of(bob) | {"credential": credential, "wrapped": WRAPPED, "name": "phone"}
    assert await code(await bob.post("/passkeys", fields)) == (422, "passkey")
    phone = Authenticator()
    await adds(alice, phone)
    assert await code(await logs_in(app, phone.answers(await options_for(alice)))) == (401, "passkey")
    login = phone.makes(await challenge_of(app))
    fields = pin_of(alice) | {"credential": login, "wrapped": WRAPPED, "name": "phone"}
    assert await code(await alice.post("/passkeys", fields)) == (422, "passkey")


@pytest.mark.parametrize(
    "lie",
    [
        {"origin": "https://localhost"},
        {"origin": "http://evil.example"},
        {"origin": "http://localhost:81"},
        {"host": "evil.example"},
        {"host": "127.0.0.1"},
        {"flags": USER_PRESENT},
        {"flags": USER_VERIFIED},
        {"flags": 0},
    ],
)
async def test_answers_of_another_page_host_or_an_unverified_user_are_refused(
    app: Quart, alice: Person, lie: dict[str, Any]
) -> None:
    assert await code(await adds(alice, Authenticator(**lie))) == (422, "passkey")
    phone = Authenticator()
    await adds(alice, phone)
    for name, value in lie.items():
        setattr(phone, name, value)
    assert await code(await logs_in(app, phone.answers(await challenge_of(app)))) == (401, "passkey")
    assert await count(app, "passkeys") == 1


async def test_forged_old_and_foreign_challenges_are_refused(
    app: Quart, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone = Authenticator()
    await adds(alice, phone)
    real = await challenge_of(app)
    for challenge in ("", "AAAA", b64u_encode(bytes(60)), real["challenge"][:-4] + "AAAA"):
        assert await code(await logs_in(app, phone.answers({"challenge": challenge}))) == (401, "passkey")
    later = now() + passkeys.LIFETIME + 1
    monkeypatch.setattr(passkeys, "now", lambda: later)
    assert await code(await logs_in(app, phone.answers(real))) == (401, "passkey")


async def test_another_key_a_lower_count_and_an_unknown_passkey_open_nothing(app: Quart, alice: Person) -> None:
    phone = Authenticator(count=7)
    await adds(alice, phone)
    thief = Authenticator(credential_id=phone.credential_id, count=20)
    assert await code(await logs_in(app, thief.answers(await challenge_of(app)))) == (401, "passkey")
    clone = Authenticator(credential_id=phone.credential_id, key=phone.key, count=3)
    assert await code(await logs_in(app, clone.answers(await challenge_of(app)))) == (401, "passkey")
    assert await code(await logs_in(app, Authenticator().answers(await challenge_of(app)))) == (401, "passkey")
    assert (await logs_in(app, phone.answers(await challenge_of(app)))).status_code == 200


@pytest.mark.parametrize(
    "answer", ["", "x", "[]", "{}", "null", '{"id": 1}', "[" * 9000, '{"id": "a", "response": []}', "x" * 20_000]
)
async def test_what_is_no_answer_is_refused_with_a_sentence(app: Quart, alice: Person, answer: str) -> None:
    assert await code(await logs_in(app, answer)) == (401, "passkey")
    fields = pin_of(alice) | {"credential": answer, "wrapped": WRAPPED, "name": "phone"}
    assert await code(await alice.post("/passkeys", fields)) == (422, "passkey")


async def test_an_answer_with_the_prf_output_is_refused_and_stored_nowhere(
    app: Quart, alice: Person, tmp_path: Path
) -> None:
    phone = Authenticator()
    leak = {"clientExtensionResults": {"prf": {"results": {"first": "SECRETSECRETSECRET"}}}}
    credential = phone.makes(await options_for(alice), **leak)
    fields = pin_of(alice) | {"credential": credential, "wrapped": WRAPPED, "name": "phone"}
    assert await code(await alice.post("/passkeys", fields)) == (422, "passkey")
    await adds(alice, phone)
    assert await code(await logs_in(app, phone.answers(await challenge_of(app), **leak))) == (401, "passkey")
    assert b"SECRETSECRET" not in stored_bytes(tmp_path)


@pytest.mark.parametrize(
    ("field", "value", "slug"),
    [
        ("wrapped", WRAPPED[:-4], "malformed_field"),
        ("wrapped", "", "malformed_field"),
        ("name", " ", "malformed_name"),
        ("name", "a\nb", "malformed_name"),
        ("name", "x" * 65, "malformed_name"),
    ],
)
async def test_malformed_fields_are_refused(alice: Person, field: str, value: str, slug: str) -> None:
    assert await code(await adds(alice, Authenticator(), **{field: value})) == (400, slug)


async def test_passkeys_are_renamed_and_removed_by_their_owner_alone(app: Quart, alice: Person, bob: Person) -> None:
    phone = Authenticator()
    await adds(alice, phone)
    address = f"/passkeys/{phone.id}"
    for person, path, status in (
        (bob, f"{address}/rename", 404),
        (bob, f"{address}/remove", 404),
        (alice, "/passkeys/x/remove", 404),
        (alice, f"{address}/rename", 200),
    ):
        assert (await person.post(path, {"name": " work phone "})).status_code == status
    for act in ("rename", "remove"):  # somebody else's passkey looks like none
        answers = [await bob.post(f"/passkeys/{one}/{act}", {"name": "x"}) for one in (phone.id, "A" * len(phone.id))]
        assert len({(one.status_code, await one.get_data(as_text=True)) for one in answers}) == 1
    (listed,) = (await (await alice.get("/passkeys")).get_json())["passkeys"]
    assert listed["name"] == "work phone"
    challenge = await challenge_of(app)
    assert await (await alice.post(f"{address}/remove")).get_json() == {"passkeys": []}
    assert await code(await logs_in(app, phone.answers(challenge))) == (401, "passkey")


async def test_a_new_login_pin_and_a_deleted_account_remove_every_passkey(
    app: Quart, alice: Person, bob: Person
) -> None:
    for person in (alice, bob):
        await adds(person, Authenticator())
    assert (await alice.post("/change_pin", new_locks(alice))).status_code == 204
    assert await (await alice.get("/passkeys")).get_json() == {"passkeys": []}
    assert await count(app, "passkeys") == 1
    fields = pin_of(bob) | {"act": bob.act("delete_account")}
    assert (await bob.post("/delete_account", fields)).status_code == 204
    assert await count(app, "passkeys") == 0


async def test_the_21st_passkey_is_refused(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passkey, "MOST", 2)
    for _ in range(2):
        assert (await adds(alice, Authenticator())).status_code == 201
    assert await code(await adds(alice, Authenticator())) == (409, "too_many_passkeys")


async def test_answered_challenges_are_forgotten_once_they_have_expired(
    app: Quart, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone = Authenticator()
    await adds(alice, phone)
    assert await count(app, "answered_challenges") == 1
    later = now() + passkeys.LIFETIME + 1
    monkeypatch.setattr(passkey, "now", lambda: later)
    monkeypatch.setattr(passkeys, "now", lambda: later)
    await logs_in(app, phone.answers(await challenge_of(app)))
    assert await count(app, "answered_challenges") == 1


async def test_a_session_is_needed_for_all_but_logging_in(app: Quart) -> None:
    client = app.test_client(use_cookies=False)
    assert (await client.get("/passkeys", headers=JSON)).status_code == 401
    for path in ("/passkeys", "/passkeys/options", "/passkeys/x/rename", "/passkeys/x/remove"):
        assert (await client.post(path, headers=JSON)).status_code == 401
