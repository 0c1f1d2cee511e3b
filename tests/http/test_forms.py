"""Bodies are forms or JSON objects with the same names, read strictly; nothing malformed gives a 5xx."""

from __future__ import annotations

import json

import pytest
from quart import Quart

from tests.support.people import JSON, Person

ANSWERED = {"login_id": "A" * 22, "auth_key": "A" * 43}  # well-formed, but of no account: 401


async def login(app: Quart, body: bytes, content_type: str) -> int:
    headers = {"Content-Type": content_type, **JSON}
    response = await app.test_client().post("/login", data=body, headers=headers)
    assert (await response.get_json())["error"]
    return int(response.status_code)


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8"])
async def test_a_json_object_is_equivalent_to_a_form(app: Quart, content_type: str) -> None:
    assert await login(app, json.dumps(ANSWERED).encode(), content_type) == 401
    form = f"login_id={'A' * 22}&auth_key={'A' * 43}".encode()
    assert await login(app, form, "application/x-www-form-urlencoded") == 401


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"1",
        b"{",
        b"\xff\xfe",
        b'{"login_id": "\xff"}',
        b'{"login_id": 1.5, "auth_key": "x"}',
        b'{"login_id": null, "auth_key": "x"}',
        b'{"login_id": true, "auth_key": "x"}',
        b'{"login_id": {"a": 1}, "auth_key": "x"}',
        b'{"login_id": ["a"], "auth_key": "x"}',
        b'{"login_id": NaN, "auth_key": "x"}',
        b'{"login_id": 1e400, "auth_key": "x"}',
        b'{"login_id": ' + b"9" * 5000 + b', "auth_key": "x"}',
        b'{"login_id": "\\ud800", "auth_key": "x"}',
        b'{"login_id": "\\u0000", "auth_key": "x"}',
        b'{"login_id": "a", "login_id": "a", "auth_key": "x"}',
        b"[" * 50_000,
        b'{"a":' * 10_000,
    ],
    ids=lambda body: repr(body[:40]),
)
async def test_json_that_is_not_a_plain_object_of_strings_is_refused(app: Quart, body: bytes) -> None:
    assert await login(app, body, "application/json") == 400


@pytest.mark.parametrize(
    "body",
    [b"", b"login_id=a", b"login_id=a&login_id=a&auth_key=b", b"login_id=%ff&auth_key=%00", b"&&&===", b"%"],
)
async def test_a_broken_form_is_refused(app: Quart, body: bytes) -> None:
    assert await login(app, body, "application/x-www-form-urlencoded") == 400


@pytest.mark.parametrize("content_type", ["text/plain", "application/xml", "", "nonsense", "application/jsonp"])
async def test_a_body_of_another_content_type_is_refused(app: Quart, content_type: str) -> None:
    assert await login(app, b"login_id=a", content_type) == 415


async def test_a_body_over_64_kib_is_refused(app: Quart) -> None:
    assert await login(app, b"login_id=" + b"A" * (64 * 1024), "application/x-www-form-urlencoded") == 413
    assert await login(app, b'{"login_id": "' + b"A" * (64 * 1024), "application/json") == 413


async def test_unknown_fields_are_ignored(alice: Person, bob: Person) -> None:
    fields = {"partner_search_pin": bob.search_pin, "user_id": bob.user_id, "content": "plain text"}
    assert (await alice.post("/start_conversation", fields)).status_code == 201
