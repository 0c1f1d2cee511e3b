"""`ezdms continue-anyway`, and what every command says about an alarm: what it may mean, and what to do."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ezdms import crypto
from ezdms.client import Client, Contact, Message
from ezdms.client.alarms import ABOUT, OTHER_KEY
from ezdms.commands import common
from ezdms.commands.client.finding import find_contact
from ezdms.commands.client.printing import as_argument, says

HOW = "Nothing is sent to {name} until you continue anyway: `{command}`."
WHY = "What it may mean, and how to continue: `{command}`."
LOCKED = "Nothing is sent to {name} until you continue. This conversation stays locked."
ASK_A_PERSON = "Only a person can decide to continue after an alarm. Run this in a terminal: `{command}`."


@click.command("continue-anyway")
@click.argument("name")
@common.options
@common.runs
async def continue_anyway(name: str, server: str | None, home: Path | None, account: str | None) -> None:
    """Continue with NAME after an alarm. Says what it may mean and what to do, then asks."""
    async with await common.connect(server, home, account, sends=False) as client:
        contact = await find_contact(client, name)
        await client.history(contact)  # shows alarms that the list alone does not
        alarms = client.alarms(contact)
        if not alarms:
            says(f"{contact.name}: There is no alarm. You can send messages.")
            return
        if "key" in alarms:
            raise crypto.Alarm(what_to_do(client, contact))
        if not sys.stdin.isatty():
            how = ASK_A_PERSON.format(command=command_for(contact))
            raise common.Stopped(f"ALARM: {_told(alarms)} {how}", common.ALARM)
        says(f"ALARM: {_told(alarms)}", err=True)
        if not click.confirm("Continue anyway", err=True):
            raise common.Stopped(LOCKED.format(name=contact.name), common.ALARM)
        await client.go_on(contact, alarms)
        if client.alarms(contact):
            raise crypto.Alarm(what_to_do(client, contact))
        says(f"{contact.name}: You continued. You can send messages again.")


def command_for(contact: Contact | Message) -> str:
    """The command to continue, exact whatever the contact is called."""
    return f"ezdms continue-anyway {as_argument(contact.conversation_id)}"


def what_to_do(client: Client, contact: Contact, sentence: str = "") -> str:
    """What happened, what it may mean, what to do, and the command to continue if there is one. `sentence`: what to say
    if no alarm stands, as for a contact who is missing from the list."""
    alarms = client.alarms(contact)
    if contact.is_missing or not alarms:
        return sentence
    if "key" in alarms:
        return f"{_told(alarms)} {OTHER_KEY}"
    return f"{_told(alarms)} {HOW.format(name=contact.name, command=command_for(contact))}"


def _told(alarms: dict[str, str]) -> str:
    said = [part for name, sentence in alarms.items() for part in (sentence, ABOUT.get(name.split()[0], ""))]
    return " ".join(filter(None, dict.fromkeys(said)))
