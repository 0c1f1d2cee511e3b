"""The client: one account at one server. Everything is sealed, opened and checked here; the server only carries it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from ezdms import crypto
from ezdms.client import account as accounts
from ezdms.client import answers, links
from ezdms.client.contacts import Contact
from ezdms.client.entering import Entered, conversation_of
from ezdms.client.errors import ClientError, SessionEnded
from ezdms.client.live import Bell
from ezdms.client.receiving import Message
from ezdms.protocol.encoding import b64u_decode


class Client(Entered):
    """Made by `enter`, `register`, `login` or `open`; used in `async with`, or closed with `close`."""

    # ---- With whom ----

    async def contacts(self) -> list[Contact]:
        """Everybody one talks with, the latest first, then those whom the server's list leaves out; each key is checked
        against what is known of it."""
        return await self._conversations.roster.all()

    async def start(self, search_pin: str) -> Contact:
        """Start, or find, the conversation with whom this Search PIN belongs to, who counts as verified by that. A link
        (…/#add=PIN) finds them too, and verifies nobody: anybody could have made it (see confirm_link).

        Raises crypto.PinError for a PIN that cannot be one, ServerError for one that nobody has, crypto.Alarm if the
        server answers with another's key.
        """
        is_link = links.is_link(search_pin)
        pin = crypto.normalise_search_pin(links.pin_in(search_pin, self.server) if is_link else search_pin)
        answer = await self._transport.post("/start_conversation", {"partner_search_pin": pin}, again=True)
        found = answers.read_found(answer)
        statement = crypto.verify_statement(found.statement)
        if not crypto.search_pin_commits(pin, statement.ik, b64u_decode(found.search_salt, 16)):
            raise crypto.Alarm("The server answered with a key that does not belong to this Search PIN. Do not go on.")
        where = found.conversation_id
        await self._conversations.vault.pin(where, found.statement)
        await self._conversations.vault.verify(where, "link" if is_link else "search-pin")
        if self.state.place(where).get("search_pin") != pin:
            self.state.note(where, search_pin=pin)  # it stays on this machine
        await self.contacts()
        return await self._conversations.roster.find(where)

    async def confirm_link(self, contact: Contact) -> None:
        """The person knows that the link by which this contact was added came from nobody else."""
        await self._conversations.verify(contact.conversation_id, "search-pin")
        await self.contacts()

    def safety_number(self, contact: Contact) -> str:
        """60 digits that are the same on both sides."""
        return crypto.safety_number(self.keys.fp, crypto.fingerprint(contact.ik))

    async def confirm_safety_number(self, contact: Contact) -> None:
        """The person compared it, and it was the same."""
        await self._conversations.verify(contact.conversation_id, "safety-number")
        await self.contacts()

    async def go_on(self, contact: Contact) -> None:
        """The person has seen the alarms of this conversation, and wants to go on all the same.

        Raises crypto.Alarm for a key that is another: after that one there is no way to go on.
        """
        await self._conversations.go_on(contact.conversation_id)

    # ---- What is said ----

    async def send(self, contact: Contact | str, text: str) -> str:
        """Send a text to a contact, or to a conversation by its id; returns the message's id once the server has it.

        It is sent once, whatever happens to answers, connections or this process. Raises crypto.Refused for a text that
        is no message, crypto.Alarm while an alarm stands, ServerError or Unreachable. If it is among `waiting` then, it
        is kept, and leaves before the next one.
        """
        text = crypto.clean_text(text)
        crypto.check_text(text)
        where = conversation_of(contact)
        person = await self._conversations.roster.find(where)
        async with self._locks[where]:
            self._conversations.refuse_alarms(person)
            await self._conversations.roster.pin(where)
            message_id = self._outbox.add(person, text, accounts.now())
            await self._outbox.flush(person)
        return message_id

    async def answer(self, message: Message, text: str) -> str | None:
        """Send a text to where a message came from, for programs that must go on whatever one person or the server
        does: if nothing can be sent there now, that is logged as a warning, and None is returned.

        Raises crypto.Refused for a text that is no message, SessionEnded.
        """
        crypto.check_text(crypto.clean_text(text))
        try:
            return await self.send(message.conversation_id, text)
        except SessionEnded:
            raise
        except (ClientError, crypto.ProtocolError) as error:
            self._listener.report(message.conversation_id, f"Not answered: {error}")
            return None

    async def history(self, contact: Contact | str, *, limit: int = 50, before: int | None = None) -> list[Message]:
        """A page of messages, oldest first: the newest, or those before a seq. `limit` is at most 200."""
        return await self._conversations.page(conversation_of(contact), limit, before)

    async def history_after(self, contact: Contact | str, seq: int, limit: int) -> list[Message]:
        """Up to `limit` messages after a seq, of which there may be any number: oldest first, and one chain."""
        return await self._conversations.since(conversation_of(contact), seq, limit)

    async def sealed(self, contact: Contact | str, seq: int, limit: int) -> list[answers.Row]:
        """Up to `limit` rows after a seq as the server shows them (docs/http.md), neither opened nor checked."""
        return [row async for row in self._conversations.rows_after(conversation_of(contact), seq, limit)]

    async def messages(self, of: Contact | str | None = None) -> AsyncGenerator[Message, None]:
        """Every message that comes, from where this client stopped the last time, one's own from elsewhere included;
        with `of` those of one conversation, and the others stay for the next time.

        Reconnects by itself and catches up; nothing is skipped or repeated while it runs. What cannot be true stops one
        conversation and no other: it is logged as a warning. Raises SessionEnded.
        """
        only = None if of is None else conversation_of(of)
        async with Bell(self._transport) as bell, aclosing(self._listener.messages(bell, only)) as messages:
            async for message in messages:
                yield message
