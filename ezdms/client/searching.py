"""Searching: which messages a query finds, ignoring case, accents and width. Everything happens on this machine.

Twin of static/js/words.js.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, timedelta

from ezdms.client.contacts import Contact
from ezdms.client.history import PAGE, History
from ezdms.client.message import Message
from ezdms.client.naming import safe_name

# Accents of letters (Latin, Greek, Cyrillic), points of Hebrew and Arabic, variation selectors, and what nobody sees.
# A fixed list, which does not depend on anyone's version of Unicode. Vowel signs of other scripts are letters.
LEFT_OUT = re.compile(
    "[\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670"
    "\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f\u00ad\u200b\u2060\ufeff]"
)
SPACE = re.compile(r"\s+")
LINK = re.compile(r"(?:https?://|www\.)\S", re.IGNORECASE)
PICTURES = ("image/png", "image/jpeg", "image/webp", "image/gif")
KINDS = ("picture", "file", "link")  # what a message can have
QUOTES = re.compile("[“”„«»]")  # what phones type for "
PART = re.compile(r'(?:(from|has|on|since|until):)?(?:"([^"]*)(?:"|$)|([^\s"]+))')
DATE = re.compile(r"([1-9][0-9]{3})(?:-([0-9]{2})(?:-([0-9]{2}))?)?", re.ASCII)
ME = "me"  # usernames have at least three characters
FOUND = ("text", "edited", "file")  # states with something to find
NOTHING = "Nothing to search for. Give a word, or from:me, or a date such as since:2026-01-31."
LATEST = 253_402_300_799_999  # ms: the end of the year 9999


def folded(text: str) -> str:
    """The form in which texts are compared: without case, accents and width (NFKD); one space between words."""
    bare = LEFT_OUT.sub("", unicodedata.normalize("NFKD", text))
    small = unicodedata.normalize("NFKD", bare.lower().upper().lower()).replace("ς", "σ")
    return SPACE.sub(" ", LEFT_OUT.sub("", small)).strip()


@dataclass(frozen=True, slots=True)
class Query:
    """What is searched. All `words` must occur, in any order; a phrase is one of them, with spaces. `senders`: "me", or
    parts of the contact's name or nickname. `side`: "own", "theirs", or "" for both. `since` and `until` (ms): not
    before, and before. `has`: KINDS that the message must have."""

    words: tuple[str, ...] = ()
    senders: tuple[str, ...] = ()
    since: int = 0
    until: int = LATEST + 1
    side: str = ""
    has: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """True if it would find everything."""
        return self == Query()

    def finds(self, message: Message, *, nickname: str = "") -> bool:
        """True if the message, as it is shown now, has what is searched. Nothing that is gone, cannot be verified or is
        an alarm is ever found."""
        if message.state not in FOUND or message.failure or message.alarm:
            return False
        if self.side not in ("", "own" if message.is_own else "theirs"):
            return False
        if not self.since <= message.created_at < self.until:
            return False
        if not all(_is_from(sender, message, nickname) for sender in self.senders):
            return False
        if not _kinds_in(message).issuperset(self.has):
            return False
        text = folded(safe_name(message.file.name) if message.file is not None else message.text or "")
        return all(word in text for word in self.words)


def _kinds_in(message: Message) -> set[str]:
    if message.file is not None:
        return {"file", "picture"} if message.file.type in PICTURES else {"file"}
    return {"link"} if LINK.search(message.text or "") else set()


def _is_from(sender: str, message: Message, nickname: str) -> bool:
    if sender == ME:
        return message.is_own
    return not message.is_own and any(sender in folded(name) for name in (message.contact, nickname))


def read_query(typed: str) -> Query:
    """Words, "phrases", from:me, from:NAME, has: with one of KINDS; since:, until: and on: with a date (2026, 2026-03
    or 2026-03-31, in local time). A phrase that was not closed ends with the text; what has the form of none of these
    is a word."""
    words, senders, has, since, until = list[str](), list[str](), list[str](), 0, LATEST + 1
    for name, phrase, word in PART.findall(QUOTES.sub('"', typed)):
        value = folded(phrase or word)
        span = _span(word) if name in ("on", "since", "until") else None
        if name == "from" and value:
            senders.append(value)
        elif name == "has" and value in KINDS:
            has.append(value)
        elif span is not None:
            since = max(since, span[0]) if name != "until" else since
            until = min(until, span[1]) if name != "since" else until
        elif name and word:
            words.append(folded(f"{name}:{word}"))
        elif value:
            words.append(value)
    return Query(tuple(words), tuple(senders), since, until, has=tuple(has))


def _span(date: str) -> tuple[int, int] | None:
    """From when until when a day, month or year lasts here (ms)."""
    match = DATE.fullmatch(date)
    if match is None:
        return None
    year, month, day = (int(one) if one else 0 for one in match.groups())
    try:
        begin = datetime(year, month or 1, day or 1)
        if day:
            end = begin + timedelta(days=1)
        else:
            end = datetime(year + (month in (0, 12)), month % 12 + 1 if month else 1, 1)
        return int(begin.timestamp() * 1000), int(end.timestamp() * 1000)
    except (ValueError, OverflowError):
        return None


def side_of(author: str) -> str:
    """The side of an author: "me", a conversation with them, or "" for anyone."""
    return author and ("own" if author == ME else "theirs")


async def search(history: History, query: Query, where: str | None) -> AsyncGenerator[Message, None]:
    """What a query finds in one conversation, or in all that the user has accepted, one after the other; newest first.
    Marks nothing as read."""
    if where is not None:
        contacts = [await history.roster.find(where)]
    else:
        everyone = await history.roster.all()
        contacts = [one for one in everyone if one.name and not one.is_missing and one.state != "request"]
    for contact in contacts:
        async with aclosing(_search_one(history, contact, query)) as found:
            async for message in found:
                yield message


async def _search_one(history: History, contact: Contact, query: Query) -> AsyncGenerator[Message, None]:
    thread = await history.newest(contact.conversation_id, PAGE, peek=True)
    before: int | None = None
    while before is None or thread.first < before:
        messages = await history.settled(thread, before=before)
        before = thread.first
        for message in reversed(messages):
            if query.finds(message, nickname=contact.nickname):
                yield message
        if messages and all(message.created_at < query.since for message in messages):
            return
        await history.load_older(thread)
