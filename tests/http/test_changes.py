"""Edits and deletions: what they replace is emptied in the same transaction, and nothing else is."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from quart import Quart

from ezdms.protocol.encoding import b64u_encode
from tests.http.test_accounts import count
from tests.http.test_leaving import leave
from tests.http.test_sessions import HTML, execute, stored_bytes
from tests.support.people import PEOPLE, Person
from tests.support.usage import ROOM, size, usage
from tests.websocket.test_live import joined, listening
from tests.websocket.test_sending import say

PLAIN = {"expires_in": 0, "replaces": None, "gone": None, "mark": None, "file": None}
UNKNOWN = b64u_encode(bytes(16))


async def rows(person: Person, conversation_id: str) -> list[dict[str, Any]]:
    """All rows of the conversation, as this person gets them."""
    found = await (await person.get(f"/messages/{conversation_id}?limit=200&peek=1")).get_json()
    assert isinstance(found, list)
    return found


async def sent(person: Person, other: Person, text: str, **more: Any) -> dict[str, Any]:
    """Send a message with these fields; returns all its fields."""
    fields = person.seal(other, text) | more
    response = await person.post("/send_message", fields)
    assert response.status_code == 201, await response.get_data()
    return fields


async def refused(person: Person, other: Person, text: str, **more: Any) -> tuple[int, str]:
    """Send a message that is refused; returns status and code."""
    fields = person.seal(other, text, n=len(person.sent) + 1) | more
    person.sent.pop()
    response = await person.post("/send_message", fields)
    answer = await response.get_json()
    assert answer["error"].endswith(".")
    return response.status_code, answer["code"]


def is_found(copy: str, stored: bytes) -> bool:
    """True if any part of this sealed copy is among these bytes: a page of the database holds 4096 of them."""
    _, *parts = copy.split(".")  # the header names the key, and is in every copy for it
    pieces = [part[i : i + 40] for part in parts for i in range(0, len(part) - 15, 40)]
    return any(piece.encode() in stored for piece in pieces)


def own(row: dict[str, Any], *names: str) -> list[Any]:
    return [row[name] for name in names]


async def test_a_plain_message_says_that_it_changes_nothing_and_stores_no_facts(
    app: Quart, alice: Person, bob: Person, conversation: str
) -> None:
    await sent(alice, bob, "plain")
    await sent(alice, bob, "plain, too", expires_in=0, replaces="", file="")
    for person in (alice, bob):
        found = await rows(person, conversation)
        assert [{name: row[name] for name in PLAIN} for row in found] == [PLAIN, PLAIN]
    assert await count(app, "message_facts") == 0  # no byte more than before


async def test_a_change_empties_its_target_and_earlier_changes_of_it_for_both(
    app: Quart, alice: Person, bob: Person, conversation: str, tmp_path: Path
) -> None:
    target = await sent(alice, bob, "the text")
    other = await sent(alice, bob, "another text")
    await sent(bob, alice, "an answer")
    first = await sent(alice, bob, "an edit", replaces=target["message_id"])
    second = await sent(alice, bob, "a second edit", replaces=target["message_id"])
    for person in (alice, bob):
        found = await rows(person, conversation)
        assert [row["seq"] for row in found] == [1, 2, 3, 4, 5]
        assert [row["gone"] for row in found] == ["replaced", None, None, "replaced", None]
        assert [row["encrypted"] is None for row in found] == [True, False, False, True, False]
        assert [row["replaces"] for row in found] == [None, None, None, target["message_id"], target["message_id"]]
        for row, fields in zip((found[0], found[1], found[3], found[4]), (target, other, first, second), strict=True):
            assert own(row, "message_id", "n", "hash") == [fields[name] for name in ("message_id", "n", "hash")]
    assert (await usage(app, alice)).message_bytes == size(other) + size(second)
    copies = [fields[f"content_for_{side}"] for fields in (target, first) for side in ("a", "b")]
    await app.extensions["ezdms.sweeper"].expire()  # the tick that also erases the log
    stored = stored_bytes(tmp_path)
    assert is_found(second["content_for_a"], stored)  # the search works
    assert [copy for copy in copies if is_found(copy, stored)] == []


async def test_a_change_is_published_with_what_it_replaces(alice: Person, bob: Person, conversation: str) -> None:
    target = await sent(alice, bob, "the text")
    async with listening(bob) as socket:
        await joined(bob, socket, conversation)
        await sent(alice, bob, "an edit", replaces=target["message_id"], expires_in=60)
        arrived = await socket.next()
    assert arrived.pop("event") == "new_message"
    assert arrived.pop("conversation_id") == conversation
    assert arrived == (await rows(bob, conversation))[-1]
    assert own(arrived, "replaces", "expires_in", "gone", "mark", "file") == [
        target["message_id"],
        60,
        None,
        None,
        None,
    ]


async def test_a_change_by_socket_is_the_same(
    app: Quart, alice: Person, bob: Person, conversation: str, tmp_path: Path
) -> None:
    target = await sent(alice, bob, "the text")
    async with listening(alice) as socket:
        await say(socket, alice.seal(bob, "an edit") | {"replaces": target["message_id"], "expires_in": 5})
        while (await socket.next())["event"] != "sent":
            pass
        await say(socket, alice.seal(bob, "no edit") | {"replaces": UNKNOWN})
        told = await socket.next()
        assert (told["event"], told["code"]) == ("error", "no_message")
    found = await rows(bob, conversation)
    assert [row["gone"] for row in found] == ["replaced", None]
    assert own(found[1], "replaces", "expires_in") == [target["message_id"], 5]
    await app.extensions["ezdms.sweeper"].expire()
    assert not is_found(target["content_for_a"], stored_bytes(tmp_path))


async def test_a_change_of_what_is_not_ones_own_message_is_refused_and_empties_nothing(
    app: Quart, alice: Person, bob: Person, eve: Person, conversation: str
) -> None:
    with_eve = await alice.start(eve)
    elsewhere = alice.seal(eve, "to Eve", n=1)
    assert (await alice.post("/send_message", elsewhere)).status_code == 201
    alice.sent.clear()
    target = await sent(alice, bob, "the text")
    edit = await sent(alice, bob, "an edit", replaces=target["message_id"])
    theirs = await sent(bob, alice, "from Bob")
    await sent(bob, alice, "also from Bob")
    before = [await rows(person, conversation) for person in (alice, bob)], await rows(eve, with_eve)
    told = set()
    for replaces in (UNKNOWN, theirs["message_id"], elsewhere["message_id"], edit["message_id"]):
        fields = alice.seal(bob, "no edit", n=3) | {"replaces": replaces}
        response = await alice.post("/send_message", fields)
        assert response.status_code == 404
        told.add(await response.get_data())
        assert (await alice.post("/send_message", fields | {"replaces": fields["message_id"]})).status_code == 404
        del alice.sent[2:]
    assert len(told) == 1  # unknown, another's, in another conversation, and a change itself look the same
    assert await refused(bob, alice, "no edit", replaces=target["message_id"]) == (404, "no_message")
    stranger = await eve.post("/send_message", alice.seal(bob, "x", n=3) | {"replaces": target["message_id"]})
    assert (stranger.status_code, (await stranger.get_json())["code"]) == (404, "no_conversation")
    assert ([await rows(person, conversation) for person in (alice, bob)], await rows(eve, with_eve)) == before
    await usage(app, alice)


@pytest.mark.parametrize(
    "more",
    [
        {"expires_in": -1},
        {"expires_in": "1.0"},
        {"expires_in": "01"},
        {"expires_in": ""},
        {"expires_in": 31_536_001},
        {"replaces": "x"},
        {"replaces": UNKNOWN + "A"},
        {"replaces": UNKNOWN + "=="},
        {"replaces": UNKNOWN[:-1] + "B"},
        {"file": "x"},
    ],
)
async def test_malformed_fields_are_refused(
    app: Quart, alice: Person, bob: Person, conversation: str, more: dict[str, Any]
) -> None:
    assert await refused(alice, bob, "x", **more) == (400, "malformed_field")
    assert await count(app, "messages") == 0


async def test_a_file_that_does_not_exist_is_refused(alice: Person, bob: Person, conversation: str) -> None:
    assert await refused(alice, bob, "x", file=UNKNOWN) == (404, "no_file")


@pytest.mark.parametrize("expires_in", [1, 31_536_000])
async def test_a_lifetime_is_told_to_both(alice: Person, bob: Person, conversation: str, expires_in: int) -> None:
    await sent(alice, bob, "disappears", expires_in=expires_in)
    for person in (alice, bob):
        assert own((await rows(person, conversation))[0], "expires_in", "gone") == [expires_in, None]


async def test_a_repeated_change_is_answered_as_the_first_time(
    app: Quart, alice: Person, bob: Person, conversation: str
) -> None:
    target = await sent(alice, bob, "the text")
    fields = alice.seal(bob, "an edit") | {"replaces": target["message_id"]}
    first = await alice.post("/send_message", fields)
    before = await rows(bob, conversation)
    await sent(alice, bob, "a second edit", replaces=target["message_id"])
    again = await alice.post("/send_message", fields)
    assert (first.status_code, again.status_code) == (201, 200)
    assert await first.get_json() == await again.get_json()
    assert [row["gone"] for row in await rows(bob, conversation)] == ["replaced", "replaced", None]
    assert [row["gone"] for row in before] == ["replaced", None]
    await usage(app, alice)


async def test_two_devices_that_edit_at_once_are_put_in_order(
    app: Quart, alice: Person, bob: Person, conversation: str
) -> None:
    target = await sent(alice, bob, "the text")
    drafts = [alice.seal(bob, f"device {i}", n=2) | {"replaces": target["message_id"]} for i in range(5)]
    answers = await asyncio.gather(*(alice.post("/send_message", fields) for fields in drafts))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 4
    assert [row["gone"] for row in await rows(bob, conversation)] == ["replaced", None]
    await usage(app, alice)


async def test_a_change_that_is_not_stored_empties_nothing(alice: Person, bob: Person, conversation: str) -> None:
    target = await sent(alice, bob, "the text")
    for more, status in (({"n": 1}, 409), ({"n": 5000}, 409), ({"suite": 2}, 422), ({"content_for_a": "x"}, 422)):
        assert (await refused(alice, bob, "x", replaces=target["message_id"], **more))[0] == status
    assert (await refused(alice, bob, "x", replaces=target["message_id"], message_id=target["message_id"]))[0] == 409
    assert await alice.texts(bob) == ["the text"]


async def test_the_page_gets_an_emptied_row_as_a_row_without_content(
    alice: Person, bob: Person, conversation: str
) -> None:
    target = await sent(alice, bob, "the text")
    await sent(alice, bob, "an edit", replaces=target["message_id"], expires_in=60)
    html = await (await bob.get(f"/messages/{conversation}", Accept=HTML)).get_data(as_text=True)
    emptied, kept = html.split("</message-row>")[:2]
    assert "data-sealed" not in emptied
    assert "data-sealed" in kept
    assert target["message_id"] in emptied
    claims = ("gone", "replaces", "expires-in", "mark", "file")
    said = [
        {name: value for name, value in re.findall(r'data-([a-z-]+)="([^"]*)"', row) if name in claims}
        for row in (emptied, kept)
    ]
    assert said == [
        {"gone": "replaced"},
        {"expires-in": "60", "replaces": target["message_id"]},
    ]


async def test_a_change_is_taken_over_quota_if_it_is_not_larger_than_what_it_empties(small: Quart) -> None:
    alice = await Person(small, PEOPLE["alice"], "alice").register()
    bob = await Person(small, PEOPLE["bob"], "bob").register()
    conversation = await alice.start(bob)
    first, second = [await sent(alice, bob, f"message {i}") for i in range(2)]
    await execute(small, "UPDATE usage SET vault_bytes = :size WHERE user_id = :id", size=ROOM, id=alice.user_id)
    full = await usage(small, alice)
    assert await refused(alice, bob, "no room") == (507, "quota")
    assert await refused(alice, bob, "x" * 500, replaces=first["message_id"]) == (507, "quota")
    assert [row["gone"] for row in await rows(bob, conversation)] == [None, None]
    await sent(alice, bob, "edited", replaces=first["message_id"])
    await sent(alice, bob, "edited again", replaces=first["message_id"])
    assert await usage(small, alice) == full
    await sent(alice, bob, "edited", replaces=second["message_id"])
    assert await usage(small, alice) == full
    await execute(small, "UPDATE usage SET vault_bytes = 0 WHERE user_id = :id", id=alice.user_id)
    assert await refused(alice, bob, "no room") == (507, "quota")
    longest = await sent(alice, bob, "x" * 100, replaces=second["message_id"])
    assert (await usage(small, alice)).message_bytes == size(longest) + size(first)


async def test_a_deleted_account_leaves_no_mark_and_what_it_changed_stays_changed(
    app: Quart, alice: Person, bob: Person, conversation: str
) -> None:
    target = await sent(alice, bob, "the text", expires_in=3600)
    await sent(alice, bob, "an edit", replaces=target["message_id"], expires_in=3600)
    assert await leave(alice) == 204
    found = await rows(bob, conversation)
    assert [row["gone"] for row in found] == ["replaced", None]
    (facts, _) = await execute(app, "SELECT gone_a, gone_b, mark_a, mark_b FROM message_facts ORDER BY seq")
    assert sorted(str(facts[name]) for name in ("gone_a", "gone_b")) == ["None", "replaced"]
    assert await leave(bob) == 204
    for table in ("messages", "message_facts", "signals", "conversations"):
        assert await count(app, table) == 0
