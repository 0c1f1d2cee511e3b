"""`ezdms register`, `login`, `whoami` and `logout`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from ezdms import crypto
from ezdms.client import Client, WrongPin
from ezdms.client.account import search_pin_of
from ezdms.client.credentials import find_pin, keep_pin
from ezdms.commands import common
from ezdms.commands.client.printing import says, says_json
from ezdms.protocol.origin import fault_of_server

NO_SEARCH_PIN = "Your Search PIN is not saved on this device. Log in again with `ezdms login`."


def _need_server(server: str | None) -> str:
    if server is None:
        raise click.UsageError("Which server? Use --server or set EZDMS_SERVER.")
    fault = fault_of_server(server)
    if fault is not None:
        raise click.UsageError(fault)
    return server


@click.command("register")
@click.argument("username")
@click.option("--invitation", default="", help="The link you were given, on an invite-only server.")
@common.trust_server
@common.options
@common.as_json
@common.runs
async def register(
    username: str,
    invitation: str,
    trust_server: bool,
    server: str | None,
    home: Path | None,
    account: str | None,
    as_json: bool,
) -> None:
    """Create an account. Shows its Login PIN once, or writes it to the file named by EZDMS_PIN_FILE."""
    address = _need_server(server)
    pin = find_pin()
    is_kept = pin is not None
    if pin is None:
        pin = crypto.new_login_pin()
        if os.environ.get("EZDMS_PIN_FILE"):
            keep_pin(pin)
            is_kept = True
    name, link, key = username, invitation, pin
    async with await common.asks_about_the_server(
        lambda trust: Client.register(address, name, key, invitation=link, home=home, trust=trust), trust_server
    ) as client:
        told = {"username": client.username, "user_id": client.user_id, "search_pin": client.search_pin}
        if not is_kept:
            told["login_pin"] = crypto.show_login_pin(crypto.normalise_login_pin(pin))
    if as_json:
        says_json(told)
        return
    if not is_kept:
        says(f"Login PIN:  {told['login_pin']}   Save it: nobody can restore it.")
    says(f"Search PIN: {told['search_pin']}   Share it with people who should be able to message you.")


@click.command("login")
@common.trust_server
@common.options
@common.runs
async def login(trust_server: bool, server: str | None, home: Path | None, account: str | None) -> None:
    """Log in to an existing account with its Login PIN. Asks for a code if the account has two-step login."""
    address = _need_server(server)

    async def enter(pin: str) -> Client:
        return await common.asks_for_code(
            lambda code, challenge: common.asks_about_the_server(
                lambda trust: Client.login(address, pin, code=code, challenge=challenge, home=home, trust=trust),
                trust_server,
            )
        )

    async with await common.asks_for_pin(enter) as client:
        shown = f"Your Search PIN: {client.search_pin}" if client.search_pin else NO_SEARCH_PIN
        says(f"You are {client.username}. {shown}")


@click.command("whoami")
@common.options
@common.as_json
@common.runs
async def whoami(server: str | None, home: Path | None, account: str | None, as_json: bool) -> None:
    """Show which account this is. In a terminal, also shows the Search PIN as a QR code."""
    values = common.saved(server, home, account).values
    if values["outbox"]:
        says(f"Warning: {len(values['outbox'])} of your messages are not sent yet. See `ezdms outbox`.", err=True)
    told = {name: values[name] for name in ("username", "server", "user_id")} | {"search_pin": search_pin_of(values)}
    if not told["search_pin"]:
        says(NO_SEARCH_PIN, err=True)
    if as_json:
        says_json(told)
        return
    says(f"{told['username']} at {told['server']}")
    if not told["search_pin"]:
        return
    says(f"Search PIN: {told['search_pin']}")
    if sys.stdout.isatty():
        import segno  # rarely needed, and slow to load

        segno.make(f"{told['server']}/#add={told['search_pin']}").terminal(compact=True)


@click.command("logout")
@common.options
@common.runs
async def logout(server: str | None, home: Path | None, account: str | None) -> None:
    """Log out and remove the account from this machine. The account itself stays: log in again with its PIN."""
    state = common.saved(server, home, account)
    if state.values["outbox"] and not click.confirm("Queued messages will be lost. Continue anyway?", err=True):
        raise click.Abort
    try:
        client = await common.asks_for_pin(lambda pin: Client.open(state, pin))
    except WrongPin as error:
        raise WrongPin(f"{error} To remove the account without logging out, delete {state.path}.") from error
    await client.logout()
    says("Logged out.")
