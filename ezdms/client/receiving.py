"""Receiving (docs/protocol.md): what a row of the server is, once it was opened, verified and put into its chain."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from ezdms import crypto
from ezdms.client.answers import Row

Place = Literal["ok", "gap", "late"]
TAMPERED = "This conversation was tampered with: a message does not follow the ones before it."
FORGED = "A message carries a false signature: somebody tried to write in another's name."


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it may be shown.

    `text` is None when it is not to be read, and `failure` then says why: "gone" (deleted or expired), "unverified"
    (damaged, forged, or from elsewhere), "unsupported" (made by a newer version). `place` is "gap" if messages are
    missing before it, "late" if it was written before some that came earlier. `alarm` is a sentence if the message
    is one: nothing can be sent in its conversation before `Client.go_on`. Times are milliseconds since 1970, UTC.
    """

    conversation_id: str
    contact: str
    message_id: str
    seq: int
    is_own: bool
    created_at: int
    text: str | None = field(repr=False)
    failure: str = ""
    place: Place = "ok"
    alarm: str = ""


@dataclass(slots=True)
class Chains:
    """Both sides of one conversation, as far as they were followed."""

    own: crypto.Chain
    theirs: crypto.Chain

    @classmethod
    def begin(cls, contact: dict[str, Any]) -> Chains:
        """For reading a page: what was seen on another day still counts."""
        return cls(*(crypto.Chain(_pair(contact[side])) for side in ("own", "theirs")))

    @classmethod
    def resume(cls, contact: dict[str, Any], place: dict[str, Any]) -> Chains:
        """For what is new: from the last message of each side that this client has handed on."""
        sides = ("own", "theirs")
        return cls(*(crypto.Chain.resume(_pair(place.get(side)), _pair(contact[side])) for side in sides))

    def sides(self) -> list[tuple[str, crypto.Chain]]:
        """Each side with its name."""
        return [("own", self.own), ("theirs", self.theirs)]


def _pair(stored: list[Any] | None) -> tuple[int, str] | None:
    return None if stored is None else (int(stored[0]), str(stored[1]))


@dataclass(frozen=True, slots=True)
class Judged:
    """`message` is None for one that was handed over before. Only if `is_verified` does anything follow from it."""

    message: Message | None
    is_verified: bool = False


def judge(
    row: Row, *, keys: crypto.Keys, ik: bytes, contact: dict[str, Any], chains: Chains, me: str, where: str
) -> Judged:
    """What the row is. `ik` is the partner's pinned key, `me` an id."""
    is_own = row.sender_id == me
    chain = chains.own if is_own else chains.theirs
    seen: dict[str, Any] = {
        "conversation_id": where,
        "contact": contact["name"],
        "message_id": row.message_id,
        "seq": row.seq,
        "is_own": is_own,
        "created_at": row.created_at,
        "text": None,
    }
    text, failure, link = None, "", None
    try:
        if row.is_malformed:
            return Judged(Message(**seen, failure="unverified"))
        if row.encrypted is None:
            failure = "gone"
        else:
            sender, recipient = (keys.ik, ik) if is_own else (ik, keys.ik)
            claimed: dict[str, Any] = {name: getattr(row, name) for name in ("message_id", "n", "hash", "suite")}
            opened = crypto.open_message(keys, sender, recipient, row.encrypted, **claimed)
            link = opened.p
            text, failure = (opened.text, "") if opened.kind == "text" else (None, "unsupported")
    except crypto.Unsupported as error:
        failure, link = "unsupported", error.p
    except crypto.Forged:
        name = f"forged {row.message_id}"
        return Judged(Message(**seen, failure="unverified", alarm="" if name in contact["accepted"] else FORGED))
    except crypto.Refused:
        return Judged(Message(**seen, failure="unverified"))
    verdict = chain.follow(n=row.n, hash=row.hash, p=link)
    if verdict == "duplicate":
        return Judged(None)
    if verdict == "fork":
        name = f"fork {row.hash}"
        return Judged(Message(**seen, failure="unverified", alarm="" if name in contact["accepted"] else TAMPERED))
    return Judged(Message(**seen | {"text": text}, failure=failure, place=verdict), is_verified=link is not None)


def alarm_name(message: Message, row: Row) -> str:
    """What is accepted when a person goes on after this alarm, here and in the vault."""
    return f"fork {row.hash}" if message.alarm == TAMPERED else f"forged {row.message_id}"
