"""What is going to be sent: drafts, and how they are sealed for the queue and opened again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ezdms import crypto
from ezdms.client.changes import target_of
from ezdms.client.contacts import Contact
from ezdms.client.judging import Link
from ezdms.protocol.encoding import b64u_decode

SENT = ("conversation_id", "message_id", "n", "hash", "suite", "content_for_a", "content_for_b")
BESIDE = ("expires_in", "replaces", "file")  # only if they say something
CLAIMED = ("message_id", "n", "hash", "suite")

Item = dict[str, Any]  # a queued message, as in the state
Target = tuple[str, str]  # id and hash


@dataclass(frozen=True, slots=True)
class Draft:
    """A message to be sent. `kind`, `text`, `reference` and `x` are those of its body; `ts` is when it was written
    (ms). `upload`: of a file, the name of its sealed bytes (sealed_files.py)."""

    text: str = field(repr=False)
    ts: int
    kind: str = "text"
    reference: Target | None = None
    x: int = 0
    upload: str = ""

    @property
    def target(self) -> Target | None:
        """The message that an edit or a deletion is about."""
        return target_of(self) if self.kind in crypto.CHANGES else None


def highest(*links: Sequence[Any] | None) -> Link:
    """The link with the highest n; (0, "") if there is none. The first of equal ones."""
    n, hash = max((link or (0, "") for link in links), key=lambda link: int(link[0]))
    return n, hash


def seal(
    keys: crypto.Keys,
    values: dict[str, Any],
    contact: Contact,
    last: Link,
    draft: Draft,
    *,
    message_id: str | None = None,
    earlier: Sequence[str] = (),
) -> Item:
    """A queued message that follows `last`, one's own message before it. `earlier`: for an edit or a deletion, the
    hashes of earlier changes of its target. Raises crypto.Refused for what a receiver would refuse."""
    where = contact.conversation_id
    n, p = crypto.next_link(last)
    heard = values["places"].get(where, {}).get("heard")
    theirs = values["contacts"].get(where, {}).get("theirs")
    sealed = crypto.seal_message(
        keys,
        contact.ik,
        contact.spki,
        n=n,
        p=p,
        a=highest(heard, theirs),
        ts=draft.ts,
        text=draft.text,
        message_id=None if message_id is None else b64u_decode(message_id, 16),
        kind=draft.kind,
        reference=draft.reference,
        x=draft.x,
        e=None if draft.target is None else crypto.changes_hash(earlier),
    )
    item = {name: getattr(sealed, name, where) for name in SENT} | {"ts": draft.ts}
    if draft.x:
        item["expires_in"] = draft.x
    if draft.kind == "timer":
        item["timer"] = int(draft.text)
    if draft.kind == "file":
        item |= {"file": crypto.read_file(draft.text)["id"], "upload": draft.upload}
    if draft.target is not None:
        item |= {"replaces": draft.target[0], "earlier": [*earlier]}
    return item


def open_own(keys: crypto.Keys, ik: bytes, item: Item) -> Draft:
    """Open a queued message with one's own keys. `ik`: the contact's key. Raises crypto.Refused."""
    is_a = crypto.in_order(keys.fp, crypto.fingerprint(ik))[0] == keys.fp
    sealed = item["content_for_a"] if is_a else item["content_for_b"]
    message = crypto.open_message(keys, keys.ik, ik, sealed, **{name: item[name] for name in CLAIMED})
    return Draft(message.text, item["ts"], message.kind, message.reference, message.x, item.get("upload", ""))


def with_file_id(text: str, file_id: str) -> str:
    """The description of a file, with another id of its upload. Raises crypto.Refused."""
    read = crypto.read_file(text)
    return crypto.describe_file(
        id=file_id,
        key=b64u_decode(read["key"], 32),
        thumb=b64u_decode(read["thumb"]),
        **{name: read[name] for name in ("size", "hash", "name", "type", "w", "h")},
    )


def is_about(item: Item, target: Target) -> bool:
    """True for a queued edit or deletion of this message."""
    return item.get("replaces") == target[0]
