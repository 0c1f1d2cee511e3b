"""Signals: relayed to the other's programs, of receipts the newest kept, and fenced like messages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from quart import Quart

from ezdms import crypto
from ezdms.app import create_app
from ezdms.db import now
from ezdms.settings import Limit, Settings, parse_limit
from tests.conftest import NO_LIMITS
from tests.http.test_accounts import count
from tests.http.test_changes import is_found
from tests.http.test_leaving import leave
from tests.http.test_sessions import stored_bytes
from tests.support.people import PEOPLE, Person
from tests.websocket.test_live import Socket, closed_with, joined, listening


def signal(sender: Person, other: Person, slot: str, n: int = 1, **more: Any) -> dict[str, Any]:
    """The fields of POST /signal."""
    kind, m = (slot, (n, "A" * 43)) if slot else ("typing", (0, ""))
    sealed = crypto.seal_signal(sender.keys, other.keys.ik, other.keys.spki, kind=kind, m=m, ts=now())
    place = crypto.conversation_id(sender.keys.fp, other.keys.fp)
    return {"conversation_id": place, "slot": slot, "sealed": sealed} | more


async def sends(person: Person, fields: dict[str, Any]) -> tuple[int, str]:
    """Status, and the code of an error."""
    response = await person.post("/signal", fields)
    body = await response.get_data(as_text=True)
    return response.status_code, json.loads(body)["code"] if body else ""


async def stored(person: Person, conversation_id: str) -> list[dict[str, Any]]:
    """What GET /signals answers."""
    response = await person.get(f"/signals/{conversation_id}")
    assert response.status_code == 200
    found = await response.get_json()
    assert isinstance(found, list)
    return found


async def is_quiet(socket: Socket) -> bool:
    """True if nothing was sent to this socket before the answer to a ping."""
    await socket.connection.send('{"event":"ping"}')
    return await socket.next() == {"event": "pong"}


async def test_of_receipts_the_newest_of_each_sender_is_kept(
    app: Quart, alice: Person, bob: Person, conversation: str
) -> None:
    before = now()
    for n in (1, 2, 3):
        for slot in ("delivered", "read"):
            last = signal(alice, bob, slot, n)
            assert await sends(alice, last) == (204, "")
    assert await sends(bob, mine := signal(bob, alice, "delivered")) == (204, "")
    found = await stored(bob, conversation)
    assert [set(one) for one in found] == [{"sender_id", "slot", "sealed", "created_at"}] * 2
    assert [(one["sender_id"], one["slot"]) for one in found] == [
        (alice.user_id, slot) for slot in ("delivered", "read")
    ]
    assert found[1]["sealed"] == last["sealed"]
    assert all(before <= one["created_at"] <= now() for one in found)
    opened = [crypto.open_signal(bob.keys, alice.keys.ik, one["sealed"], one["slot"]) for one in found]
    assert [(one.kind, one.m[0]) for one in opened] == [("delivered", 3), ("read", 3)]
    assert [one["sealed"] for one in await stored(alice, conversation)] == [mine["sealed"]]  # what is sealed for her
    assert await count(app, "signals") == 3


async def test_typing_is_relayed_and_never_stored(
    app: Quart, alice: Person, bob: Person, conversation: str, tmp_path: Path
) -> None:
    fields = signal(alice, bob, "")
    async with listening(bob) as socket:
        assert await sends(alice, fields) == (204, "")
        assert await socket.next() == {"event": "signal", "sender_id": alice.user_id} | fields
    assert await stored(bob, conversation) == []
    assert await count(app, "signals") == 0
    assert not is_found(fields["sealed"], stored_bytes(tmp_path))


async def test_signals_go_to_all_programs_of_the_other_and_to_nobody_else(
    alice: Person, bob: Person, eve: Person, conversation: str
) -> None:
    await eve.start(bob)
    async with (
        listening(bob) as one,
        listening(bob) as two,
        listening(alice) as own,
        listening(alice) as sender,
        listening(eve) as outsider,
    ):
        await joined(bob, one, conversation)
        for slot in ("", "delivered", "read"):
            fields = signal(alice, bob, slot)
            await sender.connection.send(json.dumps({"event": "signal"} | fields))
            expected = {"event": "signal", "sender_id": alice.user_id} | fields
            assert await one.next() == await two.next() == expected
        for socket in (own, sender, outsider):
            assert await is_quiet(socket)
    assert [row["slot"] for row in await stored(bob, conversation)] == ["delivered", "read"]


async def test_a_signal_is_no_message(alice: Person, bob: Person, conversation: str) -> None:
    await alice.send(bob, "Hello")
    before = [await (await bob.get(f"/conversations/{bob.user_id}")).get_json(), await bob.texts(alice, "?peek=1")]
    for slot in ("", "delivered", "read"):
        assert await sends(alice, signal(alice, bob, slot)) == (204, "")
    assert [
        await (await bob.get(f"/conversations/{bob.user_id}")).get_json(),
        await bob.texts(alice, "?peek=1"),
    ] == before


async def test_an_outsider_can_neither_signal_nor_see_signals(
    app: Quart, alice: Person, bob: Person, eve: Person, conversation: str
) -> None:
    assert await sends(alice, signal(alice, bob, "read")) == (204, "")
    unknown = "0" * 24
    for there, nowhere in (
        (await eve.get(f"/signals/{conversation}"), await eve.get(f"/signals/{unknown}")),
        (
            await eve.post("/signal", signal(alice, bob, "read")),
            await eve.post("/signal", signal(alice, bob, "read", conversation_id=unknown)),
        ),
    ):
        assert there.status_code == nowhere.status_code == 404
        assert await there.get_data() == await nowhere.get_data()
    async with listening(bob) as socket, listening(eve) as outsider:
        await outsider.connection.send(
            json.dumps({"event": "signal"} | signal(eve, bob, "", conversation_id=conversation))
        )
        told = await outsider.next()
        assert (told["event"], told["code"], told["message_id"]) == ("error", "no_conversation", None)
        assert await is_quiet(socket)
    assert await count(app, "signals") == 1


@pytest.mark.parametrize(
    ("changed", "answer"),
    [
        ({"slot": "typing"}, (400, "malformed_field")),
        ({"slot": "Read"}, (400, "malformed_field")),
        ({"slot": 1}, (400, "malformed_field")),
        ({"sealed": ""}, (422, "envelope")),
        ({"sealed": "x" * 60_000}, (422, "envelope")),
        ({"conversation_id": "x"}, (404, "no_conversation")),
    ],
)
async def test_a_malformed_signal_is_refused_and_not_relayed(
    app: Quart, alice: Person, bob: Person, conversation: str, changed: dict[str, Any], answer: tuple[int, str]
) -> None:
    async with listening(bob) as socket, listening(alice) as sender:
        assert await sends(alice, signal(alice, bob, "read") | changed) == answer
        await sender.connection.send(json.dumps({"event": "signal"} | signal(alice, bob, "read") | changed))
        assert (await sender.next())["code"] == answer[1]
        assert await is_quiet(socket)
    assert await count(app, "signals") == 0


async def test_only_a_signal_sealed_for_the_other_is_taken(
    app: Quart, alice: Person, bob: Person, eve: Person, conversation: str
) -> None:
    message = alice.seal(bob, "x")
    good = signal(alice, bob, "read")
    head, *rest = good["sealed"].split(".")
    for sealed in (
        signal(bob, alice, "read")["sealed"],
        signal(alice, eve, "read")["sealed"],
        message["content_for_a"],
        message["content_for_b"],
        ".".join([head, *rest, ""]),
        ".".join([head, *rest[:2], rest[2][:-4], rest[3]]),
        good["sealed"] + "=",
    ):
        assert await sends(alice, good | {"sealed": sealed}) == (422, "envelope")
    for name in good:
        fewer = {other: value for other, value in good.items() if other != name}
        assert await sends(alice, fewer) == (400, "missing_field")
    assert await count(app, "signals") == 0


@pytest.mark.parametrize(
    "frame", ['{"event":"signal"}', '{"event":"signal","conversation_id":1}', '{"event":"signal","conversation_id":{}}']
)
async def test_a_frame_without_a_conversation_closes_the_socket(alice: Person, frame: str) -> None:
    async with listening(alice) as socket:
        await socket.connection.send(frame)
        assert await closed_with(socket) == 1003


async def test_signals_are_limited_per_account_by_post_and_socket_together(tmp_path: Path) -> None:
    assert Settings().limit_signal == parse_limit("60/minute")
    limit: Limit | None = parse_limit("4/hour")
    app = create_app(Settings(data_dir=tmp_path / "data", **NO_LIMITS | {"limit_signal": limit}))
    async with app.test_app():
        alice = await Person(app, PEOPLE["alice"], "alice").register()
        bob = await Person(app, PEOPLE["bob"], "bob").register()
        await alice.start(bob)
        async with listening(alice) as sender, listening(bob) as socket:
            for _ in range(2):
                assert await sends(alice, signal(alice, bob, "")) == (204, "")
                await sender.connection.send(json.dumps({"event": "signal"} | signal(alice, bob, "")))
            for _ in range(4):
                assert (await socket.next())["event"] == "signal"
            assert await sends(alice, signal(alice, bob, "")) == (429, "too_often")
            await sender.connection.send(json.dumps({"event": "signal"} | signal(alice, bob, "")))
            told = await sender.next()
            assert (told["code"], told["retry_after"] > 0) == ("too_often", True)
            assert await is_quiet(socket)
            assert await sends(bob, signal(bob, alice, "")) == (204, "")
            await alice.send(bob, "messages count for themselves")


async def test_a_deleted_account_leaves_no_signals(
    app: Quart, alice: Person, bob: Person, conversation: str, tmp_path: Path
) -> None:
    both = [signal(alice, bob, "read"), signal(bob, alice, "delivered")]
    for person, fields in zip((alice, bob), both, strict=True):
        assert await sends(person, fields) == (204, "")
    assert all(is_found(fields["sealed"], stored_bytes(tmp_path)) for fields in both)
    assert await leave(alice) == 204
    assert await stored(bob, conversation) == []
    assert await count(app, "signals") == 0
    assert not any(is_found(fields["sealed"], stored_bytes(tmp_path)) for fields in both)
    assert await sends(bob, signal(bob, alice, "read")) == (410, "left")
