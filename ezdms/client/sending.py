"""Sending: a message is sealed and on the disk before it leaves, and goes from there when the server has it.

So it is neither lost nor sent twice, wherever the process is killed: the server never stores an id twice, and answers a
repeat as the first time. It waits sealed; should its number be taken by another client of the same person, it is opened
again with one's own key and sealed anew under the same id.
"""

from __future__ import annotations

from typing import Any

from ezdms import crypto
from ezdms.client.answers import Row, read_page, read_sent
from ezdms.client.contacts import Contact
from ezdms.client.errors import BadAnswer, ClientError, ServerError
from ezdms.client.state import State
from ezdms.client.transport import LARGEST_LIST, Transport
from ezdms.encoding import b64u_decode

SENT = ("conversation_id", "message_id", "n", "hash", "suite", "content_for_a", "content_for_b")

CLAIMED = ("message_id", "n", "hash", "suite")
LATER = ("counter", "not_accepted")  # codes after which the server may take it another time
LARGEST_NEXT = 2**52  # no row above it is followed
MOST_ANEW = 100  # times that other clients may get ahead of one message
PAGE = 200  # messages

Link = tuple[int, str]  # n and hash


class Outbox:
    """What waits to be sent, of one account."""

    def __init__(self, state: State, transport: Transport, keys: crypto.Keys) -> None:
        self._state = state
        self._transport = transport
        self._keys = keys

    def add(self, contact: Contact, text: str, ts: int) -> str:
        """Seal as the next message and keep it; returns its id. Raises ClientError for somebody who has left."""
        if contact.has_left or not contact.spki:
            raise ClientError("This person has left. Nothing more can be sent to them.")
        with self._state.change() as values:
            waiting = [item for item in values["outbox"] if item["conversation_id"] == contact.conversation_id]
            last = (waiting[-1]["n"], waiting[-1]["hash"]) if waiting else self._last(values, contact)
            item = self._seal(values, contact, last, text, ts)
            values["outbox"].append(item)
        return str(item["message_id"])

    def _seal(
        self, values: dict[str, Any], contact: Contact, last: Link, text: str, ts: int, message_id: str | None = None
    ) -> dict[str, Any]:
        where = contact.conversation_id
        n, p = crypto.next_link(last)
        heard = values["places"].get(where, {}).get("heard") or [0, ""]
        theirs = values["contacts"].get(where, {}).get("theirs") or [0, ""]
        a = max(heard, theirs, key=lambda link: link[0])
        sealed = crypto.seal_message(
            self._keys,
            contact.ik,
            contact.spki,
            n=n,
            p=p,
            a=(a[0], a[1]),
            ts=ts,
            text=text,
            message_id=None if message_id is None else b64u_decode(message_id, 16),
        )
        return {name: getattr(sealed, name, where) for name in SENT} | {"ts": ts}

    def _last(self, values: dict[str, Any], contact: Contact) -> Link:
        """One's own last message: what this client sent or verified, or another one noted in the vault."""
        known = values["contacts"].get(contact.conversation_id, {}).get("own") or [0, ""]
        sent = values["places"].get(contact.conversation_id, {}).get("sent") or [0, ""]
        n, hash = max(known, sent, key=lambda link: link[0])
        return n, hash

    async def flush(self, contact: Contact) -> None:
        """Send what waits for this contact, in order. Raises ServerError or Unreachable; what is left waits on."""
        where = contact.conversation_id
        next_n = 0
        for _ in range(MOST_ANEW):
            waiting = [item for item in self._state.values["outbox"] if item["conversation_id"] == where]
            try:
                for item in waiting:
                    await self._hand_over(item)
            except ServerError as error:
                if 400 <= error.status < 500 and error.status not in (401, 408, 429) and error.code not in LATER:
                    self._discard(waiting)  # the server will never take it
                if error.code != "counter" or error.next_n <= next_n:
                    raise
                next_n = error.next_n  # another client got ahead, again
                await self._seal_anew(contact, waiting, next_n)
            else:
                return
        raise BadAnswer("The server names another number for each message, again and again.")

    async def _hand_over(self, item: dict[str, Any]) -> None:
        sent = read_sent(await self._transport.post("/send_message", {name: item[name] for name in SENT}, again=True))
        if sent.message_id != item["message_id"]:
            raise BadAnswer("The server acknowledged another message than the one that was sent.")
        self._note_sent(item)

    def _note_sent(self, item: dict[str, Any]) -> None:
        with self._state.change() as values:
            values["outbox"] = [one for one in values["outbox"] if one["message_id"] != item["message_id"]]
            place = values["places"].setdefault(item["conversation_id"], {})
            if item["n"] > (place.get("sent") or [0])[0]:
                place["sent"] = [item["n"], item["hash"]]

    def _discard(self, items: list[dict[str, Any]]) -> None:
        ids = {item["message_id"] for item in items}
        with self._state.change() as values:
            values["outbox"] = [item for item in values["outbox"] if item["message_id"] not in ids]

    async def _seal_anew(self, contact: Contact, waiting: list[dict[str, Any]], next_n: int) -> None:
        """Another client of mine took the number: what waits follows its last message. What the server says of that one
        makes a gap or a fork that people see if it is a lie, and is not kept as mine before the server took mine. What
        it shows of what waits was sent: only the answer was not the true one."""
        rows = await self._own_rows(contact, waiting[0]["n"])
        for item in waiting:
            if rows.get(item["n"]) == item["hash"]:
                self._note_sent(item)
        last = self._find_last(contact, next_n, rows)
        with self._state.change() as values:
            rest = list[dict[str, Any]]()
            ids = {item["message_id"] for item in waiting}
            for item in values["outbox"]:
                if item["message_id"] in ids:
                    text = self._open_own(contact, item)
                    item = self._seal(values, contact, last, text, item["ts"], item["message_id"])
                    last = (item["n"], item["hash"])
                rest.append(item)
            values["outbox"] = rest

    def _open_own(self, contact: Contact, item: dict[str, Any]) -> str:
        mine_first = crypto.in_order(self._keys.fp, crypto.fingerprint(contact.ik))[0] == self._keys.fp
        sealed = item["content_for_a"] if mine_first else item["content_for_b"]
        claimed = {name: item[name] for name in CLAIMED}
        return crypto.open_message(self._keys, self._keys.ik, contact.ik, sealed, **claimed).text

    def _find_last(self, contact: Contact, next_n: int, rows: dict[int, str]) -> Link:
        """The message before `next_n`: the last one that is known, or a higher row of mine, whatever is left of it.
        Raises ClientError if there is none below 2^52."""
        known = self._last(self._state.values, contact)
        if next_n <= known[0] + 1:  # learned meanwhile
            return known
        if next_n > LARGEST_NEXT or next_n - 1 not in rows:
            raise ClientError("The server speaks of a message of yours that it does not show.")
        return next_n - 1, rows[next_n - 1]

    async def _own_rows(self, contact: Contact, first: int) -> dict[int, str]:
        """The hashes of my rows from the number `first` on, as the server shows them."""
        where, found, before = contact.conversation_id, dict[int, str](), dict[str, int]()
        while rows := await self._page(where, **before):
            own = [row for row in rows if row.sender_id == self._state.values["user_id"] and not row.is_malformed]
            found |= {row.n: row.hash for row in own if row.n >= first}
            if any(row.n < first for row in own):
                break
            before = {"before": rows[0].seq}
        return found

    async def _page(self, where: str, **before: int) -> list[Row]:
        answer = await self._transport.get(f"/messages/{where}", largest=LARGEST_LIST, limit=PAGE, **before)
        return read_page(answer, limit=PAGE, **before)
