"""`ezdms save`: downloads files that a contact sent, or the user, and saves them once they are verified."""

from __future__ import annotations

from pathlib import Path

import click

from ezdms.client import Client, ClientError, Contact, Message
from ezdms.commands import common
from ezdms.commands.client.finding import find_contact
from ezdms.commands.client.printing import says, says_json

MOST_PAGES = 5000  # a million messages
NO_FILES = "There are no files in this conversation."
UNKNOWN = "No file in this conversation has this id: {}."


@click.command("save")
@click.argument("name")
@click.option("--message", "message_ids", multiple=True, metavar="ID", help="Save this one; can be repeated.")
@click.option("--all", "is_all", is_flag=True, help="Save all files of the conversation.")
@click.option(
    "--to",
    type=click.Path(path_type=Path),
    default=Path(),
    help="The folder to save to, or a new name for one file. By default the current folder.",
)
@common.options
@common.as_json
@common.runs
async def save(
    name: str,
    message_ids: tuple[str, ...],
    is_all: bool,
    to: Path,
    server: str | None,
    home: Path | None,
    account: str | None,
    as_json: bool,
) -> None:
    """Save files from the conversation with NAME: the newest, or those chosen by --message (`ezdms read --json` shows
    ids) or --all.

    A file is saved once all of it was decrypted and verified, readable only by you, and under the name that its sender
    gave it, made safe. It never replaces another one. Open it as carefully as an attachment: nobody checked what is in
    it.
    """
    async with await common.connect(server, home, account) as client:
        contact = await find_contact(client, name)
        for message in await _wanted(client, contact, message_ids, is_all):
            path = await message.save(to)
            if as_json:
                says_json({"message_id": message.message_id, "path": str(path)})
            else:
                says(f"Saved {path}")


async def _wanted(client: Client, contact: Contact, ids: tuple[str, ...], is_all: bool) -> list[Message]:
    """The messages with the files. Raises ClientError if one is not there."""
    loaded = await client.load(contact)
    for _ in range(MOST_PAGES):
        found = {one.message_id: one for one in await loaded.messages() if one.file is not None}
        if not is_all and (set(ids) <= set(found) if ids else found):
            break
        if not await loaded.load_older():
            break
    missing = [one for one in ids if one not in found]
    if missing:
        raise ClientError(UNKNOWN.format(", ".join(missing)))
    if not found:
        raise ClientError(NO_FILES)
    return [found[one] for one in ids] or list(found.values())[0 if is_all else -1 :]
