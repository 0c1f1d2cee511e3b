"""Sending: a message is encrypted and written to disk before it is sent, and removed once the server has it.

So it is neither lost nor sent twice, even if the process is killed: the server never stores an id twice, and answers a
repeated request like the first. Queued messages are encrypted. If another client of the same user takes a message's
number, it is decrypted with one's own key and encrypted again under the same id. It stays queued until the server has
it or the user discards it, whatever the server says.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from ezdms import crypto
from ezdms.client.alarms import ROLLED_BACK, Alarms
from ezdms.client.answers import Row, read_page, read_sent
from ezdms.client.contacts import Contact
from ezdms.client.errors import BadAnswer, ClientError, ServerError
from ezdms.client.judging import Link
from ezdms.client.receiving import open_row
from ezdms.client.state import State
from ezdms.client.transport import LARGEST_LIST, Transport
from ezdms.client.waiting import Waiting
from ezdms.protocol.encoding import b64u_decode

SENT = ("conversation_id", "message_id", "n", "hash", "suite", "content_for_a", "content_for_b")

CLAIMED = ("message_id", "n", "hash", "suite")
LARGEST_NEXT = 2**52  # rows above this number are ignored
MOST_AHEAD = 1000  # numbers above the last one; servers accept no more, and unverified ones are not trusted further
MOST_ANEW = 100  # times that other clients may take one message's number
PAGE = 200  # messages
MOST_PAGES = 100  # of a conversation, when searching for the last number used
NOT_SHOWN = "The server refers to one of your messages that it does not show."
TOO_FAR = "The server gave your next message an impossible number. Read the conversation first."


def _highest(*links: Sequence[Any] | None) -> Link:
    """The link with the highest n; (0, "") if there is none. The first of equal ones."""
    n, hash = max((link or (0, "") for link in links), key=lambda link: int(link[0]))
    return n, hash


class Outbox:
    """The queued messages of one account."""

    def __init__(
        self, state: State, transport: Transport, keys: crypto.Keys, alarms: Alarms, hearing: dict[str, Link]
    ) -> None:
        """`hearing`: by conversation, the message that is being delivered, which a message sent now has seen."""
        self._state = state
        self._transport = transport
        self._keys = keys
        self._alarms = alarms
        self._hearing = hearing

    def waiting(self) -> list[Waiting]:
        """All queued messages, oldest first."""
        return [self._show(item) for item in self._state.values.get("outbox", [])]

    def ids(self, where: str) -> list[str]:
        """The ids of a conversation's queued messages."""
        return [item["message_id"] for item in self._items(where)]

    def discard(self, message_id: str, contact: Contact | None) -> None:
        """Remove a message from the queue; the server may already have it. Later ones are renumbered, if there is still
        a `contact` to encrypt them for."""
        with self._state.change() as values:
            items = values["outbox"]
            gone = next((item for item in items if item["message_id"] == message_id), None)
            if gone is None:
                return
            items.remove(gone)
            if contact is None or not contact.spki:
                return
            last = self._last(values, contact)
            for index, item in enumerate(items):
                if item["conversation_id"] == gone["conversation_id"]:
                    if item["n"] > gone["n"]:
                        items[index] = self._seal_again(values, contact, last, item)
                    last = (items[index]["n"], items[index]["hash"])

    def add(self, contact: Contact, text: str, ts: int, answered: str | None = None) -> str:
        """Encrypt the next message and queue it, noting which message it answers. Returns its id. Raises ClientError
        for a deleted account."""
        if contact.has_left or not contact.spki:
            raise ClientError("This person deleted their account. You can no longer message them.")
        with self._state.change() as values:
            place = values["places"].setdefault(contact.conversation_id, {})
            place["heard"] = list(_highest(place.get("heard"), self._hearing.get(contact.conversation_id)))
            waiting = [item for item in values["outbox"] if item["conversation_id"] == contact.conversation_id]
            last = (waiting[-1]["n"], waiting[-1]["hash"]) if waiting else self._last(values, contact)
            item = self._seal(values, contact, last, text, ts)
            values["outbox"].append(item)
            if answered is not None:  # in the same write, so that no crash comes between the two
                earlier = self.answers(contact.conversation_id, answered)
                place["answered"] = [answered, [*earlier, item["message_id"]]]
        return str(item["message_id"])

    def answers(self, where: str, message_id: str) -> list[str]:
        """The ids of the answers given to this message, if it was the last one answered in its conversation."""
        last, ids = self._state.place(where).get("answered", ["", []])
        return list(ids) if last == message_id else []

    def _seal(
        self, values: dict[str, Any], contact: Contact, last: Link, text: str, ts: int, message_id: str | None = None
    ) -> dict[str, Any]:
        where = contact.conversation_id
        n, p = crypto.next_link(last)
        heard = values["places"].get(where, {}).get("heard")
        theirs = values["contacts"].get(where, {}).get("theirs")
        sealed = crypto.seal_message(
            self._keys,
            contact.ik,
            contact.spki,
            n=n,
            p=p,
            a=_highest(heard, theirs),
            ts=ts,
            text=text,
            message_id=None if message_id is None else b64u_decode(message_id, 16),
        )
        return {name: getattr(sealed, name, where) for name in SENT} | {"ts": ts}

    def _last(self, values: dict[str, Any], contact: Contact) -> Link:
        """The user's own last message: sent or verified by this client, or noted in the vault by another."""
        known = values["contacts"].get(contact.conversation_id, {}).get("own")
        sent = values["places"].get(contact.conversation_id, {}).get("sent")
        return _highest(known, sent)

    async def flush(self, contact: Contact) -> None:
        """Send the messages queued for this contact, in order. Raises ServerError, Unreachable, or crypto.Alarm if the
        server rolled back the user's last message; the rest stays queued."""
        next_n = 0
        for _ in range(MOST_ANEW):
            waiting = self._items(contact.conversation_id)
            try:
                for item in waiting:
                    await self._hand_over(item)
            except ServerError as error:
                if error.code != "counter" or error.next_n <= next_n:
                    raise
                next_n = error.next_n  # another client got ahead, again
                await self._seal_anew(contact, waiting, next_n)
            else:
                return
        raise BadAnswer("The server keeps asking for a different message number.")

    async def _hand_over(self, item: dict[str, Any]) -> None:
        sent = read_sent(await self._transport.post("/send_message", {name: item[name] for name in SENT}, again=True))
        if sent.message_id != item["message_id"]:
            raise BadAnswer("The server confirmed a different message than the one sent.")
        self._note_sent(item)

    def _note_sent(self, item: dict[str, Any]) -> None:
        with self._state.change() as values:
            values["outbox"] = [one for one in values["outbox"] if one["message_id"] != item["message_id"]]
            place = values["places"].setdefault(item["conversation_id"], {})
            if item["n"] > (place.get("sent") or [0])[0]:
                place["sent"] = [item["n"], item["hash"]]

    def _items(self, where: str) -> list[dict[str, Any]]:
        return [item for item in self._state.values.get("outbox", []) if item["conversation_id"] == where]

    def _show(self, item: dict[str, Any]) -> Waiting:
        where, text = item["conversation_id"], None
        known = self._state.values["contacts"].get(where)
        if known is not None:
            with suppress(crypto.Refused):
                text = self._open_own(b64u_decode(known["ik"], 32), item)
        return Waiting(item["message_id"], where, known["name"] if known else "", item["ts"], text)

    async def _seal_anew(self, contact: Contact, waiting: list[dict[str, Any]], next_n: int) -> None:
        """Another client of the user took the number: renumber queued messages after its last one. If the server lies
        about that one, people see a gap or a fork; it is not stored as the user's own until the server accepted a
        message after it. A queued message that the server shows was sent: only its response was wrong."""
        first = waiting[0]["n"]
        rows = await self._own_rows(contact, min(first, next_n - 1))
        for item in waiting:
            if item["n"] in rows and rows[item["n"]].hash == item["hash"]:
                self._note_sent(item)
        last = self._find_last(contact, first, next_n, rows)
        with self._state.change() as values:
            rest = list[dict[str, Any]]()
            ids = {item["message_id"] for item in waiting}
            for item in values["outbox"]:
                if item["message_id"] in ids:
                    item = self._seal_again(values, contact, last, item)
                    last = (item["n"], item["hash"])
                rest.append(item)
            values["outbox"] = rest

    def _seal_again(self, values: dict[str, Any], contact: Contact, last: Link, item: dict[str, Any]) -> dict[str, Any]:
        text = self._open_own(contact.ik, item)
        return self._seal(values, contact, last, text, item["ts"], item["message_id"])

    def _open_own(self, ik: bytes, item: dict[str, Any]) -> str:
        mine_first = crypto.in_order(self._keys.fp, crypto.fingerprint(ik))[0] == self._keys.fp
        sealed = item["content_for_a"] if mine_first else item["content_for_b"]
        claimed = {name: item[name] for name in CLAIMED}
        return crypto.open_message(self._keys, self._keys.ik, ik, sealed, **claimed).text

    def _find_last(self, contact: Contact, first: int, next_n: int, rows: dict[int, Row]) -> Link:
        """The message before `next_n`: the last known one, or a higher row of one's own, which must be verified here if
        it is far ahead. `first`: the number of the first queued message. Raises ClientError if there is none,
        crypto.Alarm if the server shows less than before."""
        known = self._last(self._state.values, contact)
        if next_n == known[0] + 1 or first <= known[0]:  # learned meanwhile
            return known
        is_taken_back = next_n <= known[0]
        if is_taken_back:
            self._refuse_taken_back(contact, known, rows)
        row = rows.get(next_n - 1)
        if next_n > 1 and (row is None or next_n > LARGEST_NEXT):
            raise ClientError(NOT_SHOWN)
        is_opened = row is not None and open_row(row, self._keys, contact.ik, self._me).is_verified
        if next_n > known[0] + MOST_AHEAD and not is_opened:
            raise ClientError(TOO_FAR)
        last = (row.n, row.hash) if row is not None else (0, "")
        if is_taken_back:
            self._take_back(contact.conversation_id, last, is_opened)
        return last

    def _refuse_taken_back(self, contact: Contact, known: Link, rows: dict[int, Row]) -> None:
        """The server gave the next message a number below the last one: raise an alarm, unless the user accepted it.
        Raises BadAnswer if the server still shows that last message."""
        if known[0] in rows and rows[known[0]].hash == known[1]:
            raise BadAnswer("The server gave your next message a number that is already used.")
        where, name = contact.conversation_id, f"rollback {known[1]}"
        if self._alarms.is_new(where, name):
            self._alarms.begin(where, name, ROLLED_BACK)
            raise crypto.Alarm(ROLLED_BACK)

    def _take_back(self, where: str, last: Link, is_opened: bool) -> None:
        """Replace the last message after an accepted rollback. Only a decrypted one is stored in the vault."""
        with self._state.change() as values:
            values["places"].setdefault(where, {})["sent"] = list(last)
            values["contacts"][where]["own"] = list(last) if is_opened else None
            values["vault"]["dirty"] = True

    @property
    def _me(self) -> str:
        return str(self._state.values["user_id"])

    async def _own_rows(self, contact: Contact, first: int) -> dict[int, Row]:
        """The user's own rows from the number `first` on. Raises ClientError if the server sends endless other rows."""
        where, found, before = contact.conversation_id, dict[int, Row](), dict[str, int]()
        for _ in range(MOST_PAGES):
            rows = await self._page(where, **before)
            own = [row for row in rows if row.sender_id == self._me and not row.is_malformed]
            found |= {row.n: row for row in own if row.n >= first}
            if len(rows) < PAGE or any(row.n < first for row in own):
                return found
            before = {"before": rows[0].seq}
        raise ClientError(NOT_SHOWN)

    async def _page(self, where: str, **before: int) -> list[Row]:
        answer = await self._transport.get(f"/messages/{where}", largest=LARGEST_LIST, limit=PAGE, **before)
        return read_page(answer, limit=PAGE, **before)
