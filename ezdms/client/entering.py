"""Creating an account, logging in and out, opening and closing a client."""

from __future__ import annotations

import asyncio
import os
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from typing import Self

from ezdms import crypto
from ezdms.client import account as accounts
from ezdms.client.account import Door
from ezdms.client.contacts import Contact
from ezdms.client.conversations import Conversations
from ezdms.client.credentials import find_pin, keep_pin
from ezdms.client.errors import ClientError, NoAccount, SessionEnded, WrongPin
from ezdms.client.listening import Listener
from ezdms.client.meeting import Meeting
from ezdms.client.sending import Outbox
from ezdms.client.servers import Servers
from ezdms.client.signals import Signals
from ezdms.client.state import State, home_folder
from ezdms.client.transport import PATIENCE, Transport
from ezdms.client.waiting import Waiting
from ezdms.client.witness import Witness

CLOSE_WITHIN = 2.0  # seconds to store the vault
LEFT = "{count} of your messages to them {waits} and {are} not sent. {error} Show or discard them with `ezdms outbox`."


class Entered:
    """An account with its keys. Use it in `async with`, or call `close`."""

    def __init__(self, state: State, transport: Transport, keys: crypto.Keys) -> None:
        self.state = state
        self.keys = keys
        self._transport = transport
        self._conversations = Conversations(state, transport, keys)
        alarms, hearing = self._conversations.alarms, self._conversations.hearing
        self._outbox = Outbox(state, transport, keys, alarms, hearing, self._conversations.earlier)
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._witness = Witness(state, transport.server, self._conversations.vault)
        self._signals = Signals(self._conversations, transport, keys)
        self._listener = Listener(self._conversations, self._witness, self._signals, self._retry)
        self._meeting = Meeting(self._conversations, transport)
        # By conversation: the message being delivered, and the answers given when it was delivered before.
        self._earlier: dict[str, tuple[str, list[str]]] = {}

    # ---- Logging in and out ----

    @classmethod
    async def enter(cls, username: str, *, server: str | None = None, home: Path | str | None = None) -> Self:
        """Open the saved account of this name, or create one, for programs. The default server is EZDMS_SERVER; the PIN
        is in EZDMS_PIN_FILE (written if account and file are new) or EZDMS_PIN. Raises ClientError."""
        address = (server or os.environ.get("EZDMS_SERVER") or accounts.OWN_SERVER).rstrip("/")
        try:
            state = State.find(home_folder(home), address, username)
        except NoAccount:
            return await cls.register(address, username, find_pin() or keep_pin(crypto.new_login_pin()), home=home)
        pin = find_pin()
        if pin is None:
            raise WrongPin("No Login PIN given. Set EZDMS_PIN_FILE or EZDMS_PIN.")
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
    ) -> Self:
        """Create an account with this Login PIN (crypto.new_login_pin). Raises WrongPin, ServerError, BadAnswer,
        Unreachable, or OtherServer unless `trust`: the user knows why the server changed.

        `invitation`: the link, or the token in it, for an invite-only server.
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
        code: str = "",
        challenge: str = "",
        home: Path | str | None = None,
        patience: float = PATIENCE,
        trust: bool = False,
    ) -> Self:
        """Log in to an existing account. Raises like `register`; crypto.Refused if the keys cannot be decrypted,
        crypto.Alarm if the account is not the one known here; CodeNeeded if it has two-step login and there is no
        `code`, WrongCode if that is not accepted.

        `code`: from the user's app, or a recovery code. `challenge`: of CodeNeeded, instead of proving the PIN again.
        """
        pin, folder = accounts.normalise(pin), home_folder(home)
        transport = Transport(server, patience=patience)
        async with transport.closed_on_failure():
            account = await Door(transport, Servers(folder), trust=trust).log_in(pin, code, challenge)
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
    async def open(
        cls,
        state: State,
        pin: str,
        *,
        code: str = "",
        challenge: str = "",
        trust: bool = False,
        sends: bool = True,
    ) -> Self:
        """Open a saved account. Logs in again if the session has ended. Raises like `login`.

        `code`, `challenge`: as for `login`, needed only then. `sends`: send queued messages of an earlier run at once.
        """
        pin = accounts.normalise(pin)
        keys = await accounts.unlock_saved(pin, state)
        transport = Transport(state.values["server"], state.values["token"])
        client = cls(state, transport, keys)
        async with transport.closed_on_failure():
            try:
                await client._conversations.sync()
            except SessionEnded:
                door = Door(transport, Servers(state.path.parent), trust=trust)
                account = await door.log_in(pin, code, challenge)
                accounts.refuse_another(state.values, account)
                with state.change() as values:
                    values["token"] = account.token
                    values["search_salt"] = account.search_salt or values.get("search_salt", "")
                transport.token = account.token
                await client._conversations.sync()
            if sends:
                await client._flush_what_was_left()
            return client

    async def confirm_pin(self, pin: str) -> None:
        """Raises WrongPin unless this is the account's Login PIN."""
        await accounts.unlock_saved(accounts.normalise(pin), self.state)

    async def close(self) -> None:
        """Close the connections. The session stays valid."""
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_WITHIN):
                    await self._conversations.vault.push_what_is_new()
                    await self._witness.look(accounts.now())
        finally:
            await self._transport.close()

    async def logout(self) -> None:
        """Log out and remove the account from this machine."""
        with suppress(SessionEnded):
            await self._transport.post("/logout", again=True)
        self.state.forget()
        await self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *failure: object) -> None:
        await self.close()

    # ---- Identity ----

    @property
    def server(self) -> str:
        """The server's address."""
        return self._transport.server

    @property
    def username(self) -> str:
        """The user's own name."""
        return str(self.state.values["username"])

    @property
    def user_id(self) -> str:
        """The user's id on this server."""
        return str(self.state.values["user_id"])

    @property
    def search_pin(self) -> str:
        """The user's own Search PIN, computed from their key, not taken from the server. "" until the next login if the
        file is from an older version that did not save the salt."""
        return accounts.search_pin_of(self.state.values)

    # ---- Queued messages ----

    async def _flush_what_was_left(self) -> None:
        """Send queued messages of an earlier run. Those blocked by an alarm or refused by the server stay queued; every
        run logs a warning until they are sent or discarded."""
        with suppress(ClientError, crypto.ProtocolError):  # tried again the next time
            await self._conversations.send_marks()
        for where in dict.fromkeys(item["conversation_id"] for item in self.state.values["outbox"]):
            try:
                await self.flush(where)
            except (ClientError, crypto.ProtocolError) as error:
                count = len(self._outbox.ids(where))
                words = {"waits": "waits", "are": "is"} if count == 1 else {"waits": "wait", "are": "are"}
                self._listener.report(where, LEFT.format(count=count, error=error, **words))

    def waiting(self, where: str | None = None) -> list[Waiting]:
        """The queued messages of all conversations or one, oldest first."""
        return [one for one in self._outbox.waiting() if where in (None, one.conversation_id)]

    async def discard(self, message: Waiting) -> None:
        """Discard a queued message. It may have been sent already: a response can get lost."""
        where = message.conversation_id
        async with self._locks[where]:
            contact = None
            with suppress(ClientError, crypto.ProtocolError):
                contact = await self._conversations.roster.find(where)
            self._outbox.discard(message.message_id, contact)

    async def send_again(self, message: Waiting) -> None:
        """Send a queued message as a new one, with the time of now. It may have been sent before (`is_stale`); then it
        is there twice. Raises like `flush`."""
        where = message.conversation_id
        person = await self._conversations.roster.find(where)
        async with self._locks[where]:
            self._conversations.refuse_alarms(person)
            self._outbox.renew(message.message_id, person)
            await self._outbox.flush(person)

    async def _retry(self, where: str) -> None:
        """Something happened in a conversation: if messages wait because they had not accepted it, try again."""
        if where in self._outbox.unaccepted:
            with suppress(ClientError, crypto.ProtocolError):
                await self.flush(where)

    async def flush(self, contact: Contact | str) -> None:
        """Send the queued messages of a conversation. `open` does this for those of an earlier run."""
        where = conversation_of(contact)
        person = await self._conversations.roster.find(where)
        async with self._locks[where]:
            self._conversations.refuse_alarms(person)
            await self._outbox.flush(person)


def conversation_of(contact: Contact | str) -> str:
    """The conversation id of a contact, or the given id."""
    return contact if isinstance(contact, str) else contact.conversation_id
