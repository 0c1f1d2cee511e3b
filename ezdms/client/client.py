"""The client: one account on one server. Encrypts, decrypts and verifies everything; the server only transports it."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import aclosing
from dataclasses import replace

from ezdms import crypto
from ezdms.client import answers, links, searching
from ezdms.client.account import Door
from ezdms.client.acting import Acting
from ezdms.client.contacts import Contact
from ezdms.client.conversation import Conversation
from ezdms.client.entering import conversation_of
from ezdms.client.errors import ClientError, SessionEnded
from ezdms.client.live import Bell
from ezdms.client.loaded import Loaded
from ezdms.client.meeting import LATEST, LONGEST_REASON, WAITING, check_nickname, originals_of
from ezdms.client.message import Event, Message
from ezdms.client.servers import Servers
from ezdms.client.two_step import TwoStep
from ezdms.protocol.encoding import b64u_decode


class Client(Acting):
    """Create it with `enter`, `register`, `login` or `open`. Use it in `async with`, or call `close`."""

    @property
    def two_step(self) -> TwoStep:
        """Two-step login of this account: turn it on or off."""
        return TwoStep(Door(self._transport, Servers(self.state.path.parent)), self._transport, self.keys)

    # ---- Contacts ----

    async def contacts(self) -> list[Contact]:
        """All contacts, latest conversation first, then those missing from the server's list. Checks every key against
        the known one."""
        return await self._conversations.roster.all()

    async def start(self, search_pin: str) -> Contact:
        """Start or find the conversation with the owner of this Search PIN, which also verifies them. A link
        (…/#add=PIN) finds them too, but does not verify them: anyone could have made it (see confirm_link).

        Raises crypto.PinError for an invalid PIN, ServerError for one that nobody has, crypto.Alarm if the server
        answers with someone else's key.
        """
        is_link = links.is_link(search_pin)
        pin = crypto.normalise_search_pin(links.pin_in(search_pin, self.server) if is_link else search_pin)
        answer = await self._transport.post("/start_conversation", {"partner_search_pin": pin}, again=True)
        found = answers.read_found(answer)
        statement = crypto.verify_statement(found.statement)
        if not crypto.search_pin_commits(pin, statement.ik, b64u_decode(found.search_salt, 16)):
            raise crypto.Alarm(
                "The server answered with a key that does not belong to this Search PIN. Do not continue."
            )
        where = found.conversation_id
        await self._conversations.vault.pin(where, found.statement)
        await self._meeting.started(where)
        await self._conversations.vault.verify(where, "link" if is_link else "search-pin")
        if self.state.place(where).get("search_pin") != pin:
            self.state.note(where, search_pin=pin)  # stays on this machine
        await self.contacts()
        return await self._conversations.roster.find(where)

    async def accept(self, contact: Contact | str) -> None:
        """Accept a request. Answering it does the same."""
        await self._meeting.accept(conversation_of(contact))
        await self.contacts()

    async def block(self, contact: Contact | str) -> None:
        """Block a contact: nothing that they send from now on is shown or kept for the user. They are not told."""
        await self._meeting.block(conversation_of(contact))
        await self.contacts()

    async def unblock(self, contact: Contact | str) -> None:
        """End the block. What they sent meanwhile does not come back."""
        await self._meeting.unblock(conversation_of(contact))
        await self.contacts()

    async def delete_conversation(self, contact: Contact | str) -> None:
        """Delete the user's copies of everything in a conversation, and take it off their list until either writes
        again. Raises ClientError while messages to them are waiting."""
        where = conversation_of(contact)
        if self.waiting(where):
            raise ClientError(WAITING)
        await self._meeting.delete(where)

    async def mute(self, contact: Contact | str, until: int = LATEST) -> None:
        """No notifications about a conversation until this time (ms); 0: no longer muted."""
        await self._meeting.mute(conversation_of(contact), min(max(0, until), LATEST))
        await self.contacts()

    async def set_nickname(self, contact: Contact | str, name: str) -> None:
        """A private name for a contact, for the user alone; "" for none."""
        await self._meeting.organize(conversation_of(contact), nick=check_nickname(name))
        await self.contacts()

    async def set_pinned(self, contact: Contact | str, is_on: bool) -> None:
        """Keep a conversation at the top of the user's lists."""
        await self._meeting.organize(conversation_of(contact), pinned=is_on)
        await self.contacts()

    async def set_archived(self, contact: Contact | str, is_on: bool) -> None:
        """Archive a conversation. A new message brings it back, unless it is muted."""
        await self._meeting.organize(conversation_of(contact), archived=is_on)
        await self.contacts()

    async def report(self, messages: Sequence[Message], reason: str = "") -> None:
        """Hand the signed originals of these messages, all of one contact, over to whoever runs the server, who keeps
        them. `reason`: at most 500 characters. A message that was deleted meanwhile can still be reported.

        Raises ClientError for one's own, unverified or unreadable messages, and for more than 20.
        """
        if not messages or len(reason) > LONGEST_REASON:
            raise ClientError(
                f"A report has at least one message, and a reason of at most {LONGEST_REASON} characters."
            )
        where = messages[0].conversation_id
        originals = json.dumps(originals_of(where, messages))
        await self._transport.post("/report", {"conversation_id": where, "reason": reason, "messages": originals})

    async def confirm_link(self, contact: Contact) -> None:
        """Record that the user got the link from this contact themselves."""
        await self._verify(contact, "search-pin")
        await self.contacts()

    async def _verify(self, contact: Contact, reason: str) -> None:
        """Verifying someone who asked accepts their request."""
        if contact.state == "request":
            await self._meeting.accept(contact.conversation_id)
        await self._conversations.verify(contact.conversation_id, reason)

    async def conversation(self, contact: Contact | str) -> Conversation:
        """The conversation with a contact."""
        return Conversation(self, await self._conversations.roster.find(conversation_of(contact)))

    def safety_number(self, contact: Contact) -> str:
        """60 digits, the same for both people."""
        return crypto.safety_number(self.keys.fp, crypto.fingerprint(contact.ik))

    async def confirm_safety_number(self, contact: Contact) -> None:
        """Record that the user compared the safety number, and it matched."""
        await self._verify(contact, "safety-number")
        await self.contacts()

    async def deny_safety_number(self, contact: Contact) -> None:
        """Record that the user compared the safety number, and it differed: an alarm, on every device."""
        await self._conversations.roster.pin(contact.conversation_id)
        await self._conversations.alarms.numbers_differ(contact.conversation_id)
        await self.contacts()

    def alarms(self, contact: Contact | str) -> dict[str, str]:
        """The alarms because of which nothing is sent in this conversation: name → sentence."""
        return self._conversations.alarms.standing(conversation_of(contact))

    async def go_on(self, contact: Contact, seen: Collection[str] | None = None) -> None:
        """Continue after the alarms of this conversation, once the user has seen them: those with these names (see
        `alarms`), or all. Others stay.

        Raises crypto.Alarm for a different key, which cannot be accepted.
        """
        await self._conversations.go_on(contact.conversation_id, seen)

    # ---- Messages ----

    async def answer(self, message: Message, text: str) -> str | None:
        """Reply to the conversation that a message came from, for programs that must keep running: if sending fails,
        logs a warning and returns None.

        A message from `messages` is delivered again if the program died before it asked for the next one. Answers that
        it gave then are not sent twice: the same calls return their ids.

        Raises crypto.Refused for an invalid text, SessionEnded.
        """
        crypto.check_text(crypto.clean_text(text))
        where = message.conversation_id
        try:
            delivered, earlier = self._earlier.get(where, ("", []))
            if earlier and delivered == message.message_id:
                message_id = earlier.pop(0)
                await self.flush(where)
                return message_id
            return await self._send_text(where, text, answered=message.message_id)
        except SessionEnded:
            raise
        except (ClientError, crypto.ProtocolError) as error:
            self._listener.report(where, f"Not answered: {error}")
            return None

    async def history(self, contact: Contact | str, *, limit: int = 50, before: int | None = None) -> list[Message]:
        """A page of messages, oldest first: the newest, or those before a seq, with everything that changed them until
        now. `limit` is at most 200."""
        return await self._conversations.page(conversation_of(contact), limit, before)

    async def load(self, contact: Contact | str) -> Loaded:
        """The newest part of a conversation, to page back from."""
        return await Loaded.newest(self._conversations, conversation_of(contact))

    async def history_after(self, contact: Contact | str, seq: int, limit: int) -> list[Message]:
        """Up to `limit` messages after a seq, oldest first, as one chain, with everything that changed them until now.
        `limit` can be any size."""
        return await self._conversations.since(conversation_of(contact), seq, limit)

    async def search(
        self, words: str, *, of: Contact | str | None = None, from_: Contact | str = "", since: int = 0
    ) -> AsyncGenerator[Message, None]:
        """The messages that have all of these words, as they are now, conversation by conversation, newest first. Case,
        accents and width do not matter. Marks nothing as read.

        `words` may have "phrases", from:me, from:NAME, since:, until: and on: with a date. `of`: only in this
        conversation; otherwise in all that are accepted. `from_`: "me", or who wrote them. `since`: ms. Only what was
        verified is found, and nothing that was deleted or has disappeared. Raises ClientError for an empty search.
        """
        where = None if of is None else conversation_of(of)
        by = conversation_of(from_) if from_ else ""
        query = searching.read_query(words)
        query = replace(query, since=max(since, query.since), side=searching.side_of(by))
        if query.is_empty:
            raise ClientError(searching.NOTHING)
        if query.side == "theirs":
            if where not in (None, by):
                return
            where = by
        async with aclosing(searching.search(self._conversations, query, where)) as found:
            async for message in found:
                yield message

    async def sealed(self, contact: Contact | str, seq: int, limit: int) -> list[answers.Row]:
        """Up to `limit` rows after a seq as the server sends them (docs/http.md), not decrypted or verified."""
        return [row async for row in self._conversations.rows_after(conversation_of(contact), seq, limit)]

    async def events(self, of: Contact | str | None = None) -> AsyncGenerator[Event, None]:
        """Everything that happens, starting where this client last stopped: messages, including one's own from other
        devices, and what changes them later. With `of`, only in one conversation; the rest is left for next time.

        Reconnects and catches up automatically; skips and repeats nothing while it runs. A conversation with impossible
        data is stopped and logged as a warning; the others continue. Raises SessionEnded.
        """
        only = None if of is None else conversation_of(of)
        async with Bell(self._transport) as bell, aclosing(self._listener.events(bell, only)) as events:
            async for event in events:
                if event.kind == "message" and event.message is not None:
                    where, message_id = event.conversation_id, event.message.message_id
                    self._earlier[where] = (message_id, self._outbox.answers(where, message_id))
                yield event

    async def messages(self, of: Contact | str | None = None) -> AsyncGenerator[Message, None]:
        """Only the new messages among the `events`."""
        async with aclosing(self.events(of)) as events:
            async for event in events:
                if event.kind == "message" and event.message is not None:
                    yield event.message
