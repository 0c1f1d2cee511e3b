"""The queue of messages that the server does not have yet, in the account's file, encrypted.

If another client of the same user takes a message's number, or an earlier one is discarded, it is decrypted with one's
own key and encrypted again, under the same id. It stays queued until the server has it or the user discards it.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

from ezdms import crypto
from ezdms.client.account import now
from ezdms.client.changes import is_stale
from ezdms.client.contacts import Contact
from ezdms.client.drafts import Draft, Item, highest, is_about, open_own, seal, with_file_id
from ezdms.client.errors import ClientError
from ezdms.client.judging import Link
from ezdms.client.message import SharedFile
from ezdms.client.state import State
from ezdms.client.waiting import Waiting
from ezdms.protocol.encoding import b64u_decode

LEFT = "This person deleted their account. You can no longer message them."


class Queue:
    """The queued messages of one account."""

    def __init__(self, state: State, keys: crypto.Keys, hearing: dict[str, Link]) -> None:
        """`hearing`: by conversation, the message that is being delivered, which a message sent now has seen."""
        self._state = state
        self._keys = keys
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
            if "upload" in gone:
                self._state.uploads.remove(gone["upload"])
            if contact is None or not contact.spki:
                return
            queued = self._of(values, contact)
            later = {item["message_id"] for item in queued if item["n"] > gone["n"]}
            last = self._last_of(values, contact, [item for item in queued if item["n"] < gone["n"]])
            self._seal_from(values, contact, last, later, gone=gone["hash"])

    def renew(self, message_id: str, contact: Contact) -> None:
        """Turn a queued message into a new one, written now: it may have been sent already."""
        self._write_now(message_id, contact, keeps_id=False)

    def move_file(self, message_id: str, contact: Contact, file_id: str) -> None:
        """Seal a queued file, and what comes after it, with another id of its upload."""
        self._write_now(message_id, contact, keeps_id=True, file_id=file_id)

    def _write_now(self, message_id: str, contact: Contact, *, keeps_id: bool, file_id: str = "") -> None:
        """Seal a queued message, and those after it, with the time of now; or only with another file id."""
        with self._state.change() as values:
            items = self._of(values, contact)
            at = next((i for i, item in enumerate(items) if item["message_id"] == message_id), None)
            if at is not None:
                last, ids = self._last_of(values, contact, items[:at]), {item["message_id"] for item in items[at:]}
                self._seal_from(values, contact, last, ids, anew=message_id, keeps_id=keeps_id, file_id=file_id)

    def add(
        self, contact: Contact, draft: Draft, *, earlier: list[str] | None = None, answered: str | None = None
    ) -> str:
        """Encrypt the next message and queue it, noting which message it answers. Returns its id. Raises ClientError
        for a deleted account. `earlier`: for an edit or a deletion, the hashes of the known changes of its target."""
        if contact.has_left or not contact.spki:
            raise ClientError(LEFT)
        with self._state.change() as values:
            place = values["places"].setdefault(contact.conversation_id, {})
            place["heard"] = list(highest(place.get("heard"), self._hearing.get(contact.conversation_id)))
            waiting = self._of(values, contact)
            last = self._last_of(values, contact, waiting)
            changes = [*(earlier or []), *self._queued_changes(waiting, draft)]
            item = seal(self._keys, values, contact, last, draft, earlier=list(dict.fromkeys(changes)))
            values["outbox"].append(item)
            if answered is not None:  # in the same write, so that no crash comes between the two
                given = self.answers(contact.conversation_id, answered)
                place["answered"] = [answered, [*given, item["message_id"]]]
        return str(item["message_id"])

    def answers(self, where: str, message_id: str) -> list[str]:
        """The ids of the answers given to this message, if it was the last one answered in its conversation."""
        last, ids = self._state.place(where).get("answered", ["", []])
        return list(ids) if last == message_id else []

    def timer(self, where: str) -> int | None:
        """The seconds of the last queued timer; None if none is queued."""
        timers = [item["timer"] for item in self._items(where) if "timer" in item]
        return int(timers[-1]) if timers else None

    def _of(self, values: dict[str, Any], contact: Contact) -> list[Item]:
        return [item for item in values["outbox"] if item["conversation_id"] == contact.conversation_id]

    def _queued_changes(self, before: list[Item], draft: Draft) -> list[str]:
        """The hashes of queued changes of the same message."""
        target = draft.target
        return [] if target is None else [item["hash"] for item in before if is_about(item, target)]

    def _seal_from(
        self,
        values: dict[str, Any],
        contact: Contact,
        last: Link,
        ids: set[str],
        *,
        earlier: dict[str, list[str]] | None = None,
        gone: str = "",
        anew: str = "",
        keeps_id: bool = True,
        file_id: str = "",
    ) -> None:
        """Seal the queued messages with these ids again, one after the other, after `last`. `earlier`: by target, the
        known changes; otherwise those noted. `gone`: the hash of a discarded message. `anew`: gets the time of now, and
        a new id unless `keeps_id`; or, with `file_id`, only that in its content."""
        where, known, done = contact.conversation_id, dict[str, str](), list[Item]()
        for index, item in enumerate(values["outbox"]):
            if item["conversation_id"] != where:
                continue
            if item["message_id"] in ids:
                draft, id = open_own(self._keys, contact.ik, item), item["message_id"]
                if id == anew and file_id:
                    draft = replace(draft, text=with_file_id(draft.text, file_id))
                elif id == anew:
                    draft, id = replace(draft, ts=now()), id if keeps_id else None
                noted = item.get("earlier", []) if earlier is None else earlier.get(item.get("replaces", ""), [])
                changes = [known.get(hash, hash) for hash in noted if hash != gone]
                changes += self._queued_changes(done, draft)
                changes = list(dict.fromkeys(changes))
                new = seal(self._keys, values, contact, last, draft, message_id=id, earlier=changes)
                if item.get("is_tried") and item["message_id"] != anew:
                    new["is_tried"] = True
                known[item["hash"]] = new["hash"]
                values["outbox"][index] = item = new
                last = (item["n"], item["hash"])
            done.append(item)

    def _last_of(self, values: dict[str, Any], contact: Contact, queued: list[Item]) -> Link:
        """The last of these queued messages; without any, the user's own last message."""
        return (queued[-1]["n"], queued[-1]["hash"]) if queued else self._last(values, contact)

    def _last(self, values: dict[str, Any], contact: Contact) -> Link:
        """The user's own last message: sent or verified by this client, or noted in the vault by another."""
        known = values["contacts"].get(contact.conversation_id, {}).get("own")
        sent = values["places"].get(contact.conversation_id, {}).get("sent")
        return highest(known, sent)

    def _items(self, where: str) -> list[dict[str, Any]]:
        return [item for item in self._state.values.get("outbox", []) if item["conversation_id"] == where]

    def _show(self, item: dict[str, Any]) -> Waiting:
        where, draft = item["conversation_id"], None
        known = self._state.values["contacts"].get(where)
        if known is not None:
            with suppress(crypto.Refused):
                draft = open_own(self._keys, b64u_decode(known["ik"], 32), item)
        return Waiting(
            item["message_id"],
            where,
            known["name"] if known else "",
            item["ts"],
            None if draft is None else SharedFile.of(draft.text).name if draft.kind == "file" else draft.text,
            kind="" if draft is None else draft.kind,
            is_stale=bool(item.get("is_tried")) and is_stale(item.get("expires_in", 0), item["ts"], now()),
        )
