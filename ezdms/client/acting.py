"""What can be done to a message: reply, edit, delete, react, remove from one's own sight; and the timer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import get_args

from ezdms import crypto
from ezdms.client import carrying, changes
from ezdms.client.account import now
from ezdms.client.changes import Shown, refusal
from ezdms.client.contacts import Contact
from ezdms.client.drafts import Draft
from ezdms.client.entering import Entered, conversation_of
from ezdms.client.errors import ClientError, NoFile, ServerError
from ezdms.client.message import Message
from ezdms.client.naming import sent_name, type_of
from ezdms.client.sending import OldServer
from ezdms.client.state import State
from ezdms.client.transport import Transport

NO_FILE = "This message has no file."
NO_FILE_THERE = "The server does not have this file any more."
NOT_LOADED = "This message has not been loaded from the server."


class Acting(Entered):
    """Sends texts, and what changes messages. What cannot be done is refused before anything is sent."""

    def __init__(self, state: State, transport: Transport, keys: crypto.Keys) -> None:
        super().__init__(state, transport, keys)
        self._conversations.actions = self

    async def send(self, contact: Contact | str, text: str) -> str:
        """Send a text to a contact or conversation id. Returns the message's id once the server has it. If a timer is
        in force, the text disappears.

        It is sent exactly once, even if responses, connections or this process are lost. Raises crypto.Refused for an
        invalid text, crypto.Alarm while there is an alarm, ServerError or Unreachable. If it is in `waiting` then, it
        stays queued and is sent before the next one.
        """
        return await self._send_text(conversation_of(contact), text)

    async def send_file(self, contact: Contact | str, path: Path | str) -> str:
        """Send a file. Returns the message's id once the server has it. If a timer is in force, it disappears.

        Its encrypted bytes are kept until then: if this fails later, it is in `waiting`, stays queued, and the upload
        continues where it was. Raises like `send`; ClientError for what is no file, empty, or too large; OSError.
        """
        where, path = conversation_of(contact), Path(path)
        person = await self._conversations.roster.find(where)
        self._conversations.refuse_alarms(person)
        largest = carrying.largest_file(await self._transport.get("/deployment"))
        uploads = self.state.uploads
        uploads.sweep({item["upload"] for item in self.state.values["outbox"] if "upload" in item})
        sealed = await asyncio.to_thread(uploads.seal, path, largest)
        try:
            name = sent_name(path.name)
            file_id = await carrying.begin(self._transport, where, uploads.size(sealed.kept))
            text = crypto.describe_file(
                id=file_id, key=sealed.key, size=sealed.size, hash=sealed.hash, name=name, type=type_of(name)
            )
            await self._meeting.answer(where)
            draft = Draft(text, now(), "file", None, await self.timer(where), sealed.kept)
            return await self._send_draft(where, draft)
        finally:
            if not any(item.get("upload") == sealed.kept for item in self.state.values["outbox"]):
                uploads.remove(sealed.kept)

    async def save(self, message: Message, to: Path | str) -> Path:
        """See Message.save."""
        if message.file is None:
            raise NoFile(NO_FILE)
        try:
            return await carrying.save(self._transport, message.file, Path(to))
        except ServerError as error:
            if error.code == "no_file":
                raise NoFile(NO_FILE_THERE) from error
            raise

    async def reply(self, message: Message, text: str) -> str:
        """See Message.reply, like the next four."""
        _refuse("reply", message)
        return await self._send_text(message.conversation_id, text, (message.message_id, message.hash))

    async def edit(self, message: Message, text: str) -> str:
        """Replace the text of one's own message."""
        text = crypto.clean_text(text)
        crypto.check_text(text)
        about = (message.message_id, message.hash)
        return await self._change("edit", message, lambda shown: Draft(text, now(), "edit", about, shown.lifetime))

    async def delete(self, message: Message) -> str:
        """Delete one's own message, for both."""
        text = f"{message.message_id} {message.hash}"
        return await self._change("delete", message, lambda _: Draft(text, now(), "delete"))

    async def react(self, message: Message, emoji: str) -> str:
        """React with one emoji; "" withdraws it."""
        _refuse("react", message)
        about = (message.message_id, message.hash)
        return await self._send_draft(message.conversation_id, Draft(emoji, now(), "react", about, message.lifetime))

    async def hide(self, message: Message) -> None:
        """Remove a message from one's own sight alone."""
        await self._conversations.hide(message)

    async def set_timer(self, contact: Contact | str, seconds: int) -> str:
        """From now on, messages of both disappear this many seconds after they are sent: 5 to 31536000, or 0 for never.
        Raises like `send`."""
        return await self._send_draft(conversation_of(contact), Draft(str(seconds), now(), "timer"))

    async def timer(self, contact: Contact | str) -> int:
        """The timer in force, in seconds; 0 if there is none."""
        where = conversation_of(contact)
        await self._conversations.look_for_timer(await self._conversations.roster.find(where))
        queued = self._outbox.timer(where)
        return self._conversations.timer(where) if queued is None else queued

    @property
    def has_receipts(self) -> bool:
        """Whether the user turned receipts on, here or on another device. Without it, none are sent or shown."""
        return self._conversations.vault.setting("receipts")

    @property
    def has_typing(self) -> bool:
        """The same for typing."""
        return self._conversations.vault.setting("typing")

    async def set_receipts(self, is_on: bool) -> None:
        """Turn receipts on or off, for all devices."""
        await self._conversations.vault.change_settings(now(), receipts=is_on)

    async def set_typing(self, is_on: bool) -> None:
        """Turn typing on or off, for all devices."""
        await self._conversations.vault.change_settings(now(), typing=is_on)

    async def mark_read(self, contact: Contact | str) -> None:
        """Tell a contact that the user has read everything that was delivered. Does nothing while receipts are off."""
        await self._signals.tell(conversation_of(contact), "read")

    async def typing(self, contact: Contact | str) -> None:
        """Tell a contact that the user is typing, at most every 3 seconds. Does nothing while typing is off."""
        await self._signals.typing(conversation_of(contact))

    async def _change(self, kind: str, message: Message, write: Callable[[Message], Draft]) -> str:
        """Send an edit or deletion, after loading everything from the message on."""
        _refuse(kind, message)
        where = message.conversation_id
        async with self._locks[where]:
            thread, entry = await self._conversations.around(where, message.message_id, "own")
            shown = thread.message(entry, await self._conversations.proofs(where, thread))
            if shown is None or entry.fact.hash != message.hash:
                raise ClientError(NOT_LOADED)
            _refuse(kind, shown)
            earlier = await self._conversations.changes_in(thread, (message.message_id, message.hash))
            return await self._send_locked(where, write(shown), earlier=earlier)

    async def _send_text(
        self, where: str, text: str, reference: tuple[str, str] | None = None, answered: str | None = None
    ) -> str:
        text = crypto.clean_text(text)
        crypto.check_text(text)
        await self._meeting.answer(where)
        draft = Draft(text, now(), "text", reference, await self.timer(where))
        return await self._send_draft(where, draft, answered=answered)

    async def _send_draft(self, where: str, draft: Draft, *, answered: str | None = None) -> str:
        async with self._locks[where]:
            return await self._send_locked(where, draft, answered=answered)

    async def _send_locked(
        self, where: str, draft: Draft, *, earlier: list[str] | None = None, answered: str | None = None
    ) -> str:
        person = await self._conversations.roster.find(where)
        self._conversations.refuse_alarms(person)
        await self._meeting.answer(where)
        await self._conversations.roster.pin(where)
        message_id = self._outbox.add(person, draft, earlier=earlier, answered=answered)
        try:
            await self._outbox.flush(person)
        except OldServer:
            if self._outbox.ids(where) == [message_id]:  # nothing is queued before it, and it would wait for ever
                self._outbox.discard(message_id, person)
            raise
        return message_id


def _refuse(kind: str, message: Message) -> None:
    """Raises ClientError, with a sentence for people, if this cannot be done to a message."""
    state = next((state for state in get_args(changes.State) if state == message.state), None)
    shown = None if state is None or message.alarm else Shown(state)
    sentence = refusal(kind, shown, is_own=message.is_own, created_at=message.created_at, now=now())
    if sentence:
        raise ClientError(sentence)
