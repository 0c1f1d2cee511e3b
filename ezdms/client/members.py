"""Strictly reads the members of a JSON object in a response. Raises BadAnswer."""

from __future__ import annotations

import re
from typing import Any

from ezdms.client.errors import BadAnswer
from ezdms.protocol.encoding import ALPHABET, LARGEST_INTEGER, EnvelopeError, b64u_decode, is_integer

CONVERSATION = re.compile(rf"[{ALPHABET}]{{24}}")
WORD = re.compile(r"[a-z_]{1,40}")


class Members:
    """The members of a JSON object, each validated when read. Raises BadAnswer."""

    def __init__(self, answer: Any) -> None:
        if not isinstance(answer, dict):
            raise BadAnswer("The server's response is not a JSON object.")
        self._answer = answer

    def has(self, name: str) -> bool:
        """True unless it is missing or null."""
        return self._answer.get(name) is not None

    def says(self, name: str) -> bool:
        """True unless it is missing, null or empty."""
        return self._answer.get(name) not in (None, "")

    def octets(self, name: str, size: int) -> str:
        """`size` bytes, in base64url."""
        value = self._answer.get(name)
        try:
            b64u_decode(value if isinstance(value, str) and len(value) <= 2 * size else "", size)
        except EnvelopeError as error:
            raise _wrong(name) from error
        return str(value)

    def number(self, name: str, low: int, high: int = LARGEST_INTEGER) -> int:
        """An integer within bounds."""
        value: Any = self._answer.get(name)
        if not is_integer(value, low, high):
            raise _wrong(name)
        return int(value)

    def conversation(self) -> str:
        """A conversation's id."""
        value = self._answer.get("conversation_id")
        if not isinstance(value, str) or not CONVERSATION.fullmatch(value):
            raise _wrong("conversation_id")
        return value

    def sealed(self, name: str, most: int) -> str:
        """At most `most` printable ASCII characters. crypto.py checks their content."""
        value = self._answer.get(name)
        if not isinstance(value, str) or len(value) > most or not (value.isascii() and value.isprintable()):
            raise _wrong(name)
        return value

    def word(self, name: str) -> str:
        """A short word, for programs."""
        return self.matching(name, WORD)

    def matching(self, name: str, form: re.Pattern[str]) -> str:
        """A string that has this form from beginning to end."""
        value = self._answer.get(name)
        if not isinstance(value, str) or not form.fullmatch(value):
            raise _wrong(name)
        return value

    def flag(self, name: str) -> bool:
        """True or false."""
        value = self._answer.get(name)
        if not isinstance(value, bool):
            raise _wrong(name)
        return value


def read_list(answer: Any) -> list[Any]:
    """The items of a JSON list. Raises BadAnswer."""
    if not isinstance(answer, list):
        raise BadAnswer("The server's response is not a list.")
    return answer


def _wrong(name: str) -> BadAnswer:
    return BadAnswer(f"The server's response has no valid {name}.")
