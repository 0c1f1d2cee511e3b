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
from ezdms.client import Contact, Message, Waiting
from ezdms.client.shown import escaped, folded, indented, printable

TRUST = {
    "link": "Added by link, not verified",
    "search-pin": "Verified by Search PIN",
    "safety-number": "Verified by safety number",
}
FAILURES = {
    "gone": "[This message is gone: it was deleted or has expired.]",
    "unverified": "[Cannot be verified]",
    "unsupported": "[Needs a newer version of EZ-DMS]",
}
NOTES = {
    "gap": "[Messages are missing before this one.]",
    "late": "[Out of order: this was written before the ones above.]",
    "crossed": "[Written before seeing the message above.]",
}
UNKNOWN = "(unknown)"  # instead of the name, if this device has never seen their key
OWN = "(you)"  # usernames cannot contain parentheses, so nobody else can be called this
COLUMNS = 80  # without a terminal
NARROWEST = 20


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


def says_message(message: Message) -> None:
    """Print a message for people. Wraps in pipes too, so that its sender cannot choose where a terminal line begins."""
    click.echo(folded(printable(line_of(message)), columns()))


def says_json(value: Message | Contact | Waiting | dict[str, Any]) -> None:
    """Print for programs."""
    click.echo(json_of(value))


def trust(contact: Contact) -> str:
    """How the contact was verified, worded as on the page."""
    return TRUST.get(contact.verified, "Not verified")


def line_of(message: Message) -> str:
    """A message for people. Continuation lines are indented, so that none can pass for another message; says_message
    wraps long ones."""
    who = OWN if message.is_own else message.contact
    text = indented(printable(FAILURES[message.failure] if message.text is None else message.text))
    note = NOTES.get(message.place)
    when = time_of(message.created_at)
    if message.signed_at is not None and crypto.is_time_off(message.signed_at, message.created_at):
        when = f"{when} (signed: {time_of(message.signed_at)})"
    line = f"{when}  {who}: {text}"
    return "\n".join(filter(None, [note, line, message.alarm and f"ALARM: {message.alarm}"]))


def time_of(milliseconds: int) -> str:
    """Local time, to the minute; UTC for times that have no local one (end of the calendar)."""
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    with suppress(OverflowError, ValueError):
        moment = moment.astimezone()
    return moment.strftime("%Y-%m-%d %H:%M")


def json_of(value: Message | Contact | Waiting | dict[str, Any]) -> str:
    """One line of JSON. Key bytes are left out."""
    if isinstance(value, Contact):
        value = {name: item for name, item in asdict(value).items() if not isinstance(item, bytes)}
    return escaped(json.dumps(asdict(value) if isinstance(value, Message | Waiting) else value, ensure_ascii=False))


class Warnings(logging.Handler):
    """Prints the client's warnings to standard error, except alarms of messages, which are printed with the message."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a line that begins with "Warning"."""
        if not getattr(record, "is_printed", False):
            says(f"Warning: {record.getMessage()}", err=True)
