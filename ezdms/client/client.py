"""The client: one account at one server. Everything is sealed, opened and checked here; the server only carries it."""

from __future__ import annotations

import asyncio
import os
from collections import defaultdict
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from pathlib import Path

from ezdms import crypto
from ezdms.client import account as accounts
from ezdms.client import answers, links
from ezdms.client.account import Door
from ezdms.client.contacts import Contact
from ezdms.client.conversations import Conversations
from ezdms.client.credentials import find_pin, keep_pin
from ezdms.client.errors import ClientError, NoAccount, SessionEnded, WrongPin
from ezdms.client.listening import Listener
from ezdms.client.live import Bell
from ezdms.client.receiving import Message
from ezdms.client.sending import Outbox
from ezdms.client.servers import Servers
from ezdms.client.state import State, home_folder
from ezdms.client.transport import PATIENCE, Transport
from ezdms.encoding import b64u_decode

CLOSE_WITHIN = 2.0  # seconds for what the vault lacks


class Client:
    """Made by `enter`, `register`, `login` or `open`; used in `async with`, or closed with `close`."""

    def __init__(self, state: State, transport: Transport, keys: crypto.Keys) -> None:
        self.state = state
        self.keys = keys
        self._transport = transport
        self._conversations = Conversations(state, transport, keys)
        self._outbox = Outbox(state, transport, keys)
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._listener = Listener(self._conversations)

    # ---- Coming and going ----

    @classmethod
    async def enter(cls, username: str, *, server: str | None = None, home: Path | str | None = None) -> Client:
        """The saved account of this name, else a new one, for programs. The server is EZDMS_SERVER unless given; the
        PIN is in EZDMS_PIN_FILE (written if account and file are new) or EZDMS_PIN. Raises ClientError."""
        address = (server or os.environ.get("EZDMS_SERVER") or accounts.OWN_SERVER).rstrip("/")
        try:
            state = State.find(home_folder(home), address, username)
        except NoAccount:
            return await cls.register(address, username, find_pin() or keep_pin(crypto.new_login_pin()), home=home)
        pin = find_pin()
        if pin is None:
            raise WrongPin("The Login PIN is needed: set EZDMS_PIN_FILE or EZDMS_PIN.")
        return await cls.open(state, pin)

    @classmethod
    async def register(
        cls,
        server: str,
        username: str,
        pin: str,
        *,
        invitation: str = "",
        home: Path | str | None = None,
        patience: float = PATIENCE,
        trust: bool = False,
    ) -> Client:
        """A new account with this Login PIN (crypto.new_login_pin). Raises WrongPin, ServerError, BadAnswer,
        Unreachable, or OtherServer unless `trust`: a person knows why the server is another than it was.

        `invitation`: the link, or the token in it, of a server that is by invitation.
        """
        pin, folder = accounts.normalise(pin), home_folder(home)
        transport = Transport(server, patience=patience)
        async with transport.closed_on_failure():
            door = Door(transport, Servers(folder), trust=trust)
            keys, values = await door.register(username, pin, invitation)
            transport.token = values["token"]
            return cls(State.create(folder, {"server": transport.server, **values}), transport, keys)

    @classmethod
    async def login(
        cls,
        server: str,
        pin: str,
        *,
        home: Path | str | None = None,
        patience: float = PATIENCE,
        trust: bool = False,
    ) -> Client:
        """An account that exists. Raises as `register` does, crypto.Refused for keys that do not open, crypto.Alarm
        for an account that is another than the one known here."""
        pin, folder = accounts.normalise(pin), home_folder(home)
        transport = Transport(server, patience=patience)
        async with transport.closed_on_failure():
            account = await Door(transport, Servers(folder), trust=trust).log_in(pin)
            keys = await accounts.unlock(pin, account)
            known = State.of_identity(folder, transport.server, account.statement)
            if known is not None:
                accounts.refuse_another(known.values, account)
            transport.token = account.token
            values = {"server": transport.server, **accounts.values_of(account)}
            client = cls(State.create(folder, values), transport, keys)
            await client._conversations.skip_what_was_read()
            await client._flush_what_was_left()
            return client

    @classmethod
    async def open(cls, state: State, pin: str, *, trust: bool = False) -> Client:
        """An account saved here. A session that has ended is begun anew. Raises as `login` does."""
        pin = accounts.normalise(pin)
        keys = await accounts.unlock_saved(pin, state)
        transport = Transport(state.values["server"], state.values["token"])
        client = cls(state, transport, keys)
        async with transport.closed_on_failure():
            try:
                await client._conversations.sync()
            except SessionEnded:
                account = await Door(transport, Servers(state.path.parent), trust=trust).log_in(pin)
                accounts.refuse_another(state.values, account)
                with state.change() as values:
                    values["token"] = account.token
                    values["search_salt"] = account.search_salt or values.get("search_salt", "")
                transport.token = account.token
                await client._conversations.sync()
            await client._flush_what_was_left()
            return client

    async def _flush_what_was_left(self) -> None:
        """What an earlier run could not send. It waits on where an alarm stands, or the server refuses it."""
        for where in dict.fromkeys(item["conversation_id"] for item in self.state.values["outbox"]):
            with suppress(ClientError, crypto.ProtocolError):
                await self.flush(where)

    async def confirm_pin(self, pin: str) -> None:
        """Raises WrongPin unless this is the account's Login PIN."""
        await accounts.unlock_saved(accounts.normalise(pin), self.state)

    async def close(self) -> None:
        """Give the connections back; the session lives on."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._conversations.vault.push_what_is_new(), CLOSE_WITHIN)
        await self._transport.close()

    async def logout(self) -> None:
        """End the session and forget the account here."""
        with suppress(SessionEnded):
            await self._transport.post("/logout", again=True)
        self.state.forget()
        await self.close()

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *failure: object) -> None:
        await self.close()

    # ---- Who ----

    @property
    def server(self) -> str:
        """The server's address."""
        return self._transport.server

    @property
    def username(self) -> str:
        """One's own name."""
        return str(self.state.values["username"])

    @property
    def user_id(self) -> str:
        """One's own id at this server."""
        return str(self.state.values["user_id"])

    @property
    def search_pin(self) -> str:
        """One's own Search PIN, to be given to others: it is made of one's own key here, not taken from the server. ""
        if the file is of an older version that did not keep what it is made of, until the next login."""
        return accounts.search_pin_of(self.state.values)

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
        await self._conversations.vault.verify(contact.conversation_id, "search-pin")
        await self.contacts()

    def safety_number(self, contact: Contact) -> str:
        """60 digits that are the same on both sides."""
        return crypto.safety_number(self.keys.fp, crypto.fingerprint(contact.ik))

    async def confirm_safety_number(self, contact: Contact) -> None:
        """The person compared it, and it was the same."""
        await self._conversations.vault.verify(contact.conversation_id, "safety-number")
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
        is no message, crypto.Alarm while an alarm stands, ServerError or Unreachable.
        """
        text = crypto.clean_text(text)
        crypto.check_text(text)
        where = _where(contact)
        person = await self._conversations.roster.find(where)
        async with self._locks[where]:
            self._conversations.refuse_alarms(person)
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

    async def flush(self, contact: Contact | str) -> None:
        """Send what waits in a conversation. `open` does it for what an earlier run left behind."""
        where = _where(contact)
        person = await self._conversations.roster.find(where)
        async with self._locks[where]:
            self._conversations.refuse_alarms(person)
            await self._outbox.flush(person)

    async def history(self, contact: Contact | str, *, limit: int = 50, before: int | None = None) -> list[Message]:
        """A page of messages, oldest first: the newest, or those before a seq. `limit` is at most 200."""
        return await self._conversations.page(_where(contact), limit, before)

    async def history_after(self, contact: Contact | str, seq: int, limit: int) -> list[Message]:
        """Up to `limit` messages after a seq, of which there may be any number: oldest first, and one chain."""
        return await self._conversations.since(_where(contact), seq, limit)

    async def sealed(self, contact: Contact | str, seq: int, limit: int) -> list[answers.Row]:
        """Up to `limit` rows after a seq as the server shows them (docs/http.md), neither opened nor checked."""
        return [row async for row in self._conversations.rows_after(_where(contact), seq, limit)]

    async def messages(self) -> AsyncGenerator[Message, None]:
        """Every message that comes, from where this client stopped the last time, one's own from elsewhere included.

        Reconnects by itself and catches up; nothing is skipped or repeated while it runs. What cannot be true stops one
        conversation and no other: it is logged as a warning. Raises SessionEnded.
        """
        async with Bell(self._transport) as bell, aclosing(self._listener.messages(bell)) as messages:
            async for message in messages:
                yield message


def _where(contact: Contact | str) -> str:
    return contact if isinstance(contact, str) else contact.conversation_id
