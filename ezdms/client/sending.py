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
PAGE = 200  # messages


class Outbox:
    """What waits to be sent, of one account."""

    def __init__(self, state: State, transport: Transport, keys: crypto.Keys) -> None:
        self._state = state
        self._transport = transport
        self._keys = keys

    def add(self, contact: Contact, text: str, ts: int, message_id: str | None = None) -> str:
        """Seal as the next message and keep it; returns its id. Raises ClientError for somebody who has left."""
        if contact.has_left or not contact.spki:
            raise ClientError("This person has left. Nothing more can be sent to them.")
        where = contact.conversation_id
        with self._state.change() as values:
            waiting = [item for item in values["outbox"] if item["conversation_id"] == where]
            last = self._last(values, where)
            if waiting:
                last = [waiting[-1]["n"], waiting[-1]["hash"]]
            heard = values["places"].get(where, {}).get("heard") or [0, ""]
            sealed = crypto.seal_message(
                self._keys,
                contact.ik,
                contact.spki,
                n=last[0] + 1,
                p=last[1],
                a=(heard[0], heard[1]),
                ts=ts,
                text=text,
                message_id=None if message_id is None else b64u_decode(message_id, 16),
            )
            item = {name: getattr(sealed, name, where) for name in SENT} | {"ts": ts}
            values["outbox"].append(item)
        return sealed.message_id

    def _last(self, values: dict[str, Any], where: str) -> list[Any]:
        """[n, hash] of one's own last message: what this client sent or saw, or another one noted in the vault."""
        known = values["contacts"].get(where, {}).get("own") or [0, ""]
        sent = values["places"].get(where, {}).get("sent") or [0, ""]
        return list(max(known, sent, key=lambda link: link[0]))

    async def flush(self, contact: Contact) -> None:
        """Send what waits for this contact, in order. Raises ServerError or Unreachable; what is left waits on."""
        where = contact.conversation_id
        next_n = 0
        while True:
            waiting = [item for item in self._state.values["outbox"] if item["conversation_id"] == where]
            try:
                for item in waiting:
                    await self._hand_over(item)
            except ServerError as error:
                if 400 <= error.status < 500 and error.status not in (401, 408, 429) and error.code != "counter":
                    self._discard(waiting)  # the server will never take it
                if error.code != "counter" or error.next_n <= next_n:
                    raise
                next_n = error.next_n  # another client got ahead, again
                await self._seal_anew(contact, waiting, next_n)
            else:
                return

    async def _hand_over(self, item: dict[str, Any]) -> None:
        sent = read_sent(await self._transport.post("/send_message", {name: item[name] for name in SENT}, again=True))
        if sent.message_id != item["message_id"]:
            raise BadAnswer("The server acknowledged another message than the one that was sent.")
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
        """Another client of mine took the number: learn its last message, and let what waits follow that one."""
        where = contact.conversation_id
        last = await self._find_last(contact, next_n)
        texts = {item["message_id"]: self._open_own(contact, item) for item in waiting}
        self._discard(waiting)
        with self._state.change() as values:
            values["places"].setdefault(where, {})["sent"] = last
        for item in waiting:
            if item["message_id"] in texts:
                self.add(contact, texts[item["message_id"]], item["ts"], item["message_id"])

    def _open_own(self, contact: Contact, item: dict[str, Any]) -> str:
        mine_first = crypto.in_order(self._keys.fp, crypto.fingerprint(contact.ik))[0] == self._keys.fp
        sealed = item["content_for_a"] if mine_first else item["content_for_b"]
        claimed = {name: item[name] for name in ("message_id", "n", "hash", "suite")}
        return crypto.open_message(self._keys, self._keys.ik, contact.ik, sealed, **claimed).text

    async def _find_last(self, contact: Contact, next_n: int) -> list[Any]:
        """[n, hash] of the message before `next_n`, as the rows say; what can be opened must be signed by me."""
        where, before = contact.conversation_id, dict[str, int]()
        while rows := await self._page(where, **before):
            for row in reversed(rows):
                if row.sender_id == self._state.values["user_id"] and row.n + 1 == next_n:
                    if row.encrypted is not None:
                        claimed: dict[str, Any] = {name: getattr(row, name) for name in CLAIMED}
                        crypto.open_message(self._keys, self._keys.ik, contact.ik, row.encrypted, **claimed)
                    return [row.n, row.hash]
            before = {"before": rows[0].seq}
        raise ClientError("The server speaks of a message of yours that it does not show.")

    async def _page(self, where: str, **before: int) -> list[Row]:
        answer = await self._transport.get(f"/messages/{where}", largest=LARGEST_LIST, limit=PAGE, **before)
        return read_page(answer, limit=PAGE, **before)
