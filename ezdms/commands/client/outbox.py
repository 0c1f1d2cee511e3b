"""`ezdms outbox`: what waits to be sent. The server cannot make it go away: it leaves, or its writer discards it."""

from __future__ import annotations

from pathlib import Path

import click

from ezdms import crypto
from ezdms.client import Client, ClientError, Contact
from ezdms.client.shown import indented
from ezdms.commands import common
from ezdms.commands.client.printing import UNKNOWN, says, says_json, time_of

KEPT = "The message is kept, sealed, and leaves before the next one: do not send it again. `ezdms outbox` shows it."
NOT_OPENED = "[Cannot be opened here]"


@click.command("outbox")
@click.option("--discard", "ids", multiple=True, metavar="ID", help="Do not send this one; may be repeated.")
@click.option("--discard-all", is_flag=True, help="Send none of them.")
@common.options
@common.as_json
@common.runs
async def outbox(
    ids: tuple[str, ...], discard_all: bool, server: str | None, home: Path | None, account: str | None, as_json: bool
) -> None:
    """Try once more to send what waits, and list what could not be sent. With --discard nothing is tried."""
    is_asked = bool(ids) or discard_all  # what shall not be sent is not tried once more before
    async with await common.connect(server, home, account, sends=not is_asked) as client:
        left = client.waiting()
        unknown = set(ids) - {one.message_id for one in left}
        for one in left:
            if discard_all or one.message_id in ids:
                await client.discard(one)
        for one in client.waiting():
            if as_json:
                says_json(one)
                continue
            text = NOT_OPENED if one.text is None else indented(one.text)
            says(f"{one.message_id}  {time_of(one.written_at)}  to {one.contact or UNKNOWN}: {text}")
        if unknown:
            raise ClientError(f"Nothing of this id waits to be sent: {', '.join(sorted(unknown))}.")


async def send_or_say(client: Client, contact: Contact, text: str) -> str:
    """Send; a message that is kept although this fails is said to be."""
    before = set(client.waiting(contact.conversation_id))
    try:
        return await client.send(contact, text)
    except (ClientError, crypto.Alarm):
        if set(client.waiting(contact.conversation_id)) - before:
            says(KEPT, err=True)
        raise
