"""What one can type in a chat beside messages: lines that begin with a slash."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

from ezdms.client import Client, ClientError, Contact, Message
from ezdms.commands.client.outbox import send_or_say, tell_if_queued
from ezdms.commands.client.printing import OFF, lasting, says, says_message

HINT = "/help for more."
HELP = """A line is a message. A line that begins with a slash is a command; for a message that does, type two slashes.
Every message has a number, such as #3. Without one, a command means the newest message that it can be about.
  /reply [#N] TEXT     answer a message
  /edit [#N] TEXT      change a text of yours, for both, within 24 hours
  /delete [#N]         delete a message of yours, for both
  /hide [#N]           remove a message from your own sight; the other person keeps it
  /react [#N] EMOJI    react to a message; "off" withdraws it
  /timer [TIME]        let messages disappear after 5m, 1h, 1d, 1w, 4w, or any time from 5s; "off" for never
  /list                show the last messages with their numbers"""
UNKNOWN_COMMAND = "There is no command {}. See /help; for a message that begins with a slash, type two."
HIDDEN = "You deleted the message for yourself. The other person still has it."
NO_NUMBER = "There is no message #{} here."
NOTHING = "There is no message here that this could be about."
NO_TEXT = "Write a text after the command."
NO_EMOJI = 'Write one emoji after the command, or "off".'
NO_TIME = "Write a time such as 30s, 5m, 1h, 1d or 4w, or off."
LISTED = 10  # messages
MOST = 1000  # messages with a number
FEWEST = 50  # messages looked at to find what a command is about
NUMBER = re.compile(r"#([0-9]{1,9})(?:\s+|$)")
TIME = re.compile(r"([0-9]{1,8})([smhdw]?)", re.ASCII)
SECONDS = {"": 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


class Board:
    """The messages of a chat, by their number."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._messages: dict[int, Message] = {}
        self._last = 0

    def note(self, message: Message) -> int:
        """Remember a message as it is now. Returns its number."""
        number = self._numbers.get(message.message_id)
        if number is None:
            number = self._last = self._last + 1
            self._numbers[message.message_id] = number
        self._messages[number] = message
        for old in [old for old in self._messages if old <= self._last - MOST]:
            self._numbers.pop(self._messages.pop(old).message_id, None)
        return number

    def find(self, number: int) -> Message:
        """The message of a number. Raises ClientError."""
        if number not in self._messages:
            raise ClientError(NO_NUMBER.format(number))
        return self._messages[number]

    def latest(self, count: int) -> list[tuple[int, Message]]:
        """The latest messages, oldest first."""
        return sorted(self._messages.items())[-count:]


async def obey(client: Client, contact: Contact, board: Board, line: str) -> str | None:
    """Do what a line says. Returns the id of a text sent by it. Raises ClientError, crypto.Refused or crypto.Alarm."""
    word, _, rest = line.partition(" ")
    if word not in COMMANDS:
        raise ClientError(UNKNOWN_COMMAND.format(word))
    return await COMMANDS[word](client, contact, board, rest.strip())


async def _help(client: Client, contact: Contact, board: Board, rest: str) -> None:
    says(HELP, err=True)


async def _list(client: Client, contact: Contact, board: Board, rest: str) -> None:
    for message in await client.history(contact, limit=LISTED):
        says_message(message, board.note(message))


async def _reply(client: Client, contact: Contact, board: Board, rest: str) -> str:
    message, text = await _about(client, contact, board, rest, is_own=False)
    if not text:
        raise ClientError(NO_TEXT)
    return await send_or_say(client, contact, text, message.reply)


async def _edit(client: Client, contact: Contact, board: Board, rest: str) -> None:
    message, text = await _about(client, contact, board, rest, is_own=True)
    if not text:
        raise ClientError(NO_TEXT)
    await send_or_say(client, contact, text, message.edit)


async def _delete(client: Client, contact: Contact, board: Board, rest: str) -> None:
    message, _ = await _about(client, contact, board, rest, is_own=True)
    await tell_if_queued(client, contact, message.delete)


async def _hide(client: Client, contact: Contact, board: Board, rest: str) -> None:
    message, _ = await _about(client, contact, board, rest, is_own=False)
    await message.hide()
    says(HIDDEN, err=True)


async def _react(client: Client, contact: Contact, board: Board, rest: str) -> None:
    message, emoji = await _about(client, contact, board, rest, is_own=False)
    if not emoji:
        raise ClientError(NO_EMOJI)
    await tell_if_queued(client, contact, lambda: message.react("" if emoji == "off" else emoji))


async def _timer(client: Client, contact: Contact, board: Board, rest: str) -> None:
    if not rest:
        lasts = lasting(await client.timer(contact))
        says(f"Messages disappear {lasts} after they are sent, read or not." if lasts else OFF.strip("[]"), err=True)
        return
    seconds = seconds_of(rest)
    await tell_if_queued(client, contact, lambda: client.set_timer(contact, seconds))


def seconds_of(text: str) -> int:
    """The seconds of a time such as 5m; 0 for "off". Raises ClientError."""
    if text == "off":
        return 0
    found = TIME.fullmatch(text)
    if found is None:
        raise ClientError(NO_TIME)
    return int(found[1]) * SECONDS[found[2]]


async def _about(client: Client, contact: Contact, board: Board, rest: str, *, is_own: bool) -> tuple[Message, str]:
    """The message that a command is about, as it is now, and the rest of the line."""
    page = {message.message_id: message for message in await client.history(contact, limit=FEWEST)}
    for message in page.values():
        board.note(message)
    found = NUMBER.match(rest)
    if found is not None:
        return board.find(int(found[1])), rest[found.end() :]
    living = [one for one in page.values() if one.is_own == is_own and one.state in ("text", "edited")]
    if not living:
        raise ClientError(NOTHING)
    return living[-1], rest


Command = Callable[[Client, Contact, Board, str], Awaitable[str | None]]
COMMANDS: dict[str, Command] = {
    "/help": _help,
    "/list": _list,
    "/reply": _reply,
    "/edit": _edit,
    "/delete": _delete,
    "/hide": _hide,
    "/react": _react,
    "/timer": _timer,
}
