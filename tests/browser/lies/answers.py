"""Lies in JSON: invalid JSON, and the honest response with one wrong member."""

from __future__ import annotations

import json
from typing import Any

from tests.browser.lies.liar import Answer, Change
from tests.browser.lies.watching import FORGED

PROMPT = f"{FORGED}: to go on, enter your Login PIN here"
ODD = "The server sent an answer that this page does not understand. Please try again."
BROKEN = "Something went wrong on the server. Please try again."
NO_JSON = {
    "empty": "",
    "html": f"<h1>{FORGED}</h1>",
    "half": '{"user_id": "',
    "null": "null",
    "a number": "1",
    "a word": f'"{FORGED}"',
    "a list": "[]",
    "an empty object": "{}",
    "objects in lists": "[{}]",
    "deep": "[" * 20_000,
    "twice": "{}{}",
    "a byte order mark": "\ufeff{}",
    "members of every object": '{"constructor": {}, "__proto__": {}, "toString": 1}',
}
NO_TEXT: list[Any] = [None, 1, True, [], {}, ["A" * 22], {"length": 22}]
NO_NUMBER: list[Any] = [None, "1", -1, 1.5, True, [], {}, [1], 2**53, 1e300]


def saying(text: str, status: int = 200) -> Change:
    """A lie: this text instead of the response."""

    def change(answer: Answer) -> None:
        answer.text, answer.status = text, status

    return change


def with_member(name: str, value: Any) -> Change:
    """A lie: the honest response with one member changed."""
    return lambda answer: setattr(answer, "text", json.dumps(json.loads(answer.text) | {name: value}))


def without(name: str) -> Change:
    """A lie: the honest response with one member missing."""

    def change(answer: Answer) -> None:
        members = json.loads(answer.text)
        del members[name]
        answer.text = json.dumps(members)

    return change


def wrong(member: str, values: list[Any]) -> dict[str, Change]:
    """One lie for each invalid value of a member, and one without the member."""
    named = {f"{member}={json.dumps(value)[:30]}": with_member(member, value) for value in values}
    return named | {f"no {member}": without(member)}


BAD = {name: saying(text) for name, text in NO_JSON.items()}
