"""Sending: a message is encrypted and written to disk before it is sent, and removed once the server has it.

So it is neither lost nor sent twice, even if the process is killed: the server never stores an id twice, and answers a
repeated request like the first. It stays queued (queue.py) until the server has it or the user discards it, whatever
the server says.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from ezdms import crypto
from ezdms.client import carrying
from ezdms.client.account import now
from ezdms.client.alarms import ROLLED_BACK, Alarms
from ezdms.client.answers import Row, knows_changes, read_page, read_sent
from ezdms.client.changes import is_stale
from ezdms.client.contacts import Contact
from ezdms.client.drafts import BESIDE, SENT, Item, Target, open_own
from ezdms.client.errors import BadAnswer, ClientError, ServerError
from ezdms.client.judging import Link
from ezdms.client.queue import Queue
from ezdms.client.receiving import open_row
from ezdms.client.state import State
from ezdms.client.transport import LARGEST_LIST, Transport

LARGEST_NEXT = 2**52  # rows above this number are ignored
MOST_AHEAD = 1000  # numbers above the last one; servers accept no more, and unverified ones are not trusted further
MOST_ANEW = 100  # times that other clients may take one message's number
PAGE = 200  # messages
MOST_PAGES = 100  # of a conversation, when searching for the last number used
NOT_SHOWN = "The server refers to one of your messages that it does not show."
TOO_FAR = "The server gave your next message an impossible number. Read the conversation first."
STALE = (
    "A message that disappears was written more than an hour ago, and may have been sent. Send it as a new message, or "
    "discard it."
)
OLD_SERVER = (
    "This server is too old to edit or delete messages, or to let them disappear. Nothing was sent. Ask the person who "
    "runs it to update EZ-DMS."
)
NEWER = ("expires_in", "replaces", "timer")  # in what older servers would store without doing it


class OldServer(ClientError):
    """The server does not know this kind of message. It stays queued."""


Earlier = Callable[[str, Target], Awaitable[list[str]]]  # the known changes of a message in a conversation


class Outbox(Queue):
    """Sends the queued messages of one account."""

    def __init__(
        self,
        state: State,
        transport: Transport,
        keys: crypto.Keys,
        alarms: Alarms,
        hearing: dict[str, Link],
        earlier: Earlier,
    ) -> None:
        """`hearing`: as in Queue. `earlier`: finds the hashes of the changes of a message on the server."""
        super().__init__(state, keys, hearing)
        self.unaccepted: set[str] = set()  # conversations whose messages wait until the other person accepts them
        self._transport = transport
        self._alarms = alarms
        self._earlier = earlier
        self._knows_changes = False  # the server said so

    async def flush(self, contact: Contact) -> None:
        """Send the messages queued for this contact, in order. Raises ServerError, Unreachable, or crypto.Alarm if the
        server rolled back the user's last message; the rest stays queued."""
        next_n = 0
        for _ in range(MOST_ANEW):
            waiting = self._items(contact.conversation_id)
            try:
                for item in waiting:
                    if is_stale(item.get("expires_in", 0), item["ts"], now()):
                        self._refresh(contact, item)
                        break
                    await self._hand_over(item)
                else:
                    self.unaccepted.discard(contact.conversation_id)
                    return
            except ServerError as error:
                if error.code == "not_accepted":
                    self.unaccepted.add(contact.conversation_id)
                if error.code == "no_file" and "upload" in item:
                    await self._begin_again(contact, item)
                    continue
                if error.code != "counter" or error.next_n <= next_n:
                    raise
                next_n = error.next_n  # another client got ahead, again
                await self._seal_anew(contact, waiting, next_n)
        raise BadAnswer("The server keeps asking for a different message number.")

    def _refresh(self, contact: Contact, item: Item) -> None:
        """A message that disappears was written long ago: give it the time of now, unless it may have been sent. Raises
        ClientError then: the user decides."""
        if item.get("is_tried"):
            raise ClientError(STALE)
        self._write_now(item["message_id"], contact, keeps_id=True)

    async def _begin_again(self, contact: Contact, item: Item) -> None:
        """The server does not have the upload any more: begin another one, of the same sealed bytes."""
        size = self._state.uploads.size(item["upload"])
        file_id = await carrying.begin(self._transport, contact.conversation_id, size)
        self.move_file(item["message_id"], contact, file_id)

    async def _hand_over(self, item: Item) -> None:
        if "upload" in item:
            await carrying.upload(self._transport, self._state.uploads, item["file"], item["upload"])
        if not self._knows_changes and any(name in item for name in NEWER):
            if not knows_changes(await self._transport.get("/deployment")):
                raise OldServer(OLD_SERVER)
            self._knows_changes = True
        if "expires_in" in item and not item.get("is_tried"):
            with self._state.change() as values:
                for one in values["outbox"]:
                    if one["message_id"] == item["message_id"]:
                        one["is_tried"] = True
        fields = {name: item[name] for name in (*SENT, *BESIDE) if name in item}
        sent = read_sent(await self._transport.post("/send_message", fields, again=True))
        if sent.message_id != item["message_id"]:
            raise BadAnswer("The server confirmed a different message than the one sent.")
        self._note_sent(item, sent.seq)

    def _note_sent(self, item: Item, seq: int) -> None:
        with self._state.change() as values:
            values["outbox"] = [one for one in values["outbox"] if one["message_id"] != item["message_id"]]
            place = values["places"].setdefault(item["conversation_id"], {})
            if item["n"] > (place.get("sent") or [0])[0]:
                place["sent"] = [item["n"], item["hash"]]
            if "timer" in item and seq > place.get("timer", [0])[0]:
                place["timer"] = [seq, item["timer"]]
        if "upload" in item:
            self._state.uploads.remove(item["upload"])

    async def _seal_anew(self, contact: Contact, waiting: list[dict[str, Any]], next_n: int) -> None:
        """Another client of the user took the number: renumber queued messages after its last one. If the server lies
        about that one, people see a gap or a fork; it is not stored as the user's own until the server accepted a
        message after it. A queued message that the server shows was sent: only its response was wrong."""
        first = waiting[0]["n"]
        rows = await self._own_rows(contact, min(first, next_n - 1))
        for item in waiting:
            if item["n"] in rows and rows[item["n"]].hash == item["hash"]:
                self._note_sent(item, rows[item["n"]].seq)
        last = self._find_last(contact, first, next_n, rows)
        ids = {item["message_id"] for item in waiting}
        earlier = {}
        for item in waiting:
            target = open_own(self._keys, contact.ik, item).target if "replaces" in item else None
            if target is not None:  # the other client may have changed it, too
                earlier[target[0]] = await self._earlier(contact.conversation_id, target)
        with self._state.change() as values:
            self._seal_from(values, contact, last, ids, earlier=earlier)

    def _find_last(self, contact: Contact, first: int, next_n: int, rows: dict[int, Row]) -> Link:
        """The message before `next_n`: the last known one, or a higher row of one's own, which must be verified here if
        it is far ahead. `first`: the number of the first queued message. Raises ClientError if there is none,
        crypto.Alarm if the server shows less than before."""
        known = self._last(self._state.values, contact)
        if next_n == known[0] + 1 or (first <= known[0] and next_n <= known[0]):  # learned meanwhile
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
