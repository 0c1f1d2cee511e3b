"""`ezdms outbox`: queued messages. The server cannot remove them: each is sent, or discarded by its sender."""

from __future__ import annotations

from pathlib import Path

import click

from ezdms import crypto
from ezdms.client import Client, ClientError, Contact
from ezdms.client.shown import indented
from ezdms.commands import common
from ezdms.commands.client.going_on import what_to_do
from ezdms.commands.client.printing import UNKNOWN, says, says_json, time_of
from ezdms.protocol.envelope import MAX_TEXT

KEPT = "The message is queued, encrypted, and is sent before the next one. Do not send it again. See `ezdms outbox`."
TOO_LONG = f"A message has at most {MAX_TEXT} characters; this has {{}}. Send it as several messages."
NOT_OPENED = "[Cannot be decrypted here]"


@click.command("outbox")
@click.option("--discard", "ids", multiple=True, metavar="ID", help="Discard this message; can be repeated.")
@click.option("--discard-all", is_flag=True, help="Discard all of them.")
@common.options
@common.as_json
@common.runs
async def outbox(
    ids: tuple[str, ...], discard_all: bool, server: str | None, home: Path | None, account: str | None, as_json: bool
) -> None:
    """Retry queued messages, and list those that could not be sent. With --discard, nothing is sent."""
    is_asked = bool(ids) or discard_all  # a message that is being discarded must not be retried first
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
            raise ClientError(f"No queued message has this id: {', '.join(sorted(unknown))}.")


async def send_or_say(client: Client, contact: Contact, text: str) -> str:
    """Send. If that fails and the message was queued, say so.

    Raises crypto.Refused, with what to do, if the text is too long, and crypto.Alarm, with how to continue.
    """
    length = len(crypto.clean_text(text))
    if length > MAX_TEXT:
        raise crypto.Refused(TOO_LONG.format(length))
    before = set(client.waiting(contact.conversation_id))
    try:
        return await client.send(contact, text)
    except (ClientError, crypto.Alarm) as error:
        if set(client.waiting(contact.conversation_id)) - before:
            says(KEPT, err=True)
        if isinstance(error, crypto.Alarm):
            raise crypto.Alarm(what_to_do(client, contact, str(error))) from error
        raise
