"""Responses that are too large, too deeply nested or compressed, redirects, odd statuses, and error messages."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ezdms import crypto
from ezdms.client import Client, ServerError
from tests.client.hostile.conftest import World
from tests.client.hostile.people import Someone
from tests.client.hostile.wire import Answer, Asked, Wire

LIST = "GET /conversations/.*"
Lie = Callable[[Asked, Answer], None]


def body(octets: bytes, **headers: str) -> Lie:
    """A lie: a body of these bytes, with these headers."""

    def lie(_: Asked, answer: Answer) -> None:
        answer.body = octets
        answer.headers |= {name.replace("_", "-"): value for name, value in headers.items()}

    return lie


def status(code: int, said: Any = None, **headers: str) -> Lie:
    """A lie: this status and body."""

    def lie(_: Asked, answer: Answer) -> None:
        answer.status = code
        answer.headers |= {name.replace("_", "-"): value for name, value in headers.items()}
        if code == 204:
            answer.body = b""
        elif said is not None:
            answer.json = said

    return lie


BOMB = gzip.compress(bytes(50_000_000))
BODIES: dict[str, tuple[Lie, str]] = {
    "gzip, 50 MB in 50 KB": (body(BOMB, content_encoding="gzip"), "compressed its response"),
    "gzip, small": (body(gzip.compress(b"[]"), content_encoding="GZIP"), "compressed its response"),
    "deflate": (body(b"[]", content_encoding="deflate"), "compressed its response"),
    "unknown encoding": (body(b"[]", content_encoding="x"), "compressed its response"),
    "17 MiB": (body(b"[" + b" " * 17 * 2**20 + b"]"), "larger than 16384 KiB"),
    "nested 100,000 deep": (body(b"[" * 100_000), "not JSON"),
    "nested 100,000 deep and closed": (body(b"[" * 100_000 + b"]" * 100_000), "not JSON"),
    "a number of a million digits": (body(b"[" + b"9" * 1_000_000 + b"]"), "not JSON"),
    "NaN": (body(b"[NaN]"), "not JSON"),
    "not JSON": (body(b"<html>"), "not JSON"),
    "not UTF-8": (body(b'["\xff"]'), "not JSON"),
    "empty": (body(b""), "not JSON"),
    "no content": (status(204), "not a list"),
}


@pytest.mark.parametrize(("lie", "words"), BODIES.values(), ids=BODIES)
def test_invalid_response_bodies_are_errors(alice: Someone, wire: Wire, lie: Lie, words: str) -> None:
    wire.forget()
    with wire.telling(LIST, lie):
        said = alice.run("contacts")
    assert (said.code, said.out, words in said.err) == (1, "", True)
    assert said.err.count("\n") == 1
    assert {one.headers.get("accept-encoding") for one in wire.asked} == {"identity"}


def test_small_responses_have_a_small_size_limit(alice: Someone, wire: Wire) -> None:
    def lie(_: Asked, answer: Answer) -> None:
        answer.json = {**answer.json, "more": "x" * 70_000}

    with wire.telling("GET /deployment", lie):
        said = alice.run("login")
    assert (said.code, "larger than 64 KiB" in said.err) == (1, True)


def error(said: Any, code: Any = "x") -> Lie:
    return status(400, {"error": said, "code": code})


ERRORS: dict[str, tuple[Lie, str]] = {
    "commands the terminal": (error("\x1b]0;owned\x07 \x9b31m"), "The server says: \ufffd]0;owned\ufffd \ufffd31m"),
    "changes text direction": (error("a\u202egnp.exe\u2066"), "The server says: a\ufffdgnp.exe\ufffd"),
    "breaks the line": (error("a\r\nError: b\u2028c"), "The server says: a\ufffd Error: b\ufffdc"),
    "has a lone surrogate": (error("\ud800"), "The server says: \ufffd"),
    "is endless": (error("x" * 60_000), f"The server says: {'x' * 299}…"),
    "is a list": (error(["x"]), "The server answered 400, but not as EZ-DMS does."),
    "is a number": (error(5), "The server answered 400, but not as EZ-DMS does."),
    "is blank": (error(" "), "The server answered 400, but not as EZ-DMS does."),
    "has a code that is a list": (error("a", ["no_session"]), "The server says: a"),
    "is not in an object": (status(400, ["no_session"]), "The server answered 400, but not as EZ-DMS does."),
    "is plain": (error("Please wait."), "The server says: Please wait."),
}


@pytest.mark.parametrize(("lie", "sentence"), ERRORS.values(), ids=ERRORS)
def test_server_error_messages_are_one_printable_line(alice: Someone, wire: Wire, lie: Lie, sentence: str) -> None:
    with wire.telling(LIST, lie):
        said = alice.run("contacts")
    assert (said.code, said.err) == (1, f"Error: {sentence}\n")


@pytest.fixture
def evil(world: World) -> Iterator[Wire]:
    """Another address, which must receive no requests."""
    with Wire(world.wire.url) as wire:
        yield wire


@pytest.mark.parametrize("code", [300, 301, 302, 303, 307, 308])
@pytest.mark.parametrize("path", ["GET /conversations/.*", "POST /login"])
def test_redirects_are_not_followed(alice: Someone, wire: Wire, evil: Wire, code: int, path: str) -> None:
    def lie(asked: Asked, answer: Answer) -> None:
        status(code, {}, location=evil.url + asked.target)(asked, answer)

    with wire.telling(path, lie):
        said = alice.run("login" if "login" in path else "contacts")
    assert (said.code, f"The server answered {code}" in said.err) == (1, True)
    assert evil.asked == []


@pytest.mark.parametrize("after", ["0", "-1", "1e9", "9" * 400, "999999999"])
def test_retry_after_values_are_bounded(alice: Someone, wire: Wire, after: str) -> None:
    wire.forget()

    async def act() -> None:
        await Client.login(wire.url, alice.pin, home=alice.home, patience=0.5)

    lie = status(429, {"error": "later", "code": "too_often"}, retry_after=after)
    with wire.telling("POST /login", lie, passes_on=False), pytest.raises(ServerError, match="later"):
        asyncio.run(act())
    assert 1 <= len(wire.posted("/login")) <= 6


VAULTS: dict[str, tuple[Any, int, str]] = {
    "version is a string": ({"version": "5"}, 1, "no valid version"),
    "version is 2^53": ({"version": 2**53}, 1, "no valid version"),
    "version is true": ({"version": True}, 1, "no valid version"),
    "version is negative": ({"version": -1}, 1, "no valid version"),
    "blob is a list": ({"blob": []}, 1, "no valid blob"),
    "blob commands the terminal": ({"blob": "\x1b"}, 1, "no valid blob"),
    "blob is endless": ({"blob": "A" * 5_000_000}, 1, "no valid blob"),
    "blob is garbage": ({"blob": "a.b.c.d.e"}, 5, "list of contacts that is not yours"),
    "version is higher than the signed one": ({"version": 2**53 - 1}, 5, "list of contacts that is not yours"),
}


@pytest.mark.parametrize(("members", "code", "words"), VAULTS.values(), ids=VAULTS)
def test_invalid_vaults_are_errors(alice: Someone, wire: Wire, members: dict[str, Any], code: int, words: str) -> None:
    def lie(_: Asked, answer: Answer) -> None:
        answer.json = {**answer.json, **members}

    before = alice.values["contacts"]
    with wire.telling("GET /vault", lie):
        said = alice.run("send", "bob", "not yet")
    assert (said.code, words in said.err) == (code, True)
    assert {where: one["ik"] for where, one in alice.values["contacts"].items()} == {
        where: one["ik"] for where, one in before.items()
    }
    assert wire.posted("/send_message") == []


def test_saving_the_vault_gives_up_on_endless_conflicts(alice: Someone, wire: Wire) -> None:
    with alice.state.change() as values:
        values["vault"]["dirty"] = True
    wire.forget()
    with wire.telling("PUT /vault", status(409, {"error": "x", "code": "version", "version": 2**40})):
        said = alice.run("contacts")
    assert (said.code, "could not be saved on the server" in said.err) == (0, True)
    assert len([one for one in wire.asked if one.path == "/vault"]) < 50


def test_a_search_pin_does_not_downgrade_safety_number_verification(world: World, anna: Someone) -> None:
    pin = world.bob.search_pin

    async def act(client: Client) -> str:
        bob = next(one for one in await client.contacts() if one.name == "bob")
        await client.confirm_safety_number(bob)
        return (await client.start(pin)).verified

    assert anna.do(act) == "safety-number"


SENT: dict[str, Any] = {
    "a different message": {"message_id": "A" * 22},
    "seq is a string": {"seq": "1"},
    "created_at is endless": {"created_at": 10**20},
    "message_id is a list": {"message_id": []},
}


@pytest.mark.parametrize("members", SENT.values(), ids=SENT)
def test_a_message_stays_queued_if_its_acknowledgment_is_invalid(
    anna: Someone, wire: Wire, members: dict[str, Any]
) -> None:
    def lie(_: Asked, answer: Answer) -> None:
        answer.json = {**answer.json, **members}

    with wire.telling("POST /send_message", lie):
        said = anna.run("send", "bob", "hello")
    assert (said.code, "The server" in said.err) == (1, True)
    (waiting,) = anna.values["outbox"]
    assert anna.run("send", "bob", "again").code == 0
    assert anna.values["outbox"] == []
    assert {one.fields["message_id"] for one in wire.posted("/send_message")} >= {waiting["message_id"]}


def test_no_request_contains_the_login_pin_or_plaintext(alice: Someone, world: World, wire: Wire) -> None:
    wire.forget()
    alice.run("login")
    alice.run("send", "bob", "the harbour at midnight")
    for asked in wire.asked:
        for secret in (alice.pin, crypto.show_login_pin(alice.pin), "harbour"):
            assert secret.encode() not in asked.body + asked.target.encode()
