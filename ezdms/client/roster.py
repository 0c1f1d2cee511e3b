"""The list of contacts: compares those known here with the server's list."""

from __future__ import annotations

import itertools
import logging
from collections import Counter
from dataclasses import replace
from typing import Any

from ezdms import crypto
from ezdms.client import answers
from ezdms.client.alarms import ROLLED_BACK, Alarms
from ezdms.client.answers import Line
from ezdms.client.contacts import NEW, Contact, introduced, is_missed, preferences, state_of
from ezdms.client.errors import ClientError
from ezdms.client.state import State
from ezdms.client.transport import LARGEST_LIST, Transport
from ezdms.client.vault import Vault
from ezdms.protocol.encoding import b64u_decode

MISSING = "The server's list leaves out your contact {name}. You cannot message them until it lists them again."
log = logging.getLogger(__name__)


class Roster:
    """The contacts of one account. The server can leave contacts out, which is reported, but cannot choose their names.

    People on the server's list are kept only in memory. They are pinned and added to the vault once the user adds,
    accepts, blocks, verifies or messages them.
    """

    def __init__(self, state: State, transport: Transport, vault: Vault, alarms: Alarms) -> None:
        self._state = state
        self._transport = transport
        self._vault = vault
        self._alarms = alarms
        self._contacts: dict[str, Contact] = {}
        self._introduced: dict[str, dict[str, Any]] = {}  # not pinned yet
        self._statements: dict[str, str] = {}  # the newest from the server

    async def lines(self) -> list[Line]:
        """The server's list, without unreadable lines."""
        me = self._state.values["user_id"]
        lines, lost = answers.read_lines(await self._transport.get(f"/conversations/{me}", largest=LARGEST_LIST))
        if lost:
            log.warning("The server's list of conversations has %d unreadable line%s.", lost, "" if lost == 1 else "s")
        return lines

    async def all(self) -> list[Contact]:
        """Contacts on the server's list, latest conversation first, then those it leaves out. Checks every key against
        the known one."""
        known, passed = self._vault.contacts(), dict(self._state.values["places"])
        # Taken before the list is requested, so that changes in the meantime do not count as missing or rolled back.
        listed = {}
        for line in await self.lines():
            self._look_back(line, passed.get(line.conversation_id, {}))
            listed[line.conversation_id] = await self._meet(line)
        left_out = [where for where in known if where not in listed]
        missing = {
            where: self._miss(where)
            for where in left_out
            if is_missed(known[where], self._state.place(where).get("sent"))
        }
        self._contacts = _with_namesakes(listed | missing)
        for where in set(self._statements) - set(listed):  # otherwise an ever-changing list would fill the memory
            self._statements.pop(where)
            self._introduced.pop(where, None)
        return list(self._contacts.values())

    async def find(self, where: str) -> Contact:
        """The contact of a conversation. Raises ClientError if there is none."""
        if where not in self._contacts:
            await self.all()
        if where not in self._contacts:
            raise ClientError("There is no such conversation.")
        return self._contacts[where]

    def known(self, where: str) -> dict[str, Any] | None:
        """A contact from the vault, else from their statement; None if there is neither."""
        return self._vault.contact(where) or self._introduced.get(where)

    async def pin(self, where: str) -> None:
        """Save a contact that the user interacts with, and what this client has seen of them. Raises crypto.Refused or
        crypto.Alarm."""
        if self._vault.contact(where) is None and self._statements.get(where):
            await self._vault.pin(where, self._statements[where])
            seen = {side: [*link[:2]] for side, link in self._state.place(where).get("at", {}).items()}
            await self._vault.change(where, later=True, **seen)

    def statement(self, where: str) -> str:
        """The newest key statement of this contact from the server."""
        return self._statements[where]

    def start_over(self, where: str) -> None:
        """The user accepted that the server shows less than before: treat everything from now on as new."""
        contact = self._contacts.get(where)
        if contact is not None and not contact.is_missing:
            self._start_over(where, contact.last_seq)

    def _start_over(self, where: str, last_seq: int) -> None:
        place = self._state.place(where)
        if last_seq < place.get("seq", 0):
            at = {side: link for side, link in place.get("at", {}).items() if link[2] <= last_seq}
            timer = place.get("timer", [0, 0])
            self._state.note(
                where, seq=last_seq, seen=last_seq, looked=0, at=at, timer=timer if timer[0] <= last_seq else [0, 0]
            )

    def _look_back(self, line: Line, place: dict[str, Any]) -> None:
        """Begin an alarm if the list ends before a message that was verified here, unless the user accepted that on
        another client. If it only ends before an unverified one, move the position back. `place` is from before the
        list was requested."""
        where, seen = line.conversation_id, place.get("seen", 0)
        if line.last_seq < seen:
            gone = [link for link in place.get("at", {}).values() if link[2] > line.last_seq]
            names = [f"rollback {hash}" for _, hash, _ in gone]
            if all(seq != seen for _, _, seq in gone):
                names.append("rollback")
            for name in names:
                self._alarms.begin(where, name, ROLLED_BACK)
            is_accepted = not any(self._alarms.is_new(where, name) for name in names)
            if is_accepted and self._state.place(where).get("seen") == seen:
                self._start_over(where, line.last_seq)
        elif line.last_seq < place.get("seq", 0) == self._state.place(where).get("seq", 0):
            self._state.note(where, seq=line.last_seq)

    async def _meet(self, line: Line) -> Contact:
        where = line.conversation_id
        ik, spki, doubts = b"", b"", []
        self._statements[where] = line.statement
        self._introduced.pop(where, None)
        try:
            if line.statement:
                statement = self._vault.check(where, line.statement)
                ik, spki = statement.ik, statement.spki
                if self._vault.contact(where) is None:
                    self._introduced[where] = introduced(statement, crypto.pin_of(line.statement))
                else:
                    await self._vault.pin(where, line.statement)
                self._alarms.settle(where, "key")
                self._alarms.settle(where, "statement")
        except crypto.ProtocolError as error:
            if self._vault.contact(where) is None:
                doubts = [str(error)]  # nothing is stored about people the server made up
            else:
                self._alarms.begin(where, "statement" if self._is_same_key(line) else "key", str(error))
        known = self.known(where)
        if known is not None and not ik:
            ik = b64u_decode(known["ik"], 32)
        known = known or NEW
        return Contact(
            conversation_id=where,
            user_id=line.partner_id,
            name=known["name"],
            verified=known["verified"],
            has_left=not line.statement,
            last_seq=line.last_seq,
            unread=0 if state_of(self._vault.contact(where)) == "blocked" else line.unread,
            state=state_of(self._vault.contact(where)),
            found_by=line.found_by,
            pin_created_at=line.pin_created_at,
            **preferences(known),
            alarms=(*doubts, *self._alarms.of(where).values()),
            search_pin=self._state.place(where).get("search_pin", ""),
            ik=ik,
            spki=spki,
        )

    def _miss(self, where: str) -> Contact:
        known = self._vault.contact(where) or NEW
        return Contact(
            conversation_id=where,
            user_id="",
            name=known["name"],
            verified=known["verified"],
            has_left=False,
            last_seq=0,
            unread=0,
            state=state_of(self._vault.contact(where)),
            **preferences(known),
            alarms=(MISSING.format(name=known["name"]), *self._alarms.of(where).values()),
            search_pin=self._state.place(where).get("search_pin", ""),
            is_missing=True,
            ik=b64u_decode(known["ik"], 32),
        )

    def _is_same_key(self, line: Line) -> bool:
        known = self._vault.contact(line.conversation_id)
        try:
            return known is not None and crypto.pin_of(line.statement).ik == str(known["ik"])
        except crypto.Refused:
            return False


def _with_namesakes(contacts: dict[str, Contact]) -> dict[str, Contact]:
    """With the requests marked whose name is or looks like the name or nickname of another contact."""
    looks = {where: {_looks_of(one.name), _looks_of(one.nickname)} - {""} for where, one in contacts.items()}
    alike = Counter(itertools.chain.from_iterable(looks.values()))
    return {
        where: replace(one, has_namesake=True)
        if one.state == "request" and any(alike[look] > 1 for look in looks[where])
        else one
        for where, one in contacts.items()
    }


ALIKE = str.maketrans("i1|0-", "lllo_")


def _looks_of(name: str) -> str:
    """What looks alike in a name, however it is written; as in partner.js."""
    return name.lower().translate(ALIKE)
