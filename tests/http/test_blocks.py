"""Blocking: nothing of theirs is kept for the one who blocks, and they notice nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from quart import Quart

from tests.http.test_changes import is_found, own, refused, rows, sent
from tests.http.test_expiry import after as after
from tests.http.test_expiry import gone
from tests.http.test_requests import line, states
from tests.http.test_sessions import HTML, stored_bytes
from tests.http.test_signals import is_quiet, sends, signal, stored
from tests.support.people import Person
from tests.support.usage import usage
from tests.websocket.test_live import joined, listening


async def newest(person: Person, conversation_id: str) -> int:
    """The seq of the message that the list shows."""
    [found] = await (await person.get(f"/previews?of={conversation_id}")).get_json()
    return int(found["seq"])


async def test_what_a_blocked_person_sends_is_a_row_without_content_and_raises_nothing(
    app: Quart, alice: Person, bob: Person, eve: Person, conversation: str, tmp_path: Path
) -> None:
    await sent(alice, bob, "before")
    elsewhere = await eve.start(bob)
    await sent(eve, bob, "in between")
    await bob.does("block", conversation)
    before = await line(bob, conversation)
    async with listening(bob) as socket, listening(bob, as_json=False) as page, listening(alice) as own_socket:
        fields = await sent(alice, bob, "blocked")
        assert await is_quiet(socket)
        assert await is_quiet(page)
        assert (await own_socket.next())["event"] == "conversation"  # her other devices hear of it
    assert await line(bob, conversation) == before | {"last_seq": 2, "state": "blocked", "unread": 1}
    order = [one["conversation_id"] for one in await (await bob.get(f"/conversations/{bob.user_id}")).get_json()]
    assert order == [elsewhere, conversation]
    assert await newest(bob, conversation) == 1
    found = (await rows(bob, conversation))[-1]
    assert own(found, "seq", "n", "hash", "message_id", "encrypted", "gone") == [
        2,
        2,
        fields["hash"],
        fields["message_id"],
        None,
        "blocked",
    ]
    mine = (await rows(alice, conversation))[-1]
    assert own(mine, "gone", "mark") == [None, None]
    assert mine["encrypted"] in (fields["content_for_a"], fields["content_for_b"])
    for_bob = fields["content_for_a"] if mine["encrypted"] == fields["content_for_b"] else fields["content_for_b"]
    assert is_found(mine["encrypted"], stored_bytes(tmp_path))
    assert not is_found(for_bob, stored_bytes(tmp_path))
    await usage(app, alice)


@pytest.mark.parametrize("accept", ["application/json", "text/html"])
async def test_the_sender_is_answered_as_ever(
    alice: Person, bob: Person, eve: Person, conversation: str, accept: str
) -> None:
    """Everything that Alice can ask is the same as with Eve, who does not block her."""
    other = await alice.start(eve)
    await bob.does("block", conversation)
    faces = []
    for person, conversation_id in ((bob, conversation), (eve, other)):
        told: list[Any] = []
        writer = Person(alice.app, alice.keys, "alice")
        writer.headers, writer.account = alice.headers, alice.account
        async with listening(alice) as socket:
            await joined(alice, socket, conversation_id)
            for number in range(3):
                fields = writer.seal(person, "text")
                more = ({}, {"expires_in": 60}, {"replaces": writer.sent[0].message_id})[number]
                for status in (201, 200):  # with a repeat
                    response = await alice.post("/send_message", fields | more, Accept=accept)
                    assert response.status_code == status
                    told.append((response.status_code, sorted(response.headers.keys())))
                told.append(sorted(await socket.next()))
            for slot in ("", "read"):
                told.append((await alice.post("/signal", signal(writer, person, slot))).status_code)
            assert await is_quiet(socket)
        response = await alice.get(f"/messages/{conversation_id}", Accept=accept)
        told.append([(row["n"], row["gone"]) for row in await rows(alice, conversation_id)])
        told.append((response.status_code, sorted(response.headers.keys())))
        seen = await line(alice, conversation_id)
        told.append({name: seen[name] for name in ("state", "unread", "last_seq", "found_by", "muted_until")})
        told.append((await alice.post("/start_conversation", {"partner_search_pin": person.search_pin})).status_code)
        faces.append(told)
    assert faces[0] == faces[1]


async def test_a_blocked_request_ends_after_three_messages_as_any_other(alice: Person, bob: Person) -> None:
    conversation_id = await alice.start(bob, accepted=False)
    await bob.does("block", conversation_id)
    for text in ("one", "two", "three"):
        await sent(alice, bob, text)
    assert await refused(alice, bob, "four") == (403, "not_accepted")
    assert gone(await rows(bob, conversation_id)) == ["blocked"] * 3
    await bob.does("unblock", conversation_id)
    assert await states(conversation_id, bob) == ["request"]


async def test_what_came_meanwhile_does_not_come_back(alice: Person, bob: Person, conversation: str) -> None:
    await sent(alice, bob, "before")
    await bob.does("block", conversation)
    await bob.does("block", conversation)  # twice is once
    await sent(alice, bob, "meanwhile")
    await bob.does("unblock", conversation)
    assert gone(await rows(bob, conversation)) == [None, "blocked"]
    assert await newest(bob, conversation) == 1
    async with listening(bob) as socket:
        await sent(alice, bob, "after")
        assert own(await socket.next(), "last_seq", "unread") == [3, 2]  # of three, the one in between does not count
    assert await newest(bob, conversation) == 3
    assert await states(conversation, alice, bob) == ["accepted", "accepted"]


async def test_ones_own_message_after_a_block_is_the_newest_again(
    alice: Person, bob: Person, conversation: str
) -> None:
    await bob.does("block", conversation)
    await sent(alice, bob, "meanwhile")
    await bob.does("unblock", conversation)
    await sent(bob, alice, "here I am")
    assert await newest(bob, conversation) == 2
    assert (await line(bob, conversation))["unread"] == 0


async def test_a_change_by_somebody_blocked_empties_their_own_copies_alone(
    app: Quart, alice: Person, bob: Person, conversation: str, tmp_path: Path
) -> None:
    text = await sent(alice, bob, "what was said")
    await bob.does("block", conversation)
    for _ in range(2):  # an edit, and one of the same
        await sent(alice, bob, "what was not", replaces=text["message_id"])
    assert gone(await rows(alice, conversation)) == ["replaced", "replaced", None]
    assert gone(await rows(bob, conversation)) == [None, "blocked", "blocked"]
    await usage(app, alice)
    copies = [text["content_for_a"], text["content_for_b"]]
    await app.extensions["ezdms.database"].forget()
    assert sorted(is_found(copy, stored_bytes(tmp_path)) for copy in copies) == [False, True]
    await bob.does("unblock", conversation)
    await sent(alice, bob, "deleted", replaces=text["message_id"])  # from now on, changes empty both
    assert gone(await rows(bob, conversation)) == ["replaced", "blocked", "blocked", None]
    await usage(app, alice)


async def test_time_empties_the_copies_of_both(
    app: Quart, alice: Person, bob: Person, conversation: str, after: Any
) -> None:
    text = await sent(alice, bob, "soon", expires_in=60)
    await bob.does("block", conversation)
    await sent(alice, bob, "soon, too", expires_in=60)
    await sent(alice, bob, "edited", expires_in=60, replaces=text["message_id"])
    await after(60)
    assert gone(await rows(bob, conversation)) == ["expired", "blocked", "blocked"]
    assert gone(await rows(alice, conversation)) == ["expired", "expired", "expired"]
    await usage(app, alice)


async def test_the_last_change_of_somebody_blocked_takes_no_content_from_the_other(
    app: Quart, alice: Person, bob: Person, conversation: str, after: Any
) -> None:
    """Its disappearance says why the target is gone, where it is gone."""
    text = await sent(alice, bob, "stays")
    await bob.does("block", conversation)
    await sent(alice, bob, "soon", expires_in=60, replaces=text["message_id"])
    await after(60)
    assert gone(await rows(alice, conversation)) == ["expired", "expired"]
    assert gone(await rows(bob, conversation)) == [None, "blocked"]


async def test_signals_of_somebody_blocked_are_neither_relayed_nor_kept(
    app: Quart, alice: Person, bob: Person, conversation: str, tmp_path: Path
) -> None:
    assert await sends(alice, signal(alice, bob, "read", 1)) == (204, "")
    await bob.does("block", conversation)
    fields = [signal(alice, bob, slot, 2) for slot in ("", "delivered", "read")]
    async with listening(bob) as socket, listening(bob, as_json=False) as page:
        for one in fields:
            assert await sends(alice, one) == (204, "")
        assert await is_quiet(socket)
        assert await is_quiet(page)
    for one in fields:
        assert not is_found(one["sealed"], stored_bytes(tmp_path))
    await bob.does("unblock", conversation)
    assert await stored(bob, conversation) == []
    assert (await (await bob.get(f"/signals/{conversation}", Accept=HTML)).get_data(as_text=True)).strip() == ""


async def test_a_deleted_conversation_with_somebody_blocked_stays_off_the_list(
    alice: Person, bob: Person, conversation: str
) -> None:
    await sent(alice, bob, "before")
    await bob.does("block", conversation)
    await bob.does("delete", conversation)
    await sent(alice, bob, "meanwhile")
    await sent(alice, bob, "and more")
    assert await (await bob.get(f"/conversations/{bob.user_id}")).get_json() == []
    await bob.does("unblock", conversation)
    assert await (await bob.get(f"/conversations/{bob.user_id}")).get_json() == []
    await sent(alice, bob, "after")
    assert own(await line(bob, conversation), "unread", "last_seq") == [1, 4]


async def test_messages_sent_while_the_other_blocks_get_one_verdict_each(
    alice: Person, bob: Person, conversation: str
) -> None:
    """Blocking and sending at the same time: a message is either whole or blocked."""
    writing = [alice.post("/send_message", alice.seal(bob, f"message {number}")) for number in range(8)]
    first, *others = [asyncio.ensure_future(one) for one in writing]
    await first
    await asyncio.gather(*others, bob.does("block", conversation), return_exceptions=True)
    reasons = gone(await rows(bob, conversation))
    assert set(reasons) <= {None, "blocked"}
    assert reasons == sorted(reasons, key=lambda reason: reason is not None)
