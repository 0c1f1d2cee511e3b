"""Shared by the client's commands: choosing the account, its PIN, errors and exit codes."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable, Coroutine
from functools import wraps
from pathlib import Path
from typing import IO, Any, TypeVar
from urllib.parse import urlsplit

import click

from ezdms import crypto
from ezdms.client import (
    Client,
    ClientError,
    CodeNeeded,
    NoAccount,
    OtherServer,
    SessionEnded,
    Unreachable,
    WrongCode,
    WrongPin,
)
from ezdms.client.credentials import find_pin
from ezdms.client.state import State, home_folder
from ezdms.commands.client.printing import Warnings, says
from ezdms.commands.sentences import cannot_use
from ezdms.protocol.origin import fault_of_server, not_an_address

# Exit codes, stable (docs/command-line.md). click uses 2 for wrong usage.
FAILED, NOT_LOGGED_IN, UNREACHABLE, ALARM = 1, 3, 4, 5
TRIES = 3  # to type the Login PIN, or a code
MISTYPED = "Type it again as you saved it. Dashes and capital letters do not matter. Press Ctrl-C to stop."
CODE = "Code from your app, or a recovery code"
Found = TypeVar("Found")


class Stopped(click.ClickException):
    """Ends the command with a message on standard error and an exit code."""

    def __init__(self, sentence: str, code: int) -> None:
        super().__init__(sentence)
        self.exit_code = code  # type: ignore[misc]

    def show(self, file: IO[Any] | None = None) -> None:
        """Print it to standard error."""
        says(f"Error: {self.message}", err=True)


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--server, --home and --account, on every command of the client."""
    for option in (
        click.option("--account", help="Username or user id of the account, if several are saved."),
        click.option("--home", envvar="EZDMS_HOME", type=click.Path(path_type=Path), help="Where accounts are saved."),
        click.option("--server", envvar="EZDMS_SERVER", help="The server's address, such as https://chat.example.org."),
    ):
        command = option(command)
    return command


trust_server = click.option(
    "--trust-server", is_flag=True, help="Continue if the server at this address changed, or claims to be one you know."
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


def runs(function: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a command's coroutine; errors become a message and an exit code."""

    @wraps(function)
    def command(**given: Any) -> None:
        log = logging.getLogger("ezdms.client")
        log.handlers = [Warnings()]
        try:
            asyncio.run(function(**given))
        except (NoAccount, WrongPin, WrongCode, CodeNeeded, SessionEnded) as error:
            raise Stopped(str(error), NOT_LOGGED_IN) from error
        except Unreachable as error:
            raise Stopped(str(error), UNREACHABLE) from error
        except crypto.Alarm as error:
            raise Stopped(f"ALARM: {error}", ALARM) from error
        except (ClientError, crypto.ProtocolError, crypto.PinError) as error:
            raise Stopped(str(error), FAILED) from error
        except BrokenPipeError:  # the reader of our output is gone
            sys.stderr.close()
        except OSError as error:
            raise Stopped(cannot_use(error), FAILED) from error
        except KeyboardInterrupt:
            raise click.Abort from None

    return command


def ask_pin() -> str:
    """The Login PIN from EZDMS_PIN_FILE, EZDMS_PIN, or a hidden prompt. Raises WrongPin without a terminal."""
    pin = find_pin()
    if pin is not None:
        return pin
    if not sys.stdin.isatty():
        raise WrongPin("No Login PIN given. Set EZDMS_PIN_FILE or EZDMS_PIN, or run this in a terminal.")
    return str(click.prompt("Login PIN", hide_input=True, err=True))


def saved(server: str | None, home: Path | None, account: str | None) -> State:
    """The selected account. Raises NoAccount, or ClientError if several match."""
    return State.find(home_folder(home), None if server is None else server.rstrip("/"), account)


async def asks_for_pin(enter: Callable[[str], Awaitable[Found]]) -> Found:
    """Run `enter` with the Login PIN. If it was mistyped at the prompt, ask again, up to TRIES times in all. Raises
    WrongPin."""
    for left in reversed(range(TRIES)):
        pin = ask_pin()
        try:
            return await enter(pin)
        except WrongPin as error:
            if find_pin() is not None or not left:
                raise
            says(str(error), err=True)
            says(MISTYPED, err=True)
    raise AssertionError


async def asks_for_code(enter: Callable[[str, str], Awaitable[Client]]) -> Client:
    """Run `enter` with a code of two-step login and its challenge: both empty, unless the server asks for one. If it
    was mistyped, ask again, up to TRIES times in all. Raises CodeNeeded without a terminal, or WrongCode."""
    code = challenge = ""
    for left in reversed(range(TRIES + 1)):
        try:
            return await enter(code, challenge)
        except CodeNeeded as error:
            if not sys.stdin.isatty():
                raise
            challenge = error.challenge
        except WrongCode as error:
            if not left:
                raise
            says(str(error), err=True)
        code = str(click.prompt(CODE, err=True))
    raise AssertionError


async def connect(server: str | None, home: Path | None, account: str | None, *, sends: bool = True) -> Client:
    """A client for the selected account. `sends`: queued messages are sent first."""
    state = saved(server, home, account)

    async def enter(pin: str) -> Client:
        return await asks_for_code(
            lambda code, challenge: asks_about_the_server(
                lambda trust: Client.open(state, pin, code=code, challenge=challenge, trust=trust, sends=sends)
            )
        )

    return await asks_for_pin(enter)


async def asks_about_the_server(enter: Callable[[bool], Awaitable[Client]], trust: bool = False) -> Client:
    """Run `enter`, which uses the PIN at a server. If that is not the expected server, ask the user first."""
    try:
        return await enter(trust)
    except OtherServer as error:
        if not sys.stdin.isatty():
            raise
        says(str(error), err=True)
        click.confirm("Continue anyway", abort=True, err=True)
        return await enter(True)


def parse_server(server: str | None) -> str:
    """scheme://host[:port]. Raises UsageError."""
    if server is None:
        raise click.UsageError("Which server? Use --server or set EZDMS_SERVER.")
    fault = fault_of_server(server)
    if fault is None and urlsplit(server).path not in ("", "/"):
        fault = not_an_address(server)
    if fault is not None:
        raise click.UsageError(fault)
    return server.rstrip("/")
