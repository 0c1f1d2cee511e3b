"""What the user makes of a contact: accept a request, block, mute, organize, delete the conversation.

It is kept in the vault, and only that counts here: what the server says of requests and blocks is not even read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ezdms.client.account import now
from ezdms.client.contacts import state_of
from ezdms.client.conversations import Conversations
from ezdms.client.errors import ClientError
from ezdms.client.message import Message
from ezdms.client.remembered import blocked_from, blocked_until, latest, next_at
from ezdms.client.transport import Transport

BLOCKED = "You blocked this person. Unblock them first."
UNKNOWN = "This device has never seen this person's key, so nothing can be kept about them."
WAITING = "Messages to them are waiting to be sent. Send or discard them first."
LONGEST_NICKNAME = 50  # characters
MOST_REPORTED = 20  # messages
LONGEST_REASON = 500  # characters
LATEST = 253_402_300_799_999  # ms: muted for good


class Meeting:
    """For the contacts of one account. `where`: a conversation id."""

    def __init__(self, conversations: Conversations, transport: Transport) -> None:
        self._conversations = conversations
        self._vault = conversations.vault
        self._transport = transport

    async def answer(self, where: str) -> None:
        """The user writes here, which accepts a request. Raises ClientError for somebody blocked, crypto.Alarm while
        there is an alarm."""
        known = self._vault.contact(where)
        if known is not None and state_of(known) == "blocked":
            raise ClientError(BLOCKED)
        if state_of(known) == "request":
            self._conversations.refuse_alarms(await self._conversations.roster.find(where))
            await self._meet(where, accepted=True)

    async def started(self, where: str) -> None:
        """The user started the conversation, so they accepted it. Stored with the next change."""
        known = self._vault.contact(where)
        if known is not None and state_of(known | {"verified": ""}) == "request":
            await self._meet(where, later=True, accepted=True)

    async def accept(self, where: str) -> None:
        """Accept a request, without a word."""
        if state_of(self._vault.contact(where)) == "request":
            await self._meet(where, accepted=True)
        await self._tell(where, "accept")

    async def block(self, where: str) -> None:
        """Block a contact: in the vault first, so that nothing of theirs is shown whatever the server does."""
        known = await self._known(where)
        await self._meet(where, blocked=True, blocks=blocked_from(known.get("blocks"), now()))
        await self._tell(where, "block")

    async def unblock(self, where: str) -> None:
        """End the block: at the server first, so that nothing is shown as sent meanwhile that was not."""
        until = now()
        await self._tell(where, "unblock")
        known = await self._known(where)
        if state_of(known) == "blocked":
            await self._meet(where, blocked=False, blocks=blocked_until(known.get("blocks"), until))

    async def mute(self, where: str, until: int) -> None:
        """No notifications about a conversation until this time (ms): on all devices, and by the server."""
        await self.organize(where, muted=until)
        await self._tell(where, "mute", until=until)

    async def organize(self, where: str, **changed: Any) -> None:
        """Change preferences (nick, muted, pinned, archived), for all devices."""
        known = await self._known(where)
        prefs = latest(known.get("prefs"), None) or {}
        await self._vault.change(where, prefs={**prefs, **changed, "at": next_at(prefs, now())})

    async def delete(self, where: str) -> None:
        """Delete a conversation: what is there now is shown nowhere any more, and is emptied at the server."""
        await self._conversations.clear(where)
        await self._tell(where, "delete")
        await self._conversations.roster.all()

    async def _known(self, where: str) -> dict[str, Any]:
        """The contact in the vault, where it is from now on. Raises ClientError."""
        known = self._vault.contact(where)
        if known is None:
            await self._conversations.roster.find(where)
            await self._conversations.roster.pin(where)
            known = self._vault.contact(where)
        if known is None:
            raise ClientError(UNKNOWN)
        return known

    async def _meet(self, where: str, *, later: bool = False, blocks: Any = None, **changed: bool) -> None:
        known = await self._known(where)
        met = latest(known.get("met"), None) or {"accepted": state_of(known) == "accepted", "blocked": False}
        more = {} if blocks is None else {"blocks": blocks}
        await self._vault.change(where, later=later, met={**met, **changed, "at": next_at(met, now())}, **more)

    async def _tell(self, where: str, what: str, **fields: int) -> None:
        await self._transport.post(f"/conversations/{where}/{what}", fields, again=True)


def check_nickname(name: str) -> str:
    """The private name, without blanks around it; "" for none. Raises ClientError."""
    name = name.strip()
    if len(name) > LONGEST_NICKNAME or not name.isprintable():
        raise ClientError(f"A nickname has at most {LONGEST_NICKNAME} characters, in one line.")
    return name


def originals_of(contact_id: str, messages: Sequence[Message]) -> list[dict[str, str]]:
    """What a report hands over of these messages: their signed originals. Raises ClientError."""
    found: dict[str, str] = {}
    for message in messages:
        if message.conversation_id != contact_id or message.is_own:
            raise ClientError("Only messages that one other person sent to you can be reported together.")
        if not message.originals:
            raise ClientError("This program has no signed original of a message, so it cannot be reported.")
        found.update(message.originals)
    if not 1 <= len(found) <= MOST_REPORTED:
        raise ClientError(f"A report has 1 to {MOST_REPORTED} messages. The edits of a text count, too.")
    return [{"message_id": message_id, "jws": jws} for message_id, jws in found.items()]
