"""Signals over a page's socket: the same limits as by POST, and the other's as a fragment."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from quart import Quart

from ezdms.app import create_app
from ezdms.settings import Limit, Settings, parse_limit
from tests.conftest import NO_LIMITS
from tests.contract.test_shapes import Elements
from tests.http.test_accounts import count
from tests.http.test_signals import sends, signal, stored
from tests.support.people import PEOPLE, Person
from tests.websocket.test_live import SOON, Socket, closed_with, listening

HTML = {"Accept": "text/html"}


async def next_frame(socket: Socket) -> str:
    """The next frame of a page's socket."""
    return str(await asyncio.wait_for(socket.connection.receive(), SOON))


async def is_quiet(socket: Socket) -> bool:
    """True if nothing was sent to this socket before the answer to a ping."""
    await socket.connection.send('{"event":"ping"}')
    return await next_frame(socket) == '{"event":"pong"}'


async def signals(socket: Socket, fields: dict[str, Any]) -> None:
    """Send a signal over this socket."""
    await socket.connection.send(json.dumps({"event": "signal"} | fields))


def told(frame: str) -> dict[str, str | None]:
    """The attributes of the signal in a frame, which contains nothing else."""
    elements = Elements(frame)
    (place, _), (name, attributes) = elements.found
    assert (place, name, elements.texts) == ("hx-partial", "signal-arrived", [])
    return {attribute.removeprefix("data-").replace("-", "_"): value for attribute, value in attributes.items()}


async def test_a_page_sends_signals_and_gets_those_of_the_other(
    alice: Person, bob: Person, eve: Person, app: Quart
) -> None:
    conversation = await alice.start(bob)
    await eve.start(bob)
    async with (
        listening(alice, as_json=False) as sender,
        listening(alice, as_json=False) as own,
        listening(bob, as_json=False) as page,
        listening(bob, as_json=False) as other,
        listening(bob) as program,
        listening(eve, as_json=False) as outsider,
    ):
        for slot in ("", "delivered", "read"):
            fields = signal(alice, bob, slot)
            await signals(sender, fields)
            assert told(await next_frame(page)) == told(await next_frame(other)) == fields
            assert await program.next() == {"event": "signal", "sender_id": alice.user_id} | fields
        for socket in (sender, own, outsider):
            assert await is_quiet(socket)
    assert [row["slot"] for row in await stored(bob, conversation)] == ["delivered", "read"]
    assert await count(app, "signals") == 2


async def test_receipts_are_handed_out_as_a_fragment_too(alice: Person, bob: Person, eve: Person) -> None:
    conversation = await alice.start(bob)
    path = f"/signals/{conversation}"
    as_page = bob.headers | HTML
    response = await bob.client.get(path, headers=as_page)
    assert (response.status_code, (await response.get_data(as_text=True)).strip()) == (200, "")
    both = [signal(alice, bob, slot) for slot in ("delivered", "read")]
    for fields in both:
        assert await sends(alice, fields) == (204, "")
    response = await bob.client.get(path, headers=as_page)
    assert response.content_type == "text/html; charset=utf-8"
    *parts, rest = (await response.get_data(as_text=True)).split("</signal-arrived>")
    assert [told(f"<hx-partial>{part}") for part in parts] == both
    assert rest.strip() == ""
    assert (await eve.client.get(path, headers=eve.headers | HTML)).status_code == 404


@pytest.mark.parametrize(
    "changed",
    [{"slot": "typing"}, {"slot": 1}, {"sealed": "x"}, {"sealed": None}, {"conversation_id": "0" * 24}],
    ids=str,
)
async def test_a_refused_signal_of_a_page_is_dropped_without_an_answer(
    app: Quart, alice: Person, bob: Person, changed: dict[str, Any]
) -> None:
    await alice.start(bob)
    async with listening(bob, as_json=False) as page, listening(alice, as_json=False) as sender:
        await signals(sender, signal(alice, bob, "read") | changed)
        assert await is_quiet(sender)
        assert await is_quiet(page)
        await signals(sender, fields := signal(alice, bob, "read"))
        assert told(await next_frame(page)) == fields
    assert await count(app, "signals") == 1


async def test_a_page_still_cannot_send_messages_over_its_socket(alice: Person, bob: Person) -> None:
    await alice.start(bob)
    for event in ("send_message", "signals"):
        async with listening(alice, as_json=False) as socket:
            await socket.connection.send(json.dumps(signal(alice, bob, "read") | {"event": event}))
            assert await closed_with(socket) == 1003


async def test_a_page_and_its_posts_share_the_limit_of_signals(tmp_path: Path) -> None:
    limit: Limit | None = parse_limit("3/hour")
    app = create_app(Settings(data_dir=tmp_path / "data", **NO_LIMITS | {"limit_signal": limit}))
    async with app.test_app():
        alice = await Person(app, PEOPLE["alice"], "alice").register()
        bob = await Person(app, PEOPLE["bob"], "bob").register()
        await alice.start(bob)
        async with listening(alice, as_json=False) as sender, listening(bob, as_json=False) as page:
            assert await sends(alice, signal(alice, bob, "")) == (204, "")
            await signals(sender, signal(alice, bob, ""))
            await signals(sender, signal(alice, bob, ""))
            for _ in range(3):
                assert told(await next_frame(page))["slot"] == ""
            await signals(sender, signal(alice, bob, ""))
            assert await is_quiet(sender)
            assert await is_quiet(page)
            assert await sends(alice, signal(alice, bob, "")) == (429, "too_often")


async def test_what_a_page_gets_names_no_sender(alice: Person, bob: Person) -> None:
    await alice.start(bob)
    fields = signal(alice, bob, "read")
    async with listening(bob, as_json=False) as page:
        assert await sends(alice, fields) == (204, "")
        frame = await next_frame(page)
    assert alice.user_id not in frame
    assert "alice" not in frame
