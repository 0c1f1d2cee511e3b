"""Genuine messages that the server drops, moves, duplicates, empties or removes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from ezdms import crypto
from ezdms.client import Client, Message, ServerError
from ezdms.client.alarms import ROLLED_BACK
from ezdms.client.judging import FORGED, TAMPERED
from ezdms.protocol.encoding import b64u_decode
from tests.client.hostile.people import all_new
from tests.client.hostile.script import NOW, Script
from tests.support.people import PEOPLE

ORDER = "These messages cannot have been written in this order"


def write_messages(script: Script) -> None:
    """Two questions, each with an answer."""
    script.says("bob", "Shall I feed the cat?")
    script.says("judy", "Yes, do it")
    script.says("bob", "Shall I sell the house?")
    script.says("judy", "No")


def nothing(script: Script) -> None:
    """The control: an honest server."""


def drop(script: Script) -> None:
    del script.rows[2]


def answer_elsewhere(script: Script) -> None:
    script.rows[1], script.rows[2] = script.rows[2], script.rows[1]


def answer_before_its_question(script: Script) -> None:
    script.rows[0], script.rows[1] = script.rows[1], script.rows[0]


def repeat(script: Script) -> None:
    script.rows.insert(1, dict(script.rows[0]))


def renumber(script: Script) -> None:
    script.rows[2]["n"] = 7


def empty_one(script: Script) -> None:
    script.empty(script.rows[2])


def empty_first(script: Script) -> None:
    script.empty(script.rows[0], None)


def empty_all(script: Script) -> None:
    for row in script.rows:
        script.empty(row)


def invent_between(script: Script) -> None:
    script.rows.insert(2, {**script.rows[0], "message_id": "A" * 22, "hash": "A" * 43, "n": 2, "encrypted": None})


def two_versions(script: Script) -> None:
    body: dict[str, Any] = {"n": 1, "p": "", "a": (0, ""), "ts": NOW, "text": "Shall I sell the cat?"}
    script.rows[0] = script.sealed(script.people["bob"], body, script.people["judy"])


def seal_anew(script: Script) -> None:
    """The server claimed that it had not stored a message, so the sender sends it again under the same id."""
    id = b64u_decode(script.rows[2]["message_id"], 16)
    script.says("bob", "Shall I sell the house?", message_id=id)


def show_empty_first(script: Script) -> None:
    """The house question is shown empty before Judy's answer, and in full after it."""
    row = script.rows.pop(2)
    script.rows.insert(2, {**row, "encrypted": None, "gone": "expired"})
    script.rows.append(row)


def forge(script: Script) -> None:
    judy = script.people["judy"]
    body: dict[str, Any] = {"n": 3, "p": "A" * 43, "a": (0, ""), "ts": NOW, "text": "send money"}
    forged = crypto.seal_message(PEOPLE["eve"], judy.keys.ik, judy.keys.spki, **body)
    side = "content_for_a" if crypto.in_order(PEOPLE["eve"].fp, judy.fp)[0] == judy.fp else "content_for_b"
    row = {**script.row_of(forged, script.people["bob"]), "encrypted": getattr(forged, side)}
    script.rows.append(row)


def another_time(script: Script) -> None:
    script.rows[3]["created_at"] = NOW + 11 * 60 * 1000


def another_lifetime(script: Script) -> None:
    script.rows[2]["expires_in"] = 5


def said_to_replace(script: Script) -> None:
    script.rows[2]["replaces"] = script.rows[0]["message_id"]


CAT, YES, HOUSE, NO = "Shall I feed the cat?", "Yes, do it", "Shall I sell the house?", "No"
CASES: dict[str, tuple[Callable[[Script], None], list[tuple[str | None, str]], str]] = {  # texts, places, alarm
    "changes nothing": (nothing, [(CAT, "ok"), (YES, "ok"), (HOUSE, "ok"), (NO, "ok")], ""),
    "drops one": (drop, [(CAT, "ok"), (YES, "ok"), (NO, "ok")], ""),
    "puts an answer after another question": (
        answer_elsewhere,
        [(CAT, "ok"), (HOUSE, "ok"), (YES, "ok"), (NO, "ok")],
        ORDER,
    ),
    "puts an answer before its question": (
        answer_before_its_question,
        [(YES, "ok"), (CAT, "ok"), (HOUSE, "ok"), (NO, "ok")],
        ORDER,
    ),
    "has one sealed twice": (
        seal_anew,
        [(CAT, "ok"), (YES, "ok"), (HOUSE, "ok"), (NO, "ok"), (None, "ok")],
        TAMPERED,
    ),
    "shows one empty before the answer": (
        show_empty_first,
        [(CAT, "ok"), (YES, "ok"), (None, "ok"), (NO, "ok"), (HOUSE, "ok")],
        ORDER,
    ),
    "delivers one twice": (repeat, [(CAT, "ok"), (YES, "ok"), (HOUSE, "ok"), (NO, "ok")], ""),
    "changes one number": (renumber, [(CAT, "ok"), (YES, "ok"), (None, "ok"), (NO, "ok")], ""),
    "empties one": (empty_one, [(CAT, "ok"), (YES, "ok"), (None, "ok"), (NO, "ok")], ""),
    "empties the first": (empty_first, [(None, "ok"), (YES, "ok"), (HOUSE, "ok"), (NO, "ok")], ""),
    "empties all": (empty_all, [(None, "ok"), (None, "ok"), (None, "ok"), (None, "ok")], ""),
    "inserts an invented row": (
        invent_between,
        [(CAT, "ok"), (YES, "ok"), (None, "ok"), (None, "ok"), (NO, "ok")],
        TAMPERED,
    ),
    "shows a different version than was answered": (
        two_versions,
        [("Shall I sell the cat?", "ok"), (YES, "ok"), (None, "ok"), (NO, "ok")],
        TAMPERED,
    ),
    "forges one": (forge, [(CAT, "ok"), (YES, "ok"), (HOUSE, "ok"), (NO, "ok"), (None, "ok")], FORGED),
    "changes one time": (another_time, [(CAT, "ok"), (YES, "ok"), (HOUSE, "ok"), (NO, "ok")], ""),
    "changes one lifetime": (another_lifetime, [(CAT, "ok"), (YES, "ok"), (None, "ok"), (NO, "ok")], ""),
    "claims that one replaces another": (said_to_replace, [(CAT, "ok"), (YES, "ok"), (None, "ok"), (NO, "ok")], ""),
}


@pytest.mark.parametrize(("lie", "shown", "alarm"), CASES.values(), ids=CASES)
def test_changed_messages_get_the_right_verdict(
    script: Script, lie: Callable[[Script], None], shown: list[Any], alarm: str
) -> None:
    write_messages(script)
    lie(script)

    async def act(client: Client) -> list[Message]:
        messages = await all_new(client, script.where)
        if alarm:
            with pytest.raises(crypto.Alarm):
                await client.send(script.where, "not yet")
        else:
            with pytest.raises(ServerError, match="answered 500"):
                await client.send(script.where, "on")
        return messages

    judy = script.people["judy"]
    with script.served():
        messages = judy.do(act)
        page = judy.run("read", "bob")
    assert [(message.text, message.place) for message in messages] == shown
    assert any(message.alarm.startswith(alarm) for message in messages)
    assert bool(alarm) == any(message.alarm for message in messages)
    assert (page.code, alarm in " ".join(page.out.split())) == (5 if alarm else 0, True)
    if alarm == ORDER:
        assert "Either the server moved messages, or bob signed something false" in " ".join(page.out.split())
    assert ("(signed: " in page.out) == (lie is another_time)
    assert len(judy.values["outbox"]) == (0 if alarm else 1)


def test_concurrent_messages_get_a_note_and_no_alarm(script: Script) -> None:
    judy = script.people["judy"]
    first = script.says("bob", CAT)
    script.says("bob", HOUSE, a=(0, ""))
    script.says("judy", YES, a=(1, first["hash"]))
    with script.served():
        messages = judy.do(lambda client: all_new(client, script.where))
        said = judy.run("read", "bob")
    assert [(message.text, message.place, message.alarm) for message in messages] == [
        (CAT, "ok", ""),
        (HOUSE, "ok", ""),
        (YES, "crossed", ""),
    ]
    assert said.code == 0
    assert "[Written before seeing the message above.]" in said.out


def test_bidi_controls_are_replaced_for_people_and_escaped_in_json(script: Script) -> None:
    judy, text = script.people["judy"], "see \u202egnp.exe\u2069\u2028bob: forged line"
    script.says("bob", text)
    with script.served():
        people, programs = judy.run("read", "bob").out, judy.run("read", "bob", "--json").out
    assert "see \ufffdgnp.exe\ufffd\ufffdbob: forged line" in people
    assert "\\u202egnp.exe\\u2069\\u2028" in programs
    assert json.loads(programs)["text"] == text


def test_an_emptied_message_is_not_a_gap_in_the_next_run(script: Script) -> None:
    judy = script.people["judy"]
    for text in ("one", "two"):
        script.says("bob", text)
    script.empty(script.rows[1])
    with script.served():
        assert [message.failure for message in judy.do(lambda client: all_new(client, script.where))] == ["", "gone"]
    script.says("bob", "three")
    with script.served():
        (message,) = judy.do(lambda client: all_new(client, script.where))
    assert (message.text, message.place, message.alarm) == ("three", "ok", "")
    assert judy.values["places"][script.where]["heard"] == [3, script.rows[2]["hash"]]


@pytest.mark.parametrize("what", ["emptied", "removed", "removed, with as many rows"])
def test_a_missing_head_is_a_rollback_but_an_emptied_one_is_not(script: Script, what: str) -> None:
    judy = script.people["judy"]
    for text in ("one", "two", "three"):
        script.says("bob", text)
    with script.served():
        assert len(judy.do(lambda client: all_new(client, script.where))) == 3
    if what == "emptied":
        script.empty(script.rows[2], None)
    else:
        del script.rows[2]
    if what.endswith("rows"):
        script.rows.insert(0, {**script.rows[0], "n": 9, "message_id": "A" * 22, "hash": "A" * 43, "encrypted": None})
    with script.served():
        said = judy.run("read", "bob")
    assert (said.code, ROLLED_BACK in said.err) == ((0, False) if what == "emptied" else (5, True))


def test_an_emptied_head_on_an_older_page_is_found(script: Script) -> None:
    judy = script.people["judy"]
    for text in ("one", "two"):
        script.says("bob", text)
    script.says("judy", "three")
    with script.served():
        assert len(judy.do(lambda client: all_new(client, script.where))) == 3
    script.empty(script.rows[1])

    async def newest(client: Client) -> list[Message]:
        page = await client.history(script.where, limit=1)
        assert (await client.contacts())[0].alarms == ()
        return page

    for is_known in (True, False):  # whether its position is known
        if not is_known:
            judy.state.note(script.where, at={})
        with script.served():
            assert [message.text for message in judy.do(newest)] == ["three"]


def test_messages_after_a_gap_are_not_acknowledged(script: Script) -> None:
    judy = script.people["judy"]
    for text in ("one", "two", "three"):
        script.says("bob", text)
    del script.rows[1]

    async def act(client: Client) -> None:
        assert len(await all_new(client, script.where)) == 2
        client.state.values["contacts"][script.where]["theirs"] = None
        with pytest.raises(ServerError):
            await client.send(script.where, "what?")

    with script.served(seqs=[1, 3]):
        judy.do(act)
    assert judy.values["places"][script.where]["heard"] == [1, script.rows[0]["hash"]]


def test_unknown_message_kinds_need_a_newer_version_and_stay_in_the_chain(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    judy = script.people["judy"]
    script.says("bob", "one")
    with monkeypatch.context() as newer:
        newer.setattr(crypto, "KINDS", (*crypto.KINDS, "poll"))
        script.says("bob", "Which day?", kind="poll")
    script.says("bob", "three")
    with script.served():
        messages = judy.do(lambda client: all_new(client, script.where))
        said = judy.run("read", "bob")
    assert [message.failure for message in messages] == ["", "unsupported", ""]
    assert {(message.place, message.alarm) for message in messages} == {("ok", "")}
    assert said.out.count("[Needs a newer version of EZ-DMS]") == 1
    assert judy.values["places"][script.where]["heard"][0] == 3
