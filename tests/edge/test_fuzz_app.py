"""Thousands of broken requests to every route and the socket: all are refused and no other user is affected."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from quart import Quart
from quart.testing.connections import WebsocketDisconnectError

from ezdms.app import create_app
from ezdms.db import Connection, Database
from ezdms.settings import Settings
from ezdms.web.credentials import LOCKS
from tests.conftest import NO_LIMITS
from tests.contract.test_routes import filled, routes
from tests.support import broken, junk
from tests.support.broken import Answer, Header, ask, shake_hands
from tests.support.people import JSON, PEOPLE, Person, registration
from tests.support.vaults import noise_vault

FUZZ = settings(
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
TAKES_NO_BODY = {
    *("/logout", "/sessions/<session_id>/end", "/sessions/end_others", "/push_off", "/login_passkey/options"),
    "/passkeys/<credential_id>/remove",
}
TABLES = ("users", "sessions", "search_pins", "conversations", "participants", "messages", "vaults", "usage")


class Errors(logging.Handler):
    """Collects everything that is logged as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.kept: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.kept.append(self.format(record))


class World:
    """The app on a real database, with Alice and Bob in a conversation, and Eve as a logged-in attacker."""

    def __init__(self, app: Quart, runner: asyncio.Runner) -> None:
        self.app = app
        self.runner = runner
        self.asked = 0
        self.alice, self.bob, self.eve = (Person(app, PEOPLE[name], name) for name in ("alice", "bob", "eve"))

    async def settle(self) -> None:
        for person in (self.alice, self.bob, self.eve):
            await person.register()
        self.conversation_id = await self.alice.start(self.bob)
        self.with_eve = await self.eve.start(self.bob)
        await self.alice.send(self.bob, "Hello Bob")
        await self.bob.send(self.alice, "Hello Alice")
        await self.alice.client.put(
            "/vault", form={"version": "1", "blob": noise_vault(self.alice.keys)}, headers=self.alice.headers
        )
        self.sealed = self.eve.seal(self.bob, "Hello")
        self.before = await self.rows()

    async def rows(self) -> list[Any]:
        """Everything stored about Alice and Bob except for conversations with Eve, which she is free to start."""

        def select(connection: Connection) -> list[Any]:
            honest = (self.alice.user_id, self.bob.user_id)
            query = "SELECT conversation_id FROM participants WHERE user_id NOT IN (?, ?)"
            with_others = {row[0] for row in connection.execute(query, honest)}
            found = []
            for table in TABLES:
                for row in connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2"):  # noqa: S608
                    texts = [str(value) for value in tuple(row)]
                    if self.eve.user_id not in texts and with_others.isdisjoint(texts):
                        found.append((table, *texts))
            return found

        database: Database = self.app.extensions["ezdms.database"]
        return await database.read(select)

    def fields(self, path: str) -> dict[str, Any]:
        """Valid fields for this path in Eve's name, accepted unless one is broken."""
        again = registration(self.eve.keys, "eve")
        mine = {name: self.eve.fields[name] for name in ("login_id", "auth_key")}
        not_mine = mine | {"auth_key": again["auth_key"]}  # so that no valid body can delete the account
        of_path: dict[str, dict[str, Any]] = {
            "/register": again,
            "/login": mine,
            "/delete_account": not_mine | {"act": self.eve.act("delete_account")},
            "/private_keys": mine,
            "/change_pin": not_mine
            | {f"new_{name}": again[name] for name in LOCKS}
            | {"act": self.eve.act("change_pin")},
            "/search_pin": {
                "search_salt": again["search_salt"],
                "act": self.eve.act("search_pin", again["search_salt"]),
            },
            "/start_conversation": {"partner_search_pin": self.alice.search_pin},
            "/send_message": self.sealed,
            "/vault": {"version": 7, "blob": noise_vault(self.eve.keys)},
        }
        return of_path.get(path, {})

    def who(self) -> list[list[Header]]:
        """Without a session, and Eve by bearer token and by cookie."""
        bearer = self.eve.headers["Authorization"].encode()
        return [[], [(b"authorization", bearer)], [(b"cookie", bearer.replace(b"Bearer ", b"ezdms_session="))]]

    async def ask_as_each(self, method: str, target: bytes, headers: list[Header], body: bytes = b"") -> list[Answer]:
        """Send the request as each of them and check every answer."""
        return [await self.ask_as(who, method, target, headers, body) for who in self.who()]

    async def ask_in_turn(self, method: str, target: bytes, headers: list[Header]) -> Answer:
        """Send the request as one of them, as the next one each time."""
        return await self.ask_as(self.who()[self.asked % 3], method, target, headers)

    async def ask_as(
        self, who: list[Header], method: str, target: bytes, headers: list[Header], body: bytes = b""
    ) -> Answer:
        """Send the request with these headers, too, and check the answer."""
        try:
            answer = (await ask(self.app, method, target, [*who, *headers], body)).check()
        except Exception as error:
            error.add_note(f"{method} {target!r} {headers} {body[:1000]!r}")
            raise
        self.asked += 1
        is_done = method == "POST" and answer.status < 400
        if is_done and (await self.eve.get("/sessions")).status_code == 401:  # it was a /logout
            await self.log_in(self.eve)
        return answer

    async def log_in(self, person: Person) -> None:
        """Give this person a new session."""
        mine = {name: person.fields[name] for name in ("login_id", "auth_key")}
        response = await person.client.post("/login", form=mine, headers=JSON)
        assert response.status_code == 200
        person.headers["Authorization"] = f"Bearer {(await response.get_json())['token']}"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One app for the whole file, so that later requests run into whatever an earlier one broke."""
    errors = Errors()
    logging.getLogger().addHandler(errors)
    folder: Path = tmp_path_factory.mktemp("fuzz")
    with asyncio.Runner() as runner:
        app = create_app(Settings(data_dir=folder / "data", **NO_LIMITS))
        testing = app.test_app()
        runner.run(testing.startup())
        world = World(app, runner)
        runner.run(world.settle())
        yield world
        runner.run(testing.shutdown())
    logging.getLogger().removeHandler(errors)
    assert errors.kept == []


ROUTES = [pytest.param(*route[:2], id=" ".join(route[:2])) for route in routes()]


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_broken_body_is_refused_by_every_route(world: World, method: str, path: str) -> None:
    reads_fields = method != "GET" and path not in TAKES_NO_BODY
    target = filled(path).encode()
    fields, chance = world.fields(path), Random(7)  # noqa: S311

    async def ask_all() -> None:
        for _ in range(40 if fields else 15):
            body = broken.broken_body(chance, fields)
            headers = [(b"content-type", body.content_type), (b"content-length", b"%d" % len(body.content))]
            for answer in await world.ask_as_each(method, target, headers, body.content):
                assert answer.status >= 400 or not reads_fields or not body.broken, (body, answer)

    world.runner.run(ask_all())


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_odd_paths_methods_and_headers_break_no_route(world: World, method: str, path: str) -> None:
    chance = Random(7)  # noqa: S311

    async def ask_all() -> None:
        for _ in range(40):
            odd = chance.choice([method, chance.choice(junk.METHODS)])
            await world.ask_in_turn(odd, broken.odd_target(chance, path), broken.odd_headers(chance))

    world.runner.run(ask_all())


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/static/<path:filename>"), ("GET", "/messages/<conversation_id>"), ("POST", "/login")]
)
def test_each_odd_header_path_and_query_alone_breaks_nothing(world: World, method: str, path: str) -> None:
    variable = re.compile(r"<[^>]*>")
    whole = filled(path).encode()
    paths = [variable.sub(lambda _: part.decode("latin-1"), path).encode("latin-1") for part in junk.IN_PATHS]  # noqa: B023

    async def ask_all() -> None:
        for target in {*paths, *(whole + query for query in junk.QUERIES), *junk.TARGETS}:
            await world.ask_as_each(method, target, [])
        for name, values in junk.ODD.items():
            for value in values:
                await world.ask_as_each(method, whole, [(name, value)])

    world.runner.run(ask_all())


def test_an_odd_handshake_breaks_nothing(world: World) -> None:
    chance = Random(7)  # noqa: S311

    async def shake() -> None:
        for _ in range(150):
            target, headers = chance.choice([b"/ws", broken.odd_target(chance, "/c/<id>")]), broken.odd_headers(chance)
            for who in world.who():
                answer = await shake_hands(world.app, target, [*who, *headers])
                world.asked += 1
                if answer is None:
                    assert target.startswith(b"/ws")
                    assert who
                else:
                    assert answer.check().status >= 400 or target.startswith(b"//"), (target, headers, answer)

    world.runner.run(shake())


@settings(FUZZ, max_examples=400)
@given(frames=st.lists(broken.frames, min_size=1, max_size=5), as_json=st.booleans())
def test_odd_frames_close_the_socket_or_are_ignored(world: World, frames: list[str | bytes], as_json: bool) -> None:
    foreign = world.conversation_id
    codes: list[int] = []

    async def talk() -> None:
        scope = {"subprotocols": ["ezdms.json"]} if as_json else {}
        headers = {"Authorization": world.eve.headers["Authorization"]}
        async with world.eve.client.websocket("/ws", headers=headers, scope_base=scope) as socket:
            for frame in frames:
                await socket.send(frame.replace("FOREIGN", foreign) if isinstance(frame, str) else frame)
                world.asked += 1
            await socket.send(json.dumps({"event": "join", "conversation_id": world.with_eve}))
            for _ in range(1_000):
                boxes = world.eve.hub.mailboxes(world.eve.user_id)
                joined = {conversation_id for box in boxes for conversation_id in box.joined}
                assert joined <= {world.with_eve}
                if joined:
                    return
                try:
                    await asyncio.wait_for(socket.receive(), 0.01)
                except TimeoutError:
                    continue
                except WebsocketDisconnectError as closed:
                    codes.append(closed.args[0])
                    return
            raise AssertionError("neither closed nor obeyed")

    world.runner.run(talk())
    assert set(codes) <= {1003, 1009}


def test_after_the_fuzzing_honest_users_can_talk_and_their_data_is_unchanged(world: World) -> None:
    async def talk() -> None:
        assert await world.rows() == world.before
        assert len(world.alice.hub) == 0
        await world.log_in(world.alice)
        await world.alice.send(world.bob, "Still here")
        assert await world.bob.texts(world.alice) == ["Hello Bob", "Hello Alice", "Still here"]

    world.runner.run(talk())
    if world.asked > 100:  # not if this test runs alone
        assert world.asked >= 5_000
