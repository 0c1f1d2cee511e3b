"""Hiding a message from oneself: one's own copy is emptied and the signed mark kept, and nobody else notices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from quart import Quart

from ezdms import crypto
from ezdms.protocol.encoding import b64u_encode
from tests.http.test_accounts import count
from tests.http.test_changes import UNKNOWN, is_found, own, rows, sent
from tests.http.test_leaving import leave
from tests.http.test_sessions import execute, stored_bytes
from tests.support.people import PEOPLE, Person
from tests.support.usage import size, usage


def marked(person: Person, conversation_id: str, fields: dict[str, Any]) -> dict[str, Any]:
    """The fields of POST /hide_message for this message."""
    mark = crypto.sign_mark(person.keys, conversation_id, fields["message_id"], fields["hash"])
    return {"conversation_id": conversation_id, "message_id": fields["message_id"], "mark": mark}


async def hide(person: Person, fields: dict[str, Any]) -> tuple[int, str]:
    """Status, and the code of an error."""
    response = await person.post("/hide_message", fields)
    return response.status_code, "" if response.status_code == 204 else (await response.get_json())["code"]


async def test_a_hidden_message_is_gone_for_one_and_kept_for_the_other(
    app: Quart, alice: Person, bob: Person, conversation: str, tmp_path: Path
) -> None:
    theirs, mine = await sent(alice, bob, "from Alice"), await sent(bob, alice, "from Bob")
    side, other = ("a", "b") if bob.keys.fp < alice.keys.fp else ("b", "a")
    for number, fields in enumerate((theirs, mine)):
        asked = marked(bob, conversation, fields)
        assert await hide(bob, asked) == (204, "")
        found = (await rows(bob, conversation))[number]
        assert own(found, "encrypted", "gone", "mark") == [None, "hidden", asked["mark"]]
        assert own(found, "message_id", "n", "hash") == [fields[name] for name in ("message_id", "n", "hash")]
        crypto.verify_mark(found["mark"], bob.keys.ik, conversation, found["message_id"], found["hash"])
    assert [own(row, "gone", "mark") for row in await rows(alice, conversation)] == [[None, None]] * 2
    assert await alice.texts(bob) == ["from Alice", "from Bob"]
    assert (await usage(app, alice)).message_bytes == size(theirs) // 2
    assert (await usage(app, bob)).message_bytes == size(mine) // 2
    await app.extensions["ezdms.sweeper"].expire()
    stored = stored_bytes(tmp_path)
    for fields in (theirs, mine):
        assert is_found(fields[f"content_for_{other}"], stored)
        assert not is_found(fields[f"content_for_{side}"], stored)


async def test_hiding_a_message_twice_changes_nothing(
    app: Quart, alice: Person, bob: Person, conversation: str
) -> None:
    fields = await sent(alice, bob, "from Alice")
    asked = marked(bob, conversation, fields)
    assert await hide(bob, asked) == (204, "")
    before = await rows(bob, conversation), await usage(app, alice)
    assert await hide(bob, asked) == (204, "")
    assert (await rows(bob, conversation), await usage(app, alice)) == before
    assert await hide(alice, marked(alice, conversation, fields)) == (204, "")
    assert (await usage(app, alice)).message_bytes == 0


async def test_a_mark_that_is_not_ones_own_for_this_message_empties_nothing(
    app: Quart, alice: Person, bob: Person, eve: Person, conversation: str
) -> None:
    fields, other = await sent(alice, bob, "one"), await sent(alice, bob, "two")
    good, wrong = marked(bob, conversation, fields), marked(bob, conversation, other)
    header, body, signature = good["mark"].split(".")
    forged = crypto.sign_mark(PEOPLE["eve"], conversation, fields["message_id"], fields["hash"])
    for mark in (
        wrong["mark"],
        marked(alice, conversation, fields)["mark"],
        forged,
        f"{forged.split('.')[0]}.{body}.{forged.split('.')[2]}",
        crypto.sign_mark(bob.keys, "0" * 24, fields["message_id"], fields["hash"]),
        crypto.sign_mark(bob.keys, conversation, fields["message_id"], b64u_encode(bytes(32))),
        bob.act("delete_account"),
        f"{header}.{body}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}",
        f"{header}.{body}",
        "",
        "x" * 5000,
    ):
        assert await hide(bob, good | {"mark": mark}) == (422, "mark")
    assert await hide(bob, good | {"message_id": other["message_id"]}) == (422, "mark")
    assert await bob.texts(alice) == ["one", "two"]
    assert await count(app, "message_facts") == 0


async def test_a_message_that_is_not_there_cannot_be_hidden(
    app: Quart, alice: Person, bob: Person, eve: Person, conversation: str
) -> None:
    with_eve = await eve.start(bob)
    fields, elsewhere = await sent(alice, bob, "one"), await sent(eve, bob, "two")
    good = marked(bob, conversation, fields)
    assert await hide(bob, good | {"message_id": UNKNOWN}) == (404, "no_message")
    assert await hide(bob, good | {"message_id": elsewhere["message_id"]}) == (404, "no_message")
    assert await hide(bob, good | {"conversation_id": "0" * 24}) == (404, "no_conversation")
    assert await hide(eve, marked(eve, conversation, fields)) == (404, "no_conversation")
    assert await hide(alice, marked(alice, with_eve, elsewhere)) == (404, "no_conversation")
    for malformed in ({"message_id": "x"}, {"message_id": ""}):
        assert await hide(bob, good | malformed) == (400, "malformed_field")
    for name in good:
        fewer = {other: value for other, value in good.items() if other != name}
        assert await hide(bob, fewer) == (400, "missing_field")
    assert await count(app, "message_facts") == 0


async def test_a_hidden_message_stays_hidden_and_later_edits_of_it_are_handed_over(
    app: Quart, alice: Person, bob: Person, conversation: str
) -> None:
    target = await sent(alice, bob, "the text")
    asked = marked(bob, conversation, target)
    assert await hide(bob, asked) == (204, "")
    edit = await sent(alice, bob, "an edit", replaces=target["message_id"])
    found = await rows(bob, conversation)
    assert own(found[0], "gone", "mark") == ["hidden", asked["mark"]]
    assert found[1]["encrypted"] is not None
    assert [row["gone"] for row in await rows(alice, conversation)] == ["replaced", None]
    again = marked(bob, conversation, edit)
    assert await hide(bob, again) == (204, "")
    assert own((await rows(bob, conversation))[1], "encrypted", "gone", "mark") == [None, "hidden", again["mark"]]
    assert (await usage(app, alice)).message_bytes == size(edit) // 2


async def test_a_message_that_is_gone_already_can_be_hidden(alice: Person, bob: Person, conversation: str) -> None:
    target = await sent(alice, bob, "the text")
    await sent(alice, bob, "an edit", replaces=target["message_id"])
    asked = marked(bob, conversation, target)
    assert await hide(bob, asked) == (204, "")
    assert own((await rows(bob, conversation))[0], "gone", "mark") == ["hidden", asked["mark"]]
    assert own((await rows(alice, conversation))[0], "gone", "mark") == ["replaced", None]


async def test_a_deleted_account_leaves_no_marks(
    app: Quart, alice: Person, bob: Person, conversation: str, tmp_path: Path
) -> None:
    mine, theirs = await sent(alice, bob, "one"), await sent(bob, alice, "two")
    marks = [marked(alice, conversation, fields) for fields in (mine, theirs)]
    for asked in marks:
        assert await hide(alice, asked) == (204, "")
    kept = marked(bob, conversation, mine)
    assert await hide(bob, kept) == (204, "")
    assert all(asked["mark"].encode() in stored_bytes(tmp_path) for asked in marks)
    assert await leave(alice) == 204
    stored = stored_bytes(tmp_path)
    assert [asked for asked in marks if asked["mark"].encode() in stored] == []
    assert own((await rows(bob, conversation))[0], "gone", "mark") == ["hidden", kept["mark"]]
    assert own((await rows(bob, conversation))[1], "gone", "mark") == [None, None]
    assert len(await execute(app, "SELECT * FROM message_facts WHERE mark_a IS NOT NULL OR mark_b IS NOT NULL")) == 1
