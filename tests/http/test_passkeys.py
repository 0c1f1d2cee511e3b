"""Passkeys: added with the Login PIN, in place of it and of a code, and each answer counts once."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import cbor2
import pytest
from quart import Quart

from ezdms.actions import passkeys
from ezdms.db import now
from ezdms.models import passkey
from ezdms.protocol.encoding import b64u_encode
from tests.http.test_accounts import count
from tests.http.test_pins import new_locks
from tests.http.test_sessions import execute, stored_bytes
from tests.support.authenticator import BACKED_UP, USER_PRESENT, USER_VERIFIED, Authenticator
from tests.support.people import JSON, Person
from tests.support.second_step import turn_on

WRAPPED = b64u_encode(bytes(range(44)))


def tagged(levels: int) -> bytes:
    """Arrays of eight, each of the one before (CBOR tags 28 and 29): 8 ** levels items in 27 bytes for each level."""
    first = b"\xd8\x1c\x88" + bytes(8)
    rest = (b"\xd8\x1c\x88" + b"".join(b"\xd8\x1d" + bytes([level]) for _ in range(8)) for level in range(levels - 1))
    return bytes([0x80 | levels, *first]) + b"".join(rest)


ODD_KEYS: list[Any] = [{1: 9, 3: -7}, {1: 2, 3: -7, -1: 99}, {1: 2}, {}, 5, [1], {3: {}}]
BOMB = tagged(5)  # 32,768 items; two levels more would take all the memory


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


async def test_a_page_at_another_port_of_the_same_host_logs_nobody_in(app: Quart, alice: Person, bob: Person) -> None:
    async def elsewhere(phone: Authenticator) -> Any:
        """The browser gave that page the answer; the page's own server hands it over, with any headers it likes."""
        client, theirs = app.test_client(use_cookies=False), JSON | {"Host": "localhost:81", "Origin": phone.origin}
        challenge = (await (await client.post("/login_passkey/options", headers=theirs)).get_json())["options"]
        return await client.post("/login_passkey", form={"credential": phone.answers(challenge)}, headers=theirs)

    phone = Authenticator()
    await adds(alice, phone)
    phone.origin = "http://localhost:81"
    assert await code(await elsewhere(phone)) == (401, "passkey")
    phone.origin = "http://localhost"
    assert (await logs_in(app, phone.answers(await challenge_of(app)))).status_code == 200
    # One from before that was known belongs to the page on which it is used next.
    old = Authenticator()
    await adds(bob, old)
    await execute(app, "UPDATE passkeys SET origin = ''")
    assert (await logs_in(app, old.answers(await challenge_of(app)))).status_code == 200
    old.origin = "http://localhost:81"
    assert await code(await elsewhere(old)) == (401, "passkey")


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


@pytest.mark.parametrize("part", [{"cose": BOMB}, {"extensions": BOMB}])
async def test_a_few_bytes_that_stand_for_gigabytes_are_not_decoded(
    app: Quart, alice: Person, part: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    largest, dumps = [0], cbor2.dumps

    def count_bytes(value: Any) -> bytes:
        encoded = dumps(value)
        largest.append(len(encoded))
        return encoded

    bomb, phone = Authenticator(**part), Authenticator()
    await adds(alice, phone)
    credential, options = bomb.makes(await options_for(alice)), await challenge_of(app)
    phone.extensions = bomb.extensions
    monkeypatch.setattr(cbor2, "dumps", count_bytes)
    fields = pin_of(alice) | {"credential": credential, "wrapped": WRAPPED, "name": "phone"}
    assert await code(await alice.post("/passkeys", fields)) == (422, "passkey")
    if phone.extensions:
        assert await code(await logs_in(app, phone.answers(options))) == (401, "passkey")
    assert max(largest) < passkeys.LONGEST


async def test_extensions_without_tags_are_accepted(app: Quart, alice: Person) -> None:
    phone = Authenticator(extensions=cbor2.dumps({"hmac-secret": True}))
    assert (await adds(alice, phone)).status_code == 201
    phone.extensions = cbor2.dumps({"hmac-secret": bytes(48)})
    assert (await logs_in(app, phone.answers(await challenge_of(app)))).status_code == 200


@pytest.mark.parametrize(
    "odd",
    [
        {"flags": USER_PRESENT | USER_VERIFIED | BACKED_UP},
        *({"cose": cbor2.dumps(key)} for key in ODD_KEYS),
        *({"fmt": fmt} for fmt in ("packed", "tpm", "apple", "android-key", "android-safetynet", "fido-u2f", "x")),
    ],
)
async def test_odd_passkeys_are_refused_with_a_sentence(app: Quart, alice: Person, odd: dict[str, Any]) -> None:
    assert await code(await adds(alice, Authenticator(**odd))) in [(422, "passkey"), (201, "")]
    phone = Authenticator()
    await adds(alice, phone)
    phone.flags = odd.get("flags", phone.flags)
    assert (await logs_in(app, phone.answers(await challenge_of(app)))).status_code == (401 if "flags" in odd else 200)


async def test_a_key_that_cannot_verify_logs_nobody_in(app: Quart, alice: Person) -> None:
    keys: list[dict[int, Any]] = [
        {1: 2, 3: -257, -1: 1, -2: bytes(32), -3: bytes(32)},
        {1: 2, 3: -7, -1: 99, -2: b"x", -3: b"y"},
    ]
    for key in keys:
        phone = Authenticator(cose=cbor2.dumps(key))
        if (await adds(alice, phone)).status_code == 201:
            assert await code(await logs_in(app, phone.answers(await challenge_of(app)))) == (401, "passkey")


@pytest.mark.parametrize("changed", [{"id": "\ud800"}, {"id": "a\0b"}, {"id": []}, {"rawId": None}, {"type": "x"}])
async def test_an_answer_whose_members_are_odd_is_refused_with_a_sentence(
    app: Quart, alice: Person, changed: dict[str, Any]
) -> None:
    phone = Authenticator()
    credential = phone.makes(await options_for(alice), **changed)
    fields = pin_of(alice) | {"credential": credential, "wrapped": WRAPPED, "name": "phone"}
    assert await code(await alice.post("/passkeys", fields)) == (422, "passkey")
    await adds(alice, phone)
    assert await code(await logs_in(app, phone.answers(await challenge_of(app), **changed))) == (401, "passkey")


async def test_an_origin_that_is_none_is_refused_with_a_sentence(app: Quart) -> None:
    for said in ("http://[", "null", "localhost", "http://localhost/x"):
        headers = JSON | {"Origin": said, "Sec-Fetch-Site": "same-origin"}
        response = await app.test_client(use_cookies=False).post("/login_passkey/options", headers=headers)
        assert await code(response) == (400, "malformed_field")


async def test_with_two_step_login_a_passkey_is_added_with_a_code(app: Quart, alice: Person) -> None:
    second = await turn_on(app, alice)
    assert await code(await alice.post("/passkeys/options", pin_of(alice))) == (403, "second_step")
    wrong = pin_of(alice) | {"code": second.wrong()}
    assert await code(await alice.post("/passkeys/options", wrong)) == (403, "wrong_code")
    right = pin_of(alice) | {"code": second.recovery[0]}
    assert (await alice.post("/passkeys/options", right)).status_code == 200


async def test_a_passkey_that_is_added_while_the_login_pin_changes_is_refused(
    app: Quart, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone = Authenticator()
    credential, old = phone.makes(await options_for(alice)), pin_of(alice)
    database, changed = app.extensions["ezdms.database"], list[int]()
    write = database.write

    async def late(function: Any, *args: Any, **values: Any) -> Any:
        if function.__name__ == "_add" and not changed:
            changed.append((await alice.post("/change_pin", new_locks(alice))).status_code)
        return await write(function, *args, **values)

    monkeypatch.setattr(database, "write", late)
    fields = old | {"credential": credential, "wrapped": WRAPPED, "name": "phone"}
    assert await code(await alice.post("/passkeys", fields)) == (422, "passkey")
    assert changed == [204]
    assert await count(app, "passkeys") == 0


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
    escaped = phone.answers(await challenge_of(app), **leak).replace('"results"', '"result\\u0073"')
    assert await code(await logs_in(app, escaped)) == (401, "passkey")
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
