"""The bridge with a hostile server: programs get only error messages and verified data."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from quart import Quart

from ezdms.bridge.accounts import People
from ezdms.bridge.app import create_app
from tests.client.hostile.conftest import World
from tests.client.hostile.people import Someone, changed, instead, where
from tests.client.hostile.wire import Answer, Asked, Wire

HOST = {"Host": "127.0.0.1"}
ESCAPE = "\x1b]0;owned\x07"


class Program:
    """A program that uses a bridge in this process."""

    def __init__(self, app: Quart) -> None:
        self._client = app.test_client()

    async def ask(self, path: str, fields: dict[str, str] | None = None) -> tuple[int, Any]:
        """Returns the status and the JSON of the response."""
        ask = self._client.get if fields is None else self._client.post
        response = await ask(path, form=fields, headers=HOST)
        return response.status_code, await response.get_json()


def bridged(wire: Wire, home: Path, act: Callable[[Program], Awaitable[None]]) -> None:
    """Run this with a new bridge."""

    async def doing() -> None:
        people = People(wire.url, home)
        try:
            await act(Program(create_app(people, None, ())))
        finally:
            await people.close()

    asyncio.run(doing())


ANSWERS: dict[str, tuple[str, Any, int, str]] = {  # request, lie, status, words
    "an id that is a path": ("POST /login", changed(user_id="../../x"), 502, "no valid user_id"),
    "a token that is a list": ("POST /login", changed(token=[]), 502, "no valid token"),
    "another deployment": ("GET /deployment", changed(deployment_id="A" * 22), 409, "A different server than before"),
    "an invalid deployment": ("GET /deployment", instead([]), 502, "not a JSON object"),
    "an invalid vault": ("GET /vault", changed(version="1"), 502, "no valid version"),
}


@pytest.mark.parametrize(("path", "lie", "status", "words"), ANSWERS.values(), ids=ANSWERS)
def test_an_invalid_login_response_is_an_error(
    alice: Someone, wire: Wire, path: str, lie: Any, status: int, words: str
) -> None:
    async def act(program: Program) -> None:
        with wire.telling(path, lie):
            code, answer = await program.ask("/login", {"login_pin": alice.pin})
        assert (code, words in answer["error"]) == (status, True)
        code, answer = await program.ask("/login", {"login_pin": alice.pin})  # the control
        assert (code, answer["user_id"]) == (200, alice.user_id)

    bridged(wire, alice.home, act)


def test_an_account_cannot_take_over_anothers_user_id(world: World, alice: Someone, wire: Wire, tmp_path: Path) -> None:
    def empty_list(_: Asked, answer: Answer) -> None:
        answer.status, answer.json = 200, []

    async def act(program: Program) -> None:
        assert (await program.ask("/login", {"login_pin": alice.pin}))[0] == 200
        with (
            wire.telling("POST /login", changed(user_id=alice.user_id)),
            wire.telling("GET /conversations/.*", empty_list),
        ):
            code, answer = await program.ask("/login", {"login_pin": world.twin.pin})
        assert (code, answer["error"]) == (502, "The server gave two accounts the same id.")
        _, contacts = await program.ask(f"/conversations/{alice.user_id}")
        assert where(alice, world.bob) in [one["conversation_id"] for one in contacts]

    bridged(wire, tmp_path / "bridge", act)


def test_the_bridge_checks_names_errors_and_rows(world: World, alice: Someone, wire: Wire) -> None:
    talk = where(alice, world.bob)

    def lines(_: Asked, answer: Answer) -> None:
        answer.json = [row | {"partner_username": ESCAPE} for row in answer.json]

    def rows(_: Asked, answer: Answer) -> None:
        answer.json = [row | {"encrypted": 5} for row in answer.json]

    def error(_: Asked, answer: Answer) -> None:
        answer.status, answer.json = 404, {"error": f"{ESCAPE}\nno", "code": ESCAPE}

    async def act(program: Program) -> None:
        assert (await program.ask("/login", {"login_pin": alice.pin}))[0] == 200
        with wire.telling("GET /conversations/.*", lines):
            _, contacts = await program.ask(f"/conversations/{alice.user_id}")
        assert {one["partner_username"] for one in contacts} <= {"bob", "carol"}
        with wire.telling("GET /messages/.*", rows):
            code, sealed = await program.ask(f"/messages/{talk}?user_id={alice.user_id}")
            assert (code, {row["encrypted"] for row in sealed}) == (200, {""})
            asked = {"conversation_id": talk, "user_id": alice.user_id, "login_pin": alice.pin}
            code, opened = await program.ask("/messages_decrypted", asked)
            assert (code, {row["failure"] for row in opened}) == (200, {"unverified"})
        with wire.telling("GET /conversations/.*", error):
            code, answer = await program.ask(f"/conversations/{alice.user_id}")
        assert (code, answer["error"]) == (404, "The server says: \ufffd]0;owned\ufffd no")

    bridged(wire, alice.home, act)
