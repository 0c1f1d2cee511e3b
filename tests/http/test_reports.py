"""Reports: signed originals of the other's messages, checked by the server, and kept whatever happens to them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from quart import Quart, Response

from ezdms import crypto
from ezdms.app import create_app
from ezdms.models import report
from ezdms.protocol.encoding import b64u_encode
from ezdms.settings import Settings, parse_limit
from tests.conftest import NO_LIMITS
from tests.http.test_accounts import count
from tests.http.test_changes import sent
from tests.http.test_expiry import after as after
from tests.http.test_leaving import leave
from tests.http.test_sessions import execute
from tests.support.people import PEOPLE, Person

Messages = list[dict[str, str]]


def originals(sender: Person) -> Messages:
    """What this person sent, as who opened it can hand it over."""
    return [{"message_id": one.message_id, "jws": one.jws} for one in sender.sent]


async def reports(
    person: Person, conversation_id: str, messages: Any, reason: str = "spam", *, as_form: bool = False
) -> Response:
    """POST /report."""
    fields = {"conversation_id": conversation_id, "reason": reason, "messages": messages}
    if as_form:
        return await person.post("/report", fields | {"messages": json.dumps(messages)})
    return await person.client.post("/report", json=fields, headers=person.headers)


async def refusal(response: Response) -> tuple[int, str]:
    return response.status_code, (await response.get_json())["code"]


async def stored(app: Quart) -> list[dict[str, Any]]:
    found = await app.extensions["ezdms.database"].read(report.select_reports, report_id=None)
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize("as_form", [True, False])
async def test_the_operator_gets_exactly_the_signed_originals(
    app: Quart, alice: Person, bob: Person, conversation: str, as_form: bool
) -> None:
    for text in ("one", "two", "three"):
        await sent(alice, bob, text)
    messages = originals(alice)[1:]
    response = await reports(bob, conversation, messages, "漢" * 500, as_form=as_form)
    assert (response.status_code, await response.get_json()) == (201, {"reported": 2})
    [found] = await stored(app)
    assert [{"message_id": one["message_id"], "jws": one["jws"]} for one in found["messages"]] == messages
    assert [one["seq"] for one in found["messages"]] == [2, 3]
    assert (found["reporter_id"], found["reported_id"], found["reporter"]) == (bob.user_id, alice.user_id, "bob")
    assert found["reason"] == "漢" * 500
    assert crypto.verify_statement(found["statement"]).name == "alice"


async def test_a_report_stays_when_its_messages_and_both_accounts_are_gone(
    app: Quart, alice: Person, bob: Person, conversation: str, after: Callable[[float], Any]
) -> None:
    text = await sent(alice, bob, "deleted")
    await sent(alice, bob, "soon", expires_in=60)
    messages = originals(alice)
    await sent(alice, bob, "gone", replaces=text["message_id"])
    await after(61)
    assert (await reports(bob, conversation, messages)).status_code == 201  # what was deleted can still be reported
    for person in (alice, bob):
        await leave(person)
    [found] = await stored(app)
    assert [one["jws"] for one in found["messages"]] == [one["jws"] for one in messages]
    assert (found["reporter"], found["has_left"]) == ("", True)


def forged(alice: Person, bob: Person) -> Messages:
    """Bob signs a message with Alice's id."""
    sealed = bob.seal(alice, "forged", message_id=bytes(16))
    assert sealed
    return [{"message_id": alice.sent[0].message_id, "jws": bob.sent[-1].jws}]


def changed(alice: Person, bob: Person) -> Messages:
    jws = alice.sent[0].jws
    return [{"message_id": alice.sent[0].message_id, "jws": jws[:-2] + ("AA" if jws[-2:] != "AA" else "BA")}]


def another(alice: Person, bob: Person) -> Messages:
    """The true original of another message."""
    return [{"message_id": alice.sent[0].message_id, "jws": alice.sent[1].jws}]


def never_sent(alice: Person, bob: Person) -> Messages:
    """Signed by Alice, but never sent."""
    alice.seal(bob, "never sent")
    return [{"message_id": alice.sent[-1].message_id, "jws": alice.sent[-1].jws}]


def ones_own(alice: Person, bob: Person) -> Messages:
    return originals(bob)


def one_of_two(alice: Person, bob: Person) -> Messages:
    return [originals(alice)[0], *another(alice, bob)][::-1][:1] + originals(alice)[1:]


@pytest.mark.parametrize(
    "lie", [forged, changed, another, never_sent, ones_own, one_of_two], ids=lambda one: one.__name__
)
async def test_what_the_other_did_not_send_here_cannot_be_reported(
    app: Quart, alice: Person, bob: Person, conversation: str, lie: Callable[[Person, Person], Messages]
) -> None:
    await sent(alice, bob, "one")
    await sent(alice, bob, "two")
    await sent(bob, alice, "mine")
    assert await refusal(await reports(bob, conversation, lie(alice, bob))) == (422, "original")
    assert (await count(app, "reports"), await count(app, "reported_messages")) == (0, 0)


async def test_a_message_whose_sender_lied_about_its_hash_cannot_be_reported(
    app: Quart, alice: Person, bob: Person, conversation: str
) -> None:
    await sent(alice, bob, "one", hash=b64u_encode(bytes(32)))
    assert await refusal(await reports(bob, conversation, originals(alice))) == (422, "original")


async def test_what_somebody_else_signed_cannot_be_reported_even_with_the_hash_of_the_row(
    app: Quart, alice: Person, bob: Person, conversation: str
) -> None:
    bob.seal(alice, "a threat", message_id=bytes(16))
    forged = bob.sent.pop().jws
    fields = await sent(alice, bob, "harmless", hash=crypto.message_hash(forged))
    messages = [{"message_id": fields["message_id"], "jws": forged}]
    assert await refusal(await reports(bob, conversation, messages)) == (422, "original")


@pytest.mark.parametrize(
    "messages",
    [
        [],
        {},
        "x",
        7,
        None,
        [7],
        [[]],
        [{}],
        [{"message_id": "A" * 22}],
        [{"message_id": "A" * 22, "jws": 7, "x": [1]}, {"message_id": "A" * 22, "jws": "."}],
        [{"message_id": "A" * 21, "jws": "a.b.c"}],
        [{"message_id": "A" * 22, "jws": "a" * 20_000}],
        [{"message_id": "A" * 22, "jws": {"a": [{}]}}],
        [{"message_id": "A" * 22, "jws": "\ud800"}],
        [{"message_id": f"{number:021}A", "jws": "a.b.c"} for number in range(21)],
    ],
    ids=str,
)
@pytest.mark.parametrize("as_form", [True, False])
async def test_a_malformed_report_is_refused(
    app: Quart, alice: Person, bob: Person, conversation: str, messages: Any, as_form: bool
) -> None:
    assert (await reports(bob, conversation, messages, as_form=as_form)).status_code == 400
    assert await count(app, "reports") == 0


@pytest.mark.parametrize("messages", ["[" * 30_000, '[{"message_id":"x","message_id":"y","jws":"z"}]', "[NaN]", "[,]"])
async def test_json_that_is_not_a_list_of_objects_is_refused(bob: Person, conversation: str, messages: str) -> None:
    body = f'{{"conversation_id":"{conversation}","reason":"","messages":{messages}}}'
    response = await bob.client.post("/report", data=body, headers=bob.headers | {"Content-Type": "application/json"})
    assert response.status_code == 400
    response = await bob.post("/report", {"conversation_id": conversation, "reason": "", "messages": messages})
    assert response.status_code == 400


async def test_twenty_messages_and_five_hundred_characters_are_the_most(
    alice: Person, bob: Person, conversation: str
) -> None:
    for number in range(21):
        await sent(alice, bob, "漢" * 499 + str(number % 10))
    assert await refusal(await reports(bob, conversation, originals(alice))) == (400, "malformed_field")
    assert await refusal(await reports(bob, conversation, originals(alice)[:1], "a" * 501)) == (400, "malformed_field")
    assert await refusal(await reports(bob, conversation, originals(alice)[:1] * 2)) == (400, "duplicate_field")
    assert (await reports(bob, conversation, originals(alice)[:20], "")).status_code == 201
    assert (await reports(bob, conversation, originals(alice)[:20], as_form=True)).status_code == 201


async def test_outsiders_and_deleted_accounts(alice: Person, bob: Person, eve: Person, conversation: str) -> None:
    await sent(alice, bob, "one")
    unknown = await reports(eve, "0" * 24, originals(alice))
    there = await reports(eve, conversation, originals(alice))
    assert there.status_code == unknown.status_code == 404
    assert await there.get_data() == await unknown.get_data()
    await leave(alice)  # with the key to verify them by
    assert await refusal(await reports(bob, conversation, originals(alice))) == (410, "left")


async def test_reports_are_limited_per_account_and_do_not_fill_the_disk(
    app: Quart, alice: Person, bob: Person, conversation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sent(alice, bob, "one")
    monkeypatch.setattr(report, "MOST", 2)
    for _ in range(2):
        assert (await reports(bob, conversation, originals(alice))).status_code == 201
    assert await refusal(await reports(bob, conversation, originals(alice))) == (507, "reports")
    await execute(app, "DELETE FROM reports")
    assert await count(app, "reported_messages") == 0
    assert (await reports(bob, conversation, originals(alice))).status_code == 201


async def test_five_reports_an_hour(tmp_path: Any) -> None:
    limit = {"limit_report": parse_limit("5/hour")}
    app = create_app(Settings(data_dir=tmp_path / "data", **NO_LIMITS | limit))
    async with app.test_app():
        alice, bob = [await Person(app, PEOPLE[name], name).register() for name in ("alice", "bob")]
        conversation_id = await alice.start(bob)
        statuses = [(await reports(bob, conversation_id, [])).status_code for _ in range(6)]
        assert statuses == [400] * 5 + [429]
