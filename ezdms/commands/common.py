"""What the client's commands share: which account, its PIN, whom a name means, and how failures end."""

from __future__ import annotations

import asyncio
import json
import sys
import unicodedata
from collections.abc import Callable, Coroutine
from dataclasses import asdict
from datetime import datetime
from functools import wraps
from pathlib import Path
from typing import Any

import click

from ezdms import crypto
from ezdms.client import Client, ClientError, Contact, Message, NoAccount, SessionEnded, Unreachable, WrongPin
from ezdms.client.credentials import find_pin
from ezdms.client.state import State, home_folder

# Exit codes, stable (docs/command-line.md). 2 is click's, for a command that was called wrongly.
FAILED, NOT_LOGGED_IN, UNREACHABLE, ALARM = 1, 3, 4, 5


class Stopped(click.ClickException):
    """A sentence on standard error, and an exit code that says of what kind it is."""

    def __init__(self, sentence: str, code: int) -> None:
        super().__init__(printable(sentence))
        self.exit_code = code  # type: ignore[misc]


def printable(text: str) -> str:
    """Text that a terminal shows and does not obey: no control characters but line breaks and tabs."""
    return "".join(
        "\ufffd" if unicodedata.category(letter) == "Cc" and letter not in "\n\t" else letter for letter in text
    )


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--server, --home and --account, on every command of the client."""
    for option in (
        click.option("--account", help="Which account, by its username, if several are saved."),
        click.option("--home", envvar="EZDMS_HOME", type=click.Path(path_type=Path), help="Where accounts are saved."),
        click.option("--server", envvar="EZDMS_SERVER", help="The server's address, such as https://chat.example.org."),
    ):
        command = option(command)
    return command


as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


def runs(function: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a command's coroutine; what can go wrong becomes a sentence and an exit code."""

    @wraps(function)
    def command(**given: Any) -> None:
        try:
            asyncio.run(function(**given))
        except (NoAccount, WrongPin, SessionEnded) as error:
            raise Stopped(str(error), NOT_LOGGED_IN) from error
        except Unreachable as error:
            raise Stopped(str(error), UNREACHABLE) from error
        except crypto.Alarm as error:
            raise Stopped(f"ALARM: {error}", ALARM) from error
        except (ClientError, crypto.ProtocolError, crypto.PinError) as error:
            raise Stopped(str(error), FAILED) from error
        except BrokenPipeError:  # whoever read our output has gone
            sys.stderr.close()
        except OSError as error:
            raise Stopped(f"Cannot use {error.filename or 'a file'}: {error.strerror or error}.", FAILED) from error
        except KeyboardInterrupt:
            raise click.Abort from None

    return command


def ask_pin() -> str:
    """From EZDMS_PIN_FILE, EZDMS_PIN, or the keyboard, unseen. Raises WrongPin if nobody can be asked."""
    pin = find_pin()
    if pin is not None:
        return pin
    if not sys.stdin.isatty():
        raise WrongPin("The Login PIN is needed: set EZDMS_PIN_FILE or EZDMS_PIN, or run this in a terminal.")
    return str(click.prompt("Login PIN", hide_input=True, err=True))


def saved(server: str | None, home: Path | None, account: str | None) -> State:
    """The account that is meant. Raises NoAccount."""
    return State.find(home_folder(home), None if server is None else server.rstrip("/"), account)


async def connect(server: str | None, home: Path | None, account: str | None) -> Client:
    """The client of the account that is meant."""
    return await Client.open(saved(server, home, account), ask_pin())


async def find_contact(client: Client, name: str) -> Contact:
    """Whom a username, conversation id or Search PIN means. Several of one name: asks, or says how to be exact."""
    contacts = await client.contacts()
    found = [contact for contact in contacts if name in (contact.name, contact.conversation_id)]
    if len(found) == 1:
        return found[0]
    if not found:
        try:
            return await client.start(crypto.normalise_search_pin(name))
        except crypto.PinError:
            raise ClientError(
                f"You talk to nobody called {name}. `ezdms add SEARCH_PIN` starts a conversation."
            ) from None
    lines = [f"{i}  {one.name}  {trust(one)}  {one.conversation_id}" for i, one in enumerate(found, 1)]
    if not sys.stdin.isatty():
        raise ClientError("\n".join([f"Several are called {name}. Give the conversation's id instead:", *lines]))
    click.echo("\n".join(lines), err=True)
    number = click.prompt("Which one", type=click.IntRange(1, len(found)), err=True)
    return found[number - 1]


def trust(contact: Contact) -> str:
    """How one knows who this is, in the words of the page."""
    words = {"search-pin": "Verified by Search PIN", "safety-number": "Verified by safety number"}
    return words.get(contact.verified, "Not verified")


FAILURES = {
    "gone": "[This message is gone: it was deleted or has expired.]",
    "unverified": "[Cannot be verified]",
    "unsupported": "[Needs a newer version of EZ-DMS]",
}
NOTES = {"gap": "[Messages are missing before this one.]", "late": "[Out of order: this was written earlier.]"}


def line_of(message: Message) -> str:
    """A message for a terminal: further lines are indented, so that none can pass for another message."""
    when = datetime.fromtimestamp(message.created_at / 1000).astimezone().strftime("%Y-%m-%d %H:%M")
    who = "you" if message.is_own else message.contact
    text = printable(FAILURES[message.failure] if message.text is None else message.text).replace("\n", "\n    ")
    note = NOTES.get(message.place)
    return "\n".join(filter(None, [note, f"{when}  {who}: {text}", message.alarm and f"ALARM: {message.alarm}"]))


def json_of(value: Message | Contact | dict[str, Any]) -> str:
    """One line of JSON. Key bytes are left out."""
    if isinstance(value, Contact):
        value = {name: item for name, item in asdict(value).items() if not isinstance(item, bytes)}
    return json.dumps(asdict(value) if isinstance(value, Message) else value, ensure_ascii=False)
