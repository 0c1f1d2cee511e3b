"""Links for adding a contact: https://host/#add=SEARCH-PIN. They do not prove who made them."""

from __future__ import annotations

from urllib.parse import urlsplit

from ezdms.client.errors import ClientError
from ezdms.client.servers import address_of

MARK = "add="


def is_link(typed: str) -> bool:
    """True for a link, false for a possible PIN."""
    return typed.strip().startswith(("https://", "http://"))


def pin_in(link: str, server: str) -> str:
    """The Search PIN in a link to this server. Raises ClientError."""
    try:
        parts = urlsplit(link.strip())
        address = address_of(parts._replace(query="", fragment="").geturl())
    except ValueError as error:
        raise ClientError("This is not a link for adding a contact.") from error
    if not parts.fragment.startswith(MARK):
        raise ClientError("This is not a link for adding a contact: it must end in #add= and a Search PIN.")
    if address != address_of(server):
        raise ClientError(f"This link is for {address}, but you use {server}. If it is the same server, enter the PIN.")
    return parts.fragment.removeprefix(MARK)
