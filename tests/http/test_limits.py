"""Rate limits hold, say how long to wait, and cannot be bypassed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from quart import Quart
from quart.testing.connections import WebsocketResponseError
from quart_rate_limiter import QUART_RATE_LIMITER_LIMITS_ATTRIBUTE

from ezdms.app import create_app
from ezdms.settings import Settings, parse_proxies
from ezdms.web import limits
from ezdms.web.limits import Arrivals, KnownLimit, by_account
from tests.support.people import JSON, PEOPLE, Person, registration
from tests.websocket.test_live import listening


@pytest.fixture
async def limited(tmp_path: Path) -> AsyncIterator[Quart]:
    """The app with its default limits."""
    app = create_app(Settings(data_dir=tmp_path / "data"))
    async with app.test_app():
        yield app


async def test_five_registrations_a_minute_regardless_of_headers(limited: Quart) -> None:
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


async def test_an_address_over_its_limit_does_not_affect_another(limited: Quart) -> None:
    client = limited.test_client()

    async def login_from(address: str) -> int:
        scope = {"client": (address, 50_000)}
        return (await client.post("/login", form={}, headers=JSON, scope_base=scope)).status_code

    assert [await login_from("203.0.113.1") for _ in range(11)] == [400] * 10 + [429]
    assert await login_from("203.0.113.2") == 400


async def test_all_addresses_of_one_ipv6_network_share_a_limit(limited: Quart) -> None:
    async def log_in(peer: str) -> int:
        scope = {"client": (peer, 50_000)}
        client = limited.test_client()
        return (await client.post("/login", form={}, headers=JSON, scope_base=scope)).status_code

    assert [await log_in(f"2001:db8:1:2::{i:x}") for i in range(11)] == [400] * 10 + [429]
    assert await log_in("2001:db8:1:2:ffff::1") == 429
    assert await log_in("2001:db8:1:3::1") == 400


@pytest.mark.parametrize("form", ["::ffff:203.0.113.{}", "64:ff9b::203.0.113.{}", "2002:cb00:71{:02x}::1"])
async def test_an_ipv4_mapped_address_does_not_lock_out_others(limited: Quart, form: str) -> None:
    async def log_in(peer: str) -> int:
        client = limited.test_client()
        return (await client.post("/login", form={}, headers=JSON, scope_base={"client": (peer, 50_000)})).status_code

    assert [await log_in(form.format(1)) for _ in range(11)] == [400] * 10 + [429]
    assert await log_in("203.0.113.1") == 429
    for other in (form.format(2), "203.0.113.3", "2001:db8::1"):
        assert await log_in(other) == 400


@pytest.mark.parametrize(
    ("peers", "other"),
    [
        ([f"203.0.113.{i}" for i in range(1, 32)], "203.0.114.1"),
        ([f"::ffff:203.0.113.{i}" for i in range(1, 32)], "::ffff:203.0.114.1"),
    ],
)
async def test_thirty_accounts_a_day_from_one_network(limited: Quart, peers: list[str], other: str) -> None:
    async def register(peer: str) -> tuple[int, int]:
        scope = {"client": (peer, 50_000)}
        response = await limited.test_client().post("/register", form={}, headers=JSON, scope_base=scope)
        return response.status_code, int(response.headers.get("Retry-After", 0))

    answers = [await register(peer) for peer in peers]
    assert [status for status, _ in answers] == [400] * 30 + [429]
    assert 2000 < answers[-1][1] <= 24 * 60 * 2  # one more is allowed every 48 minutes
    assert (await register(other))[0] == 400


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


async def test_a_vault_can_be_stored_thirty_times_a_minute_and_read_without_limit(limited: Quart) -> None:
    alice = await Person(limited, PEOPLE["alice"], "alice").register()
    statuses = [(await alice.client.put("/vault", form={}, headers=alice.headers)).status_code for _ in range(31)]
    assert statuses == [400] * 30 + [429]
    assert {(await alice.get("/vault")).status_code for _ in range(40)} == {200}


async def test_a_disabled_limit_has_no_effect_and_sends_no_headers(app: Quart) -> None:
    client = app.test_client()
    responses = [await client.post("/login", form={}, headers=JSON) for _ in range(40)]
    assert {response.status_code for response in responses} == {400}
    assert "RateLimit-Limit" not in responses[0].headers


async def test_a_limited_request_says_when_to_retry_in_its_message_and_headers(limited: Quart) -> None:
    alice = await Person(limited, PEOPLE["alice"], "alice").register()
    first = await alice.post("/start_conversation")
    assert (first.status_code, first.headers["RateLimit-Limit"], first.headers["RateLimit-Remaining"]) == (
        400,
        "10",
        "9",
    )
    statuses = [(await alice.post("/start_conversation")).status_code for _ in range(9)]
    assert statuses == [400] * 9
    as_json = await alice.post("/start_conversation")
    as_html = await alice.post("/start_conversation", Accept="text/html")
    for response in (as_json, as_html):
        assert response.status_code == 429
        assert (response.headers["RateLimit-Limit"], response.headers["RateLimit-Remaining"]) == ("10", "0")
        assert 1 <= int(response.headers["Retry-After"]) <= int(response.headers["RateLimit-Reset"]) <= 60
        words = await response.get_data(as_text=True)
        assert f"Please wait {response.headers['Retry-After']} seconds and try again." in words
    assert (await as_json.get_json())["retry_after"] == int(as_json.headers["Retry-After"])
    assert 'role="alert"' in words


@pytest.mark.parametrize("path", ["/private_keys", "/change_pin", "/delete_account"])
async def test_pin_guesses_within_a_session_are_limited(limited: Quart, path: str) -> None:
    alice = await Person(limited, PEOPLE["alice"], "alice").register()
    bob = await Person(limited, PEOPLE["bob"], "bob").register()
    assert [(await alice.post(path)).status_code for _ in range(11)] == [400] * 10 + [429]
    assert (await bob.post(path)).status_code == 400


def limited_by_account(*, sockets: bool) -> list[str]:
    """The WebSocket routes, or the other ones, whose limits count by account."""
    app = create_app(Settings())
    found = []
    for rule in (rule for rule in app.url_map.iter_rules() if rule.websocket is sockets):
        for limit in getattr(app.view_functions[rule.endpoint], QUART_RATE_LIMITER_LIMITS_ATTRIBUTE, []):
            if limit.key_function is by_account:
                found.append(rule.rule)
    return sorted(found)


def test_these_routes_are_limited_by_account() -> None:
    assert limited_by_account(sockets=True) == ["/ws"]
    assert limited_by_account(sockets=False) == [
        "/change_pin",
        "/conversations/<conversation_id>/accept",
        "/conversations/<conversation_id>/block",
        "/conversations/<conversation_id>/delete",
        "/conversations/<conversation_id>/mute",
        "/conversations/<conversation_id>/unblock",
        "/delete_account",
        "/files",
        "/files/<file_id>",
        "/hide_message",
        "/passkeys",
        "/passkeys/options",
        "/private_keys",
        "/push",
        "/recovery_codes",
        "/report",
        "/search_pin",
        "/second_step",
        "/second_step_off",
        "/second_step_on",
        "/send_message",
        "/signal",
        "/start_conversation",
        "/vault",
    ]


@pytest.mark.parametrize("path", limited_by_account(sockets=False))
async def test_limits_by_account_do_not_apply_without_a_session(limited: Quart, path: str) -> None:
    for headers, status in ((JSON, 401), (JSON | {"Origin": "https://evil.example"}, 403)):
        client: Any = limited.test_client()
        method = {"/vault": "PUT", "/files/<file_id>": "PATCH"}.get(path, "POST")
        statuses = {(await client.open(path, method=method, headers=headers)).status_code for _ in range(40)}
        assert statuses == {status}


@pytest.fixture
async def proxied(tmp_path: Path) -> AsyncIterator[Quart]:
    """The app with trusted proxies in 10.0.0.0/8."""
    app = create_app(Settings(data_dir=tmp_path / "data", trusted_proxies=parse_proxies("10.0.0.0/8")))
    async with app.test_app():
        yield app


async def logins(app: Quart, peer: str, forwarded: list[str]) -> list[int]:
    """The statuses of login attempts from `peer` with these X-Forwarded-For headers."""
    client, statuses = app.test_client(), []
    for i, hops in enumerate(forwarded):
        headers = {**JSON, "X-Forwarded-For": hops, "X-Real-IP": f"192.0.2.{i}", "Forwarded": f"for=192.0.2.{i}"}
        response = await client.post("/login", form={}, headers=headers, scope_base={"client": (peer, 50_000)})
        statuses.append(response.status_code)
    return statuses


async def test_behind_a_trusted_proxy_only_the_last_untrusted_hop_counts(proxied: Quart) -> None:
    forged = [f"192.0.2.{i}, 203.0.113.1, 10.0.0.{i}" for i in range(1, 12)]
    assert await logins(proxied, "10.0.0.1", forged) == [400] * 10 + [429]
    assert await logins(proxied, "10.0.0.2", ["203.0.113.1"]) == [429]  # through another proxy, still the same client
    assert await logins(proxied, "203.0.113.1", ["203.0.113.3"]) == [429]  # and without a proxy
    assert await logins(proxied, "10.0.0.1", ["203.0.113.1, 203.0.113.2"]) == [400]


async def test_forwarding_headers_of_untrusted_peers_are_ignored(proxied: Quart) -> None:
    forged = [f"192.0.2.{i}" for i in range(1, 12)]
    assert await logins(proxied, "203.0.113.1", forged) == [400] * 10 + [429]
    assert await logins(proxied, "192.0.2.1", ["203.0.113.1"]) == [400]  # the forged address is not limited


async def test_sockets_are_limited_per_account(limited: Quart) -> None:
    alice = await Person(limited, PEOPLE["alice"], "alice").register()
    bob = await Person(limited, PEOPLE["bob"], "bob").register()
    for _ in range(30):
        async with listening(alice):
            pass
    with pytest.raises(WebsocketResponseError) as refused:
        async with listening(alice):
            pass
    response = refused.value.response
    assert response.status_code == 429
    assert f"{response.headers['Retry-After']} seconds" in await response.get_data(as_text=True)
    async with listening(bob):
        pass


def test_filling_the_store_does_not_reset_a_reached_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LARGEST_STORE", 10)
    arrivals = Arrivals()
    thrice = KnownLimit(3, timedelta(hours=1))
    assert [arrivals.count({"mallory": thrice}) > 0 for _ in range(4)] == [False, False, False, True]
    for i in range(100):
        assert arrivals.count({f"address {i}": thrice}) == 0
        assert arrivals.count({"mallory": thrice}) > 0
        assert len(arrivals) <= 10
