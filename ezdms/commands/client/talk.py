"""`ezdms contacts`, `add`, `send`, `read` and `listen`: messaging from a terminal or a pipe."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from ezdms import crypto
from ezdms.client import Client, Contact, Event, Message
from ezdms.commands import common
from ezdms.commands.client.finding import find_contact, warn_of_trust
from ezdms.commands.client.going_on import WHY, command_for, what_to_do
from ezdms.commands.client.meeting import introduce
from ezdms.commands.client.outbox import send_or_say, tell_if_queued
from ezdms.commands.client.printing import UNKNOWN, says, says_event, says_json, says_message, trust

WITHHELD = "The server does not hand over {} of these."
BLOCKED = "{} came while they were blocked."
REQUESTED = "[A request of {name}, {where}:]"


def show(message: Message, as_json: bool) -> None:
    if as_json:
        says_json(message)
        return
    says_message(message)
    if message.alarm:
        says(WHY.format(command=command_for(message)), err=True)


def show_event(event: Event, as_json: bool) -> None:
    if as_json:
        says_json(event)
    elif event.kind == "message" and event.message is not None:
        if event.is_request:
            says(REQUESTED.format(name=event.contact, where=event.conversation_id))
        show(event.message, as_json=False)
    else:
        says_event(event)


@click.command("contacts")
@common.options
@common.as_json
@common.runs
async def contacts(server: str | None, home: Path | None, account: str | None, as_json: bool) -> None:
    """List your contacts, latest conversation first."""
    async with await common.connect(server, home, account) as client:
        found = await client.contacts()
        if not found:
            says("You have no contacts yet. Add one with `ezdms add SEARCH_PIN`.", err=True)
        for contact in found:
            if as_json:
                says_json(contact)
                continue
            unread = f"  {contact.unread} unread" if contact.unread else ""
            left = "  deleted account" if contact.has_left else ""
            made = {"request": "  request", "blocked": "  blocked"}.get(contact.state, "")
            called = f" ({contact.nickname})" if contact.nickname else ""
            name = f"{contact.name or UNKNOWN}{called}"
            says(f"{name}  {trust(contact)}{made}{unread}{left}  {contact.conversation_id}")
            for alarm in contact.alarms:
                says(f"  ALARM: {alarm}")
            if contact.alarms:
                says(f"  {WHY.format(command=command_for(contact))}")


@click.command("add")
@click.argument("pin_or_link")
@common.options
@common.as_json
@common.runs
async def add(pin_or_link: str, server: str | None, home: Path | None, account: str | None, as_json: bool) -> None:
    """Start a conversation by Search PIN, which verifies the contact, or by link (https://…/#add=…)."""
    async with await common.connect(server, home, account) as client:
        contact = await client.start(pin_or_link)
        if contact.verified == "link" and sys.stdin.isatty():
            says(f"This link leads to {contact.name}.", err=True)
            if click.confirm(f"Did {contact.name} give it to you themselves", err=True):
                await client.confirm_link(contact)
                contact = await find_contact(client, contact.conversation_id)
        if as_json:
            says_json(contact)
        else:
            says(f"{contact.name}: {trust(contact)}.")


@click.command("send")
@click.argument("name_or_pin")
@click.argument("text", required=False)
@click.option(
    "--file", "path", type=click.Path(path_type=Path), help="Send this file; TEXT, if given, follows as a message."
)
@common.options
@common.as_json
@common.runs
async def send(
    name_or_pin: str,
    text: str | None,
    path: Path | None,
    server: str | None,
    home: Path | None,
    account: str | None,
    as_json: bool,
) -> None:
    """Send TEXT, or standard input if TEXT is - or missing; or a file. A message has at most 500 characters, a file
    25 MiB.

    A file is sent as it is, with everything it says about its author or where a picture was taken. An upload that is
    interrupted continues with the next command.
    """
    if path is not None and text is None:
        pass
    elif text is None and sys.stdin.isatty():
        text = str(click.prompt("Message", err=True))
    elif text in (None, "-"):
        text = sys.stdin.read().removesuffix("\n")
    async with await common.connect(server, home, account) as client:
        contact = await find_contact(client, name_or_pin)
        warn_of_trust(contact)
        sent = []
        if path is not None:
            sent.append(await tell_if_queued(client, contact, lambda: client.send_file(contact, path)))
        if text is not None:
            sent.append(await send_or_say(client, contact, text))
        for message_id in sent if as_json else ():
            says_json({"message_id": message_id, "conversation_id": contact.conversation_id})


class Moment(click.DateTime):
    """A date, or a date and time, in local time."""

    def __init__(self) -> None:
        super().__init__(["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"])

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Raises click.BadParameter."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail("Expected a date such as 2026-01-31, or 2026-01-31T18:00.", param, ctx)


@click.command("read")
@click.argument("name")
@click.option("--since", type=Moment(), help="Only messages since then.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="How many of the newest messages.")
@common.options
@common.as_json
@common.runs
async def read(
    name: str,
    since: datetime | None,
    limit: int,
    server: str | None,
    home: Path | None,
    account: str | None,
    as_json: bool,
) -> None:
    """Print the newest messages with NAME, oldest first."""
    async with await common.connect(server, home, account) as client:
        contact = await find_contact(client, name)
        found = await _newest(
            client, contact, limit, 0 if since is None else int(since.astimezone().timestamp() * 1000)
        )
        for message in found:
            if as_json:
                says_json(message)
            elif message.state != "blocked":
                says_message(message)
        introduce(contact)
        if sys.stdout.isatty():  # otherwise nobody has seen them yet
            await client.mark_read(contact)
        _count(found, "withheld", WITHHELD)
        _count(found, "blocked", BLOCKED)
        contact = await find_contact(client, contact.conversation_id)
        for alarm in contact.alarms:
            raise crypto.Alarm(what_to_do(client, contact, alarm))


async def _newest(client: Client, contact: Contact, limit: int, since: int) -> list[Message]:
    """The newest messages, oldest first: at most `limit`, none from before `since` (ms)."""
    loaded = await client.load(contact)
    while True:
        found: list[Message] = []
        if len(loaded) >= limit:
            found = [message for message in await loaded.messages() if message.created_at >= since]
        if len(found) >= limit or loaded.begins_at < since or not await loaded.load_older():
            return [message for message in await loaded.messages() if message.created_at >= since][-limit:]


def _count(messages: list[Message], state: str, sentence: str) -> None:
    count = sum(message.state == state for message in messages)
    if count:
        says(sentence.format("1 message" if count == 1 else f"{count} messages"), err=True)


@click.command("listen")
@common.options
@common.as_json
@common.runs
async def listen(server: str | None, home: Path | None, account: str | None, as_json: bool) -> None:
    """Print everything that happens, starting where it last stopped: messages, edits, deletions, reactions, timers,
    receipts. Stop it with Ctrl-C."""
    async with await common.connect(server, home, account) as client:
        async for event in client.events():
            show_event(event, as_json)
