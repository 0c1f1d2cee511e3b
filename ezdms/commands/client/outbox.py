"""`ezdms outbox`: queued messages. The server cannot remove them: each is sent, or discarded by its sender."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import click

from ezdms import crypto
from ezdms.client import Client, ClientError, Contact, Waiting
from ezdms.client.shown import indented
from ezdms.commands import common
from ezdms.commands.client.going_on import what_to_do
from ezdms.commands.client.printing import UNKNOWN, lasting, says, says_json, time_of
from ezdms.protocol.envelope import MAX_TEXT

KEPT = "The message is queued, encrypted, and is sent before the next one. Do not send it again. See `ezdms outbox`."
TOO_LONG = f"A message has at most {MAX_TEXT} characters; this has {{}}. Send it as several messages."
STALE = "  [Written more than an hour ago, and may have been sent: --send-again or --discard]"
WHAT = {
    "edit": "[Edit] {}",
    "delete": "[Deletes a message]",
    "react": "[Reaction] {}",
    "timer": "[Messages disappear: {}]",
    "file": "[File: {}]",
}
NOT_OPENED = "[Cannot be decrypted here]"


@click.command("outbox")
@click.option("--discard", "ids", multiple=True, metavar="ID", help="Discard this message; can be repeated.")
@click.option("--send-again", "anew", multiple=True, metavar="ID", help="Send this one as a new message.")
@click.option("--discard-all", is_flag=True, help="Discard all of them.")
@common.options
@common.as_json
@common.runs
async def outbox(
    ids: tuple[str, ...],
    anew: tuple[str, ...],
    discard_all: bool,
    server: str | None,
    home: Path | None,
    account: str | None,
    as_json: bool,
) -> None:
    """Retry queued messages, and list those that could not be sent. With --discard, nothing is sent.

    A message that disappears, was written more than an hour ago and may have been sent is not retried: send it again as
    a new message, or discard it.
    """
    is_asked = bool(ids) or discard_all  # a message that is being discarded must not be retried first
    async with await common.connect(server, home, account, sends=not is_asked) as client:
        left = client.waiting()
        unknown = {*ids, *anew} - {one.message_id for one in left}
        for one in left:
            if one.message_id in anew:
                await client.send_again(one)
            if discard_all or one.message_id in ids:
                await client.discard(one)
        for one in client.waiting():
            if as_json:
                says_json(one)
                continue
            says(f"{one.message_id}  {time_of(one.written_at)}  to {one.contact or UNKNOWN}: {_text_of(one)}")
        if unknown:
            raise ClientError(f"No queued message has this id: {', '.join(sorted(unknown))}.")


def _text_of(one: Waiting) -> str:
    if one.text is None:
        return NOT_OPENED
    what = WHAT.get(one.kind, "{}").format(lasting(int(one.text)) or "off" if one.kind == "timer" else one.text)
    return indented(what) + (STALE if one.is_stale else "")


async def send_or_say(
    client: Client, contact: Contact, text: str, act: Callable[[str], Awaitable[str]] | None = None
) -> str:
    """Send a text, or do something else with it. Raises crypto.Refused, with what to do, if it is too long, and like
    tell_if_queued."""
    length = len(crypto.clean_text(text))
    if length > MAX_TEXT:
        raise crypto.Refused(TOO_LONG.format(length))
    return await tell_if_queued(client, contact, lambda: act(text) if act is not None else client.send(contact, text))


async def tell_if_queued(client: Client, contact: Contact, act: Callable[[], Awaitable[str]]) -> str:
    """Send something. If that fails and it was queued, say so. Raises crypto.Alarm, with how to continue."""
    before = {one.message_id for one in client.waiting(contact.conversation_id)}
    try:
        return await act()
    except (ClientError, crypto.Alarm) as error:
        if {one.message_id for one in client.waiting(contact.conversation_id)} - before:
            says(KEPT, err=True)
        if isinstance(error, crypto.Alarm):
            raise crypto.Alarm(what_to_do(client, contact, str(error))) from error
        raise
