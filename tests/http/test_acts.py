"""Deleting an account and changing a PIN require a signed act, so a stolen login is not enough."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from quart import Quart, Response

from ezdms.db import now
from ezdms.protocol import envelope
from ezdms.protocol.encoding import b64u_encode
from tests.http.test_pins import enter, new_locks, noise, proof
from tests.http.test_sessions import execute, log_in
from tests.support.people import Person, sign_act

Wish = Callable[[Person], tuple[str, dict[str, Any], str]]


def deletion(person: Person) -> tuple[str, dict[str, Any], str]:
    """The path, the fields without an act, and the purpose of the act."""
    return "/delete_account", proof(person), ""


def other_pin(person: Person) -> tuple[str, dict[str, Any], str]:
    """The same."""
    fields = new_locks(person)
    return "/change_pin", fields | {"act": ""}, envelope.change_pin_purpose(fields)


def other_search_pin(person: Person) -> tuple[str, dict[str, Any], str]:
    """The same."""
    salt = noise(16)
    return "/search_pin", {"search_salt": salt}, salt


WISHES = pytest.mark.parametrize("wish", [deletion, other_pin, other_search_pin])


async def state(app: Quart) -> list[dict[str, Any]]:
    """Everything that an act can change."""
    return await execute(app, "SELECT * FROM users") + await execute(app, "SELECT * FROM search_pins")


async def refusal(response: Response) -> tuple[int, str]:
    """Status and code."""
    return response.status_code, (await response.get_json())["code"]


@WISHES
async def test_a_request_without_a_valid_act_changes_nothing(
    app: Quart, alice: Person, eve: Person, wish: Wish
) -> None:
    path, fields, purpose = wish(alice)
    act, deployment_id = path.removeprefix("/"), app.extensions["ezdms.deployment_id"]
    before = await state(app)
    wrong = {
        "none": None,
        "empty": "",
        "noise": "a.b.c",
        "of another key": sign_act(eve.keys, deployment_id, act, purpose, now()),
        "for another server": sign_act(alice.keys, b64u_encode(bytes(16)), act, purpose, now()),
        "for something else": sign_act(alice.keys, deployment_id, act, "x", now()),
        "another act": sign_act(alice.keys, deployment_id, "other_act", purpose, now()),
        "a statement": alice.fields["statement"],
    }
    for why, jws in wrong.items():
        given = fields if jws is None else fields | {"act": jws}
        assert await refusal(await alice.post(path, given)) == (403, "act"), why
        assert await state(app) == before
    assert (await alice.post(path, fields | {"act": alice.act(act, purpose)})).status_code in (200, 204)
    assert await state(app) != before


@WISHES
@pytest.mark.parametrize("minutes", [-11, 11])
async def test_a_wrong_clock_gets_its_own_error(app: Quart, alice: Person, wish: Wish, minutes: int) -> None:
    path, fields, purpose = wish(alice)
    before, ts = await state(app), now() + minutes * 60_000
    act = sign_act(alice.keys, app.extensions["ezdms.deployment_id"], path.removeprefix("/"), purpose, ts)
    response = await alice.post(path, fields | {"act": act})
    assert await refusal(response) == (403, "clock")
    assert "clock is wrong" in (await response.get_json())["error"]
    assert await state(app) == before


async def test_an_act_cannot_be_replayed(app: Quart, alice: Person) -> None:
    _, fields, salt = other_search_pin(alice)
    given = fields | {"act": alice.act("search_pin", salt)}
    assert (await alice.post("/search_pin", given)).status_code == 200
    assert await refusal(await alice.post("/search_pin", given)) == (403, "act")
    _, others, salt = other_search_pin(alice)
    assert (await alice.post("/search_pin", others | {"act": alice.act("search_pin", salt)})).status_code == 200
    before = await state(app)
    assert await refusal(await alice.post("/search_pin", given)) == (403, "act")  # so the old PIN cannot be restored
    assert await state(app) == before


async def test_only_one_of_many_concurrent_copies_of_an_act_is_accepted(app: Quart, alice: Person) -> None:
    _, fields, salt = other_search_pin(alice)
    given = fields | {"act": alice.act("search_pin", salt)}
    responses = await asyncio.gather(*(alice.post("/search_pin", given) for _ in range(8)))
    assert sorted(response.status_code for response in responses) == [200] + [403] * 7


async def test_an_act_must_be_newer_than_the_last_one_of_any_kind(app: Quart, alice: Person) -> None:
    _, fields, salt = other_search_pin(alice)
    early, late = alice.act("delete_account"), alice.act("search_pin", salt)
    assert (await alice.post("/search_pin", fields | {"act": late})).status_code == 200
    assert await refusal(await alice.post("/delete_account", proof(alice) | {"act": early})) == (403, "act")


async def test_an_act_whose_request_failed_can_be_sent_again(app: Quart, alice: Person, bob: Person) -> None:
    fields = new_locks(alice, new_login_id=bob.fields["login_id"])
    for _ in range(2):
        assert await refusal(await alice.post("/change_pin", fields)) == (409, "taken")
    wrong = new_locks(alice)
    assert await refusal(await alice.post("/change_pin", wrong | {"auth_key": noise(32)})) == (403, "wrong_pin")
    assert (await alice.post("/change_pin", wrong)).status_code == 204


async def test_a_stolen_pin_and_session_change_nothing_without_the_key(app: Quart, alice: Person, eve: Person) -> None:
    thief = await log_in(app, alice)  # another server got the login data and passed it on
    thief.keys = eve.keys
    for path, fields, purpose in (deletion(thief), other_pin(thief), other_search_pin(thief)):
        response = await thief.post(path, fields | {"act": thief.act(path.removeprefix("/"), purpose)})
        assert await refusal(response) == (403, "act")
    assert (await enter(alice, **proof(alice)))[0] == 200


async def test_the_login_answer_has_the_salt_of_the_newest_search_pin(alice: Person) -> None:
    assert (await enter(alice, **proof(alice)))[1]["search_salt"] == alice.fields["search_salt"]
    _, fields, salt = other_search_pin(alice)
    await alice.post("/search_pin", fields | {"act": alice.act("search_pin", salt)})
    assert (await enter(alice, **proof(alice)))[1]["search_salt"] == salt
    answer = await (await alice.post("/private_keys", proof(alice))).get_json()
    assert answer["search_salt"] == salt
