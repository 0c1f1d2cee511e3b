"""Lies in the rows of a conversation: read from an honest response, changed, and put back."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape

from ezdms import crypto
from tests.browser.lies.fragments import element
from tests.browser.lies.liar import Answer, Change
from tests.browser.lies.peers import Peer, copy_for, milliseconds

Row = dict[str, str]
Rows = list[Row]
ROW = re.compile(r"<message-row([^>]*)></message-row>\s*")
ATTRIBUTE = re.compile(r' ([a-z-]+)(?:="([^"]*)")?')
SHOWN = r"GET /(c/[0-9A-Z]{24}/open|messages/[0-9A-Z]{24}\?.*)"


def showing(change: Callable[[Rows], Rows]) -> Change:
    """A lie: the rows of every response are changed."""

    def lie(answer: Answer) -> None:
        if answer.status == 200:
            rows = [read(match[1]) for match in ROW.finditer(answer.text)]
            written = "\n".join(element("message-row", row) for row in change(rows))
            answer.text = ROW.sub("", answer.text) + written

    return lie


def read(attributes: str) -> Row:
    """The attributes of one row."""
    return {name: unescape(value) for name, value in ATTRIBUTE.findall(attributes)}


def without_copy(row: Row) -> Row:
    """The row without its content."""
    return {name: value for name, value in row.items() if name != "data-sealed"}


def row_of(peer: Peer, sealed: crypto.SealedMessage, seq: int) -> Row:
    """A message that this peer sealed, as a row of the server with the user's copy."""
    given = {"seq": seq, "n": sealed.n, "hash": sealed.hash, "suite": 1, "message-id": sealed.message_id}
    given |= {"at": milliseconds(), "sealed": copy_for(sealed, crypto.fingerprint(peer.other.ik), peer.keys.fp)}
    return {f"data-{name}": str(value) for name, value in given.items()}


def facts(**changed: str | None) -> Change:
    """A lie: other facts about the conversation (None: left out), with unchanged rows and names."""

    def lie(answer: Answer) -> None:
        match = re.search(r"<thread-facts([^>]*)></thread-facts>", answer.text)
        assert match
        told = read(match[1]) | {f"data-{name.replace('_', '-')}": value for name, value in changed.items()}
        kept = {name: value for name, value in told.items() if value is not None}
        answer.text = answer.text.replace(match[0], element("thread-facts", kept))

    return lie
