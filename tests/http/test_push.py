"""Web Push: whose browsers are told of what, and what a push service learns."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from quart import Quart

from ezdms.actions import outward, pushing
from ezdms.app import create_app
from ezdms.db import Unavailable
from ezdms.settings import Settings
from tests.conftest import NO_LIMITS, PATIENCE
from tests.http.test_accounts import count
from tests.http.test_sessions import stored_bytes
from tests.support.people import PEOPLE, Person
from tests.support.push_service import Browser, PushService
from tests.websocket.test_live import listening, until


@pytest.fixture
async def service() -> AsyncIterator[PushService]:
    """A push service."""
    async with PushService() as service:
        yield service


@pytest.fixture
async def local(tmp_path: Path) -> AsyncIterator[Quart]:
    """The app, which may send pushes to this machine."""
    app = create_app(Settings(data_dir=tmp_path / "data", **NO_LIMITS, push_allow_local=True))
    async with app.test_app():
        yield app


@pytest.fixture
async def two(local: Quart) -> tuple[Person, Person]:
    """Alice and Bob, in a conversation."""
    alice, bob = [await Person(local, PEOPLE[name], name).register() for name in ("alice", "bob")]
    await alice.start(bob)
    return alice, bob


async def subscribes(person: Person, endpoint: str, **more: str) -> tuple[Browser, int, str]:
    """The browser's keys, the status, and the code of an error."""
    browser = Browser()
    response = await person.post("/push", browser.fields(endpoint) | more)
    body = await response.get_data(as_text=True)
    return browser, response.status_code, json.loads(body).get("code", "")


async def is_on(person: Person) -> bool:
    """What GET /push says."""
    answer = await (await person.get("/push")).get_json()
    return bool(answer["is_on"])


async def is_idle(person: Person) -> None:
    """Wait until no push is under way."""
    pusher = person.app.extensions["ezdms.pusher"]
    await until(lambda: not pusher._tasks)


async def test_a_message_is_told_to_the_recipients_browser_without_name_text_or_id(
    two: tuple[Person, Person], service: PushService
) -> None:
    alice, bob = two
    browser, status, _ = await subscribes(bob, f"{service.url}/bob")
    assert status == 200
    sent = await alice.send(bob, "a secret")
    await until(lambda: bool(service.pushed))
    (pushed,) = service.pushed
    assert (pushed.path, browser.open(pushed.body)) == ("/bob", b"New message")
    assert pushed.headers["content-encoding"] == "aes128gcm"
    assert pushed.headers["topic"] == "new-message"
    assert 0 < int(pushed.headers["ttl"]) <= 7 * 24 * 3600
    public_key = (await (await bob.get("/push")).get_json())["public_key"]
    assert pushed.headers["authorization"].endswith(f", k={public_key}")
    said = json.dumps(pushed.headers)
    for secret in ("alice", "bob", sent["message_id"], alice.user_id, bob.user_id):
        assert secret not in said.replace("/bob", "")
    await is_idle(bob)
    await bob.send(alice, "nobody is told of this")
    await alice.post("/start_conversation", {"partner_search_pin": bob.search_pin})
    await is_idle(bob)
    assert len(service.pushed) == 1


async def test_edits_and_deletions_are_not_told(two: tuple[Person, Person], service: PushService) -> None:
    alice, bob = two
    await subscribes(bob, f"{service.url}/bob")
    sent = alice.seal(bob, "first")
    await alice.post("/send_message", sent)
    await until(lambda: len(service.pushed) == 1)
    await is_idle(bob)
    edit = alice.seal(bob, "second", kind="edit", reference=(sent["message_id"], sent["hash"]), e="")
    assert (await alice.post("/send_message", edit | {"replaces": sent["message_id"]})).status_code == 201
    await alice.send(bob, "third")
    await until(lambda: len(service.pushed) == 2)


async def test_nobody_who_looks_at_a_page_is_told_on_any_device(
    two: tuple[Person, Person], service: PushService
) -> None:
    alice, bob = two
    await subscribes(bob, f"{service.url}/bob")
    mailboxes = bob.hub.mailboxes
    async with listening(bob, as_json=False) as socket:
        await socket.connection.send('{"event":"visible"}')
        await until(lambda: any(one.is_visible for one in mailboxes(bob.user_id)))
        await alice.send(bob, "seen")
        await socket.connection.send('{"event":"hidden"}')
        await until(lambda: not any(one.is_visible for one in mailboxes(bob.user_id)))
        await alice.send(bob, "not seen")
        await until(lambda: len(service.pushed) == 1)
        await socket.connection.send('{"event":"visible"}')
        await until(lambda: any(one.is_visible for one in mailboxes(bob.user_id)))
    await until(lambda: not mailboxes(bob.user_id))  # a page that has gone is not looked at
    await alice.send(bob, "not seen either")
    await until(lambda: len(service.pushed) == 2)


async def test_many_messages_at_once_are_few_pushes_and_the_last_one_is_told(
    two: tuple[Person, Person], service: PushService
) -> None:
    alice, bob = two
    service.answers["/bob"] = may_end = asyncio.Event()
    await subscribes(bob, f"{service.url}/bob")
    for number in range(20):
        await alice.send(bob, str(number))
    await until(lambda: len(service.pushed) == 1)
    may_end.set()
    await is_idle(bob)
    assert len(service.pushed) == 2
    await alice.send(bob, "later")
    await until(lambda: len(service.pushed) == 3)


@pytest.mark.parametrize("status", [404, 410])
async def test_a_subscription_that_has_ended_is_deleted(
    two: tuple[Person, Person], service: PushService, status: int
) -> None:
    alice, bob = two
    await subscribes(bob, f"{service.url}/gone")
    assert await is_on(bob)
    service.answers["/gone"] = status
    await alice.send(bob, "hello")
    await until(lambda: bool(service.pushed))
    await is_idle(bob)
    assert not await is_on(bob)
    assert await count(bob.app, "push_subscriptions") == 0
    await alice.send(bob, "again")
    await is_idle(bob)
    assert len(service.pushed) == 1


@pytest.mark.parametrize("status", [301, 307, 400, 403, 413, 429, 500, 503])
async def test_a_service_that_refuses_is_given_a_rest_and_followed_nowhere(
    two: tuple[Person, Person], service: PushService, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    alice, bob = two
    service.location = f"{service.url}/elsewhere"
    service.answers["/refuses"] = status
    await subscribes(bob, f"{service.url}/refuses")
    for text in ("one", "two"):
        await alice.send(bob, text)
        await is_idle(bob)
    assert [pushed.path for pushed in service.pushed] == ["/refuses"]
    assert await is_on(bob)
    assert "/refuses" not in caplog.text
    await subscribes(bob, f"{service.url}/works")
    await alice.send(bob, "three")
    await until(lambda: service.pushed[-1].path == "/works")


async def test_a_service_that_hangs_delays_nobody_and_is_given_up(
    two: tuple[Person, Person], service: PushService, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = two
    service.answers["/hangs"] = None
    await subscribes(bob, f"{service.url}/hangs")
    await subscribes(alice, f"{service.url}/alice")
    await alice.send(bob, "hello")  # is answered, although the push hangs
    await until(lambda: [one.path for one in service.pushed] == ["/hangs"])
    await bob.send(alice, "hello")
    await until(lambda: [one.path for one in service.pushed] == ["/hangs", "/alice"])
    monkeypatch.setattr(outward, "SECONDS", 0.2)
    other = await Person(bob.app, PEOPLE["eve"], "eve").register()
    await subscribes(other, f"{service.url}/hangs")
    await alice.start(other)
    await alice.send(other, "hello")
    await until(lambda: len(service.pushed) == 3)
    pusher = bob.app.extensions["ezdms.pusher"]
    await until(lambda: other.user_id not in pusher._tasks)


async def test_a_rest_stays_when_one_subscribes_again_and_keeps_nobody_else_from_that_host(
    two: tuple[Person, Person], service: PushService, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = two
    monkeypatch.setattr(outward, "SECONDS", 0.2)
    service.answers["/hangs"] = None
    await subscribes(bob, f"{service.url}/hangs")
    await alice.send(bob, "one")
    await is_idle(bob)
    for endpoint in ("/hangs", "/other"):  # of the host that did not answer
        await subscribes(bob, f"{service.url}{endpoint}")
        await alice.send(bob, "two")
        await is_idle(bob)
    await subscribes(alice, f"{service.url}/alice")
    await bob.send(alice, "three")
    await is_idle(alice)
    assert [one.path for one in service.pushed] == ["/hangs", "/alice"]


async def test_who_has_a_host_that_does_not_answer_holds_up_nobody_else(
    two: tuple[Person, Person], service: PushService, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = two
    pusher = bob.app.extensions["ezdms.pusher"]
    monkeypatch.setattr(pusher, "_room", asyncio.Semaphore(1))
    service.answers["/hangs"] = None
    await subscribes(bob, f"{service.url}/hangs")
    await subscribes(alice, f"{service.url}/alice")
    with monkeypatch.context() as soon:
        soon.setattr(outward, "SECONDS", 0.2)
        await alice.send(bob, "one")
        await is_idle(bob)
    await subscribes(bob, service.url.replace("127.0.0.1", "localhost") + "/hangs")  # another host, as anyone can have
    await alice.send(bob, "two")
    await until(lambda: len(service.pushed) == 2)
    await bob.send(alice, "at once")
    await until(lambda: [one.path for one in service.pushed] == ["/hangs", "/hangs", "/alice"])


async def test_who_has_a_service_that_takes_its_time_holds_up_nobody_else(
    two: tuple[Person, Person], service: PushService, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = two
    pusher = bob.app.extensions["ezdms.pusher"]
    monkeypatch.setattr(pusher, "_room", asyncio.Semaphore(1))
    await subscribes(bob, f"{service.url}/slow")
    await subscribes(alice, f"{service.url}/alice")
    with monkeypatch.context() as soon:
        soon.setattr(pushing, "SLOW", 0.0)  # seconds: it answers, but so late
        await alice.send(bob, "one")
        await is_idle(bob)
    service.answers["/slow"] = None
    await alice.send(bob, "two")
    await until(lambda: len(service.pushed) == 2)
    await bob.send(alice, "at once")
    await until(lambda: [one.path for one in service.pushed] == ["/slow", "/slow", "/alice"])


async def test_names_that_nobody_resolves_hold_up_neither_others_nor_files(
    two: tuple[Person, Person], service: PushService, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = two
    resolve, end, asked = socket.getaddrinfo, threading.Event(), list[str]()

    def slow(host: str, *given: Any, **more: Any) -> Any:
        if host.endswith(".slow.example"):
            asked.append(host)
            end.wait()
        return resolve("127.0.0.1", *given, **more)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    # As many as the event loop has threads for everything else, and more.
    hanging = [asyncio.create_task(subscribes(bob, f"https://{n}.slow.example/")) for n in range(40)]
    try:
        await until(lambda: len(asked) == 40)
        await subscribes(alice, f"{service.url}/alice")
        await bob.send(alice, "at once")
        await until(lambda: [one.path for one in service.pushed] == ["/alice"])
        assert await asyncio.wait_for(asyncio.to_thread(int), PATIENCE / 1000) == 0  # as files are read and written
    finally:
        end.set()
        await asyncio.gather(*hanging)


async def test_logging_out_ends_the_subscription_of_this_session_alone(
    two: tuple[Person, Person], service: PushService
) -> None:
    alice, bob = two
    await subscribes(bob, f"{service.url}/first")
    again = Person(bob.app, bob.keys, "bob")
    again.fields = bob.fields
    login = {name: bob.fields[name] for name in ("login_id", "auth_key")}
    response = await again.client.post("/login", form=login, headers=again.headers)
    again.account = await response.get_json()
    again.headers["Authorization"] = f"Bearer {again.account['token']}"
    await subscribes(again, f"{service.url}/second")
    await bob.post("/logout")
    await alice.send(bob, "hello")
    await until(lambda: bool(service.pushed))
    await is_idle(bob)
    assert [pushed.path for pushed in service.pushed] == ["/second"]
    await again.post("/push_off")
    assert not await is_on(again)
    await alice.send(bob, "hello?")
    await is_idle(bob)
    assert len(service.pushed) == 1


async def test_a_session_has_one_subscription_and_nothing_is_left_on_disk_of_one_that_was_turned_off(
    two: tuple[Person, Person], service: PushService, tmp_path: Path
) -> None:
    alice, bob = two
    await subscribes(bob, f"{service.url}/old")
    await subscribes(bob, f"{service.url}/new")
    await alice.send(bob, "hello")
    await until(lambda: bool(service.pushed))
    await is_idle(bob)
    assert [pushed.path for pushed in service.pushed] == ["/new"]
    assert b"/new" in stored_bytes(tmp_path)
    await bob.post("/push_off")
    await bob.app.extensions["ezdms.database"].forget()
    assert b"/new" not in stored_bytes(tmp_path)


async def test_the_key_and_the_subscriptions_stay_after_a_restart(tmp_path: Path, service: PushService) -> None:
    keys, known = set(), dict[str, Any]()
    for turn in range(2):
        app = create_app(Settings(data_dir=tmp_path / "again", **NO_LIMITS, push_allow_local=True))
        async with app.test_app():
            alice, bob = [Person(app, PEOPLE[name], name) for name in ("alice", "bob")]
            if turn == 0:
                for one in (alice, bob):
                    await one.register()
                await alice.start(bob)
                known = {one.username: (one.account, one.headers) for one in (alice, bob)}
                await subscribes(bob, f"{service.url}/bob")
            for one in (alice, bob):
                one.account, one.headers = known[one.username]
            keys.add((await (await bob.get("/push")).get_json())["public_key"])
            await alice.post("/send_message", alice.seal(bob, "hello", n=turn + 1))
            await until(lambda: len(service.pushed) == turn + 1)  # noqa: B023
            await is_idle(bob)
    assert len(keys) == 1


@pytest.mark.parametrize(
    "endpoint",
    [
        *("http://8.8.8.8/x", "https://127.0.0.1/x", "https://localhost/x", "https://10.0.0.1/x", "https://[::1]/x"),
        *("https://169.254.169.254/latest/meta-data", "https://u:p@8.8.8.8/", "x", "", "https://nobody.invalid/x"),
        *("https://8.8.8.8:25/x", "https://8.8.8.8:6379/x", "https://192.88.99.1/x"),
    ],
)
async def test_an_endpoint_that_is_not_public_https_is_refused_and_not_stored(
    app: Quart, alice: Person, endpoint: str
) -> None:
    assert (await subscribes(alice, endpoint))[1:] == (422, "endpoint")
    assert await count(app, "push_subscriptions") == 0


async def test_a_host_that_moves_to_a_private_address_gets_nothing(
    two: tuple[Person, Person], service: PushService, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = two
    await subscribes(bob, f"{service.url}/bob")
    monkeypatch.setattr(bob.app.extensions["ezdms.pusher"], "_allow_local", False)  # stored when it was allowed
    await alice.send(bob, "hello")
    await is_idle(bob)
    assert service.pushed == []


@pytest.mark.parametrize(
    ("field", "value"), [("p256dh", "AAAA"), ("p256dh", ""), ("auth", "AAAA"), ("auth", "A" * 22 + "=")]
)
async def test_keys_that_seal_nothing_are_refused(alice: Person, field: str, value: str) -> None:
    assert (await subscribes(alice, "https://8.8.8.8/x", **{field: value}))[1:] == (400, "malformed_field")


async def test_the_51st_device_is_refused_with_a_sentence(
    local: Quart, service: PushService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pushing, "MOST", 1)
    first = await Person(local, PEOPLE["alice"], "alice").register()
    second = Person(local, first.keys, "alice")
    login = {name: first.fields[name] for name in ("login_id", "auth_key")}
    second.account = await (await second.client.post("/login", form=login, headers=second.headers)).get_json()
    second.headers["Authorization"] = f"Bearer {second.account['token']}"
    assert (await subscribes(first, f"{service.url}/1"))[1] == 200
    assert (await subscribes(second, f"{service.url}/2"))[1:] == (409, "too_many")
    assert (await subscribes(first, f"{service.url}/3"))[1] == 200  # in place of its own
    await first.post("/push_off")
    assert (await subscribes(second, f"{service.url}/2"))[1] == 200


async def test_a_message_that_comes_while_a_device_subscribes_does_not_keep_it_from_later_ones(
    two: tuple[Person, Person], service: PushService, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = two
    database = bob.app.extensions["ezdms.database"]
    write = database.write

    async def late(function: Any, **values: Any) -> Any:
        monkeypatch.undo()
        await alice.send(bob, "nobody is subscribed yet")
        await is_idle(bob)
        return await write(function, **values)

    monkeypatch.setattr(database, "write", late)
    assert (await subscribes(bob, f"{service.url}/bob"))[1] == 200
    await alice.send(bob, "hello")
    await until(lambda: len(service.pushed) == 1)


async def test_a_database_that_cannot_forget_an_ended_subscription_keeps_nobody_from_the_others(
    two: tuple[Person, Person], service: PushService, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = two
    again = Person(bob.app, bob.keys, "bob")
    login = {name: bob.fields[name] for name in ("login_id", "auth_key")}
    again.account = await (await again.client.post("/login", form=login, headers=again.headers)).get_json()
    again.headers["Authorization"] = f"Bearer {again.account['token']}"
    service.answers["/gone"], service.answers["/slow"] = 410, (may_end := asyncio.Event())
    await subscribes(bob, f"{service.url}/gone")
    await subscribes(again, f"{service.url}/slow")
    database, pusher, tries = bob.app.extensions["ezdms.database"], bob.app.extensions["ezdms.pusher"], list[int]()
    write = database.write

    async def full(function: Any, *args: Any, **values: Any) -> Any:
        if function.__name__ == "delete_subscription":
            tries.append(1)
            raise Unavailable
        return await write(function, *args, **values)

    monkeypatch.setattr(database, "write", full)
    await alice.send(bob, "hello")
    await until(lambda: bool(tries) and len(service.pushed) == 2)
    for _ in range(5):
        await asyncio.sleep(0)
    is_under_way = bob.user_id in pusher._tasks  # the slow one is
    may_end.set()
    assert is_under_way
    await is_idle(bob)


async def test_a_session_that_ended_meanwhile_gets_no_subscription(
    local: Quart, service: PushService, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = await Person(local, PEOPLE["alice"], "alice").register()
    database = local.extensions["ezdms.database"]
    write = database.write

    async def late(function: Any, **values: Any) -> Any:
        monkeypatch.undo()
        assert (await alice.post("/logout")).status_code == 204
        return await write(function, **values)

    monkeypatch.setattr(database, "write", late)
    assert (await subscribes(alice, f"{service.url}/x"))[1:] == (401, "no_session")
    assert await count(local, "push_subscriptions") == 0


async def test_a_private_name_looks_like_one_that_does_not_exist(app: Quart, alice: Person) -> None:
    answers = [
        await (await alice.post("/push", Browser().fields(f"https://{host}/x"))).get_data()
        for host in ("localhost", "nobody.invalid", "10.0.0.1")
    ]
    assert len(set(answers)) == 1


async def test_without_a_session_there_is_nothing(app: Quart) -> None:
    client = app.test_client(use_cookies=False)
    headers = {"Accept": "application/json"}
    for method, path in (("get", "/push"), ("post", "/push"), ("post", "/push_off")):
        assert (await getattr(client, method)(path, headers=headers)).status_code == 401
