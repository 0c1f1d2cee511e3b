"""The list of conversations and Search PIN results: names are the signed ones, and missing contacts are reported."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from ezdms import crypto
from tests.client.hostile.conftest import World
from tests.client.hostile.people import Someone, changed, instead, where
from tests.client.hostile.wire import Answer, Asked, Wire
from tests.support.people import PEOPLE

ESCAPE = "\x1b]0;owned\x07"
LIST = "GET /conversations/.*"


def lines(change: Callable[[list[Any]], list[Any]]) -> Callable[[Asked, Answer], None]:
    """A lie: change the lines of the list."""

    def lie(_: Asked, answer: Answer) -> None:
        answer.json = change(answer.json)

    return lie


def line_of(alice: Someone, keys: crypto.Keys, name: str) -> dict[str, Any]:
    """A line for someone whose keys the server controls."""
    return {
        "conversation_id": where(alice, keys),
        "partner_id": "M" * 21 + "A",
        "partner_username": name,
        "partner_statement": crypto.sign_statement(keys, name, 1, 5),
        "created_at": 5,
        "last_seq": 0,
        "unread": 0,
    }


def without(conversation: str) -> Callable[[list[Any]], list[Any]]:
    return lambda rows: [row for row in rows if row["conversation_id"] != conversation]


@pytest.mark.parametrize("name", ["bob", "carol"])
def test_a_namesake_does_not_replace_a_missing_contact(world: World, anna: Someone, wire: Wire, name: str) -> None:
    real = {"bob": world.bob, "carol": world.carol}[name]
    namesake = line_of(anna, crypto.generate_keys(), name)
    lie = lines(lambda rows: [namesake, *without(where(anna, real))(rows)])
    wire.forget()
    with wire.telling(LIST, lie):
        said = anna.run("send", name, "the harbour at midnight")
        listed = anna.run("contacts")
    assert (said.code, said.out) == (5, "")
    assert f"The server's list leaves out your contact {name}" in said.err
    assert wire.posted("/send_message") == []
    assert listed.out.count(f"{name}  ") == 2
    assert "ALARM: The server's list leaves out" in listed.out
    assert anna.run("send", name, "the harbour").code == 0  # the honest server again


def test_a_shared_name_means_the_verified_contact(world: World, anna: Someone, wire: Wire) -> None:
    assert world.twin.run("add", anna.search_pin).code == 0
    assert world.twin.run("send", "anna", "I am bob").code == 0
    wire.forget()
    said = anna.run("send", "bob", "for the real one")
    assert said.code == 0
    assert "Others are also called bob" in said.err
    assert wire.posted("/send_message")[0].fields["conversation_id"] == where(anna, world.bob)
    said = anna.run("send", where(anna, world.twin), "who are you?")
    assert (said.code, "Not verified" in said.err) == (0, True)
    assert "Not verified" not in anna.run("send", "carol", "hi").err  # the control


def test_sending_warns_about_other_missing_contacts(world: World, alice: Someone, wire: Wire) -> None:
    with wire.telling(LIST, lines(without(where(alice, world.bob)))):
        said = alice.run("send", "carol", "hello")
    assert said.code == 0
    assert "Warning: The server's list leaves out your contact bob" in said.err


LINES: dict[str, tuple[Callable[[list[Any]], list[Any]], str]] = {  # and what the client says
    "a line is not an object": (lambda rows: [5, *rows], "1 unreadable line."),
    "two lines are not objects": (lambda rows: [5, None, *rows], "2 unreadable lines."),
    "an id commands the terminal": (lambda rows: [rows[0] | {"conversation_id": ESCAPE}, *rows], "1 unreadable line."),
    "an id is a list": (lambda rows: [rows[0] | {"conversation_id": []}, *rows], "1 unreadable line."),
    "a line is repeated": (lambda rows: [rows[0], *rows], "1 unreadable line."),
    "last_seq is a string": (lambda rows: [rows[0] | {"last_seq": "1"}, *rows[1:]], "leaves out"),
    "last_seq is 2^53": (lambda rows: [rows[0] | {"last_seq": 2**53}, *rows[1:]], "leaves out"),
    "unread is a list": (lambda rows: [rows[0] | {"unread": []}, *rows[1:]], "leaves out"),
    "partner_id commands the terminal": (lambda rows: [rows[0] | {"partner_id": ESCAPE}, *rows[1:]], "leaves out"),
    "a statement is a number": (lambda rows: [rows[0] | {"partner_statement": 5}, *rows[1:]], "leaves out"),
    "a statement is endless": (lambda rows: [rows[0] | {"partner_statement": "A" * 9000}, *rows[1:]], "leaves out"),
    "a statement is garbage": (lambda rows: [rows[0] | {"partner_statement": "a.b.c"}, *rows[1:]], "ALARM"),
    "a conversation belongs to someone else": (
        lambda rows: [rows[0] | {"conversation_id": "0" * 24}, *rows],
        "shows a different key",
    ),
}


@pytest.mark.parametrize(("change", "words"), LINES.values(), ids=LINES)
def test_invalid_list_lines_are_reported_and_others_are_listed(
    alice: Someone, wire: Wire, change: Any, words: str
) -> None:
    with wire.telling(LIST, lines(change)):
        said = alice.run("contacts")
    assert said.code == 0
    assert words in said.all
    assert "bob" in said.out
    assert "carol" in said.out
    assert "\x1b" not in said.all


@pytest.mark.parametrize("name", [ESCAPE, "mallory", "\u202egnp.bob", ["x"], None, "x" * 10**5])
def test_contact_names_are_the_signed_ones(alice: Someone, wire: Wire, name: Any) -> None:
    honest = alice.run("contacts").out
    with wire.telling(LIST, lines(lambda rows: [row | {"partner_username": name} for row in rows])):
        assert alice.run("contacts").out == honest


@pytest.mark.parametrize("answer", [{}, None, "x", {"error": "x"}], ids=["object", "null", "string", "error"])
def test_an_invalid_list_is_an_error(alice: Someone, wire: Wire, answer: Any) -> None:
    with wire.telling(LIST, instead(answer)):
        said = alice.run("contacts")
    assert (said.code, said.err) == (1, "Error: The server's response is not a list.\n")


def found(**members: Any) -> Any:
    return changed(**members)


FOUND: dict[str, tuple[Any, int, str]] = {  # lie, exit code, words
    "a wrong key": (found(partner_statement=crypto.sign_statement(PEOPLE["eve"], "bob", 1, 5)), 5, "does not belong"),
    "a different salt": (found(partner_search_salt="A" * 22), 5, "does not belong"),
    "a different conversation": (found(conversation_id="0" * 24), 5, "shows a different key"),
    "a conversation that commands the terminal": (found(conversation_id=ESCAPE), 1, "no valid conversation_id"),
    "a salt that is a list": (found(partner_search_salt=[]), 1, "no valid partner_search_salt"),
    "a statement that is a number": (found(partner_statement=1), 1, "no valid partner_statement"),
    "no statement": (found(partner_statement=...), 1, "no valid partner_statement"),
    "a list": (instead([]), 1, "not a JSON object"),
    "a different name": (found(partner_username=ESCAPE), 0, "bob: Verified by Search PIN."),
    "no lie": (None, 0, "bob: Verified by Search PIN."),
}


@pytest.mark.parametrize(("lie", "code", "words"), FOUND.values(), ids=FOUND)
def test_search_pin_results_are_checked(
    world: World, alice: Someone, wire: Wire, lie: Any, code: int, words: str
) -> None:
    with wire.telling("POST /start_conversation", lie):
        said = alice.run("add", world.bob.search_pin)
    assert said.code == code
    assert words in said.all
    assert "\x1b" not in said.all


def test_a_link_verifies_a_contact_only_if_it_came_from_them(world: World, anna: Someone, wire: Wire) -> None:
    link = f"{wire.url}/#add={world.twin.search_pin}"
    assert anna.run("add", link).out == "bob: Added by link, not verified.\n"
    twin = where(anna, world.twin)
    assert "Added by link, not verified" in anna.run("send", twin, "hello").err
    listed = {
        one["conversation_id"]: one["verified"]
        for one in map(json.loads, anna.run("contacts", "--json").out.splitlines())
    }
    assert listed[twin] == "link"
    assert listed[where(anna, world.bob)] == "search-pin"
    wire.forget()
    for other in ("https://evil.example/#add=", "http://127.0.0.1:1/#add="):
        said = anna.run("add", other + world.twin.search_pin)
        assert (said.code, "This link is for" in said.err) == (1, True)
    assert wire.posted("/start_conversation") == []
    said = anna.run("verify-contact", twin, "--link-was-from-them")
    assert said.out == "bob: Verified by Search PIN.\n"
    anna.run("add", link)  # a link removes no verification
    assert "Verified by Search PIN" in anna.run("verify-contact", twin, "--link-was-from-them").out


@pytest.mark.parametrize(
    ("typed", "trust"), [("y\n", "Verified by Search PIN"), ("n\n", "Added by link, not verified")]
)
def test_a_terminal_user_is_asked_who_gave_them_the_link(
    world: World, anna: Someone, wire: Wire, terminal: None, typed: str, trust: str
) -> None:
    said = anna.run("add", f"{wire.url}/#add={world.twin.search_pin}", typed=typed)
    assert "Did bob give it to you themselves" in said.err
    assert said.out.endswith(f"bob: {trust}.\n")
