"""`ezdms accept`, `block`, `unblock`, `organize` and `delete-conversation`: what the user makes of a contact."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ezdms.client import ClientError, Contact
from ezdms.client.account import now
from ezdms.client.meeting import LATEST
from ezdms.client.shown import indented
from ezdms.commands import common
from ezdms.commands.client.chat_commands import seconds_of
from ezdms.commands.client.finding import find_contact
from ezdms.commands.client.printing import line_of, says, says_json, time_of
from ezdms.commands.client.settings import ON_OFF

REQUEST = (
    "{name} is someone new: a request. To accept it, answer, or run `ezdms accept {where}`; or "
    "`ezdms block {where}`, or `ezdms delete-conversation {where}`. Until then they can send three messages."
)
NAMESAKE = "Another contact of yours has this name, or one that looks like it. Check which one this is."
HANDED_OVER = (
    "These messages, as they were signed, go to whoever runs {server}, who can read them, and keeps them, also if they "
    "are deleted or disappear. Of a file, they contain the key: it can be opened as long as it is on the server."
)
FOUND = "They found you by your Search PIN of {when}."


def introduce(contact: Contact, *, err: bool = True) -> None:
    """Say that a contact is a request, how they found the user, and if their name is that of another contact."""
    if contact.state != "request":
        return
    says(REQUEST.format(name=contact.name, where=contact.conversation_id), err=err)
    if contact.found_by == "search_pin" and contact.pin_created_at is not None:
        says(FOUND.format(when=time_of(contact.pin_created_at)), err=err)
    if contact.has_namesake:
        says(NAMESAKE, err=err)


@click.command("accept")
@click.argument("name")
@common.options
@common.runs
async def accept(name: str, server: str | None, home: Path | None, account: str | None) -> None:
    """Accept the request of NAME. Answering it does the same."""
    async with await common.connect(server, home, account) as client:
        contact = await find_contact(client, name)
        await client.accept(contact)
        says(f"{contact.name}: accepted.")


@click.command("block")
@click.argument("name")
@common.options
@common.runs
async def block(name: str, server: str | None, home: Path | None, account: str | None) -> None:
    """Block NAME: nothing that they send from now on is shown or kept for you. They are not told."""
    async with await common.connect(server, home, account) as client:
        contact = await find_contact(client, name)
        await client.block(contact)
        says(f"{contact.name}: blocked. They are not told.")


@click.command("unblock")
@click.argument("name")
@common.options
@common.runs
async def unblock(name: str, server: str | None, home: Path | None, account: str | None) -> None:
    """End the block of NAME. What they sent meanwhile does not come back."""
    async with await common.connect(server, home, account) as client:
        contact = await find_contact(client, name)
        await client.unblock(contact)
        says(f"{contact.name}: no longer blocked.")


@click.command("delete-conversation")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@common.options
@common.runs
async def delete_conversation(name: str, yes: bool, server: str | None, home: Path | None, account: str | None) -> None:
    """Delete your copies of everything in the conversation with NAME. They keep theirs."""
    async with await common.connect(server, home, account) as client:
        contact = await find_contact(client, name)
        if not yes:
            question = f"Delete the conversation with {contact.name}, on all of your devices? This cannot be undone"
            click.confirm(question, abort=True, err=True)
        await client.delete_conversation(contact)
        says(f"The conversation with {contact.name} was deleted. It is back once one of you writes again.")


@click.command("organize")
@click.argument("name")
@click.option("--nickname", help='A private name, for you alone; "" for none.')
@click.option("--mute", metavar="TIME", help="No notifications for a time such as 1h, 8h or 1w; always, or off.")
@click.option("--pin", type=ON_OFF, help="Keep the conversation at the top of your lists.")
@click.option("--archive", type=ON_OFF, help="Put it away. A new message brings it back, unless it is muted.")
@common.options
@common.as_json
@common.runs
async def organize(
    name: str,
    nickname: str | None,
    mute: str | None,
    pin: str | None,
    archive: str | None,
    server: str | None,
    home: Path | None,
    account: str | None,
    as_json: bool,
) -> None:
    """Show or change what you note about NAME, on all of your devices. The server learns only whether it is muted."""
    until = None if mute is None else _until(mute)
    async with await common.connect(server, home, account) as client:
        contact = await find_contact(client, name)
        if nickname is not None:
            await client.set_nickname(contact, nickname)
        if until is not None:
            await client.mute(contact, until)
        if pin is not None:
            await client.set_pinned(contact, pin == "on")
        if archive is not None:
            await client.set_archived(contact, archive == "on")
        contact = await find_contact(client, contact.conversation_id)
        if as_json:
            says_json(contact)
            return
        says(f"Nickname: {contact.nickname or 'none'}")
        says(f"Muted: {_muted(contact)}")
        says(f"Pinned: {'on' if contact.is_pinned else 'off'}")
        says(f"Archived: {'on' if contact.is_archived else 'off'}")


def _until(time: str) -> int:
    """When a mute ends (ms). Raises UsageError."""
    if time == "always":
        return LATEST
    try:
        seconds = seconds_of(time)
    except ClientError as error:
        raise click.UsageError("--mute: write a time such as 1h, 8h or 1w, always, or off.") from error
    return min(now() + seconds * 1000, LATEST) if seconds else 0


def _muted(contact: Contact) -> str:
    if contact.muted_until <= now():
        return "off"
    return "always" if contact.muted_until == LATEST else f"until {time_of(contact.muted_until)}"


@click.command("report", context_settings={"ignore_unknown_options": True})  # an id may begin with a hyphen
@click.argument("name")
@click.argument("message_ids", nargs=-1)
@click.option("--last", type=click.IntRange(1, 20), help="Instead of ids: so many of their newest messages.")
@click.option("--reason", default="", help="Why, in at most 500 characters.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@common.options
@common.runs
async def report(
    name: str,
    message_ids: tuple[str, ...],
    last: int | None,
    reason: str,
    yes: bool,
    server: str | None,
    home: Path | None,
    account: str | None,
) -> None:
    """Report messages of NAME to whoever runs the server: those with these ids (see `read --json`), or --last N."""
    if bool(message_ids) == (last is not None):
        raise click.UsageError("Give the ids of the messages, or --last N.")
    async with await common.connect(server, home, account) as client:
        contact = await find_contact(client, name)
        theirs = [one for one in await client.history(contact, limit=200) if not one.is_own and one.text is not None]
        found = theirs[-last:] if last else [one for one in theirs if one.message_id in message_ids]
        if not found or len(found) < len(set(message_ids)):
            raise ClientError("Not all of these messages are among the newest 200 of the conversation with a text.")
        if not yes:
            for message in found:
                says(f"  {indented(line_of(message))}", err=True)
            says(HANDED_OVER.format(server=client.server), err=True)
            if not sys.stdin.isatty():
                raise click.UsageError("Use --yes if no person is asked.")
            click.confirm("Report them", abort=True, err=True)
        await client.report(found, reason)
        says(f"Reported: {len(found)} message{'' if len(found) == 1 else 's'} of {contact.name}.")
