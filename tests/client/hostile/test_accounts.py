"""Responses to registration and login: nothing in them overrides what the client knows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ezdms import crypto
from tests.client.hostile.conftest import World
from tests.client.hostile.people import Someone, changed, instead, stored
from tests.client.hostile.wire import Answer, Asked, Wire
from tests.support.people import PEOPLE

ESCAPE = "\x1b]0;owned\x07"
LONG = "A" * 100_000
REFUSED = {  # responses that are rejected
    "user_id is a path": changed(user_id="../../outside/planted"),
    "user_id commands the terminal": changed(user_id=ESCAPE),
    "user_id is a list": changed(user_id=["A" * 22]),
    "user_id is too short": changed(user_id="A" * 21),
    "user_id is not canonical": changed(user_id="A" * 21 + "B"),
    "user_id is missing": changed(user_id=...),
    "token is a number": changed(token=5),
    "token holds a line break": changed(token="A" * 42 + "\n"),
    "token is endless": changed(token=LONG),
    "token is missing": changed(token=...),
    "answer is a list": instead([]),
    "answer is null": instead(None),
    "answer is a string": instead("ok"),
}
IGNORED = {  # members that are ignored
    "username is a path": changed(username="../../outside/planted"),
    "username commands the terminal": changed(username=ESCAPE),
    "username is someone else's": changed(username="mallory"),
    "username is a list": changed(username=[]),
    "search_pin is someone else's": changed(search_pin=crypto.search_pin(bytes(32), bytes(16))),
    "search_pin commands the terminal": changed(search_pin=ESCAPE),
    "server is a different one": changed(server="http://evil.example", v=2),
    "an outbox is planted": changed(outbox=[{}], contacts={"x": {}}, places=5),
    "unknown members": changed(more={"a": [1]}),
    "no lie": None,
}


def newcomer(world: World, folder: Path) -> Someone:
    """Dave, who has no account yet and will get keys with it."""
    return Someone("dave", crypto.new_login_pin(), folder / "dave", world.wire, PEOPLE["eve"])


@pytest.mark.parametrize("lie", REFUSED.values(), ids=REFUSED)
def test_an_invalid_registration_response_saves_nothing(world: World, wire: Wire, tmp_path: Path, lie: Any) -> None:
    dave = newcomer(world, tmp_path)
    with wire.telling("POST /register", lie):
        said = dave.run("register", "dave")
    assert said.code == 1
    assert "Error: The server's response" in said.err
    assert "\x1b" not in said.all
    assert set(stored(tmp_path)) == {"dave/known_servers", "dave/known_servers.lock"}


@pytest.mark.parametrize("lie", IGNORED.values(), ids=IGNORED)
def test_a_registration_response_overrides_nothing(world: World, wire: Wire, tmp_path: Path, lie: Any) -> None:
    dave = newcomer(world, tmp_path)
    with wire.telling("POST /register", lie):
        said = dave.run("register", "dave", "--json")
    sent = wire.posted("/register")[0].fields
    own = crypto.search_pin(crypto.verify_statement(sent["statement"]).ik, crypto.b64u_decode(sent["search_salt"]))
    told = json.loads(said.out)
    assert (said.code, told["username"], told["search_pin"]) == (0, "dave", own)
    host = wire.url.removeprefix("http://").replace(":", "_")
    (name,) = [name for name in stored(tmp_path) if name.endswith(".json")]
    assert name.startswith(f"dave/dave@{host}.")
    assert json.loads(dave.run("whoami", "--json").out) == told | {"server": wire.url}
    assert dave.values["outbox"] == []
    assert dave.run("contacts").all == "You have no contacts yet. Add one with `ezdms add SEARCH_PIN`.\n"


LOGIN_REFUSED = REFUSED | {
    "iterations are a string": changed(iterations="200000"),
    "iterations are endless": changed(iterations=2**53),
    "salt is short": changed(salt="AAAA"),
    "wrapped_sig is a list": changed(wrapped_sig=[]),
    "wrapped_enc is endless": changed(wrapped_enc=LONG),
    "statement is a number": changed(statement=1),
    "statement is missing": changed(statement=...),
    "search_salt is a path": changed(search_salt="../../x"),
}


@pytest.mark.parametrize("lie", LOGIN_REFUSED.values(), ids=LOGIN_REFUSED)
def test_an_invalid_login_response_changes_nothing(alice: Someone, wire: Wire, tmp_path: Path, lie: Any) -> None:
    before = stored(alice.home)
    with wire.telling("POST /login", lie):
        said = alice.run("login")
    assert said.code == 1
    assert "Error: The server's response" in said.err
    assert "\x1b" not in said.all
    assert stored(alice.home) == before


@pytest.mark.parametrize("lie", IGNORED.values(), ids=IGNORED)
def test_a_login_response_overrides_nothing(alice: Someone, wire: Wire, lie: Any) -> None:
    before = alice.values
    with wire.telling("POST /login", lie):
        said = alice.run("login")
    kept = ("username", "user_id", "statement", "search_salt", "server")
    assert said.code == 0
    assert f"You are alice. Your Search PIN: {alice.search_pin}" in said.out
    assert {name: alice.values[name] for name in kept} == {name: before[name] for name in kept}
    assert len([name for name in stored(alice.home) if name.endswith(".json")]) == 1


def test_a_known_account_keeps_its_id_and_keys(world: World, alice: Someone, wire: Wire) -> None:
    before = stored(alice.home)
    with wire.telling("POST /login", changed(user_id=world.bob.user_id)):
        assert "a different id than before" in alice.run("login").err
    other = crypto.sign_statement(alice.keys, "mallory", 1, 5)
    with wire.telling("POST /login", changed(statement=other)):
        said = alice.run("login")
    assert (said.code, "two statements" in said.err) == (5, True)
    assert stored(alice.home) == before


def test_renewing_a_session_changes_only_the_token(world: World, alice: Someone, wire: Wire) -> None:
    with alice.state.change() as values:
        values["token"] = "A" * 43
    before = alice.values
    lies = changed(username="mallory", wrapped_sig="A" * 102, salt="A" * 22)
    with wire.telling("POST /login", lies):
        assert alice.run("contacts").code == 0
    assert {name for name, value in alice.values.items() if value != before[name]} <= {"token", "vault"}
    with alice.state.change() as values:
        values["token"] = "A" * 43
    with wire.telling("POST /login", changed(user_id=world.bob.user_id)):
        said = alice.run("contacts")
    assert (said.code, "a different id than before" in said.err) == (1, True)
    assert alice.values["token"] == "A" * 43


def test_an_old_account_file_shows_no_search_pin_until_the_next_login(alice: Someone, wire: Wire) -> None:
    own, salt = alice.search_pin, alice.values["search_salt"]
    planted = crypto.search_pin(bytes(32), bytes(16))
    with alice.state.change() as values:
        del values["search_salt"]
        values["search_pin"] = planted
    old = alice.home / "alice@example.AAAAAAAA.json"
    alice.state.path.rename(old)  # the old naming scheme
    said = alice.run("whoami")
    assert "is not saved on this device" in said.err
    assert planted not in said.all
    with wire.telling("POST /login", changed(search_salt=...)):
        assert "is not saved on this device" in alice.run("login").out
    with wire.telling("POST /login", changed(search_salt=salt)):
        assert f"Your Search PIN: {own}" in alice.run("login").out
    assert [path.name for path in alice.home.glob("*.json")] == [old.name]
    assert alice.search_pin == own


@pytest.mark.parametrize("challenge", ["x", "A" * 300])
def test_a_server_that_asks_for_a_code_in_vain_gets_a_code_and_nothing_else(
    alice: Someone, wire: Wire, terminal: None, challenge: str
) -> None:
    def asks(_: Asked, answer: Answer) -> None:
        answer.status, answer.json = 401, {"error": ESCAPE, "code": "second_step", "challenge": challenge}

    with wire.telling("POST /login", asks, passes_on=False):
        said = alice.run("login", typed=f"{alice.pin}\n\u202e\n123456\n")
    sent = [one.fields for one in wire.posted("/login_second")]  # twice: the real server does not know the challenge
    assert sent == [{"challenge": challenge, "code": "123456"}] * 2
    assert (said.code, ESCAPE in said.all) == (1, False)
    assert [one for one in wire.asked if alice.pin.encode() in one.body or b"wrapped" in one.body] == []


@pytest.mark.parametrize("challenge", [None, 5, ["x"], ESCAPE, "A" * 2000])
def test_an_invalid_challenge_is_not_answered(alice: Someone, wire: Wire, terminal: None, challenge: Any) -> None:
    def asks(_: Asked, answer: Answer) -> None:
        answer.status, answer.json = 401, {"error": "x", "code": "second_step", "challenge": challenge}

    with wire.telling("POST /login", asks, passes_on=False):
        said = alice.run("login", typed="123456\n")
    assert (said.code, "no valid challenge" in said.err, wire.posted("/login_second")) == (1, True, [])
