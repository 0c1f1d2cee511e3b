"""Sending and fetching: order, repeats, counters, and what an outsider gets."""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
from typing import Any

import pytest
from quart import Quart

from ezdms.protocol.encoding import b64u_encode
from tests.conftest import ROOT
from tests.http.test_accounts import count
from tests.http.test_sessions import execute
from tests.support.people import Person

KEPT = "SELECT name FROM sqlite_master WHERE tbl_name = 'messages' AND type <> 'trigger'"


async def test_both_participants_read_the_messages_in_order(alice: Person, bob: Person, conversation: str) -> None:
    first = await alice.send(bob, "Hello Bob")
    second = await bob.send(alice, "Hello Alice")
    third = await alice.send(bob, "👍🏽 مرحبا\nsecond line")
    assert [answer["seq"] for answer in (first, second, third)] == [1, 2, 3]
    texts = ["Hello Bob", "Hello Alice", "👍🏽 مرحبا\nsecond line"]
    assert await alice.texts(bob) == await bob.texts(alice) == texts


async def test_each_participant_gets_only_their_own_copy(alice: Person, bob: Person, conversation: str) -> None:
    await alice.send(bob, "Hello")
    rows = [(await (await person.get(f"/messages/{conversation}")).get_json())[0] for person in (alice, bob)]
    members = {"message_id", "seq", "sender_id", "created_at", "suite", "n", "hash", "encrypted"}
    members |= {"expires_in", "replaces", "gone", "mark", "file"}
    assert set(rows[0]) == set(rows[1]) == members
    copies = {row["encrypted"] for row in rows}
    assert copies == {alice.sent[0].content_for_a, alice.sent[0].content_for_b}


async def test_an_outsider_cannot_read_or_write_and_learns_nothing(
    alice: Person, bob: Person, eve: Person, conversation: str
) -> None:
    await alice.send(bob, "Hello")
    unknown = "0" * 24
    for there, nowhere in (
        (await eve.get(f"/messages/{conversation}"), await eve.get(f"/messages/{unknown}")),
        (
            await eve.post("/send_message", alice.seal(bob, "by eve")),
            await eve.post("/send_message", alice.seal(bob, "by eve") | {"conversation_id": unknown}),
        ),
    ):
        assert there.status_code == nowhere.status_code == 404
        assert await there.get_data() == await nowhere.get_data()
    assert await bob.texts(alice) == ["Hello"]


async def test_a_repeat_gets_the_same_answer_and_is_stored_once(
    app: Quart, alice: Person, bob: Person, conversation: str
) -> None:
    fields = alice.seal(bob, "once")
    first = await alice.post("/send_message", fields)
    again = await alice.post("/send_message", fields)
    assert (first.status_code, again.status_code) == (201, 200)
    assert await first.get_json() == await again.get_json()
    assert await count(app, "messages") == 1


async def test_concurrent_repeats_store_one_message(app: Quart, alice: Person, bob: Person, conversation: str) -> None:
    fields = alice.seal(bob, "once")
    answers = await asyncio.gather(*(alice.post("/send_message", fields) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [201]
    assert len({str(await answer.get_json()) for answer in answers}) == 1
    assert await count(app, "messages") == 1


async def test_a_used_counter_is_refused_with_the_next_free_one(alice: Person, bob: Person, conversation: str) -> None:
    await alice.send(bob, "one")
    response = await alice.post("/send_message", alice.seal(bob, "another device", n=1))
    assert response.status_code == 409
    answer = await response.get_json()
    assert (answer["code"], answer["next_n"]) == ("counter", 2)
    assert await bob.texts(alice) == ["one"]


async def test_each_sender_has_their_own_counter(alice: Person, bob: Person, conversation: str) -> None:
    await alice.send(bob, "one")
    await bob.send(alice, "one too")
    assert await bob.texts(alice) == ["one", "one too"]


async def test_a_message_id_is_unique_within_a_conversation(alice: Person, bob: Person, conversation: str) -> None:
    await alice.send(bob, "one")
    replayed = bob.seal(alice, "in alice's id") | {"message_id": alice.sent[0].message_id}
    response = await bob.post("/send_message", replayed)
    assert response.status_code == 409
    assert (await response.get_json())["code"] == "message_id"
    other = alice.seal(bob, "two") | {"message_id": alice.sent[0].message_id}
    assert (await alice.post("/send_message", other)).status_code == 409
    assert await bob.texts(alice) == ["one"]


async def test_concurrent_senders_get_consecutive_sequence_numbers(
    alice: Person, bob: Person, conversation: str
) -> None:
    async def send_all(person: Person, other: Person) -> list[int]:
        return [(await person.send(other, f"{person.username} {i}"))["seq"] for i in range(20)]

    seqs = await asyncio.gather(send_all(alice, bob), send_all(bob, alice))
    assert sorted(seqs[0] + seqs[1]) == list(range(1, 41))
    assert all(own == sorted(own) for own in seqs)
    assert len(await alice.texts(bob)) == 40


async def test_only_one_of_many_devices_can_use_a_counter(
    app: Quart, alice: Person, bob: Person, conversation: str
) -> None:
    drafts = [alice.seal(bob, f"device {i}", n=1) for i in range(10)]
    answers = await asyncio.gather(*(alice.post("/send_message", fields) for fields in drafts))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 9
    told = [await answer.get_json() for answer in answers if answer.status_code == 409]
    assert {(one["code"], one["next_n"]) for one in told} == {("counter", 2)}
    assert await count(app, "messages") == 1


async def test_a_counter_must_be_at_most_a_thousand_above_the_last_one(
    alice: Person, bob: Person, conversation: str
) -> None:
    for n, next_n in ((1001, 1), (2**53 - 1, 1), (1000, None), (999, 1001), (1000, 1001), (2001, 1001), (2000, None)):
        response = await alice.post("/send_message", alice.seal(bob, str(n), n=n))
        answer = await response.get_json()
        assert (response.status_code, answer.get("next_n")) == ((201, None) if next_n is None else (409, next_n)), n
    assert await bob.texts(alice) == ["1000", "2000"]
    await bob.send(alice, "counts for himself")


async def test_a_repeat_is_recognized_after_later_messages(alice: Person, bob: Person, conversation: str) -> None:
    fields = alice.seal(bob, "one")
    first = await (await alice.post("/send_message", fields)).get_json()
    assert (await alice.post("/send_message", alice.seal(bob, "far ahead", n=900))).status_code == 201
    response = await alice.post("/send_message", fields)
    assert (response.status_code, await response.get_json()) == (200, first)
    for changed in ({"n": 2}, {"n": 901}, {"hash": b64u_encode(bytes(32))}):  # the same id with something else
        response = await alice.post("/send_message", fields | changed)
        assert (response.status_code, (await response.get_json())["code"]) == (409, "message_id")


async def test_paging_backward_and_forward_has_no_gaps_or_overlaps(
    alice: Person, bob: Person, conversation: str
) -> None:
    for i in range(1, 61):
        await alice.send(bob, str(i))
    everything = [str(i) for i in range(1, 61)]
    assert await bob.texts(alice) == everything[10:]
    assert await bob.texts(alice, "?before=11") == everything[:10]
    assert await bob.texts(alice, "?before=11&limit=3") == ["8", "9", "10"]
    assert await bob.texts(alice, "?after=57") == ["58", "59", "60"]
    assert await bob.texts(alice, "?after=0&limit=2") == ["1", "2"]
    assert await bob.texts(alice, "?after=60") == []
    assert await bob.texts(alice, "?limit=200") == everything


@pytest.mark.parametrize(
    "query",
    ["?limit=0", "?limit=201", "?limit=x", "?after=-1", "?before=1.0", "?after=1&before=9", "?after=", "?limit=%D9%A3"],
)
async def test_a_malformed_page_is_refused(alice: Person, bob: Person, conversation: str, query: str) -> None:
    assert (await alice.get(f"/messages/{conversation}{query}")).status_code == 400


def flipped(text: str, at: int) -> str:
    return text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]


async def test_an_invalid_envelope_is_refused_and_not_stored(
    app: Quart, alice: Person, bob: Person, eve: Person, conversation: str
) -> None:
    good = alice.seal(bob, "x")
    for_eve = alice.seal(eve, "x")
    header, key, iv, text, tag = good["content_for_a"].split(".")
    wrong: list[tuple[dict[str, Any], int]] = [
        ({"content_for_a": "hello"}, 422),
        ({"content_for_a": ""}, 422),
        ({"content_for_a": "x" * 3000}, 422),
        ({"content_for_a": good["content_for_b"], "content_for_b": good["content_for_a"]}, 422),
        ({"content_for_b": for_eve["content_for_b"]}, 422),
        ({"content_for_a": ".".join([flipped(header, 40), key, iv, text, tag])}, 422),
        ({"content_for_a": ".".join([header, key[:-1], iv, text, tag])}, 422),
        ({"content_for_a": ".".join([header, key, iv + "A", text, tag])}, 422),
        ({"content_for_a": ".".join([header, key, iv, text[:-4], tag])}, 422),
        ({"content_for_a": ".".join([header, key, iv, text, tag, ""])}, 422),
        ({"content_for_a": good["content_for_a"] + "="}, 422),
        ({"content_for_a": alice.seal(bob, "x" * 500)["content_for_a"]}, 422),
        ({"suite": 2}, 422),
        ({"n": 0}, 400),
        ({"n": -1}, 400),
        ({"n": "1.0"}, 400),
        ({"n": 2**53}, 400),
        ({"hash": "x"}, 400),
        ({"message_id": b64u_encode(secrets.token_bytes(15))}, 400),
        ({"conversation_id": "x"}, 404),
    ]
    for changed, status in wrong:
        response = await alice.post("/send_message", good | changed)
        assert response.status_code == status, changed
        assert (await response.get_json())["error"].endswith(".")
    assert await count(app, "messages") == 0
    assert (await alice.post("/send_message", good)).status_code == 201


async def test_fetching_marks_messages_as_read_and_own_ones_are_never_unread(
    alice: Person, bob: Person, conversation: str
) -> None:
    async def unread(person: Person) -> int:
        return int((await (await person.get(f"/conversations/{person.user_id}")).get_json())[0]["unread"])

    for text in ("one", "two", "three"):
        await alice.send(bob, text)
    assert (await unread(alice), await unread(bob)) == (0, 3)
    await bob.texts(alice, "?after=0&limit=1")
    assert await unread(bob) == 2
    await bob.texts(alice)
    assert await unread(bob) == 0
    await bob.texts(alice, "?before=2")
    assert await unread(bob) == 0
    await alice.send(bob, "four")
    await bob.texts(alice, "?peek=1")
    await bob.get(f"/c/{conversation}/open?peek=1")
    await bob.send(alice, "written before four was seen")  # it waited in an outbox
    assert (await unread(alice), await unread(bob)) == (1, 1)
    await bob.get(f"/c/{conversation}/open")
    assert await unread(bob) == 0


@pytest.mark.parametrize("method", ["get", "post"])
async def test_the_route_for_decrypted_messages_is_gone(alice: Person, method: str) -> None:
    response = await getattr(alice, method)("/messages_decrypted")
    assert response.status_code == 410
    assert "ezdms bridge" in (await response.get_json())["error"]


async def test_previews_are_the_users_own_copies_of_the_newest_messages_and_mark_nothing_as_read(
    alice: Person, bob: Person, eve: Person, conversation: str
) -> None:
    with_eve, unknown = await eve.start(bob), "0" * 24
    for person, text in ((alice, "one"), (alice, "two"), (eve, "three")):
        await person.send(bob, text)
    empty = await alice.start(eve)
    asked = f"/previews?of={conversation},{with_eve},{unknown},{empty},x,{conversation}"
    rows = await (await bob.get(asked)).get_json()
    assert [(row["conversation_id"], row["seq"]) for row in rows] == [(conversation, 2), (with_eve, 1)]
    listed = await (await bob.get(f"/conversations/{bob.user_id}")).get_json()
    assert {line["conversation_id"]: line["unread"] for line in listed} == {conversation: 2, with_eve: 1}
    newest = (await (await bob.get(f"/messages/{conversation}")).get_json())[-1]
    assert rows[0] == {"conversation_id": conversation} | newest
    (hers,) = await (await eve.get(asked)).get_json()  # only her own conversation
    assert hers["conversation_id"] == with_eve
    assert hers["encrypted"] != rows[1]["encrypted"]
    html = await (await bob.get(asked, Accept="text/html")).get_data(as_text=True)
    assert html.count("<message-preview ") == 2
    for odd in ("", "?of=", "?of=x,,"):
        assert await (await bob.get(f"/previews{odd}")).get_json() == []
    assert (await bob.get(f"/previews?of={','.join([conversation] * 41)}")).status_code == 400


@pytest.mark.sqlite_only
async def test_a_plain_message_stores_what_it_stored_before_changes_existed_and_nothing_more(
    app: Quart, alice: Person, bob: Person, conversation: str
) -> None:
    with sqlite3.connect(":memory:") as before:
        before.executescript((ROOT / "tests" / "upgrades" / "schema_5.sql").read_text("utf-8"))
        columns = [row[1:] for row in before.execute("PRAGMA table_info(messages)")]
        kept = {name for (name,) in before.execute(KEPT)}  # and its indexes
    assert columns == [tuple(row.values())[1:] for row in await execute(app, "PRAGMA table_info(messages)")]
    assert kept == {row["name"] for row in await execute(app, KEPT)}

    async def rows() -> dict[str, int]:
        tables = [row["name"] for row in await execute(app, "SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {table: await count(app, table) for table in tables}

    await alice.send(bob, "the first one begins the counters")
    once = await rows()
    await alice.send(bob, "a plain one")
    assert {table: now - once[table] for table, now in (await rows()).items() if now != once[table]} == {"messages": 1}
    stored = await execute(app, "SELECT * FROM messages WHERE conversation_id = :id AND seq = 2", id=conversation)
    sent = alice.sent[1]
    known = {"conversation_id": conversation, "seq": 2, "message_id": sent.message_id, "sender_id": alice.user_id}
    known |= {"n": 2, "hash": sent.hash, "suite": 1, "sealed_a": sent.content_for_a, "sealed_b": sent.content_for_b}
    assert stored == [known | {"created_at": stored[0]["created_at"]}]
