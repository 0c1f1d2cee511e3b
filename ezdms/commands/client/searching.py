"""`ezdms search`: finds messages by their words, on the user's own machine."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path

import click

from ezdms.commands import common
from ezdms.commands.client.finding import find_contact
from ezdms.commands.client.printing import says, says_json, says_message
from ezdms.commands.client.talk import Moment

ME = "me"
NOTHING = "Nothing found."


@click.command("search")
@click.argument("words", nargs=-1)
@click.option("--in", "within", metavar="NAME", help="Only in the conversation with NAME.")
@click.option("--from", "author", metavar="NAME", help="Only what NAME wrote, or you: --from me.")
@click.option("--since", type=Moment(), help="Only messages since then.")
@common.options
@common.as_json
@common.runs
async def search(
    words: tuple[str, ...],
    within: str | None,
    author: str | None,
    since: datetime | None,
    server: str | None,
    home: Path | None,
    account: str | None,
    as_json: bool,
) -> None:
    """Print the messages that have all of these WORDS, newest first, for each conversation.

    Case and accents do not matter. "In quotes" is a phrase (in a shell: '"in quotes"'); from:me, from:NAME, on:DATE,
    since:DATE and until:DATE (2026, 2026-03 or 2026-03-31) can stand among the words.
    """
    async with await common.connect(server, home, account) as client:
        of = None if within is None else await find_contact(client, within)
        by = author or ""
        from_ = by if by in ("", ME) else await find_contact(client, by)
        start = 0 if since is None else int(since.astimezone().timestamp() * 1000)
        last = ""
        async for message in client.search(" ".join(words), of=of, from_=from_, since=start):
            if as_json:
                says_json(message)
                continue
            if last != message.conversation_id:
                says(f"{message.contact}  {message.conversation_id}")
                last = message.conversation_id
            says_message(message)
            sys.stdout.flush()
        if not last and not as_json:
            says(NOTHING, err=True)
