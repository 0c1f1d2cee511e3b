"""`ezdms chat`: a live conversation in a terminal or a pipe."""

from __future__ import annotations

import asyncio
import sys
import threading
from dataclasses import replace
from pathlib import Path

import click

from ezdms import crypto
from ezdms.client import Client, ClientError, Contact, Message
from ezdms.client.message import Happening
from ezdms.commands import common
from ezdms.commands.client.chat_commands import HINT, Board, obey
from ezdms.commands.client.finding import find_contact, warn_of_trust
from ezdms.commands.client.going_on import WHY, command_for
from ezdms.commands.client.outbox import send_or_say
from ezdms.commands.client.printing import says, says_message, trust
from ezdms.commands.client.talk import show_event

QUOTED = 30  # characters of a line


@click.command("chat")
@click.argument("name_or_pin")
@common.options
@common.runs
async def chat(name_or_pin: str, server: str | None, home: Path | None, account: str | None) -> None:
    """Chat with NAME live: every line you type is a message, unless it begins with a slash (/help). Stop it with
    Ctrl-D."""
    async with await common.connect(server, home, account) as client:
        contact = await find_contact(client, name_or_pin)
        says(f"{contact.name}: {trust(contact)}. {HINT} Ctrl-D to quit.", err=True)
        warn_of_trust(contact)
        page, board = await client.history(contact, limit=20), Board()
        for message in page:
            _print(message, board)
        typed = Typed(client, contact, board, is_shown=sys.stdin.isatty() and sys.stdout.isatty())
        hearing = asyncio.create_task(_print_new(client, contact, page, typed, board))
        try:
            await _send_lines(hearing, typed)
        finally:
            hearing.cancel()
            await asyncio.gather(hearing, return_exceptions=True)


class Typed:
    """The lines typed in a chat. A terminal shows them already, so their messages are not printed again. `is_shown`:
    input and output are the terminal."""

    def __init__(self, client: Client, contact: Contact, board: Board, *, is_shown: bool) -> None:
        self._board = board
        self._client = client
        self._contact = contact
        self._is_shown = is_shown
        self._sent = set[str]()
        self._unsent = self._queued()  # not from here, or shown as not sent: printed once they are sent

    async def send(self, text: str) -> None:
        """Send a line, or do what a command says. Raises like send_or_say."""
        try:
            if text.startswith("/") and not text.startswith("//"):
                sent = await obey(self._client, self._contact, self._board, text)
            else:
                sent = await send_or_say(self._client, self._contact, text[1:] if text.startswith("//") else text)
            self._sent.update(filter(None, [sent]))
        finally:
            self._unsent |= self._queued()

    def shows(self, message: Message) -> bool:
        """True if the terminal shows it, and there is nothing to add: no other text, no alarm, nothing missing before
        it."""
        if not self._is_shown or not message.is_own or message.text is None or message.alarm:
            return False
        is_from_here = message.message_id in self._sent or message.message_id in self._queued() - self._unsent
        return is_from_here and message.place in ("ok", "crossed")

    def _queued(self) -> set[str]:
        return {one.message_id for one in self._client.waiting(self._contact.conversation_id)}


def _print(message: Message, board: Board | None) -> None:
    if board is None:
        says_message(message)
    else:
        says_message(message, board.note(message))
    if message.alarm:
        says(WHY.format(command=command_for(message)), err=True)


async def _print_new(
    client: Client, contact: Contact, page: list[Message], typed: Typed | None = None, board: Board | None = None
) -> None:
    """Print each new message once: not those on the page, nor those of earlier pages, nor those that the terminal shows
    because they were typed there. If one was changed since it was printed, print it again."""
    printed = {_identity(message): _look(message) for message in page}
    async for event in client.events(contact):
        message = event.message
        if message is None or event.kind not in ("message", "timer"):
            if message is not None and board is not None:
                board.note(message)
            show_event(event, as_json=False)
        elif _identity(message) in printed:
            if printed[_identity(message)] != _look(message):
                kind: Happening = "edited" if message.state == "edited" else "reacted"
                show_event(replace(event, kind="deleted" if message.text is None else kind), as_json=False)
        elif not _is_earlier(message, page):
            if typed is None or not typed.shows(message):
                _print(message, board)
            elif board is not None:
                board.note(message)
        if message is not None:
            printed[_identity(message)] = _look(message)
            if sys.stdout.isatty() and not message.is_own:
                await client.mark_read(contact)


def _look(message: Message) -> tuple[str, str | None, dict[str, str]]:
    """What people see of a message."""
    return message.state, message.text, message.reactions


def _is_earlier(message: Message, page: list[Message]) -> bool:
    """True if it is from before the page, by its signed number. By the server's number, one invented row could hide
    everything after it; only rows without a message are compared by that."""
    if message.place == "late" or message.alarm:
        return False
    if message.n:
        return message.n < min((one.n for one in page if one.n and one.is_own == message.is_own), default=0)
    return bool(page) and message.seq < page[0].seq


def _identity(message: Message) -> tuple[str, int, int]:
    """The signed id of a verified message; for a row without a message, its place."""
    return message.message_id, message.n, 0 if message.n else message.seq


async def _send_lines(hearing: asyncio.Task[None], typed: Typed) -> None:
    """Send each line of standard input as a message. If one fails, says why and goes on with the next, except after an
    alarm."""
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[str] = asyncio.Queue()

    def read_lines() -> None:  # in its own thread, so that waiting for the keyboard does not delay the exit
        for line in iter(sys.stdin.readline, ""):
            loop.call_soon_threadsafe(lines.put_nowait, line)
        loop.call_soon_threadsafe(lines.put_nowait, "")

    threading.Thread(target=read_lines, daemon=True).start()
    while True:
        waiting = asyncio.create_task(lines.get())
        await asyncio.wait({waiting, hearing}, return_when=asyncio.FIRST_COMPLETED)
        if hearing.done():
            waiting.cancel()
            hearing.result()  # the session was ended
        line = await waiting
        if line == "":
            return
        try:
            if line.strip():
                await typed.send(line.removesuffix("\n"))
        except crypto.Alarm:
            says(f"{_not_sent(line, lines)}.", err=True)
            raise
        except (ClientError, crypto.Refused) as error:
            says(f"{_not_sent(line, lines)}: {error}", err=True)


def _not_sent(line: str, later: asyncio.Queue[str]) -> str:
    """The state of a line that failed. If others were typed in the meantime, it says which one."""
    if later.empty():
        return "Not sent"
    start = line.strip()
    return f"Not sent (“{start if len(start) <= QUOTED else start[: QUOTED - 1] + '…'}”)"
