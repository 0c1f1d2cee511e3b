"""Output of the client's commands. All text passes one filter, so that it cannot control the terminal."""

from __future__ import annotations

import json
import logging
import os
import sys
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import click

from ezdms import crypto
from ezdms.client import Contact, Event, Message, Waiting
from ezdms.client.naming import safe_name
from ezdms.client.shown import escaped, folded, indented, printable

TRUST = {
    "link": "Added by link, not verified",
    "search-pin": "Verified by Search PIN",
    "safety-number": "Verified by safety number",
}
PLACEHOLDERS = {
    "deleted": "[Message deleted]",
    "hidden": "[You deleted this message for yourself.]",
    "expired": "[This message has disappeared.]",
    "retention": "[The host removed this message.]",
    "blocked": "[This message came while they were blocked.]",
    "withheld": "[The server does not hand over this message.]",
    "undecided": "[This message has not been loaded yet.]",
    "unverified": "[Cannot be verified]",
    "file": "[File]",
    "unsupported": "[Needs a newer version of EZ-DMS]",
    "change": "[Changed an earlier message.]",
}
NOTES = {
    "gap": "[Messages are missing before this one.]",
    "late": "[Out of order: this was written before the ones above.]",
    "crossed": "[Written before seeing the message above.]",
}
HAPPENED = {
    "edited": "[An earlier message was edited.]",
    "reacted": "[A reaction to an earlier message.]",
    "delivered": "[Delivered to {name}, up to here.]",
    "read": "[Read by {name}, up to here.]",
    "typing": "[{name} is typing…]",
}
UNITS = (("week", 604_800), ("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))
BESIDE = "  "  # before lines about a message; those of its text are indented further, so no text can imitate one
LONGEST_NAME = 80  # characters of a file's name
QUOTED = 60  # characters of a quote
OFF = "[Messages no longer disappear.]"
EARLIER = "[An earlier message]"
UNKNOWN = "(unknown)"  # instead of the name, if this device has never seen their key
OWN = "(you)"  # usernames cannot contain parentheses, so nobody else can be called this
COLUMNS = 80  # without a terminal
NARROWEST = 20


def as_argument(which: str) -> str:
    """An id in a command that a person can copy; one that begins with a hyphen would be taken for an option."""
    return f"-- {which}" if which.startswith("-") else which


def columns() -> int:
    """The width of the terminal, even if standard output goes through a pager."""
    for stream in (sys.__stdout__, sys.__stderr__, sys.__stdin__):
        with suppress(OSError, ValueError, AttributeError):
            return max(os.get_terminal_size(stream.fileno()).columns or COLUMNS, NARROWEST)  # type: ignore[union-attr]
    return COLUMNS


def says(text: str, *, err: bool = False) -> None:
    """Print for people, to standard error with `err`. Lines are wrapped to the width of a terminal."""
    stream = sys.stderr if err else sys.stdout
    shown = printable(text)
    click.echo(folded(shown, columns()) if stream.isatty() else shown, err=err)


def says_message(message: Message, number: int | None = None) -> None:
    """Print a message for people, with its number in a chat. Wraps in pipes too, so that its sender cannot choose where
    a terminal line begins."""
    click.echo(folded(printable(line_of(message, number)), columns()))


def says_event(event: Event) -> None:
    """Print an event for people, wrapped like a message."""
    click.echo(folded(printable(event_line(event)), columns()))


def says_json(value: Message | Event | Contact | Waiting | dict[str, Any]) -> None:
    """Print for programs."""
    click.echo(json_of(value))


def trust(contact: Contact) -> str:
    """How the contact was verified, worded as on the page."""
    return TRUST.get(contact.verified, "Not verified")


def line_of(message: Message, number: int | None = None) -> str:
    """A message for people. Continuation lines are indented, so that none can pass for another message; says_message
    wraps long ones. The quote and the reactions have lines of their own, indented less. `number`: its name in a chat.
    """
    note = NOTES.get(message.place)
    when = time_of(message.created_at)
    if message.signed_at is not None and crypto.is_time_off(message.signed_at, message.created_at):
        when = f"{when} (signed: {time_of(message.signed_at)})"
    if message.edited_at is not None:
        when = f"{when} (edited: {time_of(message.edited_at)})"
    called = "" if number is None else f"#{number}  "
    line = f"{called}{when}  {who_of(message, message.is_own)}: {indented(printable(text_of(message)))}"
    reactions = "  ".join(f"{emoji} {who_of(message, side == 'own')}" for side, emoji in message.reactions.items())
    alarm = message.alarm and f"ALARM: {message.alarm}"
    return "\n".join(filter(None, [note, line, _quote_of(message), reactions and BESIDE + reactions, alarm]))


def event_line(event: Event) -> str:
    """An event for people."""
    note = HAPPENED.get(event.kind, "").format(name=event.contact)
    return "\n".join(filter(None, [note, line_of(event.message) if event.message is not None else ""]))


def who_of(message: Message, is_own: bool) -> str:
    """The name of a side."""
    return OWN if is_own else message.contact


def text_of(message: Message) -> str:
    """The text, or what is shown in its place."""
    if message.timer is not None and message.text is None and message.state == "timer":
        lasts = lasting(message.timer)
        return f"[Messages disappear {lasts} after they are sent, read or not.]" if lasts else OFF
    if message.file is not None:
        return words_of_file(message.file.name, message.file.size)
    return PLACEHOLDERS.get(message.state, PLACEHOLDERS["unverified"]) if message.text is None else message.text


def words_of_file(name: str, size: int) -> str:
    """What stands for a file."""
    return f"[File: {shortened(safe_name(name), LONGEST_NAME)}, {size_of(size)}]"


def _quote_of(message: Message) -> str:
    quote = message.answers
    if quote is None:
        return ""
    who = "" if quote.is_own is None else f"{who_of(message, quote.is_own)}: "
    text = PLACEHOLDERS.get(quote.state, EARLIER) if quote.text is None else f"“{shortened(quote.text, QUOTED)}”"
    return f"{BESIDE}In reply to {who}{text}"


def shortened(text: str, most: int) -> str:
    """The beginning of a text, in one printable line."""
    line = " ".join(printable(text).split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def size_of(count: int) -> str:
    """A number of bytes for people."""
    if count < 1024:
        return "1 byte" if count == 1 else f"{count} bytes"
    return f"{count / 1024:.0f} KiB" if count < 1024**2 else f"{count / 1024**2:.1f} MiB"


def lasting(seconds: int) -> str:
    """A time in its largest whole unit, such as "5 minutes"; "" for 0."""
    for unit, size in UNITS if seconds else ():
        if seconds % size == 0:
            count = seconds // size
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return ""


def time_of(milliseconds: int) -> str:
    """Local time, to the minute; UTC for times that have no local one (end of the calendar)."""
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    with suppress(OverflowError, ValueError):
        moment = moment.astimezone()
    return moment.strftime("%Y-%m-%d %H:%M")


def json_of(value: Message | Event | Contact | Waiting | dict[str, Any]) -> str:
    """One line of JSON."""
    if isinstance(value, Message | Event):
        value = value.as_json()
    elif isinstance(value, Contact | Waiting):
        value = {name: item for name, item in asdict(value).items() if not isinstance(item, bytes)}
    return escaped(json.dumps(value, ensure_ascii=False))


class Warnings(logging.Handler):
    """Prints the client's warnings to standard error, except alarms of messages, which are printed with the message."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a line that begins with "Warning"."""
        if not getattr(record, "is_printed", False):
            says(f"Warning: {record.getMessage()}", err=True)
