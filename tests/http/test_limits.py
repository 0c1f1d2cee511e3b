"""Limits hold, say how long to wait, and nobody walks around them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from quart import Quart

from ezdms.app import create_app
from ezdms.settings import Settings
from tests.people import JSON, PEOPLE, Person, registration


@pytest.fixture
async def limited(tmp_path: Path) -> AsyncIterator[Quart]:
    """The app with the limits that it has by default."""
    app = create_app(Settings(data_dir=tmp_path / "data"))
    async with app.test_app():
        yield app


async def test_five_registrations_a_minute_whatever_the_headers_say(limited: Quart) -> None:
    client = limited.test_client()
    statuses = []
    for i in range(7):
        headers = {**JSON, "X-Forwarded-For": f"203.0.113.{i}", "X-Real-IP": f"203.0.113.{i}", "Forwarded": f"for={i}"}
        response = await client.post("/register", form=registration(PEOPLE["alice"], "alice"), headers=headers)
        statuses.append(response.status_code)
    assert statuses == [201] + [409] * 4 + [429] * 2
    assert 1 <= int(response.headers["Retry-After"]) <= 60
    answer = await response.get_json()
    assert answer["code"] == "too_often"
    assert f"{response.headers['Retry-After']} seconds" in answer["error"]


async def test_one_address_that_is_over_its_limit_takes_nothing_from_another(limited: Quart) -> None:
    client = limited.test_client()

    async def login_from(address: str) -> int:
        scope = {"client": (address, 50_000)}
        return (await client.post("/login", form={}, headers=JSON, scope_base=scope)).status_code

    assert [await login_from("203.0.113.1") for _ in range(11)] == [400] * 10 + [429]
    assert await login_from("203.0.113.2") == 400


async def test_ten_logins_a_minute(limited: Quart) -> None:
    client = limited.test_client()
    statuses = [(await client.post("/login", form={}, headers=JSON)).status_code for _ in range(12)]
    assert statuses == [400] * 10 + [429] * 2


async def test_sending_is_limited_per_account(limited: Quart) -> None:
    alice = await Person(limited, PEOPLE["alice"], "alice").register()
    bob = await Person(limited, PEOPLE["bob"], "bob").register()
    await alice.start(bob)
    statuses = [(await alice.post("/send_message", {})).status_code for _ in range(31)]
    assert statuses == [400] * 30 + [429]
    assert (await bob.post("/send_message", {})).status_code == 400


async def test_a_limit_that_is_off_neither_limits_nor_announces_itself(app: Quart) -> None:
    client = app.test_client()
    responses = [await client.post("/login", form={}, headers=JSON) for _ in range(40)]
    assert {response.status_code for response in responses} == {400}
    assert "RateLimit-Limit" not in responses[0].headers
