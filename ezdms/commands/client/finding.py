"""Finds the contact a name refers to, among one's own contacts by the names they signed. The server's list only tells
which of them can be reached."""

from __future__ import annotations

import sys

import click

from ezdms import crypto
from ezdms.client import Client, ClientError, Contact
from ezdms.client.links import is_link
from ezdms.commands.client.printing import as_argument, says, trust
from ezdms.protocol import envelope


async def find_contact(client: Client, name: str) -> Contact:
    """The contact of a username, conversation id, Search PIN or link. Text in the form of a PIN or link is never a
    name: anyone can choose someone's PIN as their username. If several have the name, takes the verified one, else
    asks, or says how to be exact. Raises ClientError, or crypto.Alarm if the server's list leaves the contact out."""
    contacts = await client.contacts()
    _warn_of_missing(contacts)
    if is_link(name) or envelope.looks_like_search_pin(name):
        return await _start(client, name)
    found = [contact for contact in contacts if contact.conversation_id == name]
    if not found:
        named = [contact for contact in contacts if contact.name and contact.name == name]
        found = [contact for contact in named if contact.is_verified] or named
        if len(found) == 1 < len(named):
            says(f"Others are also called {name}. This is the one you verified.", err=True)
    if not found:
        raise ClientError(f"You have no contact called {name}. Start a conversation with `ezdms add SEARCH_PIN`.")
    contact = found[0] if len(found) == 1 else _choose(name, found)
    if contact.is_missing:
        raise crypto.Alarm(contact.alarms[0])
    return contact


def warn_of_trust(contact: Contact) -> None:
    """Warn if the contact is not verified."""
    if not contact.is_verified:
        says(f"{trust(contact)}. To verify: `ezdms verify-contact {as_argument(contact.conversation_id)}`.", err=True)


def _warn_of_missing(contacts: list[Contact]) -> None:
    for contact in contacts:
        if contact.is_missing:
            says(f"Warning: {contact.alarms[0]}", err=True)


async def _start(client: Client, name: str) -> Contact:
    try:
        return await client.start(name)
    except crypto.PinError as error:
        raise ClientError(f"{error} If a contact is called {name}, use the conversation id instead.") from error


def _choose(name: str, found: list[Contact]) -> Contact:
    lines = [f"{i}  {one.name}  {trust(one)}  {one.conversation_id}" for i, one in enumerate(found, 1)]
    if not sys.stdin.isatty():
        raise ClientError("\n".join([f"Several contacts are called {name}. Use the conversation id instead:", *lines]))
    says("\n".join(lines), err=True)
    number = click.prompt("Which one", type=click.IntRange(1, len(found)), err=True)
    return found[number - 1]
