"""Whom a name means. One's own contacts decide that, by the names that their keys signed; the server's list only says
who of them can be reached."""

from __future__ import annotations

import sys

import click

from ezdms import crypto
from ezdms.client import Client, ClientError, Contact
from ezdms.client.links import is_link
from ezdms.commands.client.printing import says, trust
from ezdms.protocol import envelope


async def find_contact(client: Client, name: str) -> Contact:
    """Whom a username, conversation id, Search PIN or link means. What has the form of a PIN or a link is never a name:
    anybody can take somebody's PIN as their username. Of several with one name it is the one that was verified; else
    asks, or says how to be exact. Raises ClientError, or crypto.Alarm if the server leaves them out."""
    contacts = await client.contacts()
    _warn_of_missing(contacts)
    if is_link(name) or envelope.looks_like_search_pin(name):
        return await _start(client, name)
    found = [contact for contact in contacts if contact.conversation_id == name]
    if not found:
        named = [contact for contact in contacts if contact.name and contact.name == name]
        found = [contact for contact in named if contact.is_verified] or named
        if len(found) == 1 < len(named):
            says(f"Others are called {name} too. This is the one you verified.", err=True)
    if not found:
        raise ClientError(f"You talk to nobody called {name}. `ezdms add SEARCH_PIN` starts a conversation.")
    contact = found[0] if len(found) == 1 else _choose(name, found)
    if contact.is_missing:
        raise crypto.Alarm(contact.alarms[0])
    return contact


def warn_of_trust(contact: Contact) -> None:
    """Say so if nobody made sure yet who this is."""
    if not contact.is_verified:
        says(f"{trust(contact)}: `ezdms verify-contact {contact.conversation_id}` makes sure who this is.", err=True)


def _warn_of_missing(contacts: list[Contact]) -> None:
    for contact in contacts:
        if contact.is_missing:
            says(f"Warning: {contact.alarms[0]}", err=True)


async def _start(client: Client, name: str) -> Contact:
    try:
        return await client.start(name)
    except crypto.PinError as error:
        raise ClientError(f"{error} If somebody is called {name}, give the conversation's id instead.") from error


def _choose(name: str, found: list[Contact]) -> Contact:
    lines = [f"{i}  {one.name}  {trust(one)}  {one.conversation_id}" for i, one in enumerate(found, 1)]
    if not sys.stdin.isatty():
        raise ClientError("\n".join([f"Several are called {name}. Give the conversation's id instead:", *lines]))
    says("\n".join(lines), err=True)
    number = click.prompt("Which one", type=click.IntRange(1, len(found)), err=True)
    return found[number - 1]
