"""`ezdms export`: writes decrypted conversations, as JSON Lines for programs and HTML for people."""

from __future__ import annotations

import os
import sys
from html import escape
from pathlib import Path
from typing import Any

import click

from ezdms import crypto
from ezdms.client import Client, ClientError, Contact, Message, NoFile, ServerError
from ezdms.commands import common
from ezdms.commands.client.finding import find_contact
from ezdms.commands.client.printing import json_of, line_of, says, trust

MOST_PAGES = 5000  # a million messages
NOT_KNOWN = "This device has never seen their key."

HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{name}</title><style>
:root {{ color-scheme: light dark; font: 100%/1.5 system-ui, sans-serif; }}
body {{ max-width: 42rem; margin: 2rem auto; padding: 0 1rem; }}
li {{ list-style: none; margin: 0.5rem 0; white-space: pre-wrap; overflow-wrap: anywhere; unicode-bidi: plaintext;
  padding-left: 2rem; text-indent: -2rem; }}
time, small {{ color: GrayText; font-size: 0.8125rem; }}
</style></head><body><h1>{name}</h1><p>{trust}. {count} messages, exported by {owner}.</p><ul style="padding: 0">
"""


@click.command("export")
@click.argument("names", nargs=-1)
@click.option(
    "--to", "folder", type=click.Path(path_type=Path), required=True, help="Folder to write to; created if missing."
)
@click.option("--without-files", is_flag=True, help="Leave out the files that were sent.")
@common.options
@common.runs
async def export(
    names: tuple[str, ...],
    folder: Path,
    without_files: bool,
    server: str | None,
    home: Path | None,
    account: str | None,
) -> None:
    """Write conversations with NAMES, or all of them, to a folder, with their files. Nothing there is encrypted: keep
    it safe."""
    _make(folder)
    async with await common.connect(server, home, account) as client:
        contacts = [await find_contact(client, name) for name in names] or await client.contacts()
        for contact in contacts:
            if not contact.name or contact.is_missing:
                says(f"Skipped: {contact.conversation_id}. {' '.join(contact.alarms) or NOT_KNOWN}", err=True)
                continue
            messages = await _everything(client, contact)
            stem = f"{contact.name}-{crypto.conversation_id(client.keys.fp, crypto.fingerprint(contact.ik))}"
            saved = {} if without_files else await _save(messages, folder / f"{stem}-files")
            lines = "".join(f"{json_of(_told(message, saved, folder))}\n" for message in messages)
            _write(folder / f"{stem}.jsonl", lines)
            _write(folder / f"{stem}.html", _page(client, contact, messages))
            files = f", {len(saved)} files" if saved else ""
            says(f"{folder / stem}.jsonl and .html: {len(messages)} messages{files}")


async def _save(messages: list[Message], folder: Path) -> dict[str, Path]:
    """Save the files of these messages that are not there yet. Returns their paths by message id."""
    saved: dict[str, Path] = {}
    for message in messages:
        if message.file is None:
            continue
        own = folder / message.message_id  # a folder each: names repeat
        there = sorted(own.iterdir()) if own.is_dir() else []
        if there and there[0].stat().st_size == message.file.size:
            saved[message.message_id] = there[0]
            continue
        own.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            saved[message.message_id] = await message.save(own)
        except (ServerError, NoFile, crypto.Refused) as error:
            says(f"Not saved: the file of message {message.message_id}. {error}", err=True)
            own.rmdir()
    return saved


def _told(message: Message, saved: dict[str, Path], folder: Path) -> dict[str, Any]:
    told = message.as_json()
    if message.file is not None:
        path = saved.get(message.message_id)
        told["file"] |= {"path": None if path is None else str(path.relative_to(folder))}
    return told


async def _everything(client: Client, contact: Contact) -> list[Message]:
    """All messages of a conversation, with progress on standard error."""
    with click.progressbar(length=contact.last_seq, label=contact.name, file=sys.stderr) as bar:
        loaded = await client.load(contact)
        for _ in range(MOST_PAGES):
            bar.update(len(loaded) - bar.pos)
            if not await loaded.load_older():
                return await loaded.messages()
    raise ClientError(f"The server never sent the start of the conversation with {contact.name}. It was not exported.")


def _make(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def _write(path: Path, text: str) -> None:
    """Write a file readable only by its owner; replaces an earlier export."""
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
        file.write(text)


def _page(client: Client, contact: Contact, messages: list[Message]) -> str:
    head = HEAD.format(
        name=escape(contact.name),
        trust=escape(trust(contact)),
        count=len(messages),
        owner=escape(client.username),
    )
    items = []
    for message in messages:
        when, _, rest = line_of(message).partition("  ")
        items.append(f"<li><time>{escape(when)}</time> {escape(rest)}</li>\n")
    return head + "".join(items) + "</ul></body></html>\n"
