"""Two-step login: after the Login PIN, nothing is handed out without a code that works once."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from quart import Quart

from ezdms.actions import second_step as actions
from ezdms.app import create_app
from ezdms.db import now
from ezdms.models import second_step as stored
from ezdms.settings import Settings
from tests.conftest import NO_LIMITS
from tests.http.test_pins import WRAPPED, new_locks, noise, proof
from tests.http.test_sessions import execute, is_logged_in, log_in, session_id, stored_bytes
from tests.support.people import JSON, PEOPLE, Person, sign_act
from tests.support.second_step import Second, begin, code_of, rewind, turn_on, wrong_code

T = TypeVar("T")
MINUTE = 60_000  # ms
SECRETS = ("token", "search_salt", "statement", *WRAPPED)


async def standing(person: Person) -> dict[str, Any]:
    """GET /second_step."""
    response = await person.get("/second_step")
    assert response.status_code == 200
    found = await response.get_json()
    assert isinstance(found, dict)
    return found


async def refusal(response: Any) -> tuple[int, str]:
    """Status and code."""
    return response.status_code, (await response.get_json())["code"]


# ---- Turning it on ----


async def test_it_is_off_until_a_code_confirms_the_secret(app: Quart, alice: Person) -> None:
    assert await standing(alice) == {"is_on": False, "recovery_codes": 0, "trusted_devices": 0}
    secret = await begin(alice)
    assert re.fullmatch(r"[A-Z2-7]{32}", secret)
    act = alice.act("second_step_on", secret)
    refused = await alice.post("/second_step_on", {"code": wrong_code(secret), "act": act})
    assert await refusal(refused) == (403, "wrong_code")
    assert not (await standing(alice))["is_on"]
    await log_in(app, alice)  # still by PIN alone
    response = await alice.post(
        "/second_step_on", {"code": code_of(secret), "act": alice.act("second_step_on", secret)}
    )
    codes = (await response.get_json())["recovery_codes"]
    assert len(set(codes)) == 10
    assert all(re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{5}-[0-9A-HJKMNP-TV-Z]{5}", code) for code in codes)
    assert await standing(alice) == {"is_on": True, "recovery_codes": 10, "trusted_devices": 0}


async def test_turning_it_on_takes_the_login_pin_and_the_key(app: Quart, alice: Person, eve: Person) -> None:
    for wrong in (proof(alice, auth_key=noise(32)), proof(eve)):
        assert await refusal(await alice.post("/second_step", wrong)) == (403, "wrong_pin")
    assert await execute(app, "SELECT * FROM second_steps") == []
    secret = await begin(alice)
    deployment = app.extensions["ezdms.deployment_id"]
    for act in (
        None,
        "",
        sign_act(eve.keys, deployment, "second_step_on", secret, now()),
        sign_act(alice.keys, deployment, "second_step_on", "", now()),
        sign_act(alice.keys, deployment, "second_step_off", secret, now()),
    ):
        fields = {"code": code_of(secret)} | ({} if act is None else {"act": act})
        assert await refusal(await alice.post("/second_step_on", fields)) == (403, "act")
    assert not (await standing(alice))["is_on"]
    await turn_on(app, alice)  # the same with the right ones


async def test_a_new_secret_replaces_one_that_was_not_confirmed(app: Quart, alice: Person) -> None:
    old, new = await begin(alice), await begin(alice)
    response = await alice.post("/second_step_on", {"code": code_of(old), "act": alice.act("second_step_on", old)})
    assert await refusal(response) in [(403, "wrong_code"), (403, "act")]
    response = await alice.post("/second_step_on", {"code": code_of(new), "act": alice.act("second_step_on", new)})
    assert response.status_code == 200


async def test_it_cannot_be_turned_on_twice_or_before_it_was_begun(app: Quart, alice: Person) -> None:
    early = await alice.post("/second_step_on", {"code": "123456", "act": alice.act("second_step_on")})
    assert await refusal(early) == (409, "second_step_not_begun")
    second = await turn_on(app, alice)
    assert await refusal(await alice.post("/second_step", second.proof)) == (409, "second_step_is_on")
    again = {"code": second.code(), "act": alice.act("second_step_on", second.secret)}
    assert await refusal(await alice.post("/second_step_on", again)) == (409, "second_step_is_on")
    assert (await standing(alice))["recovery_codes"] == 10


async def test_turning_it_on_ends_no_session(app: Quart, alice: Person, bob: Person) -> None:
    other = await log_in(app, alice)
    await turn_on(app, alice)
    assert [await is_logged_in(one) for one in (other, alice)] == [True, True]
    await log_in(app, bob)  # other accounts are asked for nothing


# ---- Logging in ----


async def test_after_the_pin_nothing_is_handed_out_until_the_code(app: Quart, alice: Person) -> None:
    second = await turn_on(app, alice)
    before = await execute(app, "SELECT session_id FROM sessions")
    response = await alice.client.post("/login", form=second.proof, headers=JSON)
    answer = await response.get_json()
    assert (response.status_code, set(answer)) == (401, {"error", "code", "challenge"})
    assert "Set-Cookie" not in response.headers
    challenge = answer["challenge"]
    assert not [value for value in alice.fields.values() if str(value) in challenge]
    status, refused = await second.enter(challenge, second.wrong())
    assert (status, set(refused), refused["code"]) == (401, {"error", "code"}, "wrong_code")
    assert await execute(app, "SELECT session_id FROM sessions") == before
    status, answer = await second.enter(challenge, second.code())
    assert status == 200
    assert {name: answer[name] for name in WRAPPED} == {name: alice.fields[name] for name in WRAPPED}
    assert set(answer) == {"user_id", "username", "search_pin", *SECRETS}


async def test_a_wrong_pin_says_nothing_about_the_second_step(app: Quart, alice: Person, bob: Person) -> None:
    await turn_on(app, alice)
    answers = []
    for person in (alice, bob):
        response = await person.client.post("/login", form=proof(person, auth_key=noise(32)), headers=JSON)
        answers.append((response.status_code, await response.get_data()))
    assert answers[0] == answers[1]
    assert answers[0][0] == 401


async def test_a_browser_gets_its_cookie_with_the_code(app: Quart, alice: Person) -> None:
    second = await turn_on(app, alice)
    client = app.test_client()
    challenge = (await (await client.post("/login", form=second.proof, headers=JSON)).get_json())["challenge"]
    fields = {"challenge": challenge, "code": second.code()}
    response = await client.post("/login_second", form=fields, headers=JSON)
    [cookie] = response.headers.getlist("Set-Cookie")
    assert cookie.startswith("ezdms_session=")
    assert (await client.get("/me", headers=JSON)).status_code == 200


@pytest.mark.parametrize("offset", [-1, 0, 1])
async def test_a_code_may_be_one_period_off(app: Quart, alice: Person, offset: int) -> None:
    second = await turn_on(app, alice)
    for _ in range(2):  # the period may change in between
        status, answer = await second.enter(await second.challenge(), second.code(offset))
        if status == 200:
            break
    assert status == 200, answer


@pytest.mark.parametrize("offset", [-3, 3])
async def test_stale_and_future_codes_are_refused(app: Quart, alice: Person, offset: int) -> None:
    second = await turn_on(app, alice)
    status, answer = await second.enter(await second.challenge(), second.code(offset))
    assert (status, answer["code"]) == (401, "wrong_code")


async def test_a_code_works_once(app: Quart, alice: Person) -> None:
    second = await turn_on(app, alice)
    code = second.code()
    assert (await second.enter(await second.challenge(), code))[0] == 200
    status, answer = await second.enter(await second.challenge(), code)
    assert (status, answer["code"]) == (401, "used_code")


async def test_the_code_that_turned_it_on_does_not_log_in(app: Quart, alice: Person) -> None:
    secret = await begin(alice)
    code = code_of(secret)
    response = await alice.post("/second_step_on", {"code": code, "act": alice.act("second_step_on", secret)})
    assert response.status_code == 200
    second = Second(alice, secret, [])
    assert (await second.enter(await second.challenge(), code))[1]["code"] == "used_code"


async def test_an_older_code_is_refused_after_a_newer_one(app: Quart, alice: Person) -> None:
    second = await turn_on(app, alice)
    assert (await second.enter(await second.challenge(), second.code(1)))[0] == 200
    status, answer = await second.enter(await second.challenge(), second.code())
    assert (status, answer["code"]) == (401, "used_code")


async def test_of_many_requests_with_one_code_one_logs_in(app: Quart, alice: Person) -> None:
    second = await turn_on(app, alice)
    before = len(await execute(app, "SELECT session_id FROM sessions"))
    for code in (second.code(), second.recovery[0]):
        challenges = [await second.challenge() for _ in range(4)]
        answers = await asyncio.gather(*(second.enter(one, code) for one in challenges))
        assert sorted(status for status, _ in answers) == [200, 401, 401, 401]
    assert len(await execute(app, "SELECT session_id FROM sessions")) == before + 2


@pytest.mark.parametrize(
    "code", ["", "1", "12345", "1234567", "١٢٣٤٥٦", "12345a", "ABCDE-FGHJ", "ABCDE-FGHJK1", "ABCDU-FGHJK", "9" * 5000]
)
async def test_malformed_codes_get_a_sentence_and_do_not_count(app: Quart, alice: Person, code: str) -> None:
    second = await turn_on(app, alice)
    challenge = await second.challenge()
    for _ in range(stored.MOST_FAILURES + 1):
        status, answer = await second.enter(challenge, code)
        assert (status, answer["code"]) == (400, "malformed_code")
    assert (await second.enter(challenge, second.code()))[0] == 200


async def test_codes_may_be_typed_with_spaces_and_in_small_letters(app: Quart, alice: Person) -> None:
    second = await turn_on(app, alice)
    code = second.code()
    assert (await second.enter(await second.challenge(), f" {code[:3]} {code[3:]} "))[0] == 200
    recovery = second.recovery[0].lower().replace("-", " ").replace("0", "o").replace("1", "l")
    assert (await second.enter(await second.challenge(), recovery))[0] == 200


# ---- Recovery codes ----


async def test_each_recovery_code_logs_in_once(app: Quart, alice: Person) -> None:
    second = await turn_on(app, alice)
    challenge = await second.challenge()
    assert (await second.enter(challenge, second.recovery[0]))[0] == 200
    status, answer = await second.enter(challenge, second.recovery[0])
    assert (status, answer["code"]) == (401, "wrong_code")
    assert (await standing(alice))["recovery_codes"] == 9
    assert (await second.enter(challenge, second.recovery[9]))[0] == 200


async def test_new_recovery_codes_replace_the_old_ones(app: Quart, alice: Person) -> None:
    second = await turn_on(app, alice)
    fields = second.proof | {"code": second.recovery[0], "act": alice.act("recovery_codes")}
    response = await alice.post("/recovery_codes", fields)
    assert response.status_code == 200
    new = (await response.get_json())["recovery_codes"]
    assert len({*new, *second.recovery}) == 20
    challenge = await second.challenge()
    for old in second.recovery[:2]:
        assert (await second.enter(challenge, old))[0] == 401
    assert (await second.enter(challenge, new[0]))[0] == 200


async def test_recovery_codes_of_others_do_not_work(app: Quart, alice: Person, bob: Person) -> None:
    second, other = await turn_on(app, alice), await turn_on(app, bob)
    challenge = await second.challenge()
    assert (await second.enter(challenge, other.recovery[0]))[1]["code"] == "wrong_code"
    assert (await second.enter(challenge, other.code()))[1]["code"] == "wrong_code"
    assert (await standing(bob))["recovery_codes"] == 10


# ---- Guessing ----


async def test_after_five_wrong_codes_no_code_is_accepted_for_fifteen_minutes(app: Quart, alice: Person) -> None:
    second = await turn_on(app, alice)
    challenge = await second.challenge()
    for _ in range(5):
        assert (await second.enter(challenge, second.wrong()))[1]["code"] == "wrong_code"
    for code in (second.code(), second.wrong(), second.wrong(), second.wrong(), second.wrong()):
        status, answer = await second.enter(challenge, code)
        assert (status, answer["code"]) == (429, "too_many_codes")
        assert 14 * 60 < answer["retry_after"] <= 15 * 60
    five = [now() - 15 * MINUTE + 5000 + i for i in range(5)]  # as if 15 minutes had almost passed
    await rewind(app, failures=",".join(map(str, five)))
    status, answer = await second.enter(challenge, second.code())
    assert (status, answer["retry_after"] <= 5) == (429, True)
    await rewind(app, failures=",".join(str(at - 5001) for at in five))
    assert (await second.enter(challenge, second.code()))[0] == 200


async def test_parallel_guesses_get_no_more_attempts(app: Quart, alice: Person) -> None:
    second = await turn_on(app, alice)
    challenge = await second.challenge()
    answers = await asyncio.gather(*(second.enter(challenge, second.wrong()) for _ in range(10)))
    assert sorted(status for status, _ in answers) == [401] * 5 + [429] * 5


async def test_nobody_can_lock_the_owner_out_with_wrong_codes(app: Quart, alice: Person, bob: Person) -> None:
    second = await turn_on(app, alice)
    other = await log_in_with(second, second.recovery[0])
    status, trusting = await second.enter(await second.challenge(), second.code(), trust="1")
    assert status == 200
    await rewind(app)
    challenge = await second.challenge()  # by someone who knows the PIN
    for _ in range(6):
        await second.enter(challenge, second.wrong())
    assert (await second.enter(challenge, second.code()))[0] == 429
    assert [await is_logged_in(one) for one in (alice, other)] == [True, True]
    trusted = second.proof | {"trust_token": trusting["trust_token"]}
    assert (await alice.client.post("/login", form=trusted, headers=JSON)).status_code == 200
    assert (await second.enter(challenge, second.recovery[1]))[0] == 200
    keys = await alice.post("/private_keys", second.proof | {"code": second.recovery[2]})
    assert keys.status_code == 200  # so the PIN can be changed, which ends the attack
    assert (await alice.post("/change_pin", new_locks(alice))).status_code == 204
    assert (await second.enter(challenge, second.recovery[3]))[1]["code"] == "challenge"


async def test_who_does_not_know_the_pin_cannot_make_an_attempt(app: Quart, alice: Person) -> None:
    second = await turn_on(app, alice)
    for challenge in ("", "x", noise(80), "A" * 5000, "é"):
        status, answer = await second.enter(challenge, second.wrong())
        assert (status, answer["code"]) == (401, "challenge")
    assert (await execute(app, "SELECT failures FROM second_steps"))[0]["failures"] == ""


async def log_in_with(second: Second, code: str) -> Person:
    """A further session of the person."""
    status, answer = await second.enter(await second.challenge(), code)
    assert status == 200, answer
    other = Person(second.person.app, second.person.keys, second.person.username)
    other.fields, other.account = second.person.fields, answer
    other.headers["Authorization"] = f"Bearer {answer['token']}"
    return other


# ---- The challenge ----


async def test_a_challenge_is_valid_for_ten_minutes(app: Quart, alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    second = await turn_on(app, alice)
    began = now()
    challenge = await second.challenge()
    monkeypatch.setattr(actions, "now", lambda: began + 9 * MINUTE)
    assert (await second.enter(challenge, second.recovery[0]))[0] == 200
    monkeypatch.setattr(actions, "now", lambda: now() + 11 * MINUTE)
    status, answer = await second.enter(challenge, second.recovery[1])
    assert (status, answer["code"]) == (401, "challenge")
    assert (await standing(alice))["recovery_codes"] == 9


async def test_a_challenge_is_of_one_account_one_pin_and_one_server(
    app: Quart, alice: Person, bob: Person, tmp_path: Path
) -> None:
    second, other = await turn_on(app, alice), await turn_on(app, bob)
    challenge = await second.challenge()
    status, answer = await other.enter(challenge, second.code())
    assert (status, answer["user_id"]) == (200, alice.user_id)  # the challenge decides, not who asks
    changed = challenge[:-2] + ("AA" if challenge[-2:] != "AA" else "BA")
    assert (await second.enter(changed, second.recovery[0]))[1]["code"] == "challenge"
    elsewhere = create_app(Settings(data_dir=tmp_path / "elsewhere", **NO_LIMITS))
    async with elsewhere.test_app():
        fields = {"challenge": challenge, "code": second.recovery[0]}
        response = await elsewhere.test_client().post("/login_second", form=fields, headers=JSON)
        assert await refusal(response) == (401, "challenge")
    assert (await alice.post("/change_pin", new_locks(alice))).status_code == 204
    assert (await second.enter(challenge, second.recovery[0]))[1]["code"] == "challenge"
    assert (await standing(alice))["recovery_codes"] == 10


async def test_a_code_is_not_used_up_if_the_pin_changes_at_the_same_time(
    app: Quart, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = await turn_on(app, alice)
    challenge, prove = await second.challenge(), actions.SecondSteps.prove

    async def proved_before_the_change(self: actions.SecondSteps, user_id: str, code: str) -> stored.Proof:
        found = await prove(self, user_id, code)
        assert (await alice.post("/change_pin", new_locks(alice))).status_code == 204
        return found

    monkeypatch.setattr(actions.SecondSteps, "prove", proved_before_the_change)
    assert (await second.enter(challenge, second.recovery[0]))[1]["code"] == "wrong_pin"
    assert (await standing(alice))["recovery_codes"] == 10


async def test_a_challenge_is_not_for_someone_who_has_the_same_login_id_later(app: Quart, alice: Person) -> None:
    second = await turn_on(app, alice)
    challenge = await second.challenge()
    fields = second.proof | {"act": alice.act("delete_account")}
    assert (await alice.post("/delete_account", fields)).status_code == 204
    later = Person(app, PEOPLE["bob"], "bob")
    later.fields |= second.proof
    other = await turn_on(app, await later.register())
    assert (await other.enter(challenge, other.recovery[0]))[1]["code"] == "challenge"
    assert (await other.enter(await other.challenge(), other.recovery[0]))[0] == 200


async def test_a_challenge_is_worth_nothing_once_it_is_turned_off(app: Quart, alice: Person) -> None:
    second = await turn_on(app, alice)
    challenge = await second.challenge()
    assert (await alice.post("/second_step_off", off(second))).status_code == 204
    for code in (second.code(), second.recovery[0]):
        assert (await second.enter(challenge, code))[1]["code"] == "wrong_code"
    await log_in(app, alice)


# ---- Other ways to keys ----


async def test_the_private_keys_take_a_code_too(app: Quart, alice: Person) -> None:
    second = await turn_on(app, alice)
    response = await alice.post("/private_keys", second.proof)
    answer = await response.get_json()
    assert (response.status_code, answer["code"], set(answer)) == (403, "second_step", {"error", "code"})
    for code, expected in ((second.wrong(), (403, "wrong_code")), ("12", (400, "malformed_code"))):
        assert await refusal(await alice.post("/private_keys", second.proof | {"code": code})) == expected
    right = second.proof | {"code": second.code()}
    assert (await (await alice.post("/private_keys", right)).get_json())["salt"] == alice.fields["salt"]
    assert await refusal(await alice.post("/private_keys", right)) == (403, "used_code")
    guesses = [await alice.post("/private_keys", second.proof | {"code": second.wrong()}) for _ in range(4)]
    assert [await refusal(one) for one in guesses][-1] == (429, "too_many_codes")


async def test_it_stays_on_after_a_pin_change(app: Quart, alice: Person) -> None:
    second = await turn_on(app, alice)
    fields = new_locks(alice)
    assert (await alice.post("/change_pin", fields)).status_code == 204
    alice.fields |= {name: fields[f"new_{name}"] for name in ("login_id", "auth_key")}
    assert (await second.enter(await second.challenge(), second.code()))[0] == 200


# ---- Trusted devices ----


async def trusting(second: Second) -> tuple[Person, str]:
    """A session whose device is trusted, and the token for that."""
    status, answer = await second.enter(await second.challenge(), second.recovery.pop(), trust="1")
    assert status == 200, answer
    device = Person(second.person.app, second.person.keys, second.person.username)
    device.fields = second.person.fields
    device.headers["Authorization"] = f"Bearer {answer['token']}"
    return device, str(answer["trust_token"])


async def is_trusted(second: Second, token: str) -> bool:
    """True if this device is not asked for a code. Ends the session again."""
    response = await second.person.client.post("/login", form=second.proof | {"trust_token": token}, headers=JSON)
    if response.status_code == 200:
        bearer = {"Authorization": f"Bearer {(await response.get_json())['token']}"}
        assert (await second.person.client.post("/logout", headers=JSON | bearer)).status_code == 204
    return response.status_code == 200


@pytest.mark.parametrize("trust", [None, "", "0", "true"])
async def test_a_device_is_trusted_only_if_that_was_chosen(app: Quart, alice: Person, trust: str | None) -> None:
    second = await turn_on(app, alice)
    more = {} if trust is None else {"trust": trust}
    status, answer = await second.enter(await second.challenge(), second.code(), **more)
    assert (status, "trust_token" in answer) == (200, False)
    assert (await standing(alice))["trusted_devices"] == 0


async def test_a_trusted_browser_is_not_asked_again_for_thirty_days(app: Quart, alice: Person) -> None:
    second = await turn_on(app, alice)
    client = app.test_client()
    challenge = (await (await client.post("/login", form=second.proof, headers=JSON)).get_json())["challenge"]
    fields = {"challenge": challenge, "code": second.code(), "trust": "1"}
    response = await client.post("/login_second", form=fields, headers=JSON)
    [cookie] = [one for one in response.headers.getlist("Set-Cookie") if one.startswith("ezdms_trust=")]
    assert {"HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=2592000"} <= set(cookie.split("; "))
    assert (await client.post("/logout", headers=JSON)).status_code == 204
    assert (await client.post("/login", form=second.proof, headers=JSON)).status_code == 200
    keys = await client.post("/private_keys", form=second.proof, headers=JSON)
    assert keys.status_code == 200
    bearer = {"Authorization": alice.headers["Authorization"]}  # a program's own token counts, not the cookie
    asked = await client.post("/private_keys", form=second.proof, headers=JSON | bearer)
    assert await refusal(asked) == (403, "second_step")
    left = (await execute(app, "SELECT expires_at FROM trusted_devices"))[0]["expires_at"] - now()
    assert 0 <= stored.TRUSTED_FOR - left < MINUTE
    await execute(app, "UPDATE trusted_devices SET expires_at = :moment", moment=now())
    assert (await client.post("/login", form=second.proof, headers=JSON)).status_code == 401


async def test_a_browser_can_be_trusted_by_several_accounts(app: Quart, alice: Person, bob: Person) -> None:
    client = app.test_client()
    seconds = [await turn_on(app, person) for person in (alice, bob)]
    for second in seconds:
        challenge = (await (await client.post("/login", form=second.proof, headers=JSON)).get_json())["challenge"]
        fields = {"challenge": challenge, "code": second.code(), "trust": "1"}
        assert (await client.post("/login_second", form=fields, headers=JSON)).status_code == 200
    for second in seconds:
        assert (await client.post("/login", form=second.proof, headers=JSON)).status_code == 200


async def test_a_trust_token_is_of_one_account_and_not_stored(
    app: Quart, alice: Person, bob: Person, tmp_path: Path
) -> None:
    second, other = await turn_on(app, alice), await turn_on(app, bob)
    _, token = await trusting(second)
    assert await is_trusted(second, token)
    assert not await is_trusted(other, token)
    assert not await is_trusted(second, noise(32))
    assert token.encode() not in stored_bytes(tmp_path)


async def test_a_device_that_logs_out_itself_stays_trusted(app: Quart, alice: Person) -> None:
    second = await turn_on(app, alice)
    device, token = await trusting(second)
    assert (await device.post("/logout")).status_code == 204
    assert await is_trusted(second, token)


async def test_ending_a_session_from_elsewhere_ends_its_trust(app: Quart, alice: Person) -> None:
    second = await turn_on(app, alice)
    (lost, of_lost), (kept, of_kept) = await trusting(second), await trusting(second)
    assert (await alice.post(f"/sessions/{await session_id(lost)}/end")).status_code == 200
    assert [await is_trusted(second, token) for token in (of_lost, of_kept)] == [False, True]
    assert await is_logged_in(kept)


async def test_a_trusted_device_logs_in_again_and_its_new_session_ends_its_trust(app: Quart, alice: Person) -> None:
    second = await turn_on(app, alice)
    device, token = await trusting(second)
    response = await alice.client.post("/login", form=second.proof | {"trust_token": token}, headers=JSON)
    device.headers["Authorization"] = f"Bearer {(await response.get_json())['token']}"
    assert (await alice.post(f"/sessions/{await session_id(device)}/end")).status_code == 200
    assert not await is_trusted(second, token)


async def test_logging_out_all_others_trusts_only_this_device(app: Quart, alice: Person) -> None:
    second = await turn_on(app, alice)
    (here, of_here), (gone, of_gone) = await trusting(second), await trusting(second)
    assert (await gone.post("/logout")).status_code == 204  # trusted, without a session
    assert (await standing(alice))["trusted_devices"] == 2
    assert (await here.post("/sessions/end_others")).status_code == 200
    assert [await is_trusted(second, token) for token in (of_here, of_gone)] == [True, False]


async def test_a_pin_change_and_turning_it_off_trust_no_device_any_more(app: Quart, alice: Person) -> None:
    second = await turn_on(app, alice)
    device, token = await trusting(second)
    fields = new_locks(alice)
    assert (await device.post("/change_pin", fields)).status_code == 204
    alice.fields |= {name: fields[f"new_{name}"] for name in ("login_id", "auth_key")}
    assert not await is_trusted(second, token)
    device, token = await trusting(second)
    assert (await device.post("/second_step_off", off(second))).status_code == 204
    assert await execute(app, "SELECT * FROM trusted_devices") == []
    again = await turn_on(app, device)
    assert not await is_trusted(again, token)


# ---- Turning it off ----


def off(second: Second, **changed: Any) -> dict[str, Any]:
    """The fields of POST /second_step_off."""
    return second.proof | {"code": second.code(), "act": second.person.act("second_step_off")} | changed


async def test_turning_it_off_takes_pin_code_and_key(app: Quart, alice: Person, eve: Person) -> None:
    second = await turn_on(app, alice)
    deployment = app.extensions["ezdms.deployment_id"]
    for changed, expected in (
        ({"auth_key": noise(32)}, (403, "wrong_pin")),
        (proof(eve), (403, "wrong_pin")),
        ({"code": second.wrong()}, (403, "wrong_code")),
        ({"code": ""}, (400, "malformed_code")),
        ({"act": ""}, (403, "act")),
        ({"act": sign_act(eve.keys, deployment, "second_step_off", "", now())}, (403, "act")),
    ):
        for path in ("/second_step_off", "/recovery_codes"):
            assert await refusal(await alice.post(path, off(second, **changed))) == expected
    assert await standing(alice) == {"is_on": True, "recovery_codes": 10, "trusted_devices": 0}
    assert (await alice.post("/second_step_off", off(second))).status_code == 204
    assert await standing(alice) == {"is_on": False, "recovery_codes": 0, "trusted_devices": 0}
    await log_in(app, alice)


async def test_an_invalid_act_does_not_use_up_the_code(app: Quart, alice: Person) -> None:
    second = await turn_on(app, alice)
    fields = off(second, code=second.recovery[0], act="a.b.c")
    assert await refusal(await alice.post("/second_step_off", fields)) == (403, "act")
    assert (await standing(alice))["recovery_codes"] == 10


async def test_trust_does_not_turn_it_off(app: Quart, alice: Person) -> None:
    second = await turn_on(app, alice)
    device, token = await trusting(second)
    fields = off(second) | {"trust_token": token}
    del fields["code"]
    assert await refusal(await device.post("/second_step_off", fields)) == (400, "missing_field")


# ---- On the disk ----


async def test_nothing_on_the_disk_makes_codes(app: Quart, alice: Person, tmp_path: Path) -> None:
    second = await turn_on(app, alice)
    [row] = await execute(app, "SELECT secret, salt FROM second_steps")
    database = b"".join(path.read_bytes() for path in sorted((tmp_path / "data").glob("ezdms.db*")))
    assert row["secret"].encode() in database  # the search works
    for secret in (second.secret, *second.recovery, *(one.replace("-", "") for one in second.recovery)):
        assert secret.encode() not in stored_bytes(tmp_path)
    key = tmp_path / "data" / "ezdms.key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert key.read_bytes().strip() not in database


async def test_what_was_turned_off_leaves_no_trace_on_the_disk(app: Quart, alice: Person, tmp_path: Path) -> None:
    second = await turn_on(app, alice)
    await trusting(second)
    [row] = await execute(app, "SELECT secret, salt FROM second_steps")
    hashes = [one["code_hash"] for one in await execute(app, "SELECT code_hash FROM recovery_codes")]
    hashes += [one["token_hash"] for one in await execute(app, "SELECT token_hash FROM trusted_devices")]
    gone = [row["secret"], row["salt"], *hashes]
    assert all(one.encode() in stored_bytes(tmp_path) for one in gone)
    assert (await alice.post("/second_step_off", off(second))).status_code == 204
    assert [one for one in gone if one.encode() in stored_bytes(tmp_path)] == []


async def test_a_deleted_account_leaves_no_second_step(app: Quart, alice: Person, bob: Person) -> None:
    await alice.start(bob)
    await alice.send(bob, "for which a row of hers is kept")
    second = await turn_on(app, alice)
    await trusting(second)
    fields = second.proof | {"act": alice.act("delete_account")}
    assert (await alice.post("/delete_account", fields)).status_code == 204
    for table in ("second_steps", "recovery_codes", "trusted_devices"):
        assert await execute(app, f"SELECT * FROM {table}") == []  # noqa: S608


async def test_the_second_step_survives_a_restart_and_a_lost_key_leaves_the_recovery_codes(tmp_path: Path) -> None:
    folder = tmp_path / "again"

    async def running(work: Callable[[Quart], Awaitable[T]]) -> T:
        app = create_app(Settings(data_dir=folder, **NO_LIMITS))
        async with app.test_app():
            return await work(app)

    async def first(app: Quart) -> Second:
        return await turn_on(app, await Person(app, PEOPLE["alice"], "alice").register())

    second = await running(first)

    async def entered(app: Quart, code: str) -> int:
        second.person.client = app.test_client(use_cookies=False)
        await rewind(app)
        status, _ = await second.enter(await second.challenge(), code)
        return status

    assert await running(lambda app: entered(app, second.code())) == 200
    (folder / "ezdms.key").unlink()
    assert await running(lambda app: entered(app, second.code())) == 401
    assert await running(lambda app: entered(app, second.recovery[0])) == 200
