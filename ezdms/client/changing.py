"""What is needed to change messages: their target with everything after it, the timer in force, and marks."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from ezdms import crypto
from ezdms.client.changes import earlier_changes
from ezdms.client.contacts import Contact, state_of
from ezdms.client.errors import ClientError, ServerError
from ezdms.client.history import FEWEST, MOST_PAGES, PAGE, History
from ezdms.client.judging import Judge
from ezdms.client.message import Message
from ezdms.client.remembered import MOST_HIDDEN, read_hidden
from ezdms.client.thread import Entry, Thread

REFUSED = (404, 422)  # a mark that the server does not take; this client keeps it all the same
NOT_THERE = "The server does not show this message."
LONGEST_LOOK = 5.0  # seconds to look for a timer


class Changing(History):
    """What is needed to change the messages of one account."""

    async def around(self, where: str, message_id: str, side: str) -> tuple[Thread, Entry]:
        """Everything from a message on. Raises ClientError if the server does not show it."""
        thread = await self.newest(where, FEWEST)
        for _ in range(MOST_PAGES):
            found = thread.of_id(side, message_id)
            if found is not None:
                return thread, found
            if not await self.load_older(thread):
                break
        raise ClientError(NOT_THERE)

    async def earlier(self, where: str, target: tuple[str, str]) -> list[str]:
        """The hashes of the changes of one's own message that are on the server."""
        thread, _ = await self.around(where, target[0], "own")
        return await self.changes_in(thread, target)

    async def changes_in(self, thread: Thread, target: tuple[str, str]) -> list[str]:
        """The same, of a thread that has everything from the message on."""
        proofs = await self.proofs(thread.where, thread)
        return earlier_changes([entry.proven(proofs) for entry in thread.entries], "own", target)

    async def look_for_timer(self, person: Contact) -> None:
        """Look at rows that this client has not seen yet, if there are any, so that a timer set in them counts. Marks
        nothing as read."""
        where, place = person.conversation_id, self._state.place(person.conversation_id)
        looked = max(place.get("looked", 0), place.get("seq", 0))
        if person.last_seq <= looked or self.roster.known(where) is None:
            return
        with suppress(ClientError, TimeoutError):  # then the timer that is known counts: what is sent must be queued
            async with asyncio.timeout(LONGEST_LOOK):
                rows = await self.rows(where, min(PAGE, person.last_seq - looked), peek=1)
            entries = self._judge_all(person, rows, Judge.of_page(where, self._known(where)), quietly=True)
            await self._learn(where, entries)
            self._state.note(where, looked=person.last_seq)

    def timer(self, where: str) -> int:
        """The timer in force: seconds after which texts disappear, or 0."""
        if state_of(self.vault.contact(where)) == "request":
            return 0
        return int(self._state.place(where).get("timer", [0, 0])[1])

    async def hide(self, message: Message) -> None:
        """Remove a message from the user's own sight, here and in the vault first, so that nothing brings it back; then
        at the server, or the next time that this client is opened."""
        where, message_id = message.conversation_id, message.message_id
        mark = crypto.sign_mark(self._keys, where, message_id, message.hash)
        with self._state.change() as values:
            place = values["places"].setdefault(where, {})
            place["hidden"] = list(dict.fromkeys([*place.get("hidden", []), message_id]))
            place["marks"] = place.get("marks", {}) | {message_id: mark}
        if self.vault.contact(where) is not None:  # a request is not in the vault
            known = read_hidden(self._known(where).get("hidden"))
            await self.vault.change(where, hidden=[*known, message_id][-MOST_HIDDEN:])
        await self.send_marks(where)

    async def send_marks(self, only: str | None = None) -> None:
        """Hand over the marks that the server does not have yet, of all conversations or one."""
        for where, place in dict(self._state.values["places"]).items():
            for message_id, mark in dict(place.get("marks", {})).items() if only in (None, where) else ():
                fields = {"conversation_id": where, "message_id": message_id, "mark": mark}
                try:
                    await self._transport.post("/hide_message", fields, again=True)
                except ServerError as error:
                    if error.status not in REFUSED:
                        raise
                with self._state.change() as values:
                    values["places"][where].get("marks", {}).pop(message_id, None)
