"""Continuing after an alarm on the command line: a person decides, about what they saw and nothing else."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ezdms import crypto
from ezdms.client import Client
from ezdms.client.alarms import ABOUT, OTHER_KEY, ROLLED_BACK
from ezdms.client.judging import FORGED, TAMPERED
from ezdms.client.state import State
from ezdms.commands.client.printing import as_argument
from tests.client.hostile.conftest import World
from tests.client.hostile.people import Said, Someone, all_new, where
from tests.client.hostile.script import Script
from tests.client.hostile.test_lists import LIST, lines, without
from tests.client.hostile.test_order import ORDER, answer_before_its_question, forge, two_versions
from tests.client.hostile.wire import Wire

LOCKED = 5


@pytest.fixture
def in_a_terminal(terminal: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ezdms.commands.client.printing.columns", lambda: 10_000)  # no line is wrapped


def goes_on(someone: Someone, conversation: str, typed: str = "y\n") -> Said:
    return someone.run("continue-anyway", *as_argument(conversation).split(), typed=typed)


def accepted(someone: Someone, conversation: str) -> list[str]:
    names: list[str] = someone.values["contacts"][conversation]["accepted"]
    return names


def command(conversation: str) -> str:
    return f"`ezdms continue-anyway {as_argument(conversation)}`"


@pytest.mark.usefixtures("in_a_terminal")
def test_an_alarm_says_what_it_means_and_the_command_to_continue(script: Script) -> None:
    judy = script.people["judy"]
    script.says("bob", "hello")
    forge(script)
    with script.served():
        for words in (("read", "bob"), ("send", "bob", "not yet")):
            said = judy.run(*words)
            assert said.code == LOCKED
            assert f"Error: ALARM: {FORGED} {ABOUT['forged']} Nothing is sent to bob until you continue" in said.err
            assert command(script.where) in said.err
        assert command(script.where) in judy.run("contacts").out
        chat = judy.run("chat", "bob", typed="not yet\n")
        assert (chat.code, "Not sent" in chat.err) == (LOCKED, True)
        assert command(script.where) in chat.err
        for typed in ("n\n", "\n"):
            kept = goes_on(judy, script.where, typed)
            assert (kept.code, "stays locked" in kept.err) == (LOCKED, True)
            assert accepted(judy, script.where) == []
        done = goes_on(judy, script.where)
        assert (done.code, done.out.splitlines()[-1]) == (0, "bob: You continued. You can send messages again.")
        assert accepted(judy, script.where) == [f"forged {script.rows[1]['message_id']}"]
        assert judy.run("read", "bob").code == 0
        assert goes_on(judy, script.where, "").out.endswith("bob: There is no alarm. You can send messages.\n")


def test_a_program_cannot_continue_after_an_alarm(script: Script) -> None:
    judy = script.people["judy"]
    script.says("bob", "hello")
    forge(script)
    with script.served():
        said = goes_on(judy, script.where)
        assert (said.code, "Only a person can decide" in said.err) == (LOCKED, True)
        assert accepted(judy, script.where) == []
        assert judy.run("send", "bob", "not yet").code == LOCKED


@pytest.mark.parametrize("lie", ["another key", "a missing contact"])
@pytest.mark.usefixtures("in_a_terminal")
def test_some_alarms_can_never_be_accepted(world: World, anna: Someone, wire: Wire, lie: str) -> None:
    conversation = where(anna, world.bob)
    assert anna.run("send", "bob", "hello").code == 0
    other = crypto.sign_statement(crypto.generate_keys(), "bob", 2, 5)
    swap = lambda rows: [  # noqa: E731
        row | {"partner_statement": other} if row["conversation_id"] == conversation else row for row in rows
    ]
    words = {"another key": OTHER_KEY, "a missing contact": "The server's list leaves out your contact bob"}[lie]
    wire.forget()
    with wire.telling(LIST, lines(swap if lie == "another key" else without(conversation))):
        said = goes_on(anna, conversation)
        assert (said.code, words in said.err, "Continue anyway [" in said.all) == (LOCKED, True, False)
        sent = anna.run("send", conversation, "the harbour at midnight")
    assert (sent.code, words in sent.err) == (LOCKED, True)
    assert wire.posted("/send_message") == []
    assert accepted(anna, conversation) == []
    assert anna.run("send", "bob", "honest again").code == 0


LIES: dict[Callable[[Script], None], str] = {
    forge: FORGED,
    two_versions: TAMPERED,
    answer_before_its_question: ORDER,
}


@pytest.mark.usefixtures("in_a_terminal")
def test_accepting_one_alarm_accepts_no_later_one(script: Script) -> None:
    judy = script.people["judy"]
    script.says("bob", "Shall I feed the cat?")
    script.says("judy", "Yes, do it")
    with script.served():
        assert judy.run("read", "bob").code == 0
    forge(script)
    honest = list(script.rows)
    with script.served():
        assert goes_on(judy, script.where).code == 0
        assert judy.run("read", "bob").code == 0
    for lie, words in LIES.items():
        script.rows = list(honest)
        lie(script)
        with script.served():
            said = judy.run("read", "bob")
        assert (said.code, words in said.err) == (LOCKED, True)


@pytest.mark.usefixtures("in_a_terminal")
def test_accepting_that_messages_were_taken_back_accepts_no_later_rollback(script: Script) -> None:
    judy = script.people["judy"]
    for text in ("one", "two"):
        script.says("bob", text)
    kept = list(script.rows)
    for texts in (["three", "four"], ["five", "six"]):  # the last row has the same number both times
        for text in texts:
            script.says("bob", text)
        with script.served():
            found = judy.do(lambda client: all_new(client, script.where))
            assert [message.text for message in found][-2:] == texts
        script.rows = list(kept)
        with script.served():
            sent = judy.run("send", "bob", "not yet")
            assert (sent.code, ROLLED_BACK in sent.err) == (LOCKED, True)
            assert goes_on(judy, script.where).code == 0


def test_an_alarm_raised_while_the_user_decides_stays(script: Script) -> None:
    judy = script.people["judy"]
    script.says("bob", "hello")
    forge(script)

    async def decide(client: Client) -> None:
        await client.history(script.where)
        seen = client.alarms(script.where)
        assert list(seen.values()) == [FORGED]
        other = State.find(judy.home)  # of another process, such as `ezdms listen`
        raised = other.place(script.where)["alarms"] | {"fork x": TAMPERED}
        other.note(script.where, alarms=raised)
        await client.go_on((await client.contacts())[0], seen)
        assert client.alarms(script.where) == {"fork x": TAMPERED}

    with script.served():
        judy.do(decide)
        said = judy.run("send", "bob", "not yet")
    assert (said.code, TAMPERED in said.err) == (LOCKED, True)
    assert accepted(judy, script.where) == [f"forged {script.rows[1]['message_id']}"]
